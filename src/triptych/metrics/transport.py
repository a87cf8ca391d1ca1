"""Wasserstein distances between two sets of features: exactly where there are few, else by projections to lines."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.noise import Noise

PROJECTIONS = 512
"""Directions that a sliced distance averages over."""
MOST = 1000
"""Examples of each set that an exact distance is computed of: its time grows with their cube."""

_CHUNK = 1 << 22  # numbers held at a time
_ROUNDS = 200  # of paths: only on a line of 1,000 points some are longer, which moves the error by 1 %


class Distance(NamedTuple):
    """A distance between two sets, in the units of the features, and its standard error."""

    value: float
    error: float


def _check(a: Tensor, b: Tensor) -> None:
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(a.shape + b.shape) < 1:
        raise DataError(f"features {tuple(a.shape)} and {tuple(b.shape)}: expected (N, F), N ≥ 1, equal F")
    if not bool(torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise DataError("features that are not finite have no distance")


def sliced_wasserstein(a: Tensor, b: Tensor, *, projections: int = PROJECTIONS, seed: int = 0) -> Distance:
    """Return the sliced Wasserstein distance of order 2.

    `SW² = E_θ W²(θᵀa, θᵀb)`, θ uniform on the unit sphere, estimated by the mean over `projections` directions. On a
    line W² is the mean squared difference of quantiles: of the sorted numbers, where there are equally many. The
    distance of two draws of one law is not 0; it falls with N, so compare at equal N only.

    The squared error is the sum of two: of the directions (their variance over their number), and of the examples,
    `Var[ψ(x)] / N` of each set, ψ the Kantorovich potential, which is the influence of one example on SW² (averaged
    over the directions). Reference: Rabin, Peyré, Delon & Bernot 2011, *Wasserstein Barycenter and Its Application to
    Texture Mixing*, §2; for the error del Barrio & Loubes 2019, *Central Limit Theorems for Empirical Transportation
    Cost in General Dimension*, Theorem 4.1.

    Args:
        a: `(N, F)` features.
        b: `(M, F)` features.
        projections: L, how many directions.
        seed: of the directions; the same for all that is compared.

    Raises:
        DataError: for other shapes, no example, or features that are not finite.
        ConfigurationError: for projections < 1.

    Example:
        >>> x = torch.tensor([[0.0], [1.0], [5.0]])
        >>> round(sliced_wasserstein(x, x + 2).value, 6)    # on a line every direction sees the shift
        2.0
    """
    _check(a, b)
    if projections < 1:
        raise ConfigurationError(f"{projections} projections: expected at least 1")
    x, y = a.double(), b.double()
    directions = Noise.of(seed).normal((projections, a.shape[1])).double()
    directions /= directions.norm(dim=1, keepdim=True)
    squared, of_x, of_y = [], torch.zeros_like(x[:, 0]), torch.zeros_like(y[:, 0])
    for part in torch.split(directions, max(1, _CHUNK // (len(x) + len(y)))):
        found, potential, other = _on_lines((x @ part.T).T, (y @ part.T).T)
        squared.append(found)
        of_x += potential
        of_y += other
    along = torch.cat(squared)
    of_examples = _variance(of_x / projections) / len(x) + _variance(of_y / projections) / len(y)
    return _rooted(float(along.mean()), _variance(along) / projections + of_examples, a, b)


def _on_lines(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return W² of each row of `(L, N)` and `(L, M)`, and the potentials of both sides summed over the rows."""
    (x, of_x), (y, of_y) = x.sort(1), y.sort(1)
    n, m = x.shape[1], y.shape[1]
    # Where either quantile function jumps, times n m.
    steps = torch.unique(torch.cat([torch.arange(n) * m, torch.arange(m) * n]))
    widths = torch.diff(steps, append=torch.tensor([n * m])).double() / (n * m)
    squared = (x[:, steps // m] - y[:, steps // n]).square() @ widths
    return squared, _potential(x, y, of_x), _potential(y, x, of_y)


def _potential(x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    """Return `φ(x_i) = ∫ 2 (t - T(t)) dt` up to a constant, T the monotone map to y, summed over rows, unsorted."""
    n, m = x.shape[1], y.shape[1]
    level = torch.arange(1, n) * m  # of the gap between two neighbours, × n
    image = (y[:, (level - 1) // n] + y[:, level // n]) / 2
    rises = x[:, 1:].square() - x[:, :-1].square() - 2 * image * (x[:, 1:] - x[:, :-1])
    risen = torch.cat([torch.zeros_like(x[:, :1]), rises.cumsum(1)], 1)
    return torch.zeros_like(x).scatter(1, order, risen).sum(0)


def wasserstein(a: Tensor, b: Tensor) -> Distance:
    """Return the Wasserstein distance of order 2 between two sets, exactly.

    `W² = min_π Σ_ij π_ij |a_i - b_j|²` over couplings π of the two sets: the cheapest one-to-one assignment, of copies
    of the examples where there are not equally many. Its value for two draws of one law is far from 0 in many
    dimensions (of order `N^(-1/F)`), so compare at equal N only.

    The error is `√(Var[φ(a)] / N + Var[ψ(b)] / M)`, φ and ψ the dual potentials (the middle of the optimal ones, which
    are not unique). Reference: Villani 2003, *Topics in Optimal Transportation*, §1.1; for the error del Barrio &
    Loubes 2019, Theorem 4.1.

    Args:
        a: `(N, F)` features.
        b: `(M, F)` features; N = M at most 1,000, or a common multiple of both.

    Raises:
        DataError: for other shapes, no example, features that are not finite, or too many examples.

    Example:
        >>> round(wasserstein(torch.tensor([[0.0, 0.0], [9.0, 0.0]]), torch.tensor([[9.0, 4.0], [0.0, 4.0]])).value, 6)
        4.0
    """
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    _check(a, b)
    size = math.lcm(len(a), len(b))
    if size > MOST:
        unequal = "" if len(a) == len(b) else f", or two sizes with a common multiple of at most {MOST:,}"
        raise DataError(
            f"exact transport of {len(a):,} to {len(b):,} examples: expected at most {MOST:,} of each{unequal}; "
            f"take fewer, or the sliced distance"
        )
    copied = torch.arange(size)
    rows, columns = copied % len(a), copied % len(b)
    cost = torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist").square()[rows][:, columns]
    target = torch.from_numpy(linear_sum_assignment(cost.numpy())[1])
    matched = cost[copied, target]
    of_a = _dual(cost[:, target] - matched)
    of_b = torch.empty_like(of_a).scatter_(0, target, matched - of_a)
    variance = sum(
        _variance(torch.zeros(n).double().index_add_(0, which, potential) * n / size) / n
        for n, which, potential in ((len(a), rows, of_a), (len(b), columns, of_b))
    )
    return _rooted(float(matched.mean()), float(variance), a, b)


def _dual(extra: Tensor) -> Tensor:
    """Return potentials u with `u_i - u_k ≤ extra_ik`: what i's going to k's place costs more than k's own going there.

    They are the mean of two shortest paths in a graph without negative circles (there is none, or another assignment
    were cheaper), found by Bellman and Ford's rounds.
    """
    ends = []
    for weights, sign in ((extra, 1.0), (extra.T, -1.0)):
        u = torch.zeros(len(weights)).double()
        for _ in range(_ROUNDS):
            shorter = (weights + u).amin(1)
            if bool((shorter >= u - 1e-12).all()):
                break
            u = torch.minimum(u, shorter)
        ends.append(sign * (u - u.mean()))
    return (ends[0] + ends[1]) / 2


def _variance(values: Tensor) -> float:
    return float(values.var()) if len(values) > 1 else 0.0


def _rooted(squared: float, variance: float, a: Tensor, b: Tensor) -> Distance:
    """Return the root of a squared distance with its error; 0 where the distance is rounding of the features."""
    if squared <= 1e-24 * max(float(x.double().square().sum(1).mean()) for x in (a, b)):
        return Distance(0.0, 0.0)  # an error divided by a distance of rounding would be any number
    value = math.sqrt(squared)
    return Distance(value, math.sqrt(variance) / (2 * value))
