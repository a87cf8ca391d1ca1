"""The auxiliary-classifier GAN: the critic also tells of which class an example is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from triptych.data.examples import Examples
from triptych.data.load import require_classes
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.adversarial.gan import GAN
from triptych.models.adversarial.tricks import Turn
from triptych.models.adversarial.variant import variant, width_of
from triptych.models.base import Player, Terms
from triptych.networks import Sizes
from triptych.networks.critics import Layer
from triptych.objectives.game import Opinion


@variant("critic_labels")
class AuxiliaryClassifierGAN(GAN):
    """A GAN whose generator is told a class, and whose critic is not, but must name it.

    A classifier reads the critic's features. With `L_S` the game's own term, of whether the source is told right, and
    `L_C = E[log P(class = c | x_real)] + E[log P(class = c | x_fake)]` in nats, the critic maximises L_S + L_C and the
    generator L_C - L_S. Of L_C's two terms the generator reaches the second alone.
    Reference: Odena, Olah & Shlens 2017, *Conditional Image Synthesis with Auxiliary Classifier GANs*, eq. 2-3.

    Args:
        event: what one example is.
        classes: number of labels.

    Raises:
        ConfigurationError: for fewer than 2 classes, a critic that does not tell its features, or what GAN refuses.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("auxiliary-classifier-gan", tp.Event((1, 8, 8), levels=17), classes=3)
        >>> model.sample(4, label=2, seed=0).labels
        tensor([2, 2, 2, 2])
    """

    def __init__(self, event: Event, classes: int = 10, **game: Any) -> None:
        if classes < 2:
            raise ConfigurationError(
                f"classes={classes}: an auxiliary classifier tells at least 2 apart; without labels train a gan"
            )
        super().__init__(event, classes=classes, **game)
        self.classifier = nn.Linear(width_of(self.critic, "auxiliary-classifier-gan"), classes)

    def make_critic(
        self, name: str | nn.Module, sizes: Sizes, norm: str, labels: str, further: Sequence[Layer]
    ) -> nn.Module:
        """Return a critic that is told no class."""
        return super().make_critic(name, sizes._replace(classes=0), norm, labels, further)

    @property
    def players(self) -> tuple[Player, ...]:
        """The critic, who owns the classifier, and the generator."""
        critic, *rest = super().players
        return replace(critic, modules=[*critic.modules, self.classifier]), *rest

    def opinion(self, x: Tensor, label: Tensor | None) -> Opinion:
        """Return what the critic says of scaled examples; it is not told their class."""
        return super().opinion(x, None)

    def critic_terms(self, turn: Turn) -> Terms:
        """Return `-log P(class = c | x)` of real and of made examples, in nats."""
        assert turn.of_real is not None, "a critic's turn judges real examples"
        label = self.labels(turn.batch.label, len(turn.batch.x))
        return {"class_of_real": self._named(turn.of_real, label), "class_of_fake": self._named(turn.of_fake, label)}

    def generator_terms(self, turn: Turn) -> Terms:
        """Return the same of made examples."""
        return {"class_of_fake": self._named(turn.of_fake, self.labels(turn.batch.label, len(turn.batch.x)))}

    def _named(self, said: Opinion, label: Tensor | None) -> Tensor:
        """Return the cross-entropy of the classifier, `(B,)`."""
        assert said.features is not None and label is not None, "the constructor has seen to both"
        return F.cross_entropy(self.classifier(said.features).float(), label, reduction="none")

    def check_training(self, train: Examples) -> None:
        """Raise `DataError` for examples of one class."""
        require_classes(train, "an auxiliary classifier")
