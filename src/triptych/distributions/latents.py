"""Distributions of codes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triptych.noise import Noise

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class DiagonalNormal:
    """A Gaussian with independent coordinates, `N(z; μ, diag σ²)`.

    Args:
        mean: `(B, Z)`.
        log_scale: `(B, Z)`, the logarithm of the standard deviation.

    Example:
        >>> q = DiagonalNormal(torch.zeros(1, 2), torch.zeros(1, 2))
        >>> q.kl_by_dimension(), q.log_prob(torch.zeros(1, 2))
        (tensor([[0., 0.]]), tensor([-1.8379]))
    """

    def __init__(self, mean: Tensor, log_scale: Tensor) -> None:
        self.mean = mean
        self.log_scale = log_scale

    @classmethod
    def standard(cls, batch: int, dims: int, device: torch.device | str = "cpu") -> DiagonalNormal:
        """Return `N(0, I)` for a batch."""
        zeros = torch.zeros(batch, dims, device=device)
        return cls(zeros, zeros)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return the log-density in nats: `(B,)`, or `(K, B)` for z of shape `(K, B, Z)`."""
        return self.log_prob_by_dimension(z).sum(-1)

    def log_prob_by_dimension(self, z: Tensor) -> Tensor:
        """Return the log-density of each coordinate in nats, `(…, Z)`."""
        return -0.5 * ((z - self.mean) * torch.exp(-self.log_scale)) ** 2 - self.log_scale - _HALF_LOG_2PI

    def sample(self, noise: Noise) -> Tensor:
        """Draw `(B, Z)` as `μ + σ ε`, so that gradients reach μ and σ."""
        return self.mean + torch.exp(self.log_scale) * noise.normal(self.mean.shape)

    def kl_by_dimension(self) -> Tensor:
        """Return `KL(q_j ‖ N(0, 1)) = ½ (μ_j² + σ_j² - 1) - log σ_j`, `(B, Z)` nats (Kingma & Welling 2014, app. B)."""
        variance = torch.exp(2 * self.log_scale)
        return 0.5 * (self.mean**2 + variance - 1) - self.log_scale
