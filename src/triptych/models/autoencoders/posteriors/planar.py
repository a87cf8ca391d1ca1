"""The planar flow posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.models.autoencoders.posteriors.base import POSTERIORS, PosteriorSetting
from triptych.models.autoencoders.posteriors.flow import FlowPosterior, gaussian_step

LEAST = 1e-3
"""How much of a unit interval a step leaves at least: a lower bound of its derivative along w."""
_OFFSET = math.log(math.expm1(1 - LEAST))
_TINY = 1e-12


@POSTERIORS.register("planar")
class PlanarPosterior(FlowPosterior):
    """A Gaussian that is bent along planes: `f(z) = z + u tanh(wᵀz + b)`, T times.

    `log |det ∂f/∂z| = log |1 + uᵀψ(z)|`, `ψ(z) = (1 - tanh²(wᵀz + b)) w`. Reference: Rezende & Mohamed 2015,
    *Variational Inference with Normalizing Flows*, eq. 10-13; u, w and b are computed from the example.

    A step is invertible where `wᵀu > -1`, so u is changed along w to have `wᵀu = m(wᵀu)` (app. A.1). Their
    `m(a) = log(1 + eᵃ) - 1` is shifted here to have `m(0) = 0`: otherwise a step of small w, as at the start of
    training, would move codes by `1 / |w|`.

    Example:
        >>> from triptych.noise import Noise
        >>> q = PlanarPosterior(PosteriorSetting(latent=2, hidden=8, transforms=16))
        >>> q.features, q.draw(torch.zeros(3, 84), Noise.of(0), lambda z: z.sum(1)).z.shape
        (84, torch.Size([3, 2]))
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__(setting)
        self.transforms = setting.transforms

    @property
    def features(self) -> int:
        """Those of the Gaussian, then u, w and b of each step."""
        return 2 * self.latent + self.transforms * (2 * self.latent + 1)

    def moved(self, noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and the logarithm of the determinant."""
        z, log_det = gaussian_step(noise, features)
        for step in features[:, 2 * self.latent :].chunk(self.transforms, 1):
            u, w, b = torch.split(step, [self.latent, self.latent, 1], 1)
            z, change = planar(z, u, w, b)
            log_det = log_det + change
        return z, log_det


def planar(z: Tensor, u: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return one step and the logarithm of its determinant, `(B, Z)` and `(B,)`.

    Args:
        z: `(B, Z)`.
        u: `(B, Z)`, any; changed along w to make the step invertible.
        w: `(B, Z)`.
        b: `(B, 1)`.
    """
    along = (w * u).sum(1, keepdim=True)
    stretch = LEAST + F.softplus(along + _OFFSET)  # 1 + m(wᵀu), the derivative along w where tanh is steepest
    u = u + (stretch - 1 - along) * w / (w**2).sum(1, keepdim=True).clamp(min=_TINY)
    t = torch.tanh((w * z).sum(1, keepdim=True) + b)
    log_det = torch.log(t**2 + (1 - t**2) * stretch)  # is log(1 + (1 - t²) wᵀu), without cancellation
    return z + u * t, log_det.squeeze(1)
