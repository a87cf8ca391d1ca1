"""Laws over vectors: densities with respect to the data's own units."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from triptych.distributions.discretized import LOG_SCALE_MIN, standard_normal
from triptych.distributions.law import LAWS, Law
from triptych.distributions.pixels import quantile
from triptych.errors import ConfigurationError
from triptych.event import Event

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


@LAWS.register("gaussian")
class Gaussian(VectorLaw):
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

    @classmethod
    def draws(cls, event: Event) -> int:
        """Return one number per coordinate."""
        return event.dims

    def at(self, u: Tensor) -> Tensor:
        """Return `float32 (B, D)`."""
        mean, log_scale = self.by_colour(2)
        return self.event.restored(mean + log_scale.clamp(min=LOG_SCALE_MIN).exp() * standard_normal(u))

    def tempered(self, temperature: float) -> Gaussian:
        """Return the Gaussian of `p(x)^(1/T)`: variances times T."""
        mean, log_scale = self.by_colour(2)
        wider = log_scale.clamp(min=LOG_SCALE_MIN) + 0.5 * math.log(temperature)
        return Gaussian(torch.stack([mean, wider], 2).flatten(1), self.event)

    @property
    def mean(self) -> Tensor:
        """The expectation, `(B, D)`."""
        return self.event.restored(self.by_colour(2)[0])


@LAWS.register("gaussian-mixture")
class GaussianMixture(VectorLaw):
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

    @classmethod
    def draws(cls, event: Event) -> int:
        """Return, per coordinate, one number for the component and one for its value."""
        return 2 * event.dims

    def at(self, u: Tensor) -> Tensor:
        """Return `float32 (B, D)`."""
        logits, means, log_scales = self._parameters()
        which, value = u.view(len(u), self.event.dims, 2).unbind(2)
        chosen = quantile(torch.softmax(logits, 2), which).unsqueeze(2)
        mean, log_scale = means.gather(2, chosen).squeeze(2), log_scales.gather(2, chosen).squeeze(2)
        return self.event.restored(mean + log_scale.clamp(min=LOG_SCALE_MIN).exp() * standard_normal(value))

    def tempered(self, temperature: float) -> GaussianMixture:
        """Return the mixture of the powers `(π_k N_k)^(1/T)`: weights `π_k^(1/T) σ_k^(1-1/T)`, variances times T.

        The power of a mixture is no mixture; this one is equal to it where the components lie apart.
        """
        logits, means, log_scales = self._parameters()
        log_scales = log_scales.clamp(min=LOG_SCALE_MIN)
        heights = logits / temperature + (1 - 1 / temperature) * log_scales
        wider = log_scales + 0.5 * math.log(temperature)
        return GaussianMixture(torch.stack([heights, means, wider], 2).flatten(1), self.event)

    @property
    def mean(self) -> Tensor:
        """The expectation, `(B, D)`."""
        logits, means, _ = self._parameters()
        return self.event.restored((torch.softmax(logits, 2) * means).sum(2))
