"""What every law of an observed example has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, final

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.specs import Registry

LAWS: Registry[type[Law]] = Registry("pixel law")
"""Every law by the name that a user can type: `@LAWS.register("bernoulli")`."""


class Law(ABC):
    """The distribution p(x | features) of an example, given what a network computed.

    A network that wants to parametrise a law gives `channels(event)` numbers at each position: features
    of shape `(B, channels, H, W)` for images and `(B, channels)` for vectors, colour by colour (all
    parameters of the first colour or coordinate, then all of the second, …). The law owns every
    scaling: `log_prob` takes and `sample` returns examples as the data file holds them.

    Args:
        features: `(B, channels(event), *event.shape[1:])`, unconstrained real numbers.
        event: the sample space.
    """

    joint: ClassVar[bool] = False
    """Whether the colours of a pixel are dependent given the features. If so one set of features serves
    all of them; if not, an autoregressive network must order the colours itself."""

    def __init__(self, features: Tensor, event: Event) -> None:
        expected = (self.channels(event), *event.shape[1:])
        if tuple(features.shape[1:]) != expected:
            raise ConfigurationError(
                f"a network gave features {tuple(features.shape[1:])}: {type(self).__name__} takes {expected}"
            )
        self.features = features.float()  # likelihoods are never computed in half precision
        self.event = event

    @classmethod
    @abstractmethod
    def channels(cls, event: Event) -> int:
        """Return how many numbers a network must give at each position."""

    @classmethod
    @abstractmethod
    def check(cls, event: Event) -> None:
        """Raise `ConfigurationError` if this law is not one over such events."""

    @abstractmethod
    def nll_map(self, x: Tensor) -> Tensor:
        """Return -log p at each position in nats: `(B, C, H, W)`, `(B, H, W)` if `joint`, or `(B, D)`."""

    @final
    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x | features) in nats, one number per example: `(B,)`."""
        return -self.nll_map(x).flatten(1).sum(1)

    @classmethod
    @abstractmethod
    def draws(cls, event: Event) -> int:
        """Return how many uniform numbers one draw takes at each position."""

    @abstractmethod
    def at(self, u: Tensor) -> Tensor:
        """Return the examples `(B, *event.shape)` that uniform numbers stand for.

        Args:
            u: `(B, draws(event), *event.shape[1:])` in [0, 1); colour by colour, as the features are.
        """

    @final
    def sample(self, noise: Noise) -> Tensor:
        """Draw examples: `(B, *event.shape)`, of the event's own type."""
        return self.at(noise.uniform((len(self.features), self.draws(self.event), *self.event.shape[1:])))

    def level_nats(self, x: Tensor, colour: int) -> Tensor:
        """Return -log p of every level of one colour, given the colours before it in `x`: `(B, L, H, W)` nats."""
        assert self.event.levels is not None and not self.joint, "a joint law brings its own"
        nats = [self.nll_map(torch.full_like(x, level))[:, colour] for level in range(self.event.levels)]
        return torch.stack(nats, 1)

    def tempered(self, temperature: float) -> Law:
        """Return the law of `p(x)^(1/T)`, normalised, over vectors.

        Raises:
            ConfigurationError: where a law does not know how.
        """
        raise ConfigurationError(f"{type(self).__name__} has no temperature: leave it at 1")

    @property
    @abstractmethod
    def mean(self) -> Tensor:
        """The expectation of x: float32 `(B, *event.shape)` in the data's own units (levels for images)."""

    @final
    def by_colour(self, parameters: int) -> list[Tensor]:
        """Split the features into `parameters` tensors, each `(B, C, H, W)` or `(B, D)`."""
        shape = (len(self.features), self.event.shape[0], parameters, *self.event.shape[1:])
        return list(self.features.reshape(shape).unbind(2))
