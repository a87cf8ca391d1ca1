"""How far samples and data lie in each other's neighbourhoods: precision, recall, density and coverage.

All four count the examples of one set that lie in balls around those of the other. A ball reaches to the k-th nearest
neighbour of its centre among the other examples of the centre's set.

Ties: a ball holds what lies on its boundary, as Kynkäänniemi et al. define it, and distances below 1e-6 of the norms of
the examples count as none. Duplicates are neighbours at no distance: where there are more than k copies of an example
its ball is a point, which holds further copies only. Programs that leave the boundary out differ where there are ties.

Errors are of random halves: both sets are cut in two, and the figures `v1`, `v2` of the halves are as independent as
two repeats with half of the examples, so that `SE² = mean over cuts of (v1 - v2)² / 4`. Against repeated draws this is
0.8 to 1.2 times the true deviation. A binomial error for given balls can be half of it, for balls are random too; that
of a jackknife twice, for balls grow when a neighbour goes. There is none where a half has fewer than k + 1 centres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics.distances import Estimate, check_pair
from triptych.running.progress import track

PRECISION_K, DENSITY_K = 3, 5
"""Neighbours that make a ball, as the two papers have them."""

_CUTS = 32
_BLOCK = 1024  # examples of each set whose distances are in memory together: 8 MB, whatever their number
_NOTHING, _TIE = 1e-12, 1 + 1e-9  # of squared distances: beside squared norms, and beside the ball's


def precision(real: Tensor, samples: Tensor, k: int = PRECISION_K, seed: int = 0) -> Estimate:
    """Return the share of samples within at least one ball around real examples: how many look real.

    Reference: Kynkäänniemi et al. 2019, *Improved Precision and Recall Metric*, eq. 1 and 2, which take k = 3.

    Args:
        real: `(N, F)` features of real examples.
        samples: `(M, F)` features of samples.
        k: neighbours that a ball reaches to.
        seed: of the random halves.

    Returns:
        The share, 0 to 1, with an error no less than the binomial one.

    Raises:
        DataError: where balls have no more than k centres, for other shapes, or features that are not finite.

    Example:
        >>> line = torch.arange(10.0)[:, None]
        >>> round(precision(line, line[:4] + 0.5).value, 6), round(recall(line, line[:4] + 0.5).value, 6)
        (1.0, 0.7)
    """
    inside, _, halves = _covered(samples, real, k, seed)
    return _share(inside > 0, halves)


def recall(real: Tensor, samples: Tensor, k: int = PRECISION_K, seed: int = 0) -> Estimate:
    """Return the share of real examples within at least one ball around samples: how much of the data is made.

    It is `precision` with the sets exchanged; see there.
    """
    return precision(samples, real, k, seed)


def density(real: Tensor, samples: Tensor, k: int = DENSITY_K, seed: int = 0) -> Estimate:
    """Return in how many balls around real examples a sample lies, over k: about 1 for samples that are real.

    Unlike precision it is not deceived by an outlier's large ball, and it is above 1 where samples keep to where the
    data are dense. Reference: Naeem et al. 2020, *Reliable Fidelity and Diversity Metrics*, eq. 3, which takes k = 5.

    Args:
        real: `(N, F)` features of real examples.
        samples: `(M, F)` features of samples.
        k: neighbours that a ball reaches to.
        seed: of the random halves.

    Raises:
        DataError: as `precision`.

    Example:
        >>> line = torch.arange(10.0)[:, None]
        >>> round(density(line, line[:2], k=1).value, 6)   # 0 lies in the balls of 0 and 1, 1 in those of 0, 1 and 2
        2.5
    """
    inside, _, halves = _covered(samples, real, k, seed)
    return _estimate(inside.double() / k, halves)


def coverage(real: Tensor, samples: Tensor, k: int = DENSITY_K, seed: int = 0) -> Estimate:
    """Return the share of real examples whose ball holds at least one sample: how much of the data is made.

    Unlike recall it takes its balls from the data, so that outliers among the samples do not raise it. Samples from the
    data's own distribution reach `1 - Π_{i=1..k} (N - i) / (N + M - i)`, near `1 - 2⁻ᵏ` for N = M.
    Reference: Naeem et al. 2020, eq. 4 and Lemma 2.

    Args:
        real: `(N, F)` features of real examples.
        samples: `(M, F)` features of samples.
        k: neighbours that a ball reaches to.
        seed: of the random halves.

    Returns:
        The share, 0 to 1, with an error no less than the binomial one.

    Raises:
        DataError: as `precision`.

    Example:
        >>> line = torch.arange(10.0)[:, None]
        >>> round(coverage(line, line[:2], k=1).value, 6)   # the balls of 0, 1 and 2
        0.3
    """
    _, held, halves = _covered(samples, real, k, seed, of_balls=True)
    return _share(held > 0, halves)


def _share(hits: Tensor, halves: Tensor) -> Estimate:
    value, error = _estimate(hits.double(), halves)
    n = hits.shape[1]
    smoothed = (float(hits[0].sum()) + 1) / (n + 2)  # Laplace's rule, as in `proportion`
    least = math.sqrt(smoothed * (1 - smoothed) / n)
    return Estimate(value, None if error is None else max(error, least))


def _estimate(values: Tensor, halves: Tensor) -> Estimate:
    """Return the mean of the first row, of whole sets; and the error from the other rows, each cut in two."""
    value = float(values[0].mean())
    if len(values) == 1:
        return Estimate(value, None)
    first = (values[1:] * halves[1:]).sum(1) / halves[1:].sum(1)
    second = (values[1:] * ~halves[1:]).sum(1) / (~halves[1:]).sum(1)
    return Estimate(value, float((first - second).square().mean().sqrt()) / 2)


def _covered(
    points: Tensor, centres: Tensor, k: int, seed: int, of_balls: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Return in how many balls each point lies, how many points each ball holds, and which half each belongs to.

    The first row of all three is of whole sets; each further row is of sets cut in two, where balls and points of one
    half know nothing of the other's.

    Returns:
        `(1 + cuts, P)`, `(1 + cuts, C)`, and the halves of the points, or of the balls.
    """
    check_pair(points, centres)
    if len(centres) <= k:
        raise DataError(f"{len(centres)} examples have no {k} neighbours each: expected at least {k + 1}")
    cuts = _CUTS if len(centres) >= 2 * (k + 1) else 0
    generator = torch.Generator().manual_seed(seed)
    of_points, of_centres = (_halves(len(x), cuts, generator) for x in (points, centres))
    squared = _squared_radii(centres, k, of_centres) * _TIE
    inside = torch.zeros(1 + cuts, len(points), dtype=torch.long)
    held = torch.zeros(1 + cuts, len(centres), dtype=torch.long)
    for rows, columns, distances in _blocks(points, centres):
        point, centre = (distances <= squared[:, columns].amax(0)).nonzero(as_tuple=True)
        distance, point, centre = distances[point, centre], point + rows.start, centre + columns.start
        for cut in range(1 + cuts):
            hit = (distance <= squared[cut, centre]) & (of_points[cut, point] == of_centres[cut, centre])
            inside[cut] += torch.bincount(point[hit], minlength=len(points))
            held[cut] += torch.bincount(centre[hit], minlength=len(centres))
    return inside, held, of_centres if of_balls else of_points


