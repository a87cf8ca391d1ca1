"""The generative adversarial network, for any loss."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.base import Player, Terms
from triptych.models.questions import LatentSampler
from triptych.networks import Sizes, conditioned, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.adversarial import Game, Loss, judged

ADAM = partial(torch.optim.Adam, lr=2e-4, betas=(0.5, 0.999))
"""The optimiser of both players, as in Radford et al. 2016, §4."""


class GAN(LatentSampler):
    """A generator x = G(z), z ~ N(0, I), trained against a critic that tells its examples from real ones.

    The game is given by `loss`, one function of what the critic says of both (see
    `triptych.objectives.adversarial`). It defines no density. Reference: Goodfellow et al. 2014,
    *Generative Adversarial Nets*, Algorithm 1.

    Args:
        event: what one example is.
        latent: dimensions of the code z.
        loss: "non-saturating", "minimax", "least-squares", "hinge", or a function of real and fake logits.
        critic_steps: critic's turns for each turn of the generator.
        generator: "auto", "mlp", "conv", or a module from codes to scaled examples, before the final tanh.
        critic: "auto", "mlp", "conv", or a module from scaled examples to `(B, 1)`.
        hidden: units of an MLP's hidden layers.
        channels: channels next to the image in a convolutional network.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for latent < 1, critic_steps < 1, or an unknown network or loss.

    Example:
        >>> import triptych as tp
        >>> model = tp.GAN(tp.Event((1, 8, 8), levels=17), latent=16, loss="hinge")
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
        loss: str | Loss = "non-saturating",
        critic_steps: int = 1,
        generator: str | nn.Module = "auto",
        critic: str | nn.Module = "auto",
        hidden: int = 400,
        channels: int = 64,
        classes: int = 0,
    ) -> None:
        super().__init__(event, classes)
        if latent < 1 or critic_steps < 1:
            raise ConfigurationError(f"latent={latent}, critic_steps={critic_steps}: expected at least 1 of each")
        self.latent = latent
        self.game = Game(loss)
        self.critic_steps = critic_steps
        sizes = Sizes(hidden, channels, classes, layers=2)
        self.generator = resolve_decoder(generator, event, latent, event.shape[0], sizes)
        self.critic = resolve_encoder(critic, event, 1, sizes._replace(activation="leaky-relu"), spectral=True)

    @property
    def players(self) -> tuple[Player, ...]:
        """Two players: the critic, `critic_steps` turns a round, and the generator."""
        return (
            Player("critic", [self.critic], self.critic_objective, turns=self.critic_steps, optimizer=ADAM),
            Player("generator", [self.generator], self.generator_objective, optimizer=ADAM),
        )

    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises, on fresh fakes that carry no graph."""
        with torch.no_grad():
            fake = self.generate(self.draw_codes(len(batch.x), noise), batch.label)
        judge = partial(self.judge, label=batch.label)
        return {"adversarial": self.game.critic(judge, self.event.scaled(batch.x), fake)}

    def generator_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the generator minimises."""
        fake = self.generate(self.draw_codes(len(batch.x), noise), batch.label)
        judge = partial(self.judge, label=batch.label)
        return {"adversarial": self.game.generator(judge, self.event.scaled(batch.x), fake)}

    def draw_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw z ~ N(0, I), `(n, latent)`."""
        return noise.normal((n, self.latent))

    def generate(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return scaled examples: in [-1, 1] for images, unbounded for vectors."""
        made = conditioned(self.generator, z, label).float()
        return torch.tanh(made) if self.event.is_image else made

    def judge(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the critic's output for scaled examples, `(B,)`; higher means more real."""
        return judged(conditioned(self.critic, x, label), len(x))

    def draw(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes, and make their examples."""
        return self.event.restored(self.generate(self.draw_codes(n, noise), label))

    def expected(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return G(z), in the data's own units."""
        return self.event.unscaled(self.generate(z, label))
