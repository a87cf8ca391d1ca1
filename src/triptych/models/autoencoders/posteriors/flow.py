"""Posteriors that are Gaussian noise moved by invertible maps."""

from __future__ import annotations

from abc import abstractmethod
from typing import final

import torch
from torch import Tensor

from triptych.distributions import DiagonalNormal
from triptych.models.autoencoders.posteriors.base import Draw, Joint, Posterior
from triptych.noise import Noise


class FlowPosterior(Posterior):
    """A normalising flow: `z = f(ε; x)` with `ε ~ N(0, I)`, `log q(z | x) = log N(ε; 0, I) - log |det ∂f/∂ε|`.

    Reference: Rezende & Mohamed 2015, *Variational Inference with Normalizing Flows*, eq. 5-7. A subclass gives
    `moved`, and is Gaussian but for small networks, so that training starts where a Gaussian posterior's does.

    The first `2Z` features are mean and log standard deviation of a Gaussian that the flow contains; those after
    them are the subclass's own.
    """

    @abstractmethod
    def moved(self, noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes `(B, Z)` of standard normal numbers `(B, Z)`, and `log |det|` of the map, `(B,)` nats."""

    @final
    def draw(self, features: Tensor, noise: Noise, joint: Joint) -> Draw:
        """Draw standard normal numbers and move them."""
        drawn = noise.normal((len(features), self.latent))
        z, log_det = self.moved(drawn, features)
        law = DiagonalNormal.standard(len(drawn), self.latent, drawn.device)
        return Draw(z, law.log_prob(drawn) - log_det)

    @final
    def code(self, features: Tensor) -> Tensor:
        """Return where the flow takes the Gaussian's mean."""
        at_mean = torch.zeros(len(features), self.latent, device=features.device, dtype=features.dtype)
        return self.moved(at_mean, features)[0]

    @final
    def law(self, features: Tensor) -> None:
        """Return None: it is no Gaussian."""


def gaussian_step(noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Return `μ + σ ε` and `Σ log σ`, of the mean and log standard deviation that features begin with.

    Args:
        noise: ε, `(B, Z)`.
        features: `(B, 2Z or more)`.

    Example:
        >>> gaussian_step(torch.ones(1, 1), torch.tensor([[2.0, 0.0, 7.0]]))
        (tensor([[3.]]), tensor([0.]))
    """
    latent = noise.shape[1]
    mean, log_scale = features[:, :latent], features[:, latent : 2 * latent]
    return mean + torch.exp(log_scale) * noise, log_scale.sum(1)
