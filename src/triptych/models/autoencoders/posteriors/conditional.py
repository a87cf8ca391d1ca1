"""Small networks that give Gaussians, which posteriors with auxiliary variables are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triptych.distributions import DiagonalNormal
from triptych.networks.blocks import mlp

WIDEST = 5.0
"""Standard deviations lie between `exp(-WIDEST)` and `exp(WIDEST)`."""


class ConditionalNormal(nn.Module):
    """A Gaussian given a code and an example's context: `N(·; μ(z, h), diag σ(z, h)²)`, `(B, Z), (B, H) -> (B, Z)`.

    Auxiliary variables have no scale of their own: it is bounded so that it cannot drift off.

    Args:
        latent: Z, of the code and of what it is a distribution of.
        context: H.
        hidden: units of its hidden layer.
    """

    def __init__(self, latent: int, context: int, hidden: int) -> None:
        super().__init__()
        self.layers = mlp(latent + context, [hidden], 2 * latent, nn.Tanh)

    def forward(self, z: Tensor, context: Tensor) -> DiagonalNormal:
        """Return the Gaussian of each row."""
        mean, log_scale = self.layers(torch.cat([z, context], 1)).chunk(2, 1)
        return DiagonalNormal(mean, WIDEST * torch.tanh(log_scale / WIDEST))
