"""The exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Follows a model's weights, `θ̄ ← d θ̄ + (1 - d) θ`, with `d = min(decay, (1 + t) / (10 + t))`.

    Buffers (running statistics) are the model's own, not averaged. Reference: Polyak & Juditsky 1992; the warm-up of d
    as in TensorFlow's `ExponentialMovingAverage`.

    Args:
        model: whose weights are followed.
        decay: d, in [0, 1).
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = model
        self.decay = decay
        self.weights = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after round `step`."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self.weights, [p.detach() for p in self.model.parameters()], 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model its averaged weights within; the trained ones return afterwards."""
        trained = [p.detach().clone() for p in self.model.parameters()]
        self.assign()
        try:
            yield
        finally:
            self._assign(trained)

    def assign(self) -> None:
        """Give the model its averaged weights for good."""
        self._assign(self.weights)

    @torch.no_grad()
    def _assign(self, weights: list[Tensor]) -> None:
        for parameter, weight in zip(self.model.parameters(), weights, strict=True):
            parameter.copy_(weight)

    def state(self) -> dict[str, Tensor]:
        """Return the averaged weights by name; a parameter of several names is there under each."""
        weights = dict(zip(map(id, self.model.parameters()), self.weights, strict=True))
        return {name: weights[id(p)] for name, p in self.model.named_parameters(remove_duplicate=False)}

    @torch.no_grad()
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the averaged weights from `state`."""
        for (name, _), weight in zip(self.model.named_parameters(), self.weights, strict=True):
            weight.copy_(state[name])
