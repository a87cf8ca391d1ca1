"""Whole sets against each other: transport, whether a classifier tells them apart, modes; and how smooth codes are."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.distributions import StandardNormal
from triptych.errors import DataError
from triptych.evaluation.features.inception import Inception
from triptych.evaluation.figures.registry import METRICS, SAMPLES
from triptych.evaluation.mode_counts import mode_counts
from triptych.evaluation.protocol import Protocol, counted
from triptych.evaluation.smoothness import path_lengths
from triptych.evaluation.streams import Stream
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error, proportion
from triptych.metrics.modes import covered, expected_covered, reverse_divergence
from triptych.metrics.transport import sliced_wasserstein as sliced_distance
from triptych.metrics.transport import wasserstein as exact_distance
from triptych.metrics.two_sample import two_sample as told_apart
from triptych.models.latent_variable import LatentVariable
from triptych.models.questions import LatentSampler, chunks
from triptych.noise import Noise, mix


@METRICS.register(
    "sliced-wasserstein", "Sliced Wasserstein distance", "sliced W", SAMPLES, better=-1, featured=True, compared=False
)
def sliced_wasserstein(subject: Subject) -> Figure:
    """Return the sliced Wasserstein distance of n samples to n test examples, on the protocol's features."""
    protocol = subject.protocol
    found = sliced_distance(subject.features, protocol.real_features, seed=mix(protocol.seed, Stream.SLICES))
    return Figure(found.value, found.error, "", _named("sliced-wasserstein", len(subject.features), subject))


@METRICS.register(
    "wasserstein", "Wasserstein distance", "Wasserstein", SAMPLES, better=-1, featured=True, compared=False
)
def wasserstein(subject: Subject) -> Figure:
    """Return the exact Wasserstein distance of n samples to n test examples, on the protocol's features."""
    try:
        found = exact_distance(subject.features, subject.protocol.real_features)
    except DataError as error:
        raise Unanswered(f"{error}: wasserstein-1000, or sliced-wasserstein") from None
    return Figure(found.value, found.error, "", _named("wasserstein", len(subject.features), subject))


@METRICS.register(
    "two-sample", "Told from test data by a classifier", "told apart, %", SAMPLES, better=-1, featured=True
)
def two_sample(subject: Subject) -> Figure:
    """Return the share of samples and test examples that a logistic regression tells right; 50 % is none."""
    return _told_apart(subject, "two-sample", "logistic", Stream.TWO_SAMPLE)


@METRICS.register(
    "two-sample-neighbours",
    "Told from test data by neighbours",
    "told by neighbours, %",
    SAMPLES,
    better=-1,
    featured=True,
    compared=False,
)
def two_sample_neighbours(subject: Subject) -> Figure:
    """Return the share of samples and test examples that their nearest neighbours tell right; 50 % is none."""
    return _told_apart(subject, "two-sample-neighbours", "neighbours", Stream.TWO_SAMPLE_NEIGHBOURS)


def _told_apart(subject: Subject, name: str, classifier: str, stream: Stream) -> Figure:
    protocol = subject.protocol
    try:
        told = told_apart(
            subject.features, protocol.real_features, classifier=classifier, seed=mix(protocol.seed, stream)
        )
    except DataError as error:
        raise Unanswered(str(error)) from None
    figure = proportion(told.correct, told.of, _named(name, len(subject.features), subject))
    p_value = f"= {told.p_value:.2g}" if told.p_value > 1e-99 else "< 1e-99"
    return Figure(
        figure.value, figure.error, "%", figure.protocol, note=f"by guessing so many are right with p {p_value}"
    )


