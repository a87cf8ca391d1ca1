"""The settings of an adversary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn

from triptych.adversary.tricks import TRICKS, Trick
from triptych.config import setting
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks import Sizes
from triptych.networks.critics import TRUNKS, Layer, resolve_critic
from triptych.networks.norms import CRITIC_NORMS
from triptych.objectives.adversarial import LOSSES, Loss
from triptych.objectives.penalties import PENALTIES, Penalty


@dataclass(frozen=True)
class AdversaryConfig:
    """The parts of an adversary, each exchangeable, and its pace.

    Args:
        critic: "auto", or a name with options behind a colon ("resnet:attention=16"); or a module from scaled examples
            to `(B, 1)`.
        loss: a name with options behind a colon ("least-squares:fake_label=-1"); or a function of real and fake logits.
        penalty: on the critic: "none", or names joined by "+", with options behind a colon ("gradient:weight=10"); or
            a function.
        tricks: "none", or names joined by "+", with options behind a colon ("replay:size=1000"); or a list of `Trick`.
        norm: "auto" (spectral for convolutions, else none), or a name.
        labels: how the critic sees labels: "concatenation", to the example, or "projection", on the features.
        steps: critic's turns for each turn of the generator.
        rate: the critic's learning rate, as a multiple of the generator's.
        weight_clip: keep each of the critic's weights within ± this; 0 for no bound.
        shared_fakes: in its turn the generator is judged on the critic's last fakes, not on new ones: faster.

    Raises:
        ConfigurationError: for a number out of its range.

    Example:
        >>> AdversaryConfig(loss="hinge", steps=5).norm
        'auto'
    """

    critic: str | nn.Module = setting("auto", "critic", TRUNKS)
    loss: str | Loss = setting("non-saturating", "loss", LOSSES)
    penalty: str | Penalty = setting("none", "penalty", PENALTIES)
    tricks: str | Sequence[Trick] = setting("none", "tricks", TRICKS)
    norm: str = setting("auto", "critic_norm", CRITIC_NORMS)
    labels: str = setting("concatenation", "critic_labels")
    steps: int = setting(1, "critic_steps")
    rate: float = setting(1.0, "critic_rate")
    weight_clip: float = 0.0
    shared_fakes: bool = False

    def __post_init__(self) -> None:
        """Refuse numbers out of their range."""
        if self.steps < 1:
            raise ConfigurationError(f"critic_steps={self.steps}: expected at least 1")
        if not 0 < self.rate < math.inf:
            raise ConfigurationError(f"critic_rate={self.rate:g}: expected a number above 0")
        if not 0 <= self.weight_clip < math.inf:
            raise ConfigurationError(f"weight_clip={self.weight_clip:g}: expected a bound such as 0.01, or 0 for none")

    def critic_for(self, event: Event, sizes: Sizes) -> Callable[[Sequence[Layer]], nn.Module]:
        """Return a function from the layers of tricks to a critic of examples."""
        return partial(resolve_critic, self.critic, event, sizes, self.norm, self.labels)
