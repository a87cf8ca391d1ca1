"""All measures of one model, under one protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from triptych.catalogue import CATALOGUE, name_of
from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.evaluation.figure import Figure
from triptych.evaluation.likelihood import log_likelihood
from triptych.evaluation.novelty import Nearest
from triptych.evaluation.protocol import Protocol, subset
from triptych.evaluation.speed import sampling_speed
from triptych.models.base import Model
from triptych.models.questions import Sampler
from triptych.noise import mix
from triptych.queries import answers, likelihood_kind

MEASURES = {
    "nats": "test log-likelihood",
    "bits_per_dim": "test bits per dimension",
    "frechet": "Fréchet distance to test data",
    "near_copies": "near-copies of training data",
    "sampling_speed": "sampling speed",
    "parameters": "parameters",
    "training_time": "training time",
}
"""Every measure, by its key in `Measures.figures`, in the order of the report."""


@dataclass(frozen=True, eq=False)
class Measures:
    """What was measured of one model, or of real data as a reference.

    Args:
        name: how reports call it.
        family: the catalogue's family; "user's own" for a model that is not in it; "real data".
        model: name of the model's class; empty for real data.
        answers: names of the queries it answers.
        likelihood: "exact", "lower bound" or "none".
        figures: a `Figure` for each key of `MEASURES`.
        samples: the examples that were measured; None where the model does not sample.
        neighbours: the nearest training example of each sample; None where there is none.
        distances: of each sample to it, in scaled units.
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

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the examples, as JSON can hold it."""
        return {
            "name": self.name,
            "family": self.family,
            "class": self.model,
            "answers": list(self.answers),
            "likelihood": self.likelihood,
            "figures": {key: figure.to_dict() for key, figure in self.figures.items()},
        }


def measure(
    name: str, model: Model, protocol: Protocol, *, training_seconds: float | None = None
) -> Measures:
    """Measure one model; whatever it does not answer becomes a figure without a value that says why.

    Args:
        name: how reports call it.
        model: any model; only its declared answers are looked at.
        protocol: the conditions, the same for all models that are compared.
        training_seconds: wall-clock time of its training, if it is known.

    Raises:
        DataError: if the model is of another event than the protocol's data.

    Example:
        >>> import torch, triptych as tp
        >>> data = tp.Examples(torch.randn(60, 2, generator=torch.Generator().manual_seed(0)), tp.Event((2,)))
        >>> protocol = Protocol.prepare(data[:40], data[40:])
        >>> found = measure("gan", tp.GAN(data.event, hidden=8), protocol)
        >>> found.figures["frechet"].protocol, found.figures["nats"].text
        ('fd-20@coordinates', 'none')
    """
    if model.event != protocol.event:
        raise DataError(f"{name} is a model of a {model.event}, the data is a {protocol.event}")
    samples, nearest = None, None
    if not all(bool(torch.isfinite(p).all()) for p in model.parameters()):
        figures = _none("weights that are not finite numbers: the training diverged")
    else:
        scores = log_likelihood(model, protocol.scored, samples=protocol.importance, seed=mix(protocol.seed, 4))
        figures = _none(f"{type(model).__name__} does not sample")
        figures |= {"nats": scores.nats, "bits_per_dim": scores.bits_per_dim}
        if isinstance(model, Sampler):
            labels = protocol.real.labels if model.classes else None
            samples = model.sample(protocol.samples, label=labels, seed=mix(protocol.seed, 5))
            drawn, nearest = _drawn(samples, protocol)
            figures |= drawn
            figures["sampling_speed"] = sampling_speed(model, seed=mix(protocol.seed, 6))
    figures["parameters"] = Figure(sum(p.numel() for p in model.parameters()))
    figures["training_time"] = _training_time(training_seconds)
    entry = CATALOGUE.get(name_of(model))
    family = entry.family if entry else "user's own"
    kind = likelihood_kind(model)
    found = Measures(name, family, type(model).__name__, answers(model), kind, figures)
    return _with_examples(found, samples, nearest, protocol)


def reference(protocol: Protocol) -> Measures:
    """Measure real data in a model's place: n training examples, replayed.

    Its Fréchet distance to test data is what a perfect model would reach at this n; all of it is near-copies.
    """
    samples = subset(protocol.train, protocol.samples, mix(protocol.seed, 7))
    drawn, nearest = _drawn(samples, protocol)
    figures = {**_none("real data, not a model"), **drawn}
    found = Measures("training data", "real data, replayed", "", (), "none", figures)
    return _with_examples(found, samples, nearest, protocol)


def _none(why: str) -> dict[str, Figure]:
    return {key: Figure(None, note=why) for key in MEASURES}


def _drawn(samples: Examples, protocol: Protocol) -> tuple[dict[str, Figure], Nearest | None]:
    copies, nearest = protocol.copies(samples)
    return {"frechet": protocol.frechet(samples), "near_copies": copies}, nearest


def _with_examples(
    found: Measures, samples: Examples | None, nearest: Nearest | None, protocol: Protocol
) -> Measures:
    if nearest is None:
        return replace(found, samples=samples)
    distances = tuple(nearest.distance.tolist())
    return replace(found, samples=samples, neighbours=protocol.train[nearest.index], distances=distances)


def _training_time(seconds: float | None) -> Figure:
    if seconds is None:
        return Figure(None, unit="s", note="not recorded: the model came trained")
    return Figure(seconds, None, "s", "wall-clock")
