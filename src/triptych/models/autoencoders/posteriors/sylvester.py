"""The Sylvester flow posterior."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.models.autoencoders.posteriors.base import POSTERIORS, PosteriorSetting
from triptych.models.autoencoders.posteriors.flow import FlowPosterior, gaussian_step

REFLECTIONS = 8
"""Householder reflections in each step's Q, as published; of codes below 9 dimensions, as many as make any Q."""
_LARGEST = 0.999


@POSTERIORS.register("sylvester")
class SylvesterPosterior(FlowPosterior):
    """A Gaussian bent along all planes at once: `f(z) = z + Q R tanh(R̃ Qᵀz + b)`, T times.

    `log |det ∂f/∂z| = Σ_i log(1 + tanh'(R̃ Qᵀz + b)_i R_ii R̃_ii)`: R and R̃ are upper triangular, their diagonals
    within (-1, 1), and Q is orthogonal, a product of Householder reflections. Reference: van den Berg et al. 2018,
    *Sylvester Normalizing Flows for Variational Inference*, eq. 8-13 and §4.2. All are computed from the example.

    Example:
        >>> from triptych.noise import Noise
        >>> q = SylvesterPosterior(PosteriorSetting(latent=2, hidden=8, transforms=4))
        >>> q.features, q.draw(torch.zeros(3, 44), Noise.of(0), lambda z: z.sum(1)).z.shape
        (44, torch.Size([3, 2]))
    """

    above: Tensor

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__(setting)
        self.transforms = setting.transforms
        self.reflections = min(REFLECTIONS, self.latent - 1)
        self.register_buffer("above", torch.triu_indices(self.latent, self.latent, 1), persistent=False)

    @property
    def features(self) -> int:
        """Those of the Gaussian; then of each step b, both diagonals, what is above them, and the reflections."""
        return 2 * self.latent + self.transforms * sum(self._parts)

    @property
    def _parts(self) -> list[int]:
        above = self.latent * (self.latent - 1) // 2
        return [self.latent] * 3 + [above] * 2 + [self.latent * self.reflections]

    def moved(self, noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and the logarithm of the determinant."""
        z, log_det = gaussian_step(noise, features)
        for step in features[:, 2 * self.latent :].chunk(self.transforms, 1):
            z, change = self._step(z, step)
            log_det = log_det + change
        return z, log_det

    def _step(self, z: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        b, outer, inner, above_outer, above_inner, axes = torch.split(numbers, self._parts, 1)
        outer, inner = _LARGEST * torch.tanh(outer), _LARGEST * torch.tanh(inner)
        mirrors = self._mirrors(axes)
        y = reflected(z, mirrors)
        t = torch.tanh(self._triangular(inner, above_inner, y) + b)
        moved = reflected(self._triangular(outer, above_outer, t), mirrors[::-1])
        return z + moved, torch.log1p((1 - t**2) * outer * inner).sum(1)

    def _triangular(self, diagonal: Tensor, above: Tensor, y: Tensor) -> Tensor:
        """Return R y of `(B, Z)` numbers on the diagonal and `(B, Z (Z-1) / 2)` above it."""
        rows, columns = self.above
        return (diagonal * y).index_add(1, rows, above * y[:, columns])

    def _mirrors(self, axes: Tensor) -> list[Tensor]:
        """Return unit vectors `(B, Z)`, each a coordinate axis where its numbers are zero."""
        each = axes.view(len(axes), self.reflections, self.latent)
        return list(F.normalize(each + torch.eye(self.latent, device=axes.device)[: self.reflections], dim=2).unbind(1))


def reflected(z: Tensor, mirrors: list[Tensor]) -> Tensor:
    """Return codes after Householder reflections, one after the other: `z - 2 v vᵀz`, `(B, Z)`.

    Args:
        z: `(B, Z)`.
        mirrors: unit vectors v, each `(B, Z)`.

    Example:
        >>> reflected(torch.tensor([[3.0, 1.0]]), [torch.tensor([[1.0, 0.0]])])
        tensor([[-3.,  1.]])
    """
    for v in mirrors:
        z = z - 2 * v * (v * z).sum(1, keepdim=True)
    return z
