"""Priors that are mixtures of Gaussians, free ones or the posteriors of learned examples."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn

from triptych.distributions.latents import DiagonalNormal
from triptych.distributions.priors import PRIORS, NamedPrior, PriorSetting
from triptych.event import Event
from triptych.noise import Noise


class MixedPrior(NamedPrior):
    """`p(z) = Σ_k π_k N(z; μ_k, diag σ_k²)`, wherever weights and components come from."""

    @abstractmethod
    def components(self) -> tuple[Tensor, DiagonalNormal]:
        """Return log π, `(K,)`, and the components, a batch of K."""

    @final
    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats: `(B, Z)` to `(B,)`."""
        log_weights, parts = self.components()
        return torch.logsumexp(log_weights + parts.log_prob(z.unsqueeze(1)), 1)

    @final
    def sample(self, n: int, noise: Noise) -> Tensor:
        """Draw codes `(n, Z)`: a component, then a code of it."""
        log_weights, parts = self.components()
        cumulative = log_weights.exp().cumsum(0)
        chosen = torch.searchsorted(cumulative, noise.uniform((n,)).to(cumulative) * cumulative[-1], right=True)
        chosen.clamp_(max=len(cumulative) - 1)
        return DiagonalNormal(parts.mean[chosen], parts.log_scale[chosen]).sample(noise)


@PRIORS.register("mixture")
class LearnedMixture(MixedPrior):
    """A mixture whose weights, means and scales are learned. Reference: Dilokthanakul et al. 2016, §3; Nalisnick 2016.

    Args:
        latent: dimensions of the code.
        components: how many Gaussians.

    Example:
        >>> LearnedMixture(2, 4).log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(self, latent: int, components: int = 16) -> None:
        super().__init__(latent)
        self.logits = nn.Parameter(torch.zeros(components))
        self.means = nn.Parameter(torch.randn(components, latent))
        self.log_scales = nn.Parameter(torch.zeros(components, latent))

    @classmethod
    def made(cls, setting: PriorSetting) -> LearnedMixture:
        """Return it with the setting's number of components, or 16."""
        return cls(setting.latent, setting.parts(16))

    def components(self) -> tuple[Tensor, DiagonalNormal]:
        """Return log π and the components."""
        return torch.log_softmax(self.logits, 0), DiagonalNormal(self.means, self.log_scales)


@PRIORS.register("vamp")
class VampPrior(MixedPrior):
    """The mixture of the posteriors of learned pseudo-inputs, `p(z) = 1/K Σ_k q(z | u_k)`.

    Reference: Tomczak & Welling 2018, *VAE with a VampPrior*, eq. 9. Pseudo-inputs of images are the tanh of
    what is learned, so that the encoder meets no number that an image cannot have.

    Args:
        latent: dimensions of the code.
        event: what one example is.
        approximate: from scaled examples `(B, *event.shape)` to their Gaussian posteriors.
        components: how many pseudo-inputs.

    Raises:
        ConfigurationError: where the posterior is no Gaussian, or takes labels.

    Example:
        >>> prior = VampPrior(2, Event((2,)), lambda x: DiagonalNormal(x, torch.zeros_like(x)), 8)
        >>> prior.log_prob(torch.zeros(3, 2)).shape
        torch.Size([3])
    """

    def __init__(
        self, latent: int, event: Event, approximate: Callable[[Tensor], DiagonalNormal], components: int = 64
    ) -> None:
        super().__init__(latent)
        self.approximate = approximate
        self.bounded = event.is_image
        self.learned = nn.Parameter(torch.randn(components, *event.shape))
        with torch.no_grad():
            self.components()  # refuses at once what it cannot be made of

    @classmethod
    def made(cls, setting: PriorSetting) -> VampPrior:
        """Return it with the setting's number of pseudo-inputs, or 64."""
        return cls(setting.latent, setting.event, setting.approximate, setting.parts(64))

    @property
    def pseudo_inputs(self) -> Tensor:
        """The scaled examples u, `(K, *event.shape)`."""
        return torch.tanh(self.learned) if self.bounded else self.learned

    def components(self) -> tuple[Tensor, DiagonalNormal]:
        """Return log 1/K and q(z | u_k)."""
        count = len(self.learned)
        return self.learned.new_full((count,), -math.log(count)), self.approximate(self.pseudo_inputs)
