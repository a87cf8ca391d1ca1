"""How far an example moves when its code does: the path length of walks between codes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.queries.paths import codes_at

STEP = 1e-4
"""ε, how far apart on the way from code to code the two examples are."""


def path_lengths(
    features: Callable[[Tensor], Tensor], start: Tensor, end: Tensor, t: Tensor, path: str = "linear"
) -> Tensor:
    """Return how fast features change at a point on the way from one code to another, squared.

    `|φ(z(t + ε)) - φ(z(t))|² / ε²`, ε = 10⁻⁴, whose mean over pairs of codes and over t is the perceptual path length:
    small where walks pass no abrupt change. Features must be of unrounded examples: by ε a level changes by some
    hundredths at most, so that most of a rounded image would not move, and the rest by a whole level. Reference:
    Karras, Laine & Aila 2019, *A Style-Based Generator Architecture for Generative Adversarial Networks*, §4.1. They
    compare features that are scaled to length 1; here features are as the extractor gives them.

    Args:
        features: from codes `(N, Z)` to features φ of what they decode to, `(N, F)`.
        start: codes `(N, Z)`.
        end: as many.
        t: a point on each way, `(N,)`, between 0 and 1.
        path: "linear" or "spherical", see `triptych.queries.code_path`.

    Returns:
        `(N,)` float64, in squared units of the features, for ways of length 1.

    Raises:
        ConfigurationError: for another path.
        DataError: unless there are as many ends and points as starts, or for features that are not finite.

    Example:
        >>> a, b = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
        >>> round(path_lengths(lambda z: z, a, b, torch.tensor([0.5])).item(), 1)    # |b - a|²
        25.0
    """
    if not len(start) == len(end) == len(t):
        raise DataError(f"{len(start)} starts, {len(end)} ends and {len(t)} points: expected as many of each")
    points = t.double().unsqueeze(1) + torch.tensor([0.0, STEP]).double()
    codes = codes_at(start.double(), end.double(), points, path).to(start.dtype)
    here, there = (features(codes[:, k]).double() for k in (0, 1))
    squared = (there - here).square().flatten(1).sum(1) / STEP**2
    if not bool(torch.isfinite(squared).all()):
        raise DataError("the features of decoded codes are not finite")
    return squared
