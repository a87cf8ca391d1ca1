"""A player of the game that trains a model, and the optimiser that it learns by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.noise import Noise

Terms = dict[str, Tensor]
"""Loss terms by name, each unreduced: `(B,)`. A player minimises the sum of their means."""


def weighted(terms: Terms, weight: float) -> Terms:
    """Return loss terms with the adversarial one weighted; those of tricks have weights of their own."""
    return {name: weight * term if name == "adversarial" else term for name, term in terms.items()}


@dataclass(frozen=True)
class AdamConfig:
    """Adam, as a model recommends it (Kingma & Ba 2015, *Adam*, Algorithm 1).

    Args:
        rate: learning rate, where training is given none.
        beta1: decay of the gradient's mean.
        beta2: decay of its square.

    Raises:
        ConfigurationError: for a number out of its range.

    Example:
        >>> AdamConfig(beta1=0.0, beta2=1.0)
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: beta1=0, beta2=1: expected both at least 0 and below 1
    """

    rate: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        if not 0 < self.rate < math.inf:
            raise ConfigurationError(f"rate={self.rate:g}: expected a number above 0")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1):
            raise ConfigurationError(
                f"beta1={self.beta1:g}, beta2={self.beta2:g}: expected both at least 0 and below 1"
            )

    @property
    def optimizer(self) -> Callable[..., torch.optim.Optimizer]:
        """From parameters to their optimiser."""
        return partial(torch.optim.Adam, lr=self.rate, betas=(self.beta1, self.beta2))


@dataclass(frozen=True)
class Player:
    """One player of the game that trains a model.

    Args:
        name: how reports call it.
        modules: the modules whose parameters it alone may change.
        objective: from a minibatch and a stream of randomness to the loss terms that it minimises.
        turns: how many turns it takes a round. The first player sees a fresh minibatch each turn; later
            players see the last one drawn (Goodfellow et al. 2014, Algorithm 1).
        optimizer: from parameters to their optimiser, with the learning rate that the model recommends.
        rate: factor on its learning rate, whoever chose that: players may learn at different speeds.
        after: what is done after each of its steps, such as clipping its weights.
        figures: from the means of its terms over a logging window, by name, to what is logged besides them.
        rounds: the first round that it plays in, and the first that it no longer plays in (None for no end). Two
            players may own one parameter if they never play in the same round.
    """

    name: str
    modules: Sequence[nn.Module]
    objective: Callable[[Batch, Noise], Terms]
    turns: int = 1
    optimizer: Callable[..., torch.optim.Optimizer] = partial(torch.optim.Adam, lr=1e-3)
    rounds: tuple[int, int | None] = (0, None)
    rate: float = 1.0
    after: Callable[[], None] | None = None
    figures: Callable[[Mapping[str, float]], dict[str, float]] | None = None

    def plays(self, step: int) -> bool:
        """Return whether it has a turn in the round after `step` finished ones."""
        first, end = self.rounds
        return first <= step and (end is None or step < end)

    def meets(self, other: Player) -> bool:
        """Return whether the two ever play in the same round."""
        ends = [math.inf if end is None else end for end in (self.rounds[1], other.rounds[1])]
        return max(self.rounds[0], other.rounds[0]) < min(ends)

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters that this player alone may change."""
        return [p for module in self.modules for p in module.parameters()]
