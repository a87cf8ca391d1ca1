"""The diagonal Gaussian posterior."""

from __future__ import annotations

from torch import Tensor

from triptych.distributions import DiagonalNormal
from triptych.models.autoencoders.posteriors.base import POSTERIORS, Draw, Joint, Posterior
from triptych.noise import Noise


@POSTERIORS.register("gaussian")
class GaussianPosterior(Posterior):
    """`q(z | x) = N(z; μ(x), diag σ(x)²)`. Reference: Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, §3.

    Example:
        >>> import torch
        >>> from triptych.models.autoencoders.posteriors import PosteriorSetting
        >>> q = GaussianPosterior(PosteriorSetting(latent=2, hidden=8, transforms=1))
        >>> q.draw(torch.zeros(3, 4), Noise.of(0), lambda z: z.sum(1)).z.shape
        torch.Size([3, 2])
    """

    @property
    def features(self) -> int:
        """Mean and logarithm of the standard deviation."""
        return 2 * self.latent

    def draw(self, features: Tensor, noise: Noise, joint: Joint) -> Draw:
        """Draw `z = μ + σ ε`."""
        law = self.law(features)
        z = law.sample(noise)
        return Draw(z, law.log_prob(z))

    def code(self, features: Tensor) -> Tensor:
        """Return μ."""
        return self.law(features).mean

    def law(self, features: Tensor) -> DiagonalNormal:
        """Return q(z | x)."""
        mean, log_scale = features.chunk(2, 1)
        return DiagonalNormal(mean, log_scale)
