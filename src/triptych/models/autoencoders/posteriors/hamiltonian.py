"""The posterior that follows Hamiltonian dynamics."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from triptych.distributions import DiagonalNormal
from triptych.models.autoencoders.posteriors.base import CONTEXT, POSTERIORS, Draw, Joint, Posterior, PosteriorSetting
from triptych.models.autoencoders.posteriors.conditional import ConditionalNormal
from triptych.noise import Noise

FIRST_STEP = 0.05
"""Step size at the start of training."""
LARGEST_STEP = 0.5
"""Steps stay below it: leapfrog of unit mass is stable where posteriors are wider than half of it (Neal 2011, §4.2)."""


@POSTERIORS.register("hamiltonian")
class HamiltonianPosterior(Posterior):
    """A Gaussian draw moved along the dynamics of the energy `-log p(x, z)`, with the momentum as auxiliary variable.

    `z_0 ~ q(z | x)`, `v_0 ~ N(0, M)`, `(z_T, v_T)` after T leapfrog steps, which preserve volume, so that
    `log p(x) ≥ E log p(x, z_T) + log r(v_T | z_T, x) - log q(z_0 | x) - log N(v_0; 0, M)`. Step sizes, the
    diagonal mass M and r are learned; one momentum serves the whole trajectory. Reference: Salimans et al. 2015,
    *Markov Chain Monte Carlo and Variational Inference: Bridging the Gap*, §3 and algorithm 3.

    While training, gradients pass through the dynamics, and so through second derivatives of log p(x, z).

    Example:
        >>> q = HamiltonianPosterior(PosteriorSetting(latent=2, hidden=8, transforms=4))
        >>> q.features, q.draw(torch.zeros(3, 68), Noise.of(0), lambda z: -(z**2).sum(1) / 2).z.shape
        (68, torch.Size([3, 2]))
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__(setting)
        first = math.log(FIRST_STEP / (LARGEST_STEP - FIRST_STEP))
        self.step_logits = nn.Parameter(torch.full((setting.transforms,), first))
        self.half_log_mass = nn.Parameter(torch.zeros(self.latent))
        self.momentum_given = ConditionalNormal(self.latent, CONTEXT, setting.hidden)

    @property
    def features(self) -> int:
        """Mean and logarithm of the standard deviation of q(z_0 | x), and the context."""
        return 2 * self.latent + CONTEXT

    def draw(self, features: Tensor, noise: Noise, joint: Joint) -> Draw:
        """Draw code and momentum, and follow them for T steps."""
        start, context = self._parts(features)
        z = start.sample(noise)
        momentum = DiagonalNormal(torch.zeros_like(z), self.half_log_mass.expand_as(z))
        v = momentum.sample(noise)
        log_q = start.log_prob(z) + momentum.log_prob(v)
        steps = LARGEST_STEP * torch.sigmoid(self.step_logits)
        z, v = leapfrog(z, v, steps, torch.exp(2 * self.half_log_mass), lambda at: force(joint, at))
        return Draw(z, log_q - self.momentum_given(z, context, momentum).log_prob(v))

    def code(self, features: Tensor) -> Tensor:
        """Return the mean of q(z_0 | x): the dynamics keep codes where they are probable."""
        return self._parts(features)[0].mean

    def law(self, features: Tensor) -> None:
        """Return None: it is no Gaussian."""

    def _parts(self, features: Tensor) -> tuple[DiagonalNormal, Tensor]:
        mean, log_scale, context = torch.split(features, [self.latent, self.latent, CONTEXT], 1)
        return DiagonalNormal(mean, log_scale), context


def leapfrog(
    z: Tensor, v: Tensor, steps: Tensor, mass: Tensor, push: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return code and momentum after leapfrog steps of Hamilton's equations.

    `v ← v + ε/2 g(z)`, `z ← z + ε v / M`, `v ← v + ε/2 g(z)`: each line shears, so no volume changes, and with
    -v the steps in reverse order lead back. The energy changes by O(ε²). Reference: Neal 2011, *MCMC Using
    Hamiltonian Dynamics*, §2.3.

    Args:
        z: `(B, Z)`.
        v: momentum, `(B, Z)`.
        steps: ε of each step, `(T,)`.
        mass: diagonal of M, `(Z,)`.
        push: g, the negative gradient of the potential energy, `(B, Z) -> (B, Z)`.

    Example:
        >>> z, v = leapfrog(torch.ones(1, 1), torch.zeros(1, 1), torch.tensor([0.5]), torch.ones(1), lambda z: -z)
        >>> z, v
        (tensor([[0.8750]]), tensor([[-0.4688]]))
    """
    pushed = push(z)
    for step in steps:
        v = v + 0.5 * step * pushed
        z = z + step * v / mass
        pushed = push(z)
        v = v + 0.5 * step * pushed
    return z, v


def force(joint: Joint, z: Tensor) -> Tensor:
    """Return `∇_z log p(x, z)`, `(B, Z)`, itself differentiable where gradients are asked for.

    Example:
        >>> force(lambda z: -(z**2).sum(1) / 2, torch.tensor([[2.0]])).detach()
        tensor([[-2.]])
    """
    learning = torch.is_grad_enabled()
    with torch.enable_grad():
        at = z if learning and z.requires_grad else z.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(joint(at).sum(), at, create_graph=learning)
    return gradient
