"""All measures of one model, under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import Tensor

from triptych.catalogue import CATALOGUE, name_of
from triptych.data.examples import Examples
from triptych.errors import DataError, UnsupportedQuery
from triptych.evaluation.figures import METRICS
from triptych.evaluation.landscape import landscape
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.streams import Stream
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.metrics.seeds import over_seeds
from triptych.models.base import Model
from triptych.noise import mix
from triptych.queries import likelihood_kind
from triptych.running.progress import task


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured of one model, or of real data as a reference.

    Args:
        name: how reports call it.
        family: the catalogue's family; "user's own" for a model that is not in it; "real data".
        model: name of the model's class; empty for real data.
        answers: names of the queries it answers.
        likelihood: "exact", "lower bound" or "none".
        figures: a `Figure` for each of `METRICS` that is compared.
        samples: the examples that were measured; None where the model does not sample.
        neighbours: the nearest training example of each sample; None where there is none.
        distances: of each sample to it, relative to its 50 nearest; see `novelty.Nearest`.
        feature_neighbours: the training example whose features are nearest to each sample's.
        feature_distances: of each sample's features to them, relative in the same way.
        density: of a model of two coordinates: log p(x) over the plane, or a bound on it; see `landscape`.
        seeds: the single trainings that the figures are means of; empty for one training.
    """

    name: str
    family: str
    model: str
    answers: tuple[str, ...]
    likelihood: str
    figures: dict[str, Figure]
    samples: Examples | None = None
    neighbours: Examples | None = None
    distances: tuple[float, ...] = ()
    feature_neighbours: Examples | None = None
    feature_distances: tuple[float, ...] = ()
    density: Tensor | None = None
    seeds: tuple[Measures, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the examples, as JSON can hold it."""
        trained = {"seeds": [one.to_dict() for one in self.seeds]} if self.seeds else {}
        return {
            "name": self.name,
            "family": self.family,
            "class": self.model,
            "answers": list(self.answers),
            "likelihood": self.likelihood,
            "figures": {key: figure.to_dict() for key, figure in self.figures.items()},
            **trained,
        }


def measure(
    name: str,
    model: Model,
    protocol: Protocol,
    *,
    training_seconds: float | None = None,
    training_rounds: int | None = None,
) -> Measures:
    """Measure one model; whatever it does not answer becomes a figure without a value that says why.

    Args:
        name: how reports call it.
        model: any model; only its declared answers are looked at.
        protocol: the conditions, the same for all models that are compared.
        training_seconds: time of its training, if it is known.
        training_rounds: rounds of its training, if they are known.

    Raises:
        DataError: if the model is of another event than the protocol's data.

    Example:
        >>> import torch, triptych as tp
        >>> data = tp.Examples(torch.randn(60, 2, generator=torch.Generator().manual_seed(0)), tp.Event((2,)))
        >>> protocol = Protocol.prepare(data[:40], data[40:])
        >>> found = measure("gan", tp.build("gan", data.event, hidden=8), protocol)
        >>> found.figures["fid"].protocol, found.figures["nats"].text
        ('fid-20@coordinates', 'none')
    """
    return measure_subject(name, Subject(model, protocol, training_seconds, training_rounds))


def measure_subject(name: str, subject: Subject) -> Measures:
    """Measure a model that is already a subject, with what was computed of it before; see `measure`.

    Args:
        name: how reports call it.
        subject: a model under a protocol.

    Raises:
        DataError: if the model is of another event than the protocol's data.
    """
    model, protocol = subject.any_model, subject.protocol
    if not model.event.same_space(protocol.event):
        raise DataError(f"{name} is a model of a {model.event}, the data is a {protocol.event}")
    entry = CATALOGUE.get(name_of(model))
    family = entry.family if entry else "user's own"
    found = Measures(name, family, type(model).__name__, model.answers, likelihood_kind(model), {})
    return _measured(found, subject)


def reference(protocol: Protocol) -> Measures:
    """Measure real data in a model's place: n training examples, replayed.

    Its Fréchet distance to test data is what a perfect model would reach at this n; all of it is near-copies.
    """
    return _measured(Measures("training data", "real data, replayed", "", (), "none", {}), Subject(None, protocol))


def pooled(measures: Sequence[Measures]) -> Measures:
    """Return the measures of one model that was trained several times: figures are means; see `over_seeds`.

    Samples, neighbours and densities are those of the first.

    Args:
        measures: one a training.
    """
    first = measures[0]
    if len(measures) == 1:
        return first
    figures = {key: over_seeds([one.figures[key] for one in measures]) for key in first.figures}
    return replace(first, figures=figures, seeds=tuple(measures))


def _measured(about: Measures, subject: Subject) -> Measures:
    compared = {key: metric for key, metric in METRICS.items() if metric.compared}
    with task(f"measuring {about.name}", len(compared)) as measuring:
        figures = {}
        for key, metric in compared.items():
            measuring.note = partial(str, key)
            figures[key] = metric(subject)
            measuring.advance()
    found = replace(about, figures=figures, density=_density(subject))
    try:
        by_pixels, by_features = subject.nearest, subject.nearest_by_features
        return replace(
            found,
            samples=subject.drawn,
            neighbours=subject.protocol.train[by_pixels.index],
            distances=tuple(by_pixels.relative.tolist()),
            feature_neighbours=subject.protocol.train[by_features.index],
            feature_distances=tuple(by_features.relative.tolist()),
        )
    except (Unanswered, UnsupportedQuery):  # each figure says why
        return replace(found, samples=vars(subject).get("drawn"))


def _density(subject: Subject) -> Tensor | None:
    try:
        return landscape(subject.model, subject.protocol.real.data, mix(subject.protocol.seed, Stream.LANDSCAPE))
    except Unanswered:
        return None
