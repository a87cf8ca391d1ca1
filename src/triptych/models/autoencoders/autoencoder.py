"""The autoencoder: linear, deep or convolutional, denoising or not."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from triptych.distributions import Law
from triptych.event import Event
from triptych.models.autoencoders.denoiser import Denoiser
from triptych.models.base import Player
from triptych.networks import CoderConfig, Perceptron
from triptych.objectives.corruption import Corruption


class Autoencoder(Denoiser):
    """A network that encodes an example in few numbers and decodes it again.

    `min E_x ‖x - g(f(x))‖²`, or the negative log-likelihood of x under a law whose features are g(f(x)). It has
    no prior: it reconstructs, and does not sample. Without hidden layers it is linear and spans the same space as
    principal component analysis. With a corruption it denoises: the corrupted example is encoded, the clean one is
    the target. Reference: Hinton & Salakhutdinov 2006, *Reducing the Dimensionality of Data with Neural Networks*;
    Vincent et al. 2008, §2.3, for the corruption.

    Args:
        event: what one example is.
        latent: dimensions of the code; None for 32, or as many as an example has if fewer.
        loss: "squared", "likelihood" (the nats of the law that suits the data), or a law's name or `Law` class.
        encoder: "auto", "mlp", "conv", or a module from scaled examples to `(B, latent)`.
        decoder: "auto", "mlp", "conv", or a module from codes to scaled examples, or to the law's features.
        corruption: "none", "gaussian", "salt-and-pepper", "masking", or a function of scaled examples and noise.
        amount: of the corruption: standard deviation (1 is from black to white), or probability.
        networks: sizes of encoder and decoder.
        upsampling: of a convolutional decoder: transposed, or resize (no checkerboard).
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for latent < 1 or larger than the data, an unknown part, or one that does not fit the data.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("digits")
        >>> model = tp.Autoencoder(train.event, latent=4, corruption="masking", amount=0.5)
        >>> model.reconstruct(model.corrupt(test[:5], seed=0)).shape
        torch.Size([5, 1, 8, 8])
    """

    def __init__(
        self,
        event: Event,
        latent: int | None = None,
        loss: str | type[Law] = "squared",
        encoder: str | nn.Module = "auto",
        decoder: str | nn.Module = "auto",
        corruption: str | Corruption = "none",
        amount: float = 0.3,
        networks: CoderConfig = CoderConfig(),
        upsampling: str = "transposed",
        classes: int = 0,
    ) -> None:
        sizes = networks.sizes(classes, upsampling)
        super().__init__(event, latent, loss, encoder, decoder, corruption, amount, sizes)
        fully_connected = isinstance(self.encoder, Perceptron) and isinstance(self.decoder, Perceptron)
        self.rate = 1e-2 if networks.layers == 0 and fully_connected else 1e-3

    @property
    def players(self) -> tuple[Player, ...]:
        """One player: encoder and decoder together lower the error; a linear map bears longer steps."""
        adam = partial(torch.optim.Adam, lr=self.rate)
        return (Player("model", [self.encoder, self.decoder], self.objective, optimizer=adam),)
