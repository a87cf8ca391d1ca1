"""The adversarial autoencoder: an adversary makes the codes of all examples together a draw from a prior."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from triptych.adversary import Adversary, AdversaryConfig, View
from triptych.data.batches import Batch
from triptych.distributions import Law
from triptych.errors import ConfigurationError, check_known
from triptych.event import Event
from triptych.models.adversarial.base import SizeConfig
from triptych.models.base import Player, Terms
from triptych.models.codes import PRIORS, SHAPES, Codes, PlainCodes, ShapedCodes
from triptych.models.latent_variable import CodeSpace, LatentVariable
from triptych.models.questions import Reconstructor
from triptych.networks import conditioned, encoded, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.player import AdamConfig, weighted
from triptych.objectives.reconstruction import resolve_output


class AdversarialAutoencoder(LatentVariable, Reconstructor):
    """An autoencoder whose codes an adversary cannot tell from draws of a prior p(z).

    `min_{f,g} E_x L(x, g(f(x))) + λ L_G(D(f(x)))`, against a critic D that tells codes f(x) of all examples from draws
    of p(z): any p(z) that can be drawn from will do. The published program takes a step by the error and then one by
    the critic; here one step is taken by their sum. With labels the critic sees (z, y), and real codes are draws of
    p(z | y), the label's own piece of the prior; the decoder sees no label. Reference: Makhzani, Shlens, Jaitly,
    Goodfellow & Frey 2016, *Adversarial Autoencoders*, §2, §2.3.

    Args:
        event: what one example is.
        latent: dimensions of the code; 2 for a prior that is a shape in the plane.
        prior: of codes: "normal", "uniform", "mixture" (Gaussians in a circle), or "swiss-roll".
        components: Gaussians of the mixture; with labels there is one for each.
        adversarial: weight λ of the critic for each dimension of an example, over which the error is summed.
        reconstruction: its error: "squared", "likelihood" (the nats of the law that suits the data), or a law's name or
            `Law` class.
        encoder: "auto", "mlp", "conv", or a module from scaled examples to `(B, latent)`.
        decoder: "auto", "mlp", "conv", or a module from codes to scaled examples, or to the law's features.
        classes: number of labels that the critic sees; 0 for none.
        networks: sizes of all networks.
        adversary: the critic of codes, its loss, penalties and tricks.
        adam: the optimiser of both players.

    Raises:
        ConfigurationError: for a number out of its range, labels without pieces of the prior, or parts that do not go
            together.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("aae", tp.Event((1, 8, 8), levels=17), prior="mixture", classes=10)
        >>> model.sample(3, label=7, seed=0).shape, model.encode(model.sample(3, seed=0)).shape
        (torch.Size([3, 1, 8, 8]), torch.Size([3, 2]))
    """

    def __init__(
        self,
        event: Event,
        latent: int = 2,
        prior: str = "normal",
        components: int = 10,
        adversarial: float = 0.03,
        reconstruction: str | type[Law] = "squared",
        encoder: str | nn.Module = "auto",
        decoder: str | nn.Module = "auto",
        classes: int = 0,
        networks: SizeConfig = SizeConfig(channels=32),
        adversary: AdversaryConfig = AdversaryConfig(),
        adam: AdamConfig = AdamConfig(rate=1e-3),
    ) -> None:
        super().__init__(event, classes)
        if not 0 < adversarial < float("inf"):
            raise ConfigurationError(f"adversarial={adversarial:g}: expected a weight above 0")
        self.latent, self.prior, self.adam = latent, prior, adam
        self.weight = adversarial * event.dims
        self.codes = self._codes(components)
        self.output = resolve_output(reconstruction, event)
        sizes = networks.sizes(0)
        self.encoder = resolve_encoder(encoder, event, latent, sizes)
        self.decoder = resolve_decoder(decoder, event, latent, self.output.channels, sizes)
        space = Event((latent,))
        critic = adversary.critic_for(space, networks.sizes(classes))
        opponents = {"generator": nn.ModuleList([self.encoder, self.decoder])}
        self.adversary = Adversary(adversary, space, critic, opponents, codes="none")

    def _codes(self, components: int) -> Codes:
        """Return the prior, or refuse one that does not suit the code or the labels."""
        check_known("prior", self.prior, [*PRIORS, *SHAPES])
        if components < 1:
            raise ConfigurationError(f"components={components}: expected at least 1")
        if self.prior not in SHAPES:
            if self.classes:
                raise ConfigurationError(
                    f"classes={self.classes}, prior={self.prior!r}: labels need pieces of the prior of their own: "
                    "try prior='mixture' or 'swiss-roll'"
                )
            return PlainCodes(self.prior, self.latent)
        if self.latent != 2:
            raise ConfigurationError(f"prior={self.prior!r}, latent={self.latent}: expected a code of 2 dimensions")
        return ShapedCodes(self.prior, self.classes or components)

    @property
    def players(self) -> tuple[Player, ...]:
        """The critic of codes, and the autoencoder."""
        critic = self.adversary.player(self.critic_objective, self.adam)
        model = Player("model", [self.encoder, self.decoder], self.objective, optimizer=self.adam.optimizer)
        return critic, self.adversary.against(model)

    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises, on codes that carry no graph."""
        fake = self.adversary.fakes.of_critic(self.encoder, batch, partial(self._fakes, batch))
        return self.adversary.critic_terms(self._real(batch, noise), fake, batch, noise)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the error of reconstructions, and what the critic makes of their codes."""
        fake = self.adversary.fakes.of_opponent(batch, partial(self._fakes, batch))
        error = self.output.loss(conditioned(self.decoder, fake.x, None), batch.x)
        game = self.adversary.opponent_terms(fake, self._real(batch, noise), batch, noise)
        return {self.output.term: error, **weighted(game, self.weight)}

    def _fakes(self, batch: Batch) -> View:
        return View(self._encode(batch.x, None), batch.label)

    def _real(self, batch: Batch, noise: Noise) -> View:
        return View(self.codes.draw(len(batch.x), noise, batch.label), batch.label)

    @property
    def code_space(self) -> CodeSpace:
        """Real coordinates of codes under the prior."""
        return self.codes.space

    @property
    def codes_have_labels(self) -> bool:
        """Whether each label has a piece of the prior of its own."""
        return bool(self.classes)

    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw z from the prior."""
        return self.codes.draw(n, noise)

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes from the prior, of the labels if there are any, and decode them."""
        return self.event.rounded(self._decode(self.codes.draw(n, noise, label), None))

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the codes, `(B, latent)`; the encoder sees no label."""
        return encoded(self.encoder, self.event.scaled(x), None, self.latent)

    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the examples of codes; the decoder sees no label."""
        return self.output.expected(conditioned(self.decoder, z, None))
