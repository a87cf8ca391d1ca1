"""What a trick is: a part of an adversary with hooks into each player's turn."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from triptych.adversary.scores import Scores
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.objectives.player import Terms
from triptych.specs import Registry

TRICKS: Registry[type[Trick]] = Registry("trick")
"""Every trick by the name that a user can type."""


@dataclass(frozen=True)
class Setting:
    """Where a trick is used.

    Args:
        event: what one example is.
        shape: of what the critic scores at once: an example's, or that of several.
        players: the modules of each player, by its name ("critic", "generator").
    """

    event: Event
    shape: tuple[int, ...]
    players: dict[str, nn.Module]


@dataclass(frozen=True)
class StepContext:
    """A player's turn of a step, as far as its adversarial term is computed.

    Args:
        batch: the minibatch.
        noise: a stream of randomness.
        codes: of the fakes, `(B, latent)`; None of a critic's turn on fakes that were made before.
        real: scaled real examples as the critic was shown them; None if it was not shown any.
        fake: scaled fakes as the critic was shown them.
        real_scores: the critic's of real examples; None if it scored none.
        fake_scores: the critic's of fakes.
        made: scaled fakes as the generator made them in this turn; in its own turn with a graph.
    """

    batch: Batch
    noise: Noise
    codes: Tensor | None
    real: Tensor | None
    fake: Tensor
    real_scores: Scores | None
    fake_scores: Scores
    made: Tensor


class Trick(nn.Module):
    """One trick; a hook that is not overridden changes nothing. What it remembers are buffers.

    `@TRICKS.register("instance-noise")` names a subclass; the keyword-only parameters of its constructor are options:
    `--tricks instance-noise:std=0.1`. A head that reads the critic's features, and learns in the critic's turn, is a
    trick without a name.
    """

    sees_features: ClassVar[bool] = False
    """Whether it looks at the critic's features, of real examples, too, in the generator's turn."""
    sees_codes: ClassVar[bool] = False
    """Whether it differentiates made examples by their codes, in the generator's turn."""
    mixes_examples: ClassVar[bool] = False
    """Whether its layer lets the score of an example depend on the rest of the minibatch."""

    @property
    def called(self) -> str:
        """Its name in `TRICKS`, or its class's."""
        return TRICKS.name_of(type(self)) or type(self).__name__

    def layer(self, width: int) -> nn.Module | None:
        """Return a layer behind the critic's trunk, `(B, width) -> (B, layer.width)`; None for none."""
        return None

    def begin(self, setting: Setting) -> None:
        """Make what it remembers, once, when the players are there."""

    def show(self, x: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return scaled examples, real or made, as the critic is shown them."""
        return x

    def fakes(self, fake: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return the made examples of a critic's turn, each of the label that it has in the batch."""
        return fake

    def critic_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Modify the loss terms of the critic."""
        return terms

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Modify the loss terms of the generator."""
        return terms

    def figures(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return figures to log besides the generator's terms, from the means of these over a logging window."""
        return {}

    def after(self, player: str) -> None:
        """Update what it remembers after a player's step."""


def resolve_tricks(tricks: str | Sequence[Trick]) -> list[Trick]:
    """Return the tricks that a constructor argument names, or the user's own.

    Raises:
        ConfigurationError: for an unknown name or option, or something that is no trick.
    """
    if isinstance(tricks, str):
        return [make() for make in TRICKS.several(tricks)]
    for trick in tricks if isinstance(tricks, Sequence) else [tricks]:
        if not isinstance(trick, Trick):
            raise ConfigurationError(
                f"a {type(trick).__name__} was given as a trick: expected names in one text, joined by +, "
                "or a list of Trick"
            )
    return [copy.deepcopy(trick) for trick in tricks]  # each model's own memory
