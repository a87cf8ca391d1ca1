"""Two sets of points, real and made: how well they are told apart, how far apart they lie, how varied they are."""

from __future__ import annotations

import torch
from torch import Tensor


def advantage(real: Tensor, made: Tensor) -> float:
    """Return how probably a critic says more of a real example than of a made one (ties count half): its AUC.

    1 is a critic that tells all apart, 0.5 one that tells nothing, whatever the scale of its output. It is the
    statistic of Mann & Whitney 1947 over its largest value; see also Hanley & McNeil 1982.

    Args:
        real: `(N,)` of real examples.
        made: `(M,)` of made ones.

    Example:
        >>> advantage(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 2.0]))
        0.875
    """
    order = made.double().sort().values
    below = torch.searchsorted(order, real.double(), right=False)
    up_to = torch.searchsorted(order, real.double(), right=True)
    return float((below + up_to).double().mean() / (2 * len(made)))


def energy(real: Tensor, made: Tensor) -> float:
    """Return the normalised energy distance of two samples, 0 (one law) to 1 (points far apart).

    `H = (2 E|X - Y| - E|X - X'| - E|Y - Y'|) / 2 E|X - Y|`. Reference: Székely & Rizzo 2013, *Energy statistics*, §6;
    its expectation for two samples of one law is about the mean of 1/N and 1/M.

    Args:
        real: `(N, D)`.
        made: `(M, D)`.

    Example:
        >>> round(energy(torch.tensor([[0.0], [1.0]]), torch.tensor([[9.0], [10.0]])), 3)
        0.944
    """
    across = 2 * float(torch.cdist(real, made).mean())
    within = float(torch.cdist(real, real).mean()) + float(torch.cdist(made, made).mean())
    return max(0.0, (across - within) / across) if across > 0 else 0.0


def variety(real: Tensor, made: Tensor) -> float:
    """Return the mean distance between two made examples over that between two real ones, `E|Y - Y'| / E|X - X'|`.

    >>> variety(torch.tensor([[0.0], [2.0]]), torch.tensor([[5.0], [6.0]]))
    0.5
    """
    spread = _apart(real)
    return _apart(made) / spread if spread > 0 else 1.0


def _apart(points: Tensor) -> float:
    """Return the mean distance between two different points, 0 of a single one."""
    n = len(points)
    return float(torch.cdist(points, points).sum()) / (n * (n - 1)) if n > 1 else 0.0  # sooner done than pdist


def effective(shares: Tensor) -> float:
    """Return the number of classes that a histogram stands for, `exp H`: k if it is even over k of them (Hill 1973).

    >>> round(effective(torch.tensor([0.5, 0.5, 0.0])), 6)
    2.0
    """
    return float(torch.special.entr(shares.double()).sum().exp())
