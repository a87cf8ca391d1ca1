"""The inverse autoregressive flow posterior."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.models.autoencoders.posteriors.base import CONTEXT, POSTERIORS, PosteriorSetting
from triptych.models.autoencoders.posteriors.flow import FlowPosterior, gaussian_step

KEEP = 2.0
"""At the start of training a step keeps `sigmoid(KEEP)` of a code, 0.88: like an LSTM's forget gate."""


@POSTERIORS.register("iaf")
class IAFPosterior(FlowPosterior):
    """A Gaussian moved by inverse autoregressive steps: `z_t = σ_t ⊙ z_{t-1} + (1 - σ_t) ⊙ m_t`, T times.

    `[m_t, s_t] = network_t(z_{t-1}, h)`, `σ_t = sigmoid(s_t)`, `log |det| = Σ_t Σ_i log σ_{t,i}`: coordinate i of
    m and s sees those before i, and the order is reversed from step to step. Reference: Kingma et al. 2016,
    *Improved Variational Inference with Inverse Autoregressive Flow*, eq. 10-14 and algorithm 1.

    Example:
        >>> from triptych.noise import Noise
        >>> q = IAFPosterior(PosteriorSetting(latent=2, hidden=8, transforms=4))
        >>> q.features, q.draw(torch.zeros(3, 68), Noise.of(0), lambda z: z.sum(1)).z.shape
        (68, torch.Size([3, 2]))
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__(setting)
        self.steps = nn.ModuleList(
            _autoregressive(self.latent, setting.hidden, reverse=bool(number % 2))
            for number in range(setting.transforms)
        )

    @property
    def features(self) -> int:
        """Those of the Gaussian, and the context."""
        return 2 * self.latent + CONTEXT

    def moved(self, noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and the logarithm of the determinant."""
        wider = len(self.steps) * math.log1p(math.exp(-KEEP))  # what the steps take at first: they start as a whole
        z, log_det = gaussian_step(noise * math.exp(wider), features)
        log_det = log_det + self.latent * wider
        context = features[:, 2 * self.latent :]
        for network in self.steps:
            m, s = network(torch.cat([z, context], 1)).to(z.dtype).chunk(2, 1)
            keep = torch.sigmoid(s + KEEP)
            z = keep * z + (1 - keep) * m
            log_det = log_det + F.logsigmoid(s + KEEP).sum(1)
        return z, log_det


def _autoregressive(latent: int, hidden: int, reverse: bool) -> nn.Module:
    """Return a network `(B, Z + CONTEXT) -> (B, 2Z)`: its outputs i and Z + i see codes before i, and the context.

    Its hidden units are bounded: otherwise far codes move those after them farther, step by step.
    """
    from zuko.nn import MaskedMLP  # type: ignore[import-untyped]

    before = torch.ones(latent, latent, dtype=torch.bool).tril(-1)
    seen = torch.cat([before.T if reverse else before, torch.ones(latent, CONTEXT, dtype=torch.bool)], 1)
    network: nn.Module = MaskedMLP(seen.repeat(2, 1), [hidden], activation=nn.Tanh)
    return network
