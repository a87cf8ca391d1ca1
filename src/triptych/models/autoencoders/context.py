"""The context autoencoder: predicts what was removed from an image from what is around it."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from triptych.adversary import Adversary, AdversaryConfig, View
from triptych.data.batches import Batch
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, did_you_mean
from triptych.event import Event
from triptych.models.autoencoders.latent import latent_of
from triptych.models.autoencoders.removal import REMOVALS, block_sides
from triptych.models.base import Player, Terms
from triptych.models.completion import Completer, Filled
from triptych.models.questions import Encoder
from triptych.networks import CoderConfig, Sizes, conditioned, encoded, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.player import AdamConfig, weighted

RATE = 1e-3
"""The network's learning rate; the critic's is a tenth of it, as published."""


class ContextAutoencoder(Completer, Encoder):
    """An autoencoder that is shown an image without some blocks, and predicts them.

    With m̂ = 1 where pixels were removed, `min E ‖m̂ ⊙ (x - F((1 - m̂) ⊙ x))‖²`, and, with a critic D,
    `+ λ L_G(D(m̂ ⊙ F(·)))`, D judging removed blocks alone. The network also sees m̂. It has no law of what is
    missing: each pixel is predicted once, near its mean. Reference: Pathak et al. 2016, *Context Encoders: Feature
    Learning by Inpainting*, §3.2, eq. 1-3.

    Args:
        event: what one image is.
        latent: dimensions of the code; None for 32, or as many as an image has if fewer.
        removed: "centre" for one block, or "random" for four of half its sides anywhere.
        block: sides of the block in the centre, as a share of the image's.
        adversarial: weight λ of the critic beside the squared error summed over removed pixels; 0 for no critic.
        adversary: the critic of removed blocks, all else being 0, its loss, penalties and tricks; of no effect
            without a weight.
        encoder: "auto", "mlp", "conv", or a module from `(B, C+1, H, W)`, the last plane being what is known, to
            `(B, latent)`.
        decoder: "auto", "mlp", "conv", or a module from codes to scaled images.
        networks: sizes of encoder and decoder.
        upsampling: of a convolutional decoder: transposed, or resize (no checkerboard).
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for vectors, latent < 1 or larger than the data, a block that leaves nothing known, a
            negative weight, an unknown part, or shared fakes.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("digits")
        >>> model = tp.ContextAutoencoder(train.event, latent=8)
        >>> known = torch.ones(8, 8, dtype=torch.bool)
        >>> known[2:6, 2:6] = False
        >>> filled = model.complete(test[:3], known)
        >>> filled.exact, bool((filled.data[..., known] == test.data[:3][..., known]).all())
        (False, True)
    """

    predicts: ClassVar[bool] = True

    def __init__(
        self,
        event: Event,
        latent: int | None = None,
        removed: str = "centre",
        block: float = 0.5,
        adversarial: float = 0.0,
        encoder: str | nn.Module = "auto",
        decoder: str | nn.Module = "auto",
        networks: CoderConfig = CoderConfig(),
        upsampling: str = "transposed",
        classes: int = 0,
        adversary: AdversaryConfig = AdversaryConfig(rate=0.1),
    ) -> None:
        super().__init__(event, classes)
        if not event.is_image:
            raise ConfigurationError(f"blocks are removed from images, the data is a {event}")
        if removed not in REMOVALS:
            raise ConfigurationError(f"no removal {removed!r}; {did_you_mean(removed, REMOVALS)}")
        if adversary.shared_fakes:
            raise ConfigurationError(
                "shared_fakes: a context autoencoder removes other blocks in each player's turn: leave it out"
            )
        if not 0 <= adversarial < float("inf"):
            raise ConfigurationError(f"adversarial={adversarial:g}: expected a weight above 0, or 0 for no critic")
        self.latent = latent_of(latent, event)
        self.removal = partial(REMOVALS[removed], event.shape[1:], block_sides(event, block))
        self.adversarial = adversarial
        sizes = networks.sizes(classes, upsampling)
        colours, *sides = event.shape
        self.encoder = resolve_encoder(encoder, Event((colours + 1, *sides), event.levels), self.latent, sizes)
        self.decoder = resolve_decoder(decoder, event, self.latent, colours, sizes)
        if adversarial:
            critic = adversary.critic_for(event, Sizes(networks.hidden, networks.channels, classes, layers=2))
            opponents = {"generator": nn.ModuleList([self.encoder, self.decoder])}
            self.adversary = Adversary(adversary, event, critic, opponents, codes="none")

    @property
    def players(self) -> tuple[Player, ...]:
        """One player that predicts; before it, if it is asked for, a critic of its predictions."""
        adam = partial(torch.optim.Adam, lr=RATE)
        network = Player("model", [self.encoder, self.decoder], self.objective, optimizer=adam)
        if not self.adversarial:
            return (network,)
        critic = self.adversary.player(self.critic_objective, AdamConfig(RATE))
        return critic, self.adversary.against(network)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the squared error over removed pixels, and what the critic makes of them."""
        real, fake = self._views(batch, noise)
        terms = {"squared_error": (fake.x - real.x).square().flatten(1).sum(1)}
        if self.adversarial:
            game = self.adversary.opponent_terms(fake, real, batch, noise)
            terms |= weighted(game, self.adversarial)
        return terms

    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises: real removed blocks against predicted ones."""
        with torch.no_grad():
            real, fake = self._views(batch, noise)
        return self.adversary.critic_terms(real, fake, batch, noise)

    def _views(self, batch: Batch, noise: Noise) -> tuple[View, View]:
        """Return blocks that are drawn and removed, real and predicted; all else is 0."""
        known = self.removal(len(batch.x), noise).to(batch.x.device)
        real, fake = self.event.scaled(batch.x), self.predicted(batch.x, known, batch.label)
        return View(torch.where(known, 0.0, real), batch.label), View(torch.where(known, 0.0, fake), batch.label)

    def predicted(self, x: Tensor, known: Tensor, label: Tensor | None) -> Tensor:
        """Return scaled predictions of all pixels, `(B, C, H, W)`, from those that are `known`, `(B, 1, H, W)`."""
        return conditioned(self.decoder, self.seen(x, known, label), label).float()

    def seen(self, x: Tensor, known: Tensor, label: Tensor | None) -> Tensor:
        """Return the codes of what is known, `(B, latent)`: the rest is 0, the middle of the scale."""
        shown = torch.where(known, self.event.scaled(x), 0.0)
        return encoded(self.encoder, torch.cat([shown, known.to(shown)], 1), label, self.latent)

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the codes of whole images."""
        return self.seen(x, torch.ones_like(x[:, :1], dtype=torch.bool), label)

    @property
    def proposal(self) -> str:
        """How `fill` fills, in words."""
        return "each unknown pixel once, from all that is known; the same every time"

    def completes_exactly(self, known: Tensor) -> bool:
        """Return False: it has no p(unknown | known)."""
        return False

    def _complete(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Filled:
        """Return images with everything outside `known` predicted; a pixel that lacks a colour is shown none."""
        pixels = known.all(0).expand(len(x), 1, *known.shape[1:])
        made = self.event.restored(self.predicted(x, pixels, label))
        return Filled(torch.where(known, x, made), torch.zeros(len(x), device=x.device))
