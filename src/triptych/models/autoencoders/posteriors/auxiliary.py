"""The posterior with auxiliary variables."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.distributions import DiagonalNormal
from triptych.models.autoencoders.posteriors.base import CONTEXT, POSTERIORS, Draw, Joint, Posterior, PosteriorSetting
from triptych.models.autoencoders.posteriors.conditional import ConditionalNormal
from triptych.noise import Noise


@POSTERIORS.register("auxiliary")
class AuxiliaryPosterior(Posterior):
    """A mixture of Gaussians over all values of an auxiliary variable: `q(z | x) = ∫ q(z | a, x) q(a | x) da`.

    The integral is not known, so the bound is over z and a together:
    `log p(x) ≥ E log p(x, z) + log r(a | z, x) - log q(a | x) - log q(z | a, x)`, for any r. The rate includes
    what r lacks, KL(q(a | z, x) ‖ r). Reference: Maaløe et al. 2016, *Auxiliary Deep Generative Models*, eq. 4-6,
    without labels; Ranganath et al. 2016, *Hierarchical Variational Models*, eq. 7. a is as long as the code.

    Example:
        >>> q = AuxiliaryPosterior(PosteriorSetting(latent=2, hidden=8, transforms=1))
        >>> q.features, q.draw(torch.zeros(3, 72), Noise.of(0), lambda z: z.sum(1)).z.shape
        (72, torch.Size([3, 2]))
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__(setting)
        self.code_given = ConditionalNormal(self.latent, CONTEXT, setting.hidden)
        self.auxiliary_given = ConditionalNormal(self.latent, CONTEXT, setting.hidden)

    @property
    def features(self) -> int:
        """Mean and log standard deviation of q(a | x), of the Gaussian that q(z | a, x) begins with; the context."""
        return 4 * self.latent + CONTEXT

    def draw(self, features: Tensor, noise: Noise, joint: Joint) -> Draw:
        """Draw a, then z given it."""
        auxiliary, start, context = self._parts(features)
        a = auxiliary.sample(noise)
        given = self.code_given(a, context, start)
        z = given.sample(noise)
        log_r = self.auxiliary_given(z, context, auxiliary).log_prob(a)
        return Draw(z, auxiliary.log_prob(a) + given.log_prob(z) - log_r)

    def code(self, features: Tensor) -> Tensor:
        """Return the mean of q(z | a, x) at the mean of q(a | x)."""
        auxiliary, start, context = self._parts(features)
        mean: Tensor = self.code_given(auxiliary.mean, context, start).mean
        return mean

    def law(self, features: Tensor) -> None:
        """Return None: it is no Gaussian."""

    def _parts(self, features: Tensor) -> tuple[DiagonalNormal, DiagonalNormal, Tensor]:
        *gaussians, context = torch.split(features, [self.latent] * 4 + [CONTEXT], 1)
        return DiagonalNormal(*gaussians[:2]), DiagonalNormal(*gaussians[2:]), context
