"""The Parzen estimate of log p(x): a Gaussian kernel on each of n samples, as early papers on GANs report it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples, subset
from triptych.errors import DataError
from triptych.evaluation.protocol import Protocol, counted
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.event import Event
from triptych.metrics.figure import Figure, mean_and_error
from triptych.metrics.kernel_density import BANDWIDTHS, ParzenEstimate, parzen_estimate
from triptych.models.base import Model
from triptych.models.questions import Sampler
from triptych.noise import mix
from triptych.running.progress import slices

VALIDATED = 1000
"""Most training examples on which the bandwidth is chosen."""

_NOTE = (
    "n samples with a Gaussian kernel each, whose bandwidth is the best of {count} from {low:g} to {high:g} for "
    "{validated:,} training examples; {units}. Training data in the model's place are others, as many as there are up "
    "to n. This is no log-likelihood of the model, and it ranks models wrongly: n samples say little in so many "
    "dimensions, and the centres of k-means surpass real data (Theis, van den Oord & Bethge 2016, §3.2)"
)

_OF_TREES, _TRIED = BANDWIDTHS[9:19], 200
_SKLEARN_NOTE = (
    "sklearn.neighbors.KernelDensity, its bandwidth the best of 10 from 0.056 to 0.32 for {tried:,} training examples, "
    "pixels from 0 to 1. In many dimensions its trees overestimate by hundreds of nats: the exact figure is that of "
    "parzen, this one is for comparison with papers that used it"
)
COLUMNS = ("log-likelihood, nats", "bandwidth", "n")


class Units(NamedTuple):
    """The scale on which kernels lie, and what it costs to come back from it."""

    told: str
    log_volume: float
    """Nats to subtract for a density in the units that are reported."""


def units_of(event: Event) -> Units:
    """Return the units: an image's black is 0 and its white 1; vectors are reported in the data's own."""
    if event.is_image:
        return Units("pixels from 0 to 1, as published", 0.0)
    unscale = event.unscaled(torch.ones(1, event.dims)) - event.unscaled(torch.zeros(1, event.dims))
    return Units(
        "bandwidths in standard deviations of the data, densities in the data's own units",
        float(unscale.double().log().sum()),
    )


def points_of(x: Examples) -> Tensor:
    """Return examples as float32 points `(N, D)`: pixels from 0 to 1, or standardised coordinates."""
    if x.event.levels is not None:
        return x.data.flatten(1).float() / (x.event.levels - 1)
    return x.event.scaled(x.data)


class Points(NamedTuple):
    """What a Parzen estimate is made of, each `(…, D)`."""

    real: Tensor
    """Training examples, in the place of as many samples."""
    valid: Tensor
    """Other training examples, on which the bandwidth is chosen."""
    test: Tensor


def points(protocol: Protocol) -> Points:
    """Choose the real examples.

    Raises:
        DataError: for fewer than 4 training examples.
    """
    held = min(VALIDATED, len(protocol.train) // 4)
    if not held:
        raise DataError(f"{len(protocol.train)} training examples: a bandwidth is chosen on a quarter, of 4 or more")
    drawn = subset(protocol.train, held + protocol.kernels, mix(protocol.seed, Stream.PARZEN_TRAIN))
    order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(mix(protocol.seed, Stream.PARZEN_ORDER)))
    valid, real = points_of(drawn[order[:held]]), points_of(drawn[order[held:]])
    return Points(real, valid, points_of(protocol.scored))


def sampled(subject: Subject) -> Tensor:
    """Draw the samples of a model, `(n, D)`.

    Raises:
        Unanswered: for a model that does not sample, or samples that are not finite.
    """
    model, protocol, seed = subject.model, subject.protocol, subject.protocol.seed
    if not isinstance(model, Sampler):
        raise Unanswered(f"{type(model).__name__} does not sample")
    labels = (
        _as_in_training(protocol.train, protocol.kernels, mix(seed, Stream.PARZEN_LABELS))
        if model.conditional
        else None
    )
    samples = points_of(model.sample(protocol.kernels, label=labels, seed=mix(seed, Stream.PARZEN_SAMPLES)))
    bad = int((~torch.isfinite(samples)).any(1).sum())
    if bad:
        raise Unanswered(f"{bad} of {len(samples)} samples are not finite numbers: the training diverged")
    return samples


def parzen(subject: Subject) -> Table:
    """Estimate log p(x) of test examples from samples, and beside it from training examples in their place.

    References: Breuleux, Bengio & Vincent 2011, *Quickly Generating Representative Samples from an RBM-Derived
    Process*; Goodfellow et al. 2014, *Generative Adversarial Nets*, §5.

    Args:
        subject: a model that samples, under a protocol whose `kernels` is n.

    Raises:
        Unanswered: for a model that does not sample, or samples that are not finite.
        DataError: for fewer than 4 training examples.
    """
    found, units = points(subject.protocol), units_of(subject.protocol.event)
    device = subject.model.device
    rows = {}
    for name, centres in {"samples": sampled(subject), "training data": found.real}.items():
        estimate = parzen_estimate(centres.to(device), found.valid, found.test)
        rows[name] = _figures(estimate, len(centres), units, "kde")
    return Table(f"Parzen estimate of log p(x), {len(found.test):,} test examples", COLUMNS, rows, _note(found, units))


def parzen_figure(subject: Subject) -> Figure:
    """Return the estimate of a model, or of as many training examples in its place, as one figure; see `parzen`.

    Args:
        subject: as of `parzen`; or training examples (None), or given ones, of which all are taken.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("ring", count=200)
        >>> parzen_figure(Subject(None, Protocol.prepare(train, test, kernels=50))).protocol
        'kde-50@test-50'
    """
    found, units = points(subject.protocol), units_of(subject.protocol.event)
    if isinstance(subject.given, Model):
        centres = sampled(subject).to(subject.model.device)
    else:
        centres = found.real if subject.given is None else points_of(subject.given)
    estimate = parzen_estimate(centres, found.valid, found.test)
    nats, bandwidth, _ = _figures(estimate, len(centres), units, "kde")
    note = f"bandwidth {bandwidth.text}, {bandwidth.note + ', ' if bandwidth.note else ''}{_note(found, units)}"
    return replace(nats, note=note)


def _note(found: Points, units: Units) -> str:
    return _NOTE.format(
        count=len(BANDWIDTHS), low=BANDWIDTHS[0], high=BANDWIDTHS[-1], validated=len(found.valid), units=units.told
    )


def parzen_sklearn(subject: Subject) -> Table:
    """Give what scikit-learn's `KernelDensity` gives, for comparison with papers that used it.

    Its trees sum the kernels by bounds that do not hold in many dimensions (scikit-learn's issues 7492 and 27186), and
    exceed the sum itself by hundreds of nats: it is no estimate of anything, but figures of
    Nowozin, Cseke & Tomioka 2016, *f-GAN*, §4.1, are of this kind: they print 502 ± 6 nats for training images.

    Args:
        subject: as of `parzen`, of images.

    Raises:
        Unanswered: for vectors, whose exact estimate is as fast; and as `parzen` does.
    """
    event = subject.protocol.event
    if not event.is_image:
        raise Unanswered(f"the data are a {event}: ask for parzen, which is exact")
    found = points(subject.protocol)
    rows = {}
    for name, centres in {"samples": sampled(subject), "training data": found.real}.items():
        tried = [float(_by_trees(found.valid[:_TRIED], centres, b).mean()) for b in _OF_TREES]
        best = max(range(len(_OF_TREES)), key=tried.__getitem__)
        density = _by_trees(found.test, centres, _OF_TREES[best])
        estimate = ParzenEstimate(density, _OF_TREES[best], best in (0, len(_OF_TREES) - 1))
        rows[name] = _figures(estimate, len(centres), units_of(event), "kde-sklearn")
    title = f"scikit-learn's kernel density, {len(found.test):,} test examples"
    return Table(title, COLUMNS, rows, _SKLEARN_NOTE.format(tried=min(_TRIED, len(found.valid))))


def _by_trees(x: Tensor, centres: Tensor, bandwidth: float) -> Tensor:
    """Return the log-density of each point by scikit-learn, as it is by default."""
    from sklearn.neighbors import KernelDensity  # type: ignore[import-untyped]

    fitted = KernelDensity(bandwidth=bandwidth).fit(centres.double().numpy())
    parts = slices(x.double(), 100, "asking scikit-learn")
    return torch.cat([torch.from_numpy(fitted.score_samples(part.numpy())) for part in parts])


def _figures(found: ParzenEstimate, n: int, units: Units, name: str) -> tuple[Figure, ...]:
    mean, error = mean_and_error(found.log_density - units.log_volume)
    protocol = f"{name}-{counted(n)}@test-{len(found.log_density)}"
    edge = "the least or the greatest that was tried: another may be better" if found.at_edge else ""
    return (
        Figure(mean, error, "nats", protocol, "≈"),
        Figure(found.bandwidth, protocol=protocol, note=edge),
        Figure(n, protocol=protocol),
    )


def _as_in_training(train: Examples, n: int, seed: int) -> Tensor:
    """Return n labels of training examples, drawn with replacement."""
    if train.labels is None:
        raise Unanswered("the model takes labels, and the data have none")
    return train.labels[torch.randint(len(train), (n,), generator=torch.Generator().manual_seed(seed))]
