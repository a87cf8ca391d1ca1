"""How far a reconstruction is from its example: a squared error, or the nats of a law."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from triptych.distributions import LAWS, Law, resolve_law
from triptych.errors import ConfigurationError, check_known
from triptych.event import Event


class Output(ABC):
    """What a decoder's features say of an example, and what it costs that they say it wrongly.

    Args:
        event: what one example is.
    """

    term: str
    """Name of the loss."""

    def __init__(self, event: Event) -> None:
        self.event = event

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many numbers a decoder must give at each position."""

    @abstractmethod
    def loss(self, features: Tensor, x: Tensor) -> Tensor:
        """Return what the features cost, `(B,)`, where the examples are `x (B, *event.shape)`."""

    @abstractmethod
    def expected(self, features: Tensor) -> Tensor:
        """Return the examples that the features stand for, float32 `(B, *event.shape)` in the data's own units."""


class SquaredError(Output):
    """Features are the scaled example: `Σ_i (x̂_i - x_i)²` over its dimensions, both scaled.

    Example:
        >>> import torch
        >>> event = Event((1, 2, 2), 2)
        >>> SquaredError(event).loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.uint8))
        tensor([4.])
    """

    term = "squared_error"

    @property
    def channels(self) -> int:
        """Return one number per sub-pixel or coordinate."""
        return self.event.shape[0]

    def loss(self, features: Tensor, x: Tensor) -> Tensor:
        """Return the squared error summed over dimensions, `(B,)`."""
        return (self._checked(features) - self.event.scaled(x)).square().flatten(1).sum(1)

    def expected(self, features: Tensor) -> Tensor:
        """Return the features in the data's own units."""
        return self.event.unscaled(self._checked(features))

    def _checked(self, features: Tensor) -> Tensor:
        if tuple(features.shape[1:]) != self.event.shape:
            given = tuple(features.shape[1:])
            raise ConfigurationError(f"the decoder gave numbers of shape {given}: expected {self.event.shape}")
        return features.float()


class NegativeLogLikelihood(Output):
    """Features are a law's: `-log p(x | features)` in nats, and the law's mean as the example.

    Args:
        event: what one example is.
        law: of an example given the features.

    Example:
        >>> import torch
        >>> event = Event((1, 2, 2), 2)
        >>> cost = NegativeLogLikelihood(event, resolve_law("bernoulli", event))
        >>> cost.loss(torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.uint8))   # 4 log 2
        tensor([2.7726])
    """

    term = "distortion"

    def __init__(self, event: Event, law: type[Law]) -> None:
        super().__init__(event)
        self.law = law

    @property
    def channels(self) -> int:
        """Return what the law takes."""
        return self.law.channels(self.event)

    def loss(self, features: Tensor, x: Tensor) -> Tensor:
        """Return -log p(x | features) in nats, `(B,)`."""
        return -self.law(features, self.event).log_prob(x)

    def expected(self, features: Tensor) -> Tensor:
        """Return the law's mean."""
        return self.law(features, self.event).mean


def resolve_output(loss: str | type[Law], event: Event) -> Output:
    """Return what the argument `loss` of an autoencoder names.

    Args:
        loss: "squared", "likelihood" (the law that suits the event), a name in `LAWS`, or a `Law` class.
        event: what one example is.

    Raises:
        ConfigurationError: for an unknown name, or a law over other events.

    Example:
        >>> resolve_output("likelihood", Event((1, 8, 8), 2)).law.__name__
        'Bernoulli'
    """
    if loss == "squared":
        return SquaredError(event)
    if isinstance(loss, str):
        check_known("loss", loss, ["squared", "likelihood", *LAWS])
    return NegativeLogLikelihood(event, resolve_law("auto" if loss == "likelihood" else loss, event))
