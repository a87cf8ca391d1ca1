"""Samples against data: distances between sets, what samples cover of the data, and what gives them away."""

from __future__ import annotations

from collections.abc import Callable

import torch

from triptych.errors import DataError
from triptych.evaluation.embeddings import classes_of
from triptych.evaluation.features.classifier import LabelsNet
from triptych.evaluation.figures.registry import METRICS, SAMPLES
from triptych.evaluation.protocol import counted
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.agreement import classifier_of
from triptych.evaluation.studies.extrapolation import frechet_bias
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics import neighbourhoods, score
from triptych.metrics.distances import Estimate, frechet_distance
from triptych.metrics.figure import Figure
from triptych.metrics.influence import frechet_between_summaries, frechet_error, summary
from triptych.metrics.kernel import kernel_distance
from triptych.noise import mix

STORED = 1 << 24
"""Features of one set that are kept, as numbers: 64 MB. Of more the Fréchet distance sees each once, in chunks."""
_CHUNK = 500


@METRICS.register("fid", "Fréchet distance to test data", "Fréchet", SAMPLES, better=-1, featured=True)
def fid(subject: Subject) -> Figure:
    """Return the Fréchet distance of n samples to n test examples, on the protocol's features."""
    protocol, samples = subject.protocol, subject.samples
    width = next(protocol.extractor.stream(samples[:2])).shape[1]
    if len(samples) > width and len(samples) * width > STORED:
        seen = summary(protocol.extractor.stream(samples), len(samples))
        return _figure("fid", subject, frechet_between_summaries(seen, protocol.real_summary))
    a, b = subject.features, protocol.real_features
    return _figure("fid", subject, Estimate(frechet_distance(a, b), frechet_error(a, b)))


@METRICS.register(
    "fid-infinity", "Fréchet distance, n → ∞", "Fréchet, n → ∞", SAMPLES, better=-1, featured=True, compared=False
)
def fid_infinity(subject: Subject) -> Figure:
    """Return what the Fréchet distance falls to as the number of samples grows; see `frechet_bias`."""
    bias = frechet_bias(
        subject.features, subject.protocol.real_features, mix(subject.protocol.seed, Stream.FRECHET_BIAS)
    )
    return _figure("fid-infinity", subject, bias.infinite)


@METRICS.register("kid", "Kernel distance to test data", "kernel distance", SAMPLES, better=-1, featured=True)
def kid(subject: Subject) -> Figure:
    """Return the kernel distance of n samples to n test examples, on the protocol's features."""
    return _figure("kid", subject, _compared(subject, kernel_distance))


@METRICS.register("precision", "Precision: samples among test data", "precision, %", SAMPLES, better=1, featured=True)
def precision(subject: Subject) -> Figure:
    """Return the share of samples that lie among test data, in %; see `neighbourhoods.precision`."""
    return _figure("precision", subject, _compared(subject, neighbourhoods.precision, Stream.PRECISION), "%")


@METRICS.register("recall", "Recall: test data among samples", "recall, %", SAMPLES, better=1, featured=True)
def recall(subject: Subject) -> Figure:
    """Return the share of test data that lies among samples, in %; see `neighbourhoods.recall`."""
    return _figure("recall", subject, _compared(subject, neighbourhoods.recall, Stream.RECALL), "%")


@METRICS.register("density", "Density of test data around samples", "density", SAMPLES, better=1, featured=True)
def density(subject: Subject) -> Figure:
    """Return how dense the test data are where samples lie, about 1 for real ones; see `neighbourhoods.density`."""
    return _figure("density", subject, _compared(subject, neighbourhoods.density, Stream.DENSITY))


@METRICS.register("coverage", "Coverage: test data with samples near", "coverage, %", SAMPLES, better=1, featured=True)
def coverage(subject: Subject) -> Figure:
    """Return the share of test examples that have a sample near, in %; see `neighbourhoods.coverage`."""
    return _figure("coverage", subject, _compared(subject, neighbourhoods.coverage, Stream.COVERAGE), "%")


@METRICS.register(
    "inception-score", "Inception-style score by a classifier", "score", SAMPLES, better=1, sized="samples"
)
def inception_score(subject: Subject) -> Figure:
    """Return the Inception score of n samples, by the classifier of the data's labels; see `score.inception_score`."""
    samples = subject.samples
    classes_of(subject.protocol.train)
    classifier = classifier_of(subject)
    net = classifier.function
    assert isinstance(net, LabelsNet)
    net.eval()
    with torch.no_grad():
        logits = torch.cat([net.logits(chunk) for chunk in samples.data.split(_CHUNK)])  # type: ignore[no-untyped-call]
    value, error = score.inception_score(logits)
    return Figure(value, error, "", f"inception-score-{counted(len(samples))}@{classifier.name}")


def _compared(subject: Subject, formula: Callable[..., Estimate], stream: Stream | None = None) -> Estimate:
    """Apply a formula to real features, samples' features, and a seed where it takes one."""
    features = subject.protocol.real_features, subject.features
    seeds = {} if stream is None else {"seed": mix(subject.protocol.seed, stream)}
    try:
        return formula(*features, **seeds)
    except DataError as reason:  # too few samples, or too far out
        raise Unanswered(str(reason)) from None


def _figure(name: str, subject: Subject, found: Estimate, unit: str = "") -> Figure:
    factor = 100 if unit == "%" else 1
    error = None if found.error is None else factor * found.error
    protocol = f"{name}-{counted(len(subject.samples))}@{subject.protocol.extractor.name}"
    return Figure(factor * found.value, error, unit, protocol)
