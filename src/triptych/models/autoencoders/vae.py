"""The variational autoencoder: one bound whose parts can be exchanged."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.distributions import DiagonalNormal, Law, Prior, PriorSetting, kl_divergence, resolve_law, resolve_prior
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoencoders.latent import latent_of
from triptych.models.autoencoders.posteriors import Draw, Joint, Posterior, PosteriorSetting, resolve_posterior
from triptych.models.base import Player, Terms
from triptych.models.latent_variable import CodeSpace, HasLikelihood, plain_space
from triptych.models.questions import ImportanceWeighted, Reconstructor, Weights
from triptych.networks import CoderConfig, conditioned, encoded, resolve_decoder, resolve_encoder
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound
from triptych.objectives.variational import BoundConfig, doubly_reparameterised, split_rate


class VAE(HasLikelihood, ImportanceWeighted, Reconstructor):
    """A latent-variable model trained on a lower bound of its likelihood.

    `log p(x) ≥ E_q(z|x) log p(x | z) - KL(q(z | x) ‖ p(z))`, for any prior p(z), any family of posteriors
    q(z | x) and any law p(x | z). The first term's negative is the *distortion*, the second the *rate*, both
    in nats. Reference: Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, §2.2-2.4, app. B. With
    `importance` K > 1 it is trained on `E log 1/K Σ_k p(x, z_k) / q(z_k | x)` instead (Burda et al. 2016, eq. 8).

    Args:
        event: what one example is.
        latent: dimensions of the code; None for 32, or as many as an example has if fewer.
        pixels: law of an example given its code: a name, "auto", or a `Law` class.
        encoder: "auto", "mlp", "conv", or a module from scaled examples to `(B, F)`, F as the posterior takes.
        decoder: "auto", "mlp", "conv", or a module from codes to the law's features.
        prior: p(z): "normal", "mixture", "vamp" (a mixture of posteriors), "flow", or a `Prior`.
        posterior: q(z | x): "gaussian", "planar", "sylvester", "iaf", "spline", "auxiliary", "hamiltonian", or a
            `Posterior`.
        components: parts of a prior that is a mixture, or transforms of one that is a flow; None for its own default.
        transforms: steps of a posterior that is a flow, or follows dynamics.
        bound: what it is trained on: the weight of the rate, or of several codes.
        networks: sizes of encoder and decoder.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for latent < 1 or larger than the data, an unknown part, or one that does not fit the data.

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
        latent: int | None = None,
        pixels: str | type[Law] = "auto",
        encoder: str | nn.Module = "auto",
        decoder: str | nn.Module = "auto",
        prior: str | Prior = "normal",
        posterior: str | Posterior = "gaussian",
        components: int | None = None,
        transforms: int = 4,
        bound: BoundConfig = BoundConfig(),
        networks: CoderConfig = CoderConfig(),
        classes: int = 0,
    ) -> None:
        super().__init__(event, classes)
        self.latent = latent = latent_of(latent, event)
        self.law = resolve_law(pixels, event)
        self.bound = bound
        sizes = networks.sizes(classes)
        self.posterior = resolve_posterior(posterior, PosteriorSetting(latent, networks.hidden, transforms))
        self.encoder = resolve_encoder(encoder, event, self.posterior.features, sizes)
        self.decoder = resolve_decoder(decoder, event, latent, self.law.channels(event), sizes)
        self.prior = resolve_prior(prior, PriorSetting(latent, event, components, self.approximate))
        for wanted in bound.gaussian:
            self._gaussian(torch.zeros(1, self.posterior.features), wanted)

    def _gaussian(self, features: Tensor, wanted: str) -> DiagonalNormal:
        """Return q(z | x), for what wants it to be a Gaussian."""
        law = self.posterior.law(features)
        if law is None:
            raise ConfigurationError(f"{wanted} takes a Gaussian posterior: leave it, or give posterior=gaussian")
        return law

    @property
    def players(self) -> tuple[Player, ...]:
        """One player: all parts together raise the bound."""
        modules = [self.encoder, self.decoder, self.posterior, self.prior]
        return (Player("model", modules, self.objective, optimizer=partial(torch.optim.Adam, lr=1e-3)),)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return distortion and rate, in nats, and what the objective adds to them; or minus the weighted bound."""
        if self.bound.weighs_codes:
            return {"bound": -self._weighted(batch.x, batch.label, noise)}
        features = self.features(batch.x, batch.label)
        drawn = self.posterior.draw(features, noise, self.joint(batch.x, batch.label))
        distortion = -self.likelihood(drawn.z, batch.label).log_prob(batch.x)
        rate = self.rate(features, drawn)
        terms = {"distortion": distortion, "rate": rate.sum(1)}
        if not self.bound.rate.plain:
            dependence = None
            if self.bound.rate.splits:
                law = self._gaussian(features, "total_correlation")
                dependence = split_rate(drawn.z, law, self.prior.log_prob(drawn.z)).total_correlation
            terms["excess"] = self.bound.rate.excess(rate, batch.number, dependence)
        return terms

    def _weighted(self, x: Tensor, label: Tensor | None, noise: Noise) -> Tensor:
        """Return the importance-weighted bound, `(B,)`, with the gradient that was chosen for it."""
        samples = self.bound.importance
        if not self.bound.doubly_reparameterised:
            return importance_bound(self._weights(x, label, noise, samples).log_weights.T)
        q = self._gaussian(self.features(x, label).repeat_interleave(samples, 0), "doubly_reparameterised")
        return doubly_reparameterised(q, q.sample(noise), self.joint(*_repeated(x, label, samples)), samples)

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return what the encoder says of each example, `(B, posterior.features)`."""
        return encoded(self.encoder, self.event.scaled(x), label, self.posterior.features)

    def rate(self, features: Tensor, drawn: Draw) -> Tensor:
        """Return KL(q ‖ p), `(B, Z)` by dimension in closed form where there is one, else from the draw, `(B, 1)`."""
        known = kl_divergence(self.posterior.law(features), self.prior)
        return (drawn.log_q - self.prior.log_prob(drawn.z)).unsqueeze(1) if known is None else known

    def approximate(self, scaled: Tensor) -> DiagonalNormal:
        """Return q(z | x) of scaled examples, where it is a Gaussian and no label is needed."""
        if self.classes:
            raise ConfigurationError("a prior that is made of posteriors has no labels: leave --classes, or the prior")
        features = encoded(self.encoder, scaled, None, self.posterior.features)
        return self._gaussian(features, "a prior that is made of posteriors")

    @property
    def code_space(self) -> CodeSpace:
        """Codes as they are, under p(z)."""
        return plain_space(self.prior)

    def likelihood(self, z: Tensor, label: Tensor | None) -> Law:
        """Return p(x | z)."""
        return self.law(conditioned(self.decoder, z, label), self.event)

    def joint(self, x: Tensor, label: Tensor | None) -> Joint:
        """Return log p(x, z) as a function of z."""
        return lambda z: self.likelihood(z, label).log_prob(x) + self.prior.log_prob(z)

    def _weights(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Weights:
        """Return the weights of `samples` codes drawn from q(z | x), `(B, samples)`."""
        features = self.features(x, label).repeat_interleave(samples, 0)
        x, label = _repeated(x, label, samples)
        drawn = self.posterior.draw(features, noise, self.joint(x, label))
        log_likelihood = self.likelihood(drawn.z, label).log_prob(x)
        log_ratio = self.prior.log_prob(drawn.z) - drawn.log_q
        return Weights(log_likelihood.view(-1, samples), log_ratio.view(-1, samples))

    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw codes from the prior."""
        return self.prior.sample(n, noise)

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes from the prior, then examples from p(x | z)."""
        return self.likelihood(self._sample_codes(n, noise), label).sample(noise)

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the code that stands for q(z | x): its mean, if it is a Gaussian."""
        return self.posterior.code(self.features(x, label))

    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the mean of p(x | z)."""
        return self.likelihood(z, label).mean


def _repeated(x: Tensor, label: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
    """Return each example, and its label, `samples` times in a row."""
    return x.repeat_interleave(samples, 0), None if label is None else label.repeat_interleave(samples, 0)
