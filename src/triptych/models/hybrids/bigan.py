"""BiGAN and ALI: an encoder and a generator against one adversary on examples with their codes."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.adversary import Adversary, AdversaryConfig, View
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.adversarial.base import GeneratorConfig, GeneratorModel, SizeConfig
from triptych.models.base import Player, Terms
from triptych.models.codes import PlainCodes
from triptych.models.questions import Reconstructor
from triptych.networks import encoded, resolve_encoder
from triptych.networks.joint import joint_critic
from triptych.noise import Noise
from triptych.objectives.game import is_symmetric
from triptych.objectives.player import AdamConfig


class BiGAN(GeneratorModel, Reconstructor):
    """A generator and an encoder whose pairs (G(z), z) and (x, E(x)) an adversary cannot tell apart.

    `min_{G,E} max_D E log D(x, E(x)) + E log(1 - D(G(z), z))`. If the two joint distributions are the same, E inverts
    G. The opponent minimises the game's loss for both kinds of pairs, each taken for the other: real pairs count as
    fakes of the logit's other sign. With a stochastic encoder, `z ~ N(μ(x), σ²(x) I)`, this is ALI. Reference: Donahue,
    Krähenbühl & Darrell 2017, *Adversarial Feature Learning*, eq. 3-4; Dumoulin et al. 2017, *Adversarially Learned
    Inference*, eq. 2-3, Algorithm 1.

    Args:
        event: what one example is.
        latent: dimensions of the code z.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        stochastic: draw the code of an example from a Gaussian, as ALI does.
        encoder: "auto", "mlp", "conv", or a module from scaled examples to `(B, latent)`, twice as many if stochastic.
        classes: number of labels to condition on; 0 for none.
        generator: the generator.
        networks: sizes of all networks.
        adversary: the critic of pairs, its loss, penalties and tricks. Its layers behind both networks have no norm but
            the spectral one.
        adam: the optimiser of both players.

    Raises:
        ConfigurationError: for a number out of its range, a loss that does not treat real and fake alike, or parts that
            do not go together.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("bigan", tp.Event((1, 8, 8), levels=17), latent=5)
        >>> model.encode(model.sample(4, seed=0)).shape
        torch.Size([4, 5])
    """

    def __init__(
        self,
        event: Event,
        latent: int = 64,
        prior: str = "normal",
        stochastic: bool = False,
        encoder: str | nn.Module = "auto",
        classes: int = 0,
        generator: GeneratorConfig = GeneratorConfig(),
        networks: SizeConfig = SizeConfig(),
        adversary: AdversaryConfig = AdversaryConfig(),
        adam: AdamConfig = AdamConfig(),
    ) -> None:
        super().__init__(event, classes, PlainCodes(prior, latent))
        self.latent, self.prior, self.stochastic, self.adam = latent, prior, stochastic, adam
        if adversary.labels != "concatenation":
            raise ConfigurationError(
                f"critic_labels={adversary.labels!r}: a critic of pairs joins labels to the code: leave it out"
            )
        sizes = networks.sizes(classes)
        self.generator = generator.build(event, latent, sizes)
        self.encoder = resolve_encoder(encoder, event, 2 * latent if stochastic else latent, sizes)
        critic = partial(
            joint_critic, adversary.critic_for(event, networks.sizes(0)), latent + classes, networks.hidden
        )
        opponents = {"generator": nn.ModuleList([self.generator, self.encoder])}
        self.adversary = Adversary(adversary, event, critic, opponents, codes="scored", classes=classes)
        if not is_symmetric(self.adversary.loss):
            raise ConfigurationError(
                f"loss={adversary.loss!r} treats real and made pairs differently, and the opponent makes both: "
                "try 'non-saturating', 'hinge' or 'wasserstein'"
            )

    @property
    def players(self) -> tuple[Player, ...]:
        """The critic of pairs, and generator and encoder together."""
        critic = self.adversary.player(self.critic_objective, self.adam)
        both = [self.generator, self.encoder]
        opponent = Player("generator", both, self.generator_objective, optimizer=self.adam.optimizer)
        return critic, self.adversary.against(opponent)

    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises, on pairs that carry no graph."""
        fake = self.adversary.fakes.of_critic(self.generator, batch, partial(self.fakes, batch, noise))
        with torch.no_grad():
            real = self._real(batch, noise)
        return self.adversary.critic_terms(real, fake, batch, noise)

    def generator_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what generator and encoder minimise."""
        fake = self.adversary.fakes.of_opponent(batch, partial(self.fakes, batch, noise))
        return self.adversary.opponent_terms(fake, self._real(batch, noise), batch, noise, makes_both=True)

    def _real(self, batch: Batch, noise: Noise) -> View:
        """Return pairs (x, E(x)), or (x, z) with z drawn from q(z | x)."""
        mean, log_scale = self._posterior(batch.x, batch.label)
        z = mean if log_scale is None else mean + log_scale.exp() * noise.normal(mean.shape)
        return View(self.event.scaled(batch.x), batch.label, z)

    def _posterior(self, x: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the code of each example; if it is drawn, its mean and the logarithm of its deviation."""
        outputs = 2 * self.latent if self.stochastic else self.latent
        found = encoded(self.encoder, self.event.scaled(x), label, outputs)
        return (found[:, : self.latent], found[:, self.latent :]) if self.stochastic else (found, None)

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return E(x), or the mean of q(z | x)."""
        return self._posterior(x, label)[0]
