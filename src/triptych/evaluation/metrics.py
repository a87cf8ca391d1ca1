"""Every metric of the comparison: one function each, from a subject to a figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from triptych.data.examples import Examples
from triptych.errors import UnsupportedQuery, UserError
from triptych.evaluation.figure import Figure
from triptych.evaluation.likelihood import (
    Likelihood,
    NestedBounds,
    likelihood_figures,
    log_likelihood,
    mean_and_error,
    nested_bounds,
)
from triptych.evaluation.novelty import Nearest
from triptych.evaluation.protocol import Protocol, subset
from triptych.evaluation.speed import sampling_speed
from triptych.models.base import Model
from triptych.models.questions import ImportanceWeighted, Reconstructor, Sampler
from triptych.noise import mix
from triptych.queries import likelihood_kind, squared_errors

_GIVES = {
    "exact": "log p(x) exactly (see summary)",
    "lower bound": "a bound of its own",
    "none": "no bound on log p(x)",
}


class Unanswered(UserError):
    """A subject has no answer to what a metric needs; the message says why."""


class Subject:
    """What is measured: a model, or (None) training examples in a model's place.

    What several metrics need is computed once, when it is first asked for.

    Args:
        model: the model, or None.
        protocol: the conditions.
        training_seconds: time of the model's training, if it is known.
        training_rounds: rounds of the model's training, if they are known.
        progress: show how far long measurements are.
    """

    def __init__(
        self,
        model: Model | None,
        protocol: Protocol,
        training_seconds: float | None = None,
        training_rounds: int | None = None,
        progress: bool = False,
    ) -> None:
        self.given = model
        self.protocol = protocol
        self.training_seconds = training_seconds
        self.training_rounds = training_rounds
        self.progress = progress

    @property
    def any_model(self) -> Model:
        """The model, as it is; raises `Unanswered` for real data."""
        if self.given is None:
            raise Unanswered("real data, not a model")
        return self.given

    @cached_property
    def model(self) -> Model:
        """The model, fit to be asked; raises `Unanswered` if its training diverged."""
        if not all(bool(torch.isfinite(p).all()) for p in self.any_model.parameters()):
            raise Unanswered("weights that are not finite numbers: the training diverged")
        return self.any_model

    @cached_property
    def drawn(self) -> Examples:
        """The n examples that are compared with data, as they were drawn."""
        seed = self.protocol.seed
        if self.given is None:
            return subset(self.protocol.train, self.protocol.samples, mix(seed, 7))
        labels = self.protocol.real.labels if self.model.conditional else None
        drawn: Examples = self.model.sample(self.protocol.samples, label=labels, seed=mix(seed, 5))
        return drawn

    @property
    def samples(self) -> Examples:
        """The same; raises `Unanswered` if some are not finite."""
        bad = int((~torch.isfinite(self.drawn.data)).flatten(1).any(1).sum())
        if bad:
            raise Unanswered(f"{bad} of {len(self.drawn)} samples are not finite numbers: the training diverged")
        return self.drawn

    @cached_property
    def nearest(self) -> Nearest:
        """The nearest training example of each sample."""
        return self.protocol.nearest(self.samples)

    @cached_property
    def nested(self) -> NestedBounds:
        """Importance-weighted bounds on log p(x) of the scored examples; raises `Unanswered` if none are weighted."""
        model, protocol = self.model, self.protocol
        if not isinstance(model, ImportanceWeighted):
            gives = _GIVES[likelihood_kind(model)]
            raise Unanswered(
                f"{type(model).__name__} gives {gives}: bounds by weighted codes are of models such as vae"
            )
        return nested_bounds(
            model, protocol.scored, samples=protocol.importance, seed=mix(protocol.seed, 4), progress=self.progress
        )

    @cached_property
    def likelihood(self) -> Likelihood:
        """Test log-likelihood in both units; of a model that weighs codes the last of `nested`."""
        if isinstance(self.model, ImportanceWeighted):
            return likelihood_figures(self.model, self.nested.bounds[:, -1], self.protocol.importance)
        return log_likelihood(self.model, self.protocol.scored)


@dataclass(frozen=True)
class Metric:
    """One metric; calling it gives a figure, without a value but with the reason where there is no answer.

    Args:
        function: from a subject to a figure.
        label: how a table calls it.
        short: the same where there is little room.
        better: 1 if more is better, -1 if less is, 0 if neither.
    """

    function: Callable[[Subject], Figure]
    label: str
    short: str
    better: int = 0

    def __call__(self, subject: Subject) -> Figure:
        """Measure a subject."""
        try:
            return self.function(subject)
        except (Unanswered, UnsupportedQuery) as reason:
            return Figure(None, note=str(reason))


METRICS: dict[str, Metric] = {}
"""Every metric by its key, in the order of the report."""


def metric(label: str, short: str, better: int = 0) -> Callable[[Callable[[Subject], Figure]], Metric]:
    """Enter a function in `METRICS` under its own name: it is then measured, tabled and stored."""

    def enter(function: Callable[[Subject], Figure]) -> Metric:
        METRICS[function.__name__] = Metric(function, label, short, better)
        return METRICS[function.__name__]

    return enter


@metric("Test log-likelihood", "log p(x), nats", better=1)
def nats(subject: Subject) -> Figure:
    """Return the mean log p(x) of test examples, or a bound on it, in nats; see `log_likelihood`."""
    return subject.likelihood.nats


@metric("Test bits per dimension", "bits/dim", better=-1)
def bits_per_dim(subject: Subject) -> Figure:
    """Return the same in bits per dimension."""
    return subject.likelihood.bits_per_dim


@metric("Fréchet distance to test data", "Fréchet", better=-1)
def frechet(subject: Subject) -> Figure:
    """Return the Fréchet distance of n samples to n test examples, on the protocol's features."""
    return subject.protocol.frechet(subject.samples)


