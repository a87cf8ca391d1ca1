"""Does a model copy? The nearest training example of each sample, against unseen real data as yardstick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.event import Event
from triptych.metrics.figure import Figure, proportion
from triptych.running.progress import track

QUANTILE = 0.01
"""Share of unseen real examples that the near-copy threshold is set to let through."""

NEIGHBOURS = 50
"""How many training examples around a sample its nearest one is compared with."""

_TELLING = 0.5
"""Where so many unseen examples lie on a training example, to lie on one tells nothing."""

_CHUNK = 1 << 24  # numbers held at a time: 64 MB
_CANDIDATES = 4


@dataclass(frozen=True)
class Nearest:
    """The nearest reference example of each query.

    Args:
        distance: `(N,)` Euclidean distance of scaled examples; exactly 0 for a duplicate.
        index: `(N,)` which reference example it is.
        relative: `(N,)` that distance over the mean distance of the 50 nearest: 0 for a duplicate, near 1 for
            a query that is no nearer to one example than to its other neighbours.
        around: `(N, K)` distances to the K = 50 nearest, or to all if fewer, ascending.
    """

    distance: Tensor
    index: Tensor
    relative: Tensor
    around: Tensor

    def closest(self, n: int) -> Tensor:
        """Return the indices of the n queries of the smallest relative distance, the smallest first."""
        return torch.sort(self.relative, stable=True).indices[:n]


def nearest(queries: Tensor, reference: Tensor, event: Event, own: Tensor | None = None) -> Nearest:
    """Return the nearest reference example y of each query x, by `|s(x) - s(y)|` of scaled examples.

    Candidates come from one matrix product a chunk; the best few are measured again exactly, in float64,
    so that a duplicate has distance 0 and rounding cannot choose the neighbour. Memory is bounded whatever
    the number of reference examples, which may be mapped from disk.

    Args:
        queries: `(N, *event.shape)`.
        reference: `(M, *event.shape)`.
        event: what one example is; gives the scaling. Features `(N, F)` are an `Event((F,))`.
        own: `(N,)`, where the queries are themselves among the reference: which one each is, and is not looked for.

    Raises:
        DataError: without reference examples, or for queries that are not finite.

    Example:
        >>> found = nearest(torch.tensor([[0.9]]), torch.tensor([[0.0], [1.0]]), Event((1,)))
        >>> found.index.tolist(), round(found.distance.item(), 3), round(found.relative.item(), 3)
        ([1], 0.1, 0.2)
    """
    if len(reference) < (1 if own is None else 2):
        raise DataError("no reference examples were given to find neighbours among")
    rows = max(1, _CHUNK // (event.dims + 1))
    step = min(1024, rows)
    found = []
    for start in track(range(0, len(queries), step), "finding neighbours"):
        scaled = event.scaled(queries[start : start + step]).flatten(1)
        if not bool(torch.isfinite(scaled).all()):
            raise DataError("examples that are not finite have no nearest neighbour")
        found.append(_nearest(scaled, reference, event, rows, None if own is None else own[start : start + step]))
    if not found:
        return Nearest(torch.empty(0), torch.empty(0, dtype=torch.long), torch.empty(0), torch.empty(0, 0))
    return joined(found)


def joined(parts: Sequence[Nearest]) -> Nearest:
    """Return what was found of one part of the queries after another, at least one, as of all."""
    columns = zip(*((part.distance, part.index, part.relative, part.around) for part in parts), strict=True)
    return Nearest(*(torch.cat(column) for column in columns))


def _nearest(scaled: Tensor, reference: Tensor, event: Event, rows: int, own: Tensor | None) -> Nearest:
    centre = scaled.mean(0)  # smaller norms lose fewer digits in the product below
    queries = scaled - centre
    best, index = torch.empty(len(queries), 0), torch.empty(len(queries), 0, dtype=torch.long)
    rows = min(rows, max(1, _CHUNK // len(queries)))
    for start in track(range(0, len(reference), rows), "comparing"):
        chunk = event.scaled(reference[start : start + rows]).flatten(1) - centre
        squared = chunk.square().sum(1) - 2 * queries @ chunk.T  # + |query|², the same for all
        if own is not None:
            here = ((own >= start) & (own < start + len(chunk))).nonzero()[:, 0]
            squared[here, own[here] - start] = torch.inf
        near, where = squared.topk(min(NEIGHBOURS, len(chunk)), largest=False)
        best, index = torch.cat([best, near], 1), torch.cat([index, where + start], 1)
        best, kept = best.topk(min(NEIGHBOURS, best.shape[1], len(reference) - (own is not None)), largest=False)
        index = index.gather(1, kept)
    around = (best + queries.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
    candidates = index[:, :_CANDIDATES].sort(1).values  # sorted: a tie goes to the first example
    distance, first = _exact(scaled, candidates, reference, event)
    around = torch.cat([distance[:, None], around[:, 1:].clamp(min=distance[:, None])], 1)
    relative = torch.where(distance > 0, distance / around.mean(1), 0.0)
    return Nearest(distance, first, relative, around)


def _exact(scaled: Tensor, index: Tensor, reference: Tensor, event: Event) -> tuple[Tensor, Tensor]:
    columns = []
    for column in index.T:
        gap = scaled.double() - event.scaled(reference[column]).flatten(1).double()
        columns.append(gap.square().sum(1).sqrt())
    distance, which = torch.stack(columns, 1).min(1)
    return distance.float(), index.gather(1, which[:, None])[:, 0]


def threshold(held_out: Tensor) -> float:
    """Return the relative distance at or below which a sample counts as a near-copy of a training example.

    It is the 1 % quantile (lower, so an observed value) of `held_out`: the relative distances of unseen
    real examples. So about 1 % of unseen real data counts as near-copies by construction, and replayed
    training data 100 %. Distances are relative to the sample's neighbourhood, because an absolute distance
    takes blurred or empty samples for copies: they are near to everything. Where 1 % or more of the unseen
    examples are duplicates of training examples, the threshold is 0 and only exact copies count. Below 100
    unseen examples it is their smallest value.

    Reference: Carlini et al. 2023, *Extracting Training Data from Diffusion Models*, §5.1, for the relative
    distance; they fix its threshold by hand.

    Args:
        held_out: `(M,)` relative distances.

    Example:
        >>> threshold(torch.arange(1.0, 201.0))
        2.0
    """
    return float(torch.quantile(held_out.double(), QUANTILE, interpolation="lower"))


def untold(held_out: Tensor, space: str) -> str:
    """Return why copies cannot be told from other samples, empty where they can.

    Args:
        held_out: `(M,)` relative distances of unseen real examples.
        space: what distances are measured in, in words.

    Example:
        >>> untold(torch.tensor([0.0, 0.0, 0.7]), "pixels")
        '67 % of unseen test examples lie on a training example by pixels: copies cannot be told'
    """
    on_top = float((held_out == 0).double().mean())
    if on_top < _TELLING:
        return ""
    return f"{100 * on_top:.0f} % of unseen test examples lie on a training example by {space}: copies cannot be told"


def share(relative: Tensor, limit: float, protocol: str = "") -> Figure:
    """Return the share of relative distances at or below a limit, in %, with its standard error (see `proportion`).

    Comparing by "at or below" makes exact duplicates count even where the limit is 0.

    Args:
        relative: `(n,)`.
        limit: from `threshold`.
        protocol: name to give the figure.

    Example:
        >>> share(torch.tensor([0.0, 0.0, 0.9, 1.0]), 0.0).text
        '50 ± 25'
    """
    return proportion(int((relative.double() <= limit).sum()), len(relative), protocol)


def copies(relative: Tensor, held_out: Tensor, protocol: str = "") -> Figure:
    """Return the share of near-copies among samples, in %; its standard error includes that of the threshold.

    The share is that of samples at or below `threshold(held_out)`. Its error is binomial, and that of the threshold:
    the quantile's rank among M unseen examples has the deviation `√(M q (1 - q))`, and what the share changes between
    the examples a deviation below and above is twice its deviation. Of samples like the unseen data the binomial error
    alone is √2 times too small where there are as many of both; this one is 1.1 to 1.4 times the true deviation.
    Reference: Woodruff 1952, *Confidence Intervals for Medians and Other Position Measures*, for quantiles by rank.

    Args:
        relative: `(n,)`, of samples.
        held_out: `(M,)`, of unseen real examples.
        protocol: name to give the figure.

    Example:
        >>> copies(torch.zeros(100), torch.linspace(0.5, 1, 300)).value
        100.0
    """
    found = share(relative, threshold(held_out), protocol)
    ranked, last = held_out.double().sort().values, len(held_out) - 1
    rank, away = math.floor(QUANTILE * last), math.sqrt(len(held_out) * QUANTILE * (1 - QUANTILE))
    below, above = max(0, round(rank - away)), min(last, max(rank + 1, round(rank + away)))
    low, high = (share(relative, float(ranked[k])).value or 0.0 for k in (below, above))
    moved = away * (high - low) / max(1, above - below)
    return replace(found, error=math.hypot(found.error or 0.0, moved))