@METRICS.register("modes", "Modes covered", "modes", SAMPLES, better=1, sized="samples")
def modes(subject: Subject) -> Figure:
    """Return how many of the data's modes have a sample in them; see `mode_counts`."""
    found = mode_counts(subject)
    value, error = covered(found.good, found.samples)
    reached = expected_covered(found.share, found.samples)
    note = found.note or f"{proportion(int(found.good.sum()), found.samples).text} % of samples lie in a mode"
    if round(reached) < len(found.share):
        note = f"{note}; as many draws of the data reach {reached:,.0f}"
    return Figure(value, error, f"of {len(found.share):,}", found.protocol("modes"), note=note)


@METRICS.register("modes-kl", "Reverse KL of modes", "KL of modes", SAMPLES, better=-1, sized="samples", compared=False)
def modes_kl(subject: Subject) -> Figure:
    """Return KL(samples ‖ data) of the shares of modes; every sample is in the nearest or most probable one."""
    found = mode_counts(subject)
    if found.samples < 2:
        raise Unanswered("one sample has no shares of modes: draw more")
    value, error = reverse_divergence(found.counts, found.share)
    there = int((found.share > 0).sum())
    bias = f"about {(there - 1) / (2 * found.samples):.2g} of it comes of counting {found.samples:,} samples"
    note = f"{found.note}; {bias}" if found.note else bias
    return Figure(value, error, "nats", found.protocol("modes-kl"), note=note)


@METRICS.register(
    "path-length", "Perceptual path length", "path length", SAMPLES, better=-1, featured=True, compared=False
)
def path_length(subject: Subject) -> Figure:
    """Return how fast features of decoded examples change on walks between n pairs of codes, squared, in the mean.

    Walks are spherical where codes are drawn from a standard normal prior, else linear.
    """
    model, protocol = subject.model, subject.protocol
    if not isinstance(model, LatentSampler):
        raise Unanswered(f"{type(model).__name__} draws no codes to walk between: models such as vae and gan do")
    n, seed = protocol.samples, protocol.seed
    start, end = (model.sample_codes(n, seed=mix(seed, stream)) for stream in (Stream.WALK_START, Stream.WALK_END))
    noise = Noise.of(mix(seed, Stream.WALK_LABELS))
    labels = model.labels(model.labels_in(protocol.real), n, noise)
    _check_shades(protocol, _expected(model, start[:8], None if labels is None else labels[:8]))

    def features(z: Tensor) -> Tensor:
        parts = (_expected(model, z[part], None if labels is None else labels[part]) for part in chunks(n, "decoding"))
        return torch.cat([protocol.extractor(part) for part in parts])

    mean, error = mean_and_error(path_lengths(features, start, end, noise.uniform((n,)), walk_of(model, start)))
    return Figure(mean, error, "", _named("path-length", n, subject))


def _expected(model: LatentSampler, z: Tensor, labels: Tensor | None) -> Tensor:
    """Return the expected example of each code, its levels not rounded."""
    with model.asking():
        return model._decode(z.to(model.device), labels).cpu()


def _check_shades(protocol: Protocol, expected: Tensor) -> None:
    """Raise `Unanswered` for features of rounded levels, which hold still on a small step and then jump."""
    extractor, rounded = protocol.extractor, expected.round()
    whole = protocol.event.levels is None or torch.equal(rounded, expected)
    if isinstance(extractor.function, Inception) or (
        not whole and torch.equal(extractor(rounded), extractor(expected))
    ):
        raise Unanswered(f"{extractor.name} rounds levels, which a small step leaves as they are: path-length@pixels")


def walk_of(model: LatentSampler, codes: Tensor) -> str:
    """Return which path keeps to the prior: "spherical" of codes that are standard normal, else "linear"."""
    if not isinstance(model, LatentVariable):
        return "linear"
    space = model.code_space
    normal = isinstance(space.prior, StandardNormal) and space.prior.event_shape == (model.latent,)
    return "spherical" if normal and torch.equal(space.codes(codes), codes) else "linear"


def _named(name: str, n: int, subject: Subject) -> str:
    """Return a protocol's name."""
    return f"{name}-{counted(n)}@{subject.protocol.extractor.name}"
