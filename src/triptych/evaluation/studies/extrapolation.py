"""How the Fréchet distance falls with the number of examples, and what it would fall to: its bias, and its limit."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.evaluation.protocol import counted
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.distances import Estimate, frechet_distance
from triptych.metrics.figure import Figure
from triptych.metrics.influence import frechet_influences
from triptych.noise import mix
from triptych.running.progress import track

PARTS = 8
"""Into how many parts sets are cut at most, …"""
A_FEATURE, FEWEST = 2, 10
"""… of at least so many examples a feature and in all, below which the distance does not yet fall as 1/n."""


class Bias(NamedTuple):
    """Fréchet distances at several n, and the intercept of a line in 1/n through them."""

    sizes: tuple[int, ...]
    distances: tuple[Estimate, ...]
    infinite: Estimate


def frechet_bias(a: Tensor, b: Tensor, seed: int = 0) -> Bias:
    """Return the Fréchet distance of n, n/2, n/3, … examples of each set, and its extrapolation to n → ∞.

    Of finite sets the distance is too large by nearly c/n, with a c that differs from model to model, so that models
    may change places with n. Sets are cut at random into g = 1 to 8 parts, as long as a part has twice as many examples
    as there are features; the distance at n/g is the mean over parts, each against a part of the other set. The line
    `d(g) = d∞ + c g/n` is fitted by least squares. d∞ may be below 0 for sets that can hardly be told apart.

    Every figure here is a sum of Fréchet distances, and so is the influence of one example on it. Errors are of the
    variance of these influences, as in `frechet_error`: against repeated draws 1 to 1.5 times the true deviation.

    Reference: Chong & Forsyth 2020, *Effectively Unbiased FID and Inception Score*, §3 and 4, who fit the same line
    through subsets of samples against all real examples.

    Args:
        a: `(N1, F)` features.
        b: `(N2, F)` features; of the larger set as many are taken as there are of the other.
        seed: of the parts.

    Raises:
        Unanswered: for fewer than 4 examples a feature, or 20 in all, which is two points of the line.
        DataError: for other shapes, or features that are not finite.

    Example:
        >>> x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
        >>> y = torch.randn(400, 2, generator=torch.Generator().manual_seed(1)) + 1
        >>> frechet_bias(x, y).sizes
        (400, 200, 133, 100, 80, 66, 57, 50)
    """
    n, features = min(len(a), len(b)), a.shape[1]
    least = max(A_FEATURE * features, FEWEST)
    most = min(PARTS, n // least)
    if most < 2:
        raise Unanswered(f"on {features} features it takes {2 * least:,} samples to see the bias: there are {n:,}")
    generator = torch.Generator().manual_seed(seed)
    a, b = (x[torch.randperm(len(x), generator=generator)[:n]] for x in (a, b))
    parts = range(1, most + 1)
    sizes = tuple(n // count for count in parts)
    cuts = [_cut(a, b, count) for count in parts]
    values = torch.tensor([cut.value for cut in cuts], dtype=torch.float64)
    influences = torch.stack([cut.influences for cut in cuts])
    weights = _intercept(torch.tensor([1 / size for size in sizes], dtype=torch.float64))
    infinite = Estimate(float(weights @ values), _error(torch.einsum("g,gsn->sn", weights, influences)))
    found = tuple(Estimate(cut.value, _error(cut.influences)) for cut in cuts)
    return Bias(sizes, found, infinite)


class _Cut(NamedTuple):
    """The mean distance over parts, and the influence `(2, n)` of each example of both sets on it."""

    value: float
    influences: Tensor


def _cut(a: Tensor, b: Tensor, count: int) -> _Cut:
    """Compare two sets part by part; an example that is in no part, where they leave a rest, has no influence."""
    size = len(a) // count
    value, influences = 0.0, torch.zeros(2, len(a), dtype=torch.float64)
    for start in track(range(0, size * count, size), "comparing parts"):
        rows = slice(start, start + size)
        value += frechet_distance(a[rows], b[rows]) / count
        for whole, part in zip(influences, frechet_influences(a[rows], b[rows]), strict=True):
            whole[rows] = (part - part.mean()) * (len(a) / (size * count))
    return _Cut(value, influences)


def _intercept(x: Tensor) -> Tensor:
    """Return the weights of values at x that give the intercept of their least-squares line."""
    centred = x - x.mean()
    return 1 / len(x) - x.mean() * centred / centred.square().sum()


def _error(influences: Tensor) -> float:
    """Return the standard error of a figure from the influences of both sets' examples on it, `(2, n)`."""
    n = influences.shape[1]
    return math.sqrt(float(influences.square().sum()) / (n * (n - 1)))


def fid_bias(subject: Subject) -> Table:
    """Tabulate the Fréchet distance at several n, and its extrapolation; see `frechet_bias`.

    Args:
        subject: a model that samples, under a protocol.

    Raises:
        Unanswered: for too few samples, or some that are not finite.

    Example:
        >>> import triptych as tp
        >>> from triptych.evaluation import Protocol
        >>> train, test = tp.data.load("ring", count=200)
        >>> model = tp.build("gan", train.event, hidden=8)
        >>> table = fid_bias(Subject(model, Protocol.prepare(train, test, extractor="pixels")))
        >>> list(table.rows)
        ['n = 50', 'n = 25', 'n = 16', 'n = 12', 'n = 10', 'n → ∞']
    """
    protocol = subject.protocol
    bias = frechet_bias(subject.features, protocol.real_features, mix(protocol.seed, Stream.FRECHET_BIAS))
    extractor = protocol.extractor.name
    rows: dict[str, tuple[Figure, ...]] = {}
    for parts, (size, found) in enumerate(zip(bias.sizes, bias.distances, strict=True), 1):
        name = f"fid-{counted(size)}@{extractor}" + (f"|{parts}-parts" if parts > 1 else "")
        rows[f"n = {size:,}"] = (Figure(*found, "", name),)
    rows["n → ∞"] = (Figure(*bias.infinite, "", f"fid-infinity-{counted(bias.sizes[0])}@{extractor}"),)
    note = "below the largest n means over disjoint parts of the samples; the last by a line in 1/n through all"
    return Table(f"Fréchet distance of n samples to n test examples, {extractor}", ("Fréchet",), rows, note)
