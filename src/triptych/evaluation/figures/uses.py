"""What a model can be used for: codes that classes are read off, samples of a class, classes by Bayes' rule."""

from __future__ import annotations

from dataclasses import replace

from triptych.data.examples import subset
from triptych.evaluation.embeddings import classes_of, encoded
from triptych.evaluation.features.classifier import LabelsNet
from triptych.evaluation.figures.registry import METRICS, USES
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.agreement import classified, classifier_of
from triptych.evaluation.studies.reject import check_classes, told
from triptych.evaluation.studies.representation import probe_accuracy as accuracy_of_probe
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, proportion
from triptych.models.base import Model
from triptych.noise import mix

LEARNT, TRIED = 2000, 1000
"""Most training examples that the probe learns from, and most test examples that it is tried on."""
CLASSIFIED, FEWEST, NUMBERS = 500, 100, 1 << 18
"""Test examples that are classified: at most, at least, and sub-pixels of all; each is asked about once a class."""


@METRICS.register("probe-accuracy", "Probe accuracy of codes", "probe, %", USES, better=1)
def probe_accuracy(subject: Subject) -> Figure:
    """Return how well logistic regression reads classes off codes, in %, with its binomial error; see `probe`."""
    model, protocol = subject.model, subject.protocol
    model.encode  # noqa: B018 - before labels are looked at: a model without codes says so
    train = subset(protocol.train, LEARNT, mix(protocol.seed, Stream.PROBE_ACCURACY_TRAIN))
    test = subset(protocol.test, TRIED, mix(protocol.seed, Stream.PROBE_ACCURACY_TEST))
    classes = classes_of(train), classes_of(test)
    check_classes(subject)
    found = accuracy_of_probe(encoded(model, train, test), *classes, few=None)
    assert found.value is not None
    figure = proportion(found.value / 100 * len(test), len(test), found.protocol)
    return replace(figure, note="the encoder is told the class") if model.conditional else figure


@METRICS.register("class-agreement", "Samples of the class asked for", "agreement, %", USES, better=1)
def class_agreement(subject: Subject) -> Figure:
    """Return the share of samples that a classifier takes for the class that was asked for, in %; see `agreement`.

    The samples are those that are compared with data; the error is binomial.
    """
    if subject.given is None:
        raise Unanswered("real data, not a model")
    if isinstance(subject.given, Model) and subject.given.classes:
        check_classes(subject)
    asked = subject.samples.labels
    if asked is None or asked.dim() > 1 or subject.protocol.train.labels is None:
        raise Unanswered("samples that were asked for without a class")
    classes_of(subject.protocol.train)
    extractor = classifier_of(subject)
    assert isinstance(extractor.function, LabelsNet)
    hits = int((classified(extractor.function, subject.samples) == asked).sum())
    return proportion(hits, len(asked), f"agreement-{len(asked)}@{extractor.name}")


@METRICS.register("bayes-accuracy", "Accuracy by Bayes' rule", "Bayes, %", USES, better=1)
def bayes_accuracy(subject: Subject) -> Figure:
    """Return how many test examples the class-conditional density classifies right, in %; see `reject`."""
    protocol = subject.protocol
    most = min(CLASSIFIED, max(FEWEST, NUMBERS // protocol.event.dims))
    found = told(subject, subset(protocol.test, most, mix(protocol.seed, Stream.BAYES_ACCURACY)))
    return proportion(int(found.right.sum()), len(found.labels), found.protocol)
