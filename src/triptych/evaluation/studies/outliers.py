"""Whether a model tells other data from its own, by its likelihood and by what makes up for its known failure."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from triptych.data.examples import Examples, subset
from triptych.errors import DataError, UnsupportedQuery
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.studies.reject import check_classes
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error, proportion
from triptych.models.base import Model
from triptych.noise import mix
from triptych.queries.anomaly import anomaly_scores, auroc, typicality
from triptych.queries.classification import CODES, bayes_classifier, class_prior
from triptych.queries.complexity import compressed_length

ORDINARY = 2000
"""Training examples whose mean log-likelihood is the typical one, at most."""


def outliers(subject: Subject) -> Table:
    """Tell examples of other data from test examples: the area under the curve of each score, and the scores' means.

    The area (AUROC) is the probability that an example of the other data scores higher than a test example: 0.5 tells
    nothing, and below it the other data look more ordinary than the model's own. For what each score is see
    `anomaly_scores`; of a model with labels p(x) is the sum over them, `Σ_y p(x | y) p(y)`.

    Args:
        subject: a model that bounds log p(x) or reconstructs, under a protocol that says against which data.

    Returns:
        A row for each score that the model has: "likelihood", "reconstruction", "typicality", "complexity" (of images)
        and "ratio" (with a background).

    Raises:
        Unanswered: without other data, or for a model that has none of the scores.
    """
    protocol = subject.protocol
    if protocol.against is None:
        raise Unanswered("outliers are of other data: give --against DATA")
    own = protocol.scored
    other = subset(protocol.against, len(own), mix(protocol.seed, Stream.OUTLIERS))
    scores, missing = _scores(subject, own, other)
    if not scores:
        raise Unanswered("; ".join(map(str, missing.values())))
    rows = {name: _row(name, *both) for name, both in scores.items()}
    reasons = (f"No {name}: {why}." for name, why in missing.items() if not isinstance(why, UnsupportedQuery))
    against = Path(str(protocol.against.source.get("spec", "other data"))).stem
    title = f"{len(other):,} examples of {against} against {len(own):,} test examples"
    return Table(title, ("AUROC", "mean, test data", "mean, other data"), rows, " ".join([_NOTE, *reasons]))


_NOTE = (
    "AUROC: how often an example of the other data scores higher than a test example; 0.5 tells nothing, below it the "
    "other data look more ordinary than the model's own. Scores in nats, of reconstruction mean squared error."
)


Scores = dict[str, tuple[Tensor, Tensor]]
"""By name, of test examples and of the others: higher is more of an outlier."""


def _scores(subject: Subject, own: Examples, other: Examples) -> tuple[Scores, dict[str, Exception]]:
    """Return the scores that there are, and why others are not."""
    found: Scores = {}
    missing: dict[str, Exception] = {}
    for way in (_of_likelihood, _of_reconstruction):
        try:
            found |= way(subject, own, other)
        except (UnsupportedQuery, Unanswered, DataError) as reason:
            missing[way.__name__.removeprefix("_of_")] = reason
    return found, missing


def _of_likelihood(subject: Subject, own: Examples, other: Examples) -> Scores:
    """Return the raw likelihood, and the scores that correct it."""
    model, protocol = subject.model, subject.protocol
    check_classes(subject)
    train = subset(protocol.train, ORDINARY, mix(protocol.seed, Stream.ORDINARY))
    inside, outside, typical = (_surprise(model, protocol, x) for x in (own, other, train))
    found = {
        "likelihood": (inside, outside),
        "typicality": (typicality(inside, typical), typicality(outside, typical)),
    }
    if protocol.event.is_image:
        found["complexity"] = (inside - compressed_length(own), outside - compressed_length(other))
    if protocol.background is not None:
        known = (_surprise(protocol.background, protocol, x) for x in (own, other))
        found["ratio"] = (inside - next(known), outside - next(known))
    return found


def _surprise(model: Model, protocol: Protocol, x: Examples) -> Tensor:
    """Return -log p(x) or an upper bound on it, `(N,)` nats, whatever the labels of x."""
    model.log_prob_bounds  # noqa: B018 - it says so if the model does not answer
    bare, seed = Examples(x.data, x.event), mix(protocol.seed, Stream.OUTLIER_BOUNDS)
    if model.embedding:
        raise Unanswered("a model of vectors has a likelihood of an example with its vector, and not of the example")
    if model.classes:
        prior = class_prior(protocol.train, model.classes)
        return -bayes_classifier(model, prior, seed=seed)(bare).log_evidence
    return anomaly_scores(model, bare, by="bound", samples=CODES, seed=seed)


def _of_reconstruction(subject: Subject, own: Examples, other: Examples) -> Scores:
    model = subject.model
    model.reconstruct  # noqa: B018 - it says so if the model does not answer
    if model.conditional:
        raise Unanswered("a model with labels reconstructs an example by its label, and other data have none of them")
    return {
        "reconstruction": (
            anomaly_scores(model, own, by="reconstruction"),
            anomaly_scores(model, other, by="reconstruction"),
        )
    }


def _row(name: str, inside: Tensor, outside: Tensor) -> tuple[Figure, ...]:
    """Return the area under the curve, and the mean score of either side.

    Where all of one side score higher, DeLong's error is 0; then it is the binomial one of the smaller side.
    """
    area, unit = auroc(inside, outside), "" if name == "reconstruction" else "nats"
    protocol = f"auroc-{name}@test-{len(inside)}|{len(outside)}"
    means = (_mean(side, unit, f"{name}-{len(side)}") for side in (inside, outside))
    n = min(len(inside), len(outside))
    error = area.error or (proportion(area.value * n, n).error or 0) / 100
    return (Figure(area.value, error, "", protocol), *means)


def _mean(scores: Tensor, unit: str, protocol: str) -> Figure:
    """Return the mean score; none if the model holds some of the examples impossible."""
    bad = int((~scores.isfinite()).sum())
    if bad:
        return Figure(None, unit=unit, protocol=protocol, note=f"{bad} of {len(scores)} examples are impossible")
    return Figure(*mean_and_error(scores), unit, protocol)
