"""What is measured: a model under a protocol, or training examples in a model's place."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from triptych.data.examples import Examples, subset
from triptych.errors import UserError
from triptych.evaluation.likelihood import Likelihood, NestedBounds, likelihood_figures, log_likelihood, nested_bounds
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.streams import Stream
from triptych.metrics.novelty import Nearest
from triptych.metrics.steadiness import Course
from triptych.models.base import Model
from triptych.models.questions import ImportanceWeighted
from triptych.noise import mix
from triptych.queries import likelihood_kind

_GIVES = {
    "exact": "log p(x) exactly (see summary)",
    "lower bound": "a bound of its own",
    "none": "no bound on log p(x)",
}


class Unanswered(UserError):
    """A subject has no answer to what a metric needs; the message says why."""


class Subject:
    """What is measured: a model, or examples in a model's place: training examples (None), or given ones.

    What several metrics need is computed once, when it is first asked for.

    Args:
        model: the model; or examples that stand for its samples; or None for training examples.
        protocol: the conditions.
        training_seconds: time of the model's training, if it is known.
        training_rounds: rounds of the model's training, if they are known.
        course: what was examined of the model in its training, if anything was.
    """

    def __init__(
        self,
        model: Model | Examples | None,
        protocol: Protocol,
        training_seconds: float | None = None,
        training_rounds: int | None = None,
        course: Course | None = None,
    ) -> None:
        self.given = model
        self.protocol = protocol
        self.training_seconds = training_seconds
        self.training_rounds = training_rounds
        self.course = course

    def under(self, protocol: Protocol) -> Subject:
        """Return the same model under another protocol; what was computed under this one is not shared."""
        if protocol is self.protocol:
            return self
        return Subject(self.given, protocol, self.training_seconds, self.training_rounds, self.course)

    @property
    def any_model(self) -> Model:
        """The model, as it is; raises `Unanswered` for real data."""
        if self.given is None or isinstance(self.given, Examples):
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
            return subset(self.protocol.train, self.protocol.samples, mix(seed, Stream.TRAINING_DATA))
        if isinstance(self.given, Examples):
            return self.given
        labels = self.model.labels_in(self.protocol.real)
        drawn: Examples = self.model.sample(self.protocol.samples, label=labels, seed=mix(seed, Stream.SAMPLES))
        return drawn

    @property
    def samples(self) -> Examples:
        """The same; raises `Unanswered` if some are not finite."""
        bad = int((~torch.isfinite(self.drawn.data)).flatten(1).any(1).sum())
        if bad:
            raise Unanswered(f"{bad} of {len(self.drawn)} samples are not finite numbers: the training diverged")
        return self.drawn

    @cached_property
    def features(self) -> Tensor:
        """The samples' features by the protocol's extractor, `(n, F)` float32."""
        return self.protocol.extractor(self.samples)

    @cached_property
    def nearest(self) -> Nearest:
        """The nearest training example of each sample."""
        return self.protocol.nearest(self.samples)

    @cached_property
    def nearest_by_features(self) -> Nearest:
        """The same by the protocol's features."""
        return self.protocol.nearest_by_features(self.features)

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
            model, protocol.scored, samples=protocol.importance, seed=mix(protocol.seed, Stream.BOUNDS)
        )

    @cached_property
    def likelihood(self) -> Likelihood:
        """Test log-likelihood in both units; of a model that weighs codes the last of `nested`."""
        if isinstance(self.model, ImportanceWeighted):
            return likelihood_figures(self.model, self.nested.bounds[:, -1], self.protocol.importance)
        return log_likelihood(self.model, self.protocol.scored)
