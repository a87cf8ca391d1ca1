"""The auxiliary-classifier GAN: the critic also tells of which class an example is."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from triptych.adversary import Adversary, AdversaryConfig, Scores, StepContext, Trick
from triptych.adversary.scores import width_of
from triptych.data.examples import Examples
from triptych.data.load import require_classes
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.adversarial.base import AdversarialModel, GeneratorConfig, SizeConfig
from triptych.models.base import Terms
from triptych.models.codes import PlainCodes
from triptych.objectives.player import AdamConfig


class ClassHead(Trick):
    """Names the class of an example from the critic's features.

    Args:
        width: of the features.
        classes: number of labels.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(width, classes)

    def critic_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Add `-log P(class = c | x)` of real examples and of fakes, in nats."""
        assert step.real_scores is not None, "a critic's turn scores real examples"
        real, fake = self._cross_entropy(step.real_scores, step), self._cross_entropy(step.fake_scores, step)
        return {**terms, "class_of_real": real, "class_of_fake": fake}

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Add the same of fakes."""
        return {**terms, "class_of_fake": self._cross_entropy(step.fake_scores, step)}

    def _cross_entropy(self, scores: Scores, step: StepContext) -> Tensor:
        """Return that of the classifier with the minibatch's labels, `(B,)`."""
        assert scores.features is not None and step.batch.label is not None, "the model has seen to both"
        return F.cross_entropy(self.classifier(scores.features).float(), step.batch.label, reduction="none")


class AuxiliaryClassifierGAN(AdversarialModel):
    """A GAN whose generator is told a class, and whose critic is not, but must name it.

    A classifier reads the critic's features. With `L_S` the game's own term, of whether the source is told right, and
    `L_C = E[log P(class = c | x_real)] + E[log P(class = c | x_fake)]` in nats, the critic maximises L_S + L_C and the
    generator L_C - L_S. Of L_C's two terms the generator reaches the second alone.
    Reference: Odena, Olah & Shlens 2017, *Conditional Image Synthesis with Auxiliary Classifier GANs*, eq. 2-3.

    Args:
        event: what one example is.
        classes: number of labels.
        latent: dimensions of the code z.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        generator: the generator.
        adversary: the critic, its loss, penalties and tricks.
        networks: sizes of both.
        adam: the optimiser of both.

    Raises:
        ConfigurationError: for fewer than 2 classes, a critic that does not give its features, or what GAN refuses.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("auxiliary-classifier-gan", tp.Event((1, 8, 8), levels=17), classes=3)
        >>> model.sample(4, label=2, seed=0).labels
        tensor([2, 2, 2, 2])
    """

    def __init__(
        self,
        event: Event,
        classes: int = 10,
        latent: int = 64,
        prior: str = "normal",
        generator: GeneratorConfig = GeneratorConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        networks: SizeConfig = SizeConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        if classes < 2:
            raise ConfigurationError(
                f"classes={classes}: an auxiliary classifier tells at least 2 apart; without labels train a gan"
            )
        super().__init__(event, classes, PlainCodes(prior, latent), adam)
        if adversary.labels != "concatenation":
            raise ConfigurationError(
                f"critic_labels={adversary.labels!r}: the critic of an auxiliary-classifier-gan sees no labels: "
                "leave it out"
            )
        self.latent, self.prior = latent, prior
        self.generator = generator.build(event, latent, networks.sizes(classes))
        self.adversary = Adversary(
            adversary,
            event,
            adversary.critic_for(event, networks.sizes(0)),
            opponents={"generator": self.generator},
            heads=lambda critic: [ClassHead(width_of(critic, "auxiliary-classifier-gan"), classes)],
            conditional=False,
        )

    def check_training(self, train: Examples) -> None:
        """Raise `DataError` for examples of one class."""
        require_classes(train, "an auxiliary classifier")
