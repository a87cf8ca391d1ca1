"""Laws over vectors: densities with respect to the data's own units."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from triptych.distributions.discretized import LOG_SCALE_MIN
from triptych.distributions.law import Law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class VectorLaw(Law):
    """A density over vectors of independent coordinates given the features, in nats per the data's units."""

    @classmethod
    def check(cls, event: Event) -> None:
        """Raise `ConfigurationError` unless the event is a vector."""
        if event.is_image:
            raise ConfigurationError(f"{cls.__name__} is a law over vectors, the data is a {event}: try 'auto'")

    def _log_spreads(self) -> Tensor | float:
        """Return the log of each coordinate's unit, `(D,)`: the change of variables to the data's own units."""
        if not self.event.spread:
            return 0.0
        return torch.tensor(self.event.spread, device=self.features.device).log()


def _normal_log_density(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    log_scale = log_scale.clamp(min=LOG_SCALE_MIN)
    return -0.5 * ((x - mean) * torch.exp(-log_scale)) ** 2 - log_scale - _HALF_LOG_2PI


class Gaussian(VectorLaw, name="gaussian"):
    """Independent Gaussian coordinates, `p(x) = ∏_d N(x_d; μ_d, σ_d²)`.

    Example:
        >>> law = Gaussian(torch.zeros(1, 4), Event((2,)))
        >>> law.log_prob(torch.zeros(1, 2))   # -log 2π
        tensor([-1.8379])
    """

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return mean and log-scale per coordinate."""
        return 2 * event.dims

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, D)` nats."""
        mean, log_scale = self.by_colour(2)
        return self._log_spreads() - _normal_log_density(self.event.scaled(x), mean, log_scale)

    def sample(self, noise: Noise) -> Tensor:
        """Draw `float32 (B, D)`."""
        mean, log_scale = self.by_colour(2)
        scale = log_scale.clamp(min=LOG_SCALE_MIN).exp()
        return self.event.restored(mean + scale * noise.normal(mean.shape))

    @property
    def mean(self) -> Tensor:
        """The expectation, `(B, D)`."""
        return self.event.restored(self.by_colour(2)[0])


class GaussianMixture(VectorLaw, name="gaussian-mixture"):
    """Independent coordinates, each a mixture of Gaussians: `p(x) = ∏_d Σ_k π_dk N(x_d; μ_dk, σ_dk²)`.

    Reference: Bishop 1994, *Mixture Density Networks*; as conditionals, Uria et al. 2013, *RNADE*.
    """

    components: ClassVar[int] = 10

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return weight, mean and log-scale per coordinate and component."""
        return 3 * cls.components * event.dims

    def _parameters(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits, means and log-scales, each `(B, D, K)`."""
        logits, means, log_scales = self.features.reshape(
            len(self.features), self.event.dims, 3, self.components
        ).unbind(2)
        return logits, means, log_scales

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, D)` nats."""
        logits, means, log_scales = self._parameters()
        each = _normal_log_density(self.event.scaled(x).unsqueeze(2), means, log_scales)
        return self._log_spreads() - torch.logsumexp(torch.log_softmax(logits, 2) + each, 2)

    def sample(self, noise: Noise) -> Tensor:
        """Draw `float32 (B, D)`."""
        logits, means, log_scales = self._parameters()
        cumulative = torch.softmax(logits, 2).cumsum(2)
        u = noise.uniform((*logits.shape[:2], 1)) * cumulative[..., -1:]
        chosen = (u >= cumulative).sum(2, keepdim=True).clamp_(max=self.components - 1)
        mean, log_scale = means.gather(2, chosen).squeeze(2), log_scales.gather(2, chosen).squeeze(2)
        scale = log_scale.clamp(min=LOG_SCALE_MIN).exp()
        return self.event.restored(mean + scale * noise.normal(mean.shape))

    @property
    def mean(self) -> Tensor:
        """The expectation, `(B, D)`."""
        logits, means, _ = self._parameters()
        return self.event.restored((torch.softmax(logits, 2) * means).sum(2))
