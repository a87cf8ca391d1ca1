"""The generative adversarial network, for any loss, penalty, networks and tricks."""

from __future__ import annotations

from triptych.adversary import Adversary, AdversaryConfig
from triptych.event import Event
from triptych.models.adversarial.base import AdversarialModel, GeneratorConfig, SizeConfig
from triptych.models.codes import PlainCodes
from triptych.objectives.player import AdamConfig


class GAN(AdversarialModel):
    """A generator x = G(z), z ~ p(z), trained against a critic that tells its examples from real ones.

    The adversary is put together from parts that go with each other: a loss, one function of its logits for both
    (`triptych.objectives.adversarial`); penalties (`triptych.objectives.penalties`); a network and how it sees labels;
    and tricks (`triptych.adversary.tricks`). The model defines no density. Reference: Goodfellow et al. 2014,
    *Generative Adversarial Nets*, Algorithm 1.

    By default the generator does not saturate (§3 there); convolutional critics have layers of spectral norm 1, which
    goes with every loss, penalty and trick and costs little (Miyato et al. 2018, §2); Adam is that of Radford et al.
    2016, §4; and there is no penalty and no trick, as each costs time, and what it gains depends on the data.

    Args:
        event: what one example is.
        latent: dimensions of the code z.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        classes: number of labels to condition on; 0 for none.
        generator: the generator.
        adversary: the critic, its loss, penalties and tricks.
        networks: sizes of both.
        adam: the optimiser of both.

    Raises:
        ConfigurationError: for a number out of its range, an unknown part or option, or parts that do not go together.

    Example:
        >>> import triptych as tp
        >>> model = tp.GAN(tp.Event((1, 8, 8), levels=17), latent=16, adversary=tp.AdversaryConfig(loss="hinge"))
        >>> model.sample(4, seed=0).shape
        torch.Size([4, 1, 8, 8])
        >>> model.log_prob(model.sample(4))   # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        triptych.errors.UnsupportedQuery: GAN does not answer log_prob ...
    """

    def __init__(
        self,
        event: Event,
        latent: int = 64,
        prior: str = "normal",
        classes: int = 0,
        generator: GeneratorConfig = GeneratorConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        networks: SizeConfig = SizeConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        super().__init__(event, classes, PlainCodes(prior, latent), adam)
        self.latent, self.prior = latent, prior
        sizes = networks.sizes(classes)
        self.generator = generator.build(event, latent, sizes)
        self.adversary = Adversary(
            adversary, event, adversary.critic_for(event, sizes), opponents={"generator": self.generator}
        )