def _halves(n: int, cuts: int, generator: torch.Generator) -> Tensor:
    """Return `(1 + cuts, n)`: nothing of the first row in the second half, and a random half of each other row."""
    orders = [torch.randperm(n, generator=generator) for _ in range(cuts)]
    return torch.stack([torch.ones(n, dtype=torch.bool), *(order < n // 2 for order in orders)])


def _squared_radii(centres: Tensor, k: int, halves: Tensor) -> Tensor:
    """Return the squared distance of each example to its k-th nearest other one of the same half, `(1 + cuts, C)`.

    Of so many nearest ones at least k are of the same half but for one case in 10¹².
    """
    most = min(len(centres) - 1, 48 + 8 * k)
    near = torch.full((len(centres), most), math.inf, dtype=torch.float64)
    index = torch.zeros(len(centres), most, dtype=torch.long)
    for rows, columns, distances in _blocks(centres, centres):
        if rows == columns:
            distances.fill_diagonal_(math.inf)
        where = torch.arange(len(centres))[columns].expand_as(distances)
        near[rows], kept = torch.cat([near[rows], distances], 1).topk(most, largest=False)
        index[rows] = torch.cat([index[rows], where], 1).gather(1, kept)
    radii = [
        near.masked_fill(half[index] != half[:, None], math.inf).topk(k, largest=False).values[:, -1] for half in halves
    ]
    return torch.stack(radii)


def _blocks(a: Tensor, b: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Yield rows, columns, and the squared distances of the examples there, in float64."""
    centre = b.double().mean(0)  # smaller norms lose fewer digits in the product below
    for i in track(range(0, len(a), _BLOCK), "comparing pairs"):
        x = a[i : i + _BLOCK].double() - centre
        for j in range(0, len(b), _BLOCK):
            y = b[j : j + _BLOCK].double() - centre
            norms = x.square().sum(1)[:, None] + y.square().sum(1)
            squared = norms - 2 * x @ y.T
            yield slice(i, i + _BLOCK), slice(j, j + _BLOCK), squared.masked_fill_(squared <= _NOTHING * norms, 0.0)
