"""What a trick is: a part of a game with hooks into each side's turn."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.base import Terms
from triptych.noise import Noise
from triptych.objectives.game import Opinion
from triptych.specs import several

TRICKS: dict[str, type[Trick]] = {}
"""Every trick by the name that a user can type."""


@dataclass(frozen=True)
class Setting:
    """Where a trick is used.

    Args:
        event: what one example is.
        shape: of what the critic judges at once: an example's, or that of several.
        players: the modules of each player, by its name ("critic", "generator").
    """

    event: Event
    shape: tuple[int, ...]
    players: dict[str, nn.Module]


@dataclass(frozen=True)
class Turn:
    """One turn of a player, as far as its adversarial term is computed.

    Args:
        batch: the minibatch.
        noise: a stream of randomness.
        codes: of the made examples, `(B, latent)`; None of a critic's turn on examples that were made before.
        real: scaled real examples as the critic was shown them; None if it was not shown any.
        fake: scaled made examples as the critic was shown them.
        of_real: what the critic said of real examples; None if it was not asked.
        of_fake: what the critic said of made examples.
        made: scaled examples as the generator made them in this turn; in its own turn with a graph.
    """

    batch: Batch
    noise: Noise
    codes: Tensor | None
    real: Tensor | None
    fake: Tensor
    of_real: Opinion | None
    of_fake: Opinion
    made: Tensor


class Trick(nn.Module):
    """One trick; a hook that is not overridden changes nothing. What it remembers are buffers.

    A subclass says its name, `class InstanceNoise(Trick, name="instance-noise")`; the keyword-only parameters of
    its constructor are options: `--tricks instance-noise:std=0.1`.
    """

    sees_features: ClassVar[bool] = False
    """Whether it looks at the critic's features, of real examples, too, in the generator's turn."""
    sees_codes: ClassVar[bool] = False
    """Whether it differentiates made examples by their codes, in the generator's turn."""
    mixes_examples: ClassVar[bool] = False
    """Whether its layer lets the critic's opinion of an example depend on the rest of the minibatch."""
    called: ClassVar[str]
    """Its name in `TRICKS`."""

    def __init_subclass__(cls, name: str, **rest: object) -> None:
        """Enter the trick in `TRICKS`."""
        super().__init_subclass__(**rest)
        TRICKS[name] = cls
        cls.called = name

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

    def critic_terms(self, terms: Terms, turn: Turn) -> Terms:
        """Return what the critic minimises, of what it would."""
        return terms

    def generator_terms(self, terms: Terms, turn: Turn) -> Terms:
        """Return what the generator minimises, of what it would."""
        return terms

    def after(self, player: str) -> None:
        """Take note that a player has moved."""


def resolve_tricks(tricks: str | Sequence[Trick]) -> list[Trick]:
    """Return the tricks that a constructor argument names, or the user's own.

    Raises:
        ConfigurationError: for an unknown name or option, or something that is no trick.
    """
    if isinstance(tricks, str):
        return [make() for make in several("trick", tricks, TRICKS)]
    for trick in tricks if isinstance(tricks, Sequence) else [tricks]:
        if not isinstance(trick, Trick):
            raise ConfigurationError(
                f"a {type(trick).__name__} was given as a trick: expected names in one text, joined by +, "
                "or a list of Trick"
            )
    return [copy.deepcopy(trick) for trick in tricks]  # each model's own memory