@metric("Near-copies of training data", "near-copies, %")
def near_copies(subject: Subject) -> Figure:
    """Return the share of samples that are nearer to a training example than unseen data are, in %."""
    return subject.protocol.copies(subject.nearest)


@metric("Reconstruction error", "reconstruction", better=-1)
def reconstruction(subject: Subject) -> Figure:
    """Return the mean squared error of reconstructing test examples from their codes; see `squared_errors`."""
    scored = subject.protocol.scored
    if not isinstance(subject.model, Reconstructor):
        raise Unanswered(f"{type(subject.model).__name__} does not reconstruct")
    mean, error = mean_and_error(squared_errors(subject.model.reconstruct(scored), scored))
    return Figure(mean, error, "", f"mse-{len(scored)}")


@metric("Sampling speed", "samples/s", better=1)
def speed(subject: Subject) -> Figure:
    """Return how many samples a second the model draws, warm."""
    if not isinstance(subject.model, Sampler):
        raise Unanswered(f"{type(subject.model).__name__} does not sample")
    return sampling_speed(subject.model, seed=mix(subject.protocol.seed, 6))


@metric("Parameters", "parameters")
def parameters(subject: Subject) -> Figure:
    """Return the number of parameters."""
    return Figure(sum(p.numel() for p in subject.any_model.parameters()))


@metric("Training time", "training, s")
def training_time(subject: Subject) -> Figure:
    """Return the training time in seconds, pictures and checkpoints not counted."""
    if subject.any_model and subject.training_seconds is None:
        return Figure(None, unit="s", note="not recorded: the model came trained")
    return Figure(subject.training_seconds, None, "s", "training-clock")


@metric("Training rounds", "rounds")
def training_rounds(subject: Subject) -> Figure:
    """Return how many rounds the model was trained for; what one costs differs from model to model."""
    if subject.any_model and subject.training_rounds is None:
        return Figure(None, note="not recorded: the model came trained")
    return Figure(subject.training_rounds)
