"""The neural spline flow posterior."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from triptych.models.autoencoders.posteriors.base import CONTEXT, POSTERIORS, PosteriorSetting
from triptych.models.autoencoders.posteriors.flow import FlowPosterior, gaussian_step

BINS = 8


@POSTERIORS.register("spline")
class SplinePosterior(FlowPosterior):
    """Noise bent by autoregressive splines, then scaled: `z = μ + σ ⊙ (f_T ∘ … ∘ f_1)(ε)`.

    Each coordinate passes a monotonic rational-quadratic spline on [-5, 5], whose knots are computed from the
    coordinates before it and the example; the order is reversed from step to step. Reference: Durkan et al. 2019,
    *Neural Spline Flows*, eq. 4-5; the transforms are zuko's.

    Example:
        >>> from triptych.noise import Noise
        >>> q = SplinePosterior(PosteriorSetting(latent=2, hidden=8, transforms=2))
        >>> q.features, q.draw(torch.zeros(3, 68), Noise.of(0), lambda z: z.sum(1)).z.shape
        (68, torch.Size([3, 2]))
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        from zuko.flows.autoregressive import MaskedAutoregressiveTransform  # type: ignore[import-untyped]
        from zuko.transforms import MonotonicRQSTransform  # type: ignore[import-untyped]

        super().__init__(setting)
        order = torch.arange(self.latent)
        made = partial(
            MaskedAutoregressiveTransform,
            self.latent,
            CONTEXT,
            univariate=MonotonicRQSTransform,
            shapes=[(BINS,), (BINS,), (BINS - 1,)],
            hidden_features=[setting.hidden],
        )
        steps = [made(order=order.flip(0) if number % 2 else order) for number in range(setting.transforms)]
        with torch.no_grad():
            for parameter in (p for step in steps for p in step.hyper[-1].parameters()):
                parameter.mul_(0.1)  # knots nearly on a regular grid: close to the identity
        self.steps = nn.ModuleList(steps)

    @property
    def features(self) -> int:
        """Those of the Gaussian, and the context."""
        return 2 * self.latent + CONTEXT

    def moved(self, noise: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the codes and the logarithm of the determinant."""
        context = features[:, 2 * self.latent :]
        bent, log_det = noise, torch.zeros_like(noise[:, 0])
        for step in self.steps:
            bent, change = step(context).call_and_ladj(bent)
            log_det = log_det + change
        z, scaling = gaussian_step(bent, features)
        return z, log_det + scaling
