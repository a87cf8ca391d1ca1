"""What every deterministic autoencoder is: an encoder of what may be corrupted, a decoder of what was there before."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.distributions import Law
from triptych.event import Event
from triptych.models.autoencoders.latent import latent_of
from triptych.models.base import Terms
from triptych.models.questions import Corrupter, Reconstructor
from triptych.networks import Sizes, conditioned, encoded, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.corruption import Corruption, corrupted, resolve_corruption
from triptych.objectives.reconstruction import resolve_output


class Denoiser(Corrupter, Reconstructor):
    """An encoder and a decoder that restore an example from its code, with or without a corruption.

    `min E_x E_{x̃|x} L(x, g(f(x̃)))`; without a corruption x̃ is x. Reference: Vincent et al. 2008, *Extracting and
    Composing Robust Features with Denoising Autoencoders*, §2.3.

    Args:
        event: what one example is.
        latent: dimensions of the code; None for 32, or as many as an example has if fewer.
        loss: see `triptych.objectives.reconstruction.resolve_output`.
        encoder: see `triptych.networks.resolve_encoder`.
        decoder: see `triptych.networks.resolve_decoder`.
        corruption: see `triptych.objectives.corruption.resolve_corruption`.
        amount: of the corruption.
        sizes: of networks that are chosen by name.

    Raises:
        ConfigurationError: for a part that is unknown or does not fit the data.
    """

    def __init__(
        self,
        event: Event,
        latent: int | None,
        loss: str | type[Law],
        encoder: str | nn.Module,
        decoder: str | nn.Module,
        corruption: str | Corruption,
        amount: float,
        sizes: Sizes,
    ) -> None:
        super().__init__(event, sizes.classes)
        self.latent = latent_of(latent, event)
        self.output = resolve_output(loss, event)
        self.corruption = resolve_corruption(corruption, amount, event)
        self.encoder = resolve_encoder(encoder, event, self.latent, sizes)
        self.decoder = resolve_decoder(decoder, event, self.latent, self.output.channels, sizes)

    @final
    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the error of reconstructing examples from what is left of them."""
        seen = batch.x
        if self.corruption is not None:
            seen = corrupted(seen, self.event, self.corruption, noise)
        features = conditioned(self.decoder, self._encode(seen, batch.label), batch.label)
        return {self.output.term: self.output.loss(features, batch.x)}

    @final
    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the code of each example, `(B, latent)`."""
        return encoded(self.encoder, self.event.scaled(x), label, self.latent)

    @final
    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the decoded examples."""
        return self.output.expected(conditioned(self.decoder, z, label))
