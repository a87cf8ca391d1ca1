"""Small networks that give Gaussians, which posteriors with auxiliary variables are made of."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triptych.distributions import DiagonalNormal
from triptych.networks.blocks import mlp

WIDEST = 5.0
"""Standard deviations change by factors between `exp(-WIDEST)` and `exp(WIDEST)`."""


class ConditionalNormal(nn.Module):
    """A Gaussian that is moved by a code and an example's context: `N(·; μ + σ ⊙ m(z, h), diag (σ ⊙ s(z, h))²)`.

    It begins close to `N(μ, diag σ²)`, and stays in its units: what auxiliary variables are measured in is free, so
    that a law of them in other units would have to follow theirs.

    Args:
        latent: Z, of the code and of what it is a distribution of.
        context: H.
        hidden: units of its hidden layer.
    """

    def __init__(self, latent: int, context: int, hidden: int) -> None:
        super().__init__()
        self.layers = mlp(latent + context, [hidden], 2 * latent, nn.Tanh)

    def forward(self, z: Tensor, context: Tensor, start: DiagonalNormal) -> DiagonalNormal:
        """Return the Gaussian of each row.

        Args:
            z: `(B, Z)`.
            context: h, `(B, H)`.
            start: the Gaussian of mean μ and standard deviation σ, `(B, Z)`.
        """
        shift, log_scale = self.layers(torch.cat([z, context], 1)).to(z.dtype).chunk(2, 1)
        mean = start.mean + torch.exp(start.log_scale) * shift
        return DiagonalNormal(mean, start.log_scale + WIDEST * torch.tanh(log_scale / WIDEST))
