"""Known things in a model's place: images of which theory says how a measure of samples must order them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch.nn import functional as F

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.evaluation.figures import METRICS
from triptych.evaluation.figures.registry import NOVELTY, SAMPLES
from triptych.evaluation.protocol import Protocol
from triptych.metrics.figure import Figure
from triptych.noise import mix

REAL, COPIES, MISSING, ONLY, BLURRED, GAUSSIAN, UNIFORM = THINGS = (
    "unseen real data",
    "copies of training data",
    "one class missing",
    "one class only",
    "blurred",
    "Gaussian noise",
    "uniform noise",
)
"""The names of known things."""

GROUPS = (SAMPLES, NOVELTY)
"""Groups of metrics that order them."""
CLEAR, SLIGHT, ALIKE = 2.0, 1.0, 4.0
"""Combined standard errors that an order is clear from, the same where one class is missing (some hundred examples show
a tenth less of the data no more clearly), and that what is alike may differ by."""

_FEW_MISSING = (
    "of data that lack a tenth no classifier is right of more than 55 %, which many examples are needed to see"
)
_TYPICAL = "a network may see a typical example in noise, as MNIST's sees an 8"
NO_ORDER: dict[str, dict[str, str]] = {
    "precision": {
        MISSING: "the samples that are there are as good",
        ONLY: "the samples that are there are as good",
        BLURRED: "blurred images lie inside the data",
        GAUSSIAN: _TYPICAL,
    },
    "coverage": {BLURRED: "blurred images lie near the images that they are of"},
    "density": {
        MISSING: "the samples that are there are as good",
        ONLY: "the samples that are there are as good",
        BLURRED: "blurred images lie inside the data, where they are dense",
        GAUSSIAN: _TYPICAL,
    },
    "modes": {
        BLURRED: "a blurred image keeps its class",
        GAUSSIAN: "each sample is told a class, whatever it is",
        UNIFORM: "each sample is told a class, whatever it is",
    },
    "two-sample": {MISSING: _FEW_MISSING},
    "two-sample-neighbours": {MISSING: _FEW_MISSING},
    "modes-kl": {BLURRED: "a blurred image keeps its class"},
}
"""What a metric does not order after unseen real data by its nature, and why. A new one orders all that is worse."""


@dataclass(frozen=True, eq=False)
class Known:
    """A protocol, and examples that can be measured under it in a model's place.

    Args:
        protocol: its training split is half of what was given, so that the other half is unseen.
        things: n examples each, by name; see `THINGS`.
    """

    protocol: Protocol
    things: dict[str, Examples]


def known(
    train: Examples,
    test: Examples,
    n: int,
    *,
    data: str = "data",
    extractor: str = "auto",
    seed: int = 0,
    cache: Path | None = None,
) -> Known:
    """Make known things of labelled images.

    Unseen real data and all that is made of it (a class left out, one class alone, each pixel the mean of the 3 × 3
    around it) are of the half of the training split that the protocol does not have. Gaussian noise has the mean and
    the spread of each pixel, uniform noise the range of levels. Of one class alone images are repeated if there are
    fewer than n. In few dimensions theory says less, since noise covers the data: there are no known things of vectors.

    Args:
        train: labelled images of at least two classes.
        test: held-out images.
        n: how many of each, and samples of the protocol.
        data: name of the data.
        extractor: see `triptych.evaluation.features.resolve.resolve_extractor`.
        seed: of all that is drawn.
        cache: folder of trained extractors.

    Raises:
        DataError: for vectors, data without labels, or fewer than 2 n training examples.

    Example:
        >>> import triptych as tp
        >>> found = known(*tp.data.load("digits"), 100, extractor="pixels")
        >>> found.things["one class missing"].labels.unique().tolist()
        [1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if (
        not train.event.is_image
        or train.labels is None
        or train.labels.dim() > 1
        or len(torch.unique(train.labels)) < 2
    ):
        raise DataError("known things are made of labelled images: expected at least 2 classes")
    if len(train) < 2 * n:
        raise DataError(f"{n:,} examples of each half were asked for and there are {len(train):,}: ask for fewer")
    order = torch.randperm(len(train), generator=_generator(seed, 114))
    seen, unseen = (train[half.sort().values] for half in (order[: len(order) // 2], order[len(order) // 2 :]))
    protocol = Protocol.prepare(seen, test, data=data, extractor=extractor, samples=n, seed=seed, cache=cache)
    assert unseen.labels is not None
    left_out = unseen.labels == train.labels.min()
    real = _drawn(unseen, n, _generator(seed, 115))
    things = {
        REAL: real,
        COPIES: _drawn(seen, n, _generator(seed, 116)),
        MISSING: _drawn(unseen[~left_out], n, _generator(seed, 117)),
        ONLY: _drawn(unseen[left_out], n, _generator(seed, 118)),
        BLURRED: _blurred(real),
        **_noises(unseen, n, _generator(seed, 119)),
    }
    return Known(protocol, things)


def expected(name: str) -> dict[str, str]:
    """Return what theory says of known things by a metric: "worse" than unseen real data, "as good", or "more".

    Of a metric of samples all things are worse but copies, which it takes for real data; of one of novelty copies are
    more, and of other things nothing is said.

    Args:
        name: of the metric.

    Example:
        >>> expected("near-copies")
        {'copies of training data': 'more'}
    """
    metric = METRICS[name]
    if metric.group == NOVELTY:
        return {COPIES: "more"}
    worse = {thing: "worse" for thing in THINGS[2:] if thing not in NO_ORDER.get(name, {})}
    return {COPIES: "as good", **worse} if metric.better else {}


def violated(name: str, figures: Mapping[str, Figure]) -> list[str]:
    """Return a line for each thing that a metric does not order as `expected` says; things without a figure are not.

    What is worse, or more, is so by at least 2 combined standard errors, without one class by 1; what is as good is not
    worse by 4.

    Args:
        name: of the metric.
        figures: of each thing.

    Example:
        >>> violated("fid", {"unseen real data": Figure(1.0, 0.1), "uniform noise": Figure(1.1, 0.1)})
        ['fid: uniform noise (1.10 ± 0.10) is not worse than unseen real data (1.00 ± 0.10)']
    """
    real = figures[REAL]
    lines = []
    for thing, order in expected(name).items():
        other = figures.get(thing)
        if other is None or other.value is None or real.value is None:
            continue
        error = math.hypot(real.error or 0.0, other.error or 0.0)
        further = (other.value - real.value) * (1 if order == "more" else -METRICS[name].better)
        least = (SLIGHT if thing == MISSING else CLEAR) * error
        held = further <= ALIKE * error if order == "as good" else further > 0 and further >= least
        if not held:
            than = "as" if order == "as good" else "than"
            lines.append(f"{name}: {thing} ({other.text}) is not {order} {than} {REAL} ({real.text})")
    return lines


def _generator(seed: int, key: int) -> torch.Generator:
    return torch.Generator().manual_seed(mix(seed, key))


def _drawn(pool: Examples, n: int, generator: torch.Generator) -> Examples:
    """Return n examples of a pool in random order, none twice where there are enough."""
    if len(pool) >= n:
        return pool[torch.randperm(len(pool), generator=generator)[:n]]
    return pool[torch.randint(len(pool), (n,), generator=generator)]


def _blurred(images: Examples) -> Examples:
    """Return images whose pixels are the means of those around them that are in the image, rounded to levels."""
    means = F.avg_pool2d(images.data.float(), 3, stride=1, padding=1, count_include_pad=False)
    return replace(images, data=means.round().to(images.data.dtype))


def _noises(pool: Examples, n: int, generator: torch.Generator) -> dict[str, Examples]:
    """Return noise of each pixel's mean and spread and noise of the range of levels, rounded to them."""
    event, x = pool.event, pool.data.float()
    highest = (event.levels or 1) - 1
    drawn = torch.randn(n, *event.shape, generator=generator) * x.std(0) + x.mean(0)
    flat = torch.rand(n, *event.shape, generator=generator) * highest
    found = {GAUSSIAN: drawn, UNIFORM: flat}
    return {name: Examples(x.round().clamp(0, highest).to(torch.uint8), event) for name, x in found.items()}
