"""The variational autoencoder."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.distributions import DiagonalNormal, Law, resolve_law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.base import Player, Terms
from triptych.models.questions import Bounded, Bounds, Reconstructor, Sampler
from triptych.networks import Sizes, conditioned, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound


class VAE(Sampler, Bounded, Reconstructor):
    """A latent-variable model trained on a lower bound of its likelihood.

    `log p(x) ≥ E_q(z|x) log p(x | z) - KL(q(z | x) ‖ p(z))`, with p(z) = N(0, I), a diagonal Gaussian
    q(z | x), and any law p(x | z). The first term's negative is the *distortion*, the second the *rate*,
    both in nats. Reference: Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, §2.2-2.4, app. B.

    Args:
        event: what one example is.
        latent: dimensions of the code.
        pixels: law of an example given its code: a name, "auto", or a `Law` class.
        encoder: "auto", "mlp", "conv", or a module from scaled examples to `(B, 2·latent)`.
        decoder: "auto", "mlp", "conv", or a module from codes to the law's features.
        hidden: units of an MLP's hidden layer.
        channels: channels next to the image in a convolutional network.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for latent < 1, an unknown network or law, or one that does not fit the data.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> x = model.sample(4, seed=0)
        >>> model.encode(x).shape, model.log_prob_bounds(x).lower.shape
        (torch.Size([4, 4]), torch.Size([4]))
    """

    def __init__(
        self,
        event: Event,
        latent: int = 32,
        pixels: str | type[Law] = "auto",
        encoder: str | nn.Module = "auto",
        decoder: str | nn.Module = "auto",
        hidden: int = 400,
        channels: int = 32,
        classes: int = 0,
    ) -> None:
        super().__init__(event, classes)
        if latent < 1:
            raise ConfigurationError(f"latent={latent}: expected at least 1 dimension")
        self.latent = latent
        self.law = resolve_law(pixels, event)
        sizes = Sizes(hidden, channels, classes)
        self.encoder = resolve_encoder(encoder, event, 2 * latent, sizes)
        self.decoder = resolve_decoder(decoder, event, latent, self.law.channels(event), sizes)

    @property
    def players(self) -> tuple[Player, ...]:
        """One player: encoder and decoder together raise the bound."""
        modules = [self.encoder, self.decoder]
        return (Player("model", modules, self.objective, optimizer=partial(torch.optim.Adam, lr=1e-3)),)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the two terms of the negative bound, in nats."""
        posterior = self.posterior(batch.x, batch.label)
        likelihood = self.likelihood(posterior.sample(noise), batch.label)
        return {"distortion": -likelihood.log_prob(batch.x), "rate": posterior.kl_to_standard()}

    def posterior(self, x: Tensor, label: Tensor | None) -> DiagonalNormal:
        """Return q(z | x)."""
        statistics = conditioned(self.encoder, self.event.scaled(x), label).float()
        if statistics.shape[1:] != (2 * self.latent,):
            given = tuple(statistics.shape[1:])
            raise ConfigurationError(f"the encoder gave {given} numbers an example: expected ({2 * self.latent},)")
        mean, log_scale = statistics.chunk(2, 1)
        return DiagonalNormal(mean, log_scale)

    def likelihood(self, z: Tensor, label: Tensor | None) -> Law:
        """Return p(x | z)."""
        return self.law(conditioned(self.decoder, z, label), self.event)

    def bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        """Return the importance-weighted bound; one sample is the ELBO."""
        posterior = self.posterior(x, label)
        prior = DiagonalNormal.standard(len(x), self.latent, x.device)
        log_weights = []
        for _ in range(samples):
            z = posterior.sample(noise)
            log_weights.append(self.likelihood(z, label).log_prob(x) + prior.log_prob(z) - posterior.log_prob(z))
        lower = importance_bound(torch.stack(log_weights))
        return Bounds(lower, torch.full_like(lower, torch.inf))

    def draw(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes from the prior, then examples from p(x | z)."""
        z = DiagonalNormal.standard(n, self.latent, self.device).sample(noise)
        return self.likelihood(z, label).sample(noise)

    def codes(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the mean of q(z | x)."""
        return self.posterior(x, label).mean

    def examples_of(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the mean of p(x | z), rounded to levels."""
        mean = self.likelihood(z, label).mean
        return mean.round().to(torch.uint8) if self.event.is_image else mean
