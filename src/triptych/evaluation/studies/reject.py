"""A classifier that may decline: what it gets right of what it answers, if it answers less."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.evaluation.embeddings import classes_of
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.calibration import calibrated_error, calibration_error, log_loss
from triptych.metrics.figure import Figure, proportion
from triptych.models.questions import Density
from triptych.noise import mix
from triptych.queries.classification import CODES, Posterior, bayes_classifier, class_prior

COVERAGES = (100, 95, 90, 80, 50)
"""Shares of the examples that are answered, in %."""


class Curve(NamedTuple):
    """Accuracy by coverage, both in %, each `(N,)`: of the i most certain answers, i = 1 … N."""

    coverage: Tensor
    accuracy: Tensor


def accuracy_coverage(certainty: Tensor, right: Tensor) -> Curve:
    """Return how accurate the answers are if only the most certain ones are given.

    Among equally certain answers those that are given are drawn by chance: their accuracy is its expectation.
    Reference: El-Yaniv & Wiener 2010, *On the Foundations of Noise-free Selective Classification*, §2; Geifman &
    El-Yaniv 2017, *Selective Classification for Deep Neural Networks*, §2.

    Args:
        certainty: `(N,)`, in any unit; higher is more certain.
        right: `(N,)` whether the answer is right.

    Example:
        >>> accuracy_coverage(torch.tensor([3.0, 1.0, 2.0, 2.0]), torch.tensor([True, False, True, False])).accuracy
        tensor([100.0000,  75.0000,  66.6667,  50.0000], dtype=torch.float64)
    """
    ordered, order = certainty.double().sort(descending=True)
    group = torch.cat([torch.zeros(1), ordered[1:] != ordered[:-1]]).long().cumsum(0)
    size = torch.bincount(group)
    hits = torch.zeros(len(size), dtype=torch.float64).index_add(0, group, right[order].double())
    given = torch.arange(1, len(order) + 1, dtype=torch.float64)
    return Curve(100 * given / len(order), 100 * (hits / size)[group].cumsum(0) / given)


def accuracy_at(certainty: Tensor, right: Tensor, coverage: float) -> Figure:
    """Return the accuracy of the most certain answers, in %, with its binomial error.

    Args:
        certainty: `(N,)`; higher is more certain.
        right: `(N,)` whether the answer is right.
        coverage: share of the examples to answer, above 0, at most 1; at least one is.

    Example:
        >>> accuracy_at(torch.arange(100.0), torch.arange(100) >= 20, 0.5).value
        100.0
    """
    n = answered(len(right), coverage)
    accuracy = float(accuracy_coverage(certainty, right).accuracy[n - 1])
    return proportion(accuracy / 100 * n, n, f"accuracy@test-{n}-of-{len(right)}")


def answered(n: int, coverage: float) -> int:
    """Return how many of n examples a coverage is.

    >>> answered(449, 0.5), answered(3, 0.01)
    (224, 1)
    """
    return max(1, round(coverage * n))


class Told(NamedTuple):
    """What a model said of labelled examples by Bayes' rule."""

    posterior: Posterior
    labels: Tensor
    protocol: str

    @property
    def right(self) -> Tensor:
        """Whether the most probable class is the true one, `(N,)`."""
        return self.posterior.predicted == self.labels


def told(subject: Subject, x: Examples) -> Told:
    """Classify labelled examples by the class-conditional density of a subject.

    Args:
        subject: a model that takes labels and bounds log p(x).
        x: N examples.

    Raises:
        Unanswered: for a model without labels, and data without labels or of other classes than the model's.
        UnsupportedQuery: for a model that does not bound log p(x).
    """
    model, protocol = subject.model, subject.protocol
    if not model.classes:
        raise Unanswered(f"{type(model).__name__} is not told classes: train a model with --classes N")
    model.log_prob_bounds  # noqa: B018 - before labels are looked at: a model without a density says so
    labels = torch.from_numpy(classes_of(x))
    check_classes(subject)
    prior = class_prior(protocol.train, model.classes)
    try:
        found = bayes_classifier(model, prior, seed=mix(protocol.seed, Stream.BAYES_CLASSIFIER))(x)
    except DataError as reason:
        raise Unanswered(str(reason)) from None
    kind = "exact" if isinstance(model, Density) else f"iwae-{CODES}"
    return Told(found, labels, f"bayes-{kind}@test-{len(x)}")


def check_classes(subject: Subject) -> None:
    """Raise `Unanswered` if a model takes labels, and others than the data have."""
    train, classes = subject.protocol.train, subject.model.classes
    if not classes:
        return
    there = len(train.classes) or len(np.unique(classes_of(train)))
    if classes != there:
        raise Unanswered(f"the model has {classes} classes, the data {there}: they are not the same")


def reject(subject: Subject) -> Table:
    """Classify test examples by Bayes' rule, and decline the doubtful ones: what is then right of the rest?

    An example is declined for a low posterior of its most probable class (Chow 1970, *On Optimum Recognition Error and
    Reject Tradeoff*), or for a low p(x), which says that it is like nothing the model has seen. Calibration is of what
    is answered by the first rule.

    Args:
        subject: a model that takes labels and bounds log p(x).

    Raises:
        Unanswered: see `told`.
        UnsupportedQuery: for a model that does not bound log p(x).
    """
    found = told(subject, subject.protocol.scored)
    posterior, right = found.posterior, found.right
    order = posterior.log_odds.argsort(descending=True, stable=True)
    confidence = posterior.confidence
    rows: dict[str, tuple[Figure, ...]] = {}
    for percent in COVERAGES:
        kept = order[: answered(len(right), percent / 100)]
        rows[f"{percent} %"] = (
            accuracy_at(posterior.log_odds, right, percent / 100),
            accuracy_at(posterior.log_evidence, right, percent / 100),
            calibration_error(confidence[kept], right[kept]),
            calibrated_error(confidence[kept], seed=mix(subject.protocol.seed, Stream.CALIBRATION)),
            log_loss(posterior.log_posterior[kept], found.labels[kept]),
        )
    columns = ("right, by posterior, %", "right, by p(x), %", "ECE, %", "ECE if calibrated, %", "log loss, nats")
    title = f"classes by Bayes' rule: what is right of the share that is answered, {found.protocol}"
    return Table(title, columns, rows, _NOTE)


_NOTE = (
    "declined for a low posterior of the most probable class, or for a low p(x); the prior is the classes' shares of "
    "the training data. ECE: expected calibration error of what is answered by posterior, 15 bins; beside it what "
    "chance alone would make of a calibrated classifier."
)
