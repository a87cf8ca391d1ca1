"""Hamiltonian Monte Carlo between a prior and a posterior: many chains at once, each with its own step size."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.noise import Noise

LEAPFROGS = 3
"""Steps of each trajectory: of as many gradients, more temperatures make better use than longer trajectories."""

Target = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From points `(R, d)` to their log-prior and log-likelihood in nats, each `(R,)`."""


class State(NamedTuple):
    """Where R chains are, and what is known there; the tempered density is `prior + β likelihood` in logarithms."""

    point: Tensor
    """`(R, d)`."""
    prior: Tensor
    """Log-prior, `(R,)` nats."""
    likelihood: Tensor
    """Log-likelihood, `(R,)` nats."""
    prior_slope: Tensor
    """Gradient of the log-prior, `(R, d)`."""
    likelihood_slope: Tensor
    """Gradient of the log-likelihood, `(R, d)`."""

    def slope(self, beta: float) -> Tensor:
        """Return the gradient of the log of the tempered density, `(R, d)`."""
        return self.prior_slope + beta * self.likelihood_slope

    def log_density(self, beta: float) -> Tensor:
        """Return the log of the tempered density, unnormalised, float64 `(R,)`."""
        return self.prior.double() + beta * self.likelihood.double()


def state_at(target: Target, point: Tensor) -> State:
    """Return what a target says of points; where the likelihood is no number it is taken for 0."""
    with torch.enable_grad():
        point = point.detach().requires_grad_(True)
        prior, likelihood = target(point)
        (prior_slope,) = torch.autograd.grad(prior.sum(), point, retain_graph=True)
        (slope,) = torch.autograd.grad(likelihood.sum(), point, allow_unused=True)
    likelihood = likelihood.detach().nan_to_num(nan=-torch.inf, posinf=-torch.inf, neginf=-torch.inf)
    slope = torch.zeros_like(point) if slope is None else slope
    return State(point.detach(), prior.detach(), likelihood, prior_slope, slope)


def moved(target: Target, state: State, beta: float, size: Tensor, noise: Noise) -> tuple[State, Tensor]:
    """Move each chain along one trajectory that leaves `prior · likelihood^β` invariant.

    With momenta p ~ N(0, I) `LEAPFROGS` leapfrog steps of size ε are taken, and accepted with probability
    `min(1, exp(H(u, p) - H(u', p')))`, where `H = -log π(u) + ½ p²`. What is not finite is not accepted. Reference:
    Neal 2011, *MCMC Using Hamiltonian Dynamics*, §3.2.

    Args:
        target: says log-prior and log-likelihood.
        state: where the R chains are.
        beta: the power of the likelihood.
        size: ε, `(R,)`.
        noise: momenta and acceptances come from it.

    Returns:
        Where they are then, and the probability with which each was to be moved, `(R,)`.

    Example:
        >>> flat = lambda u: (-0.5 * u.square().sum(1), 0 * u.sum(1))
        >>> start = state_at(flat, torch.zeros(3, 2))
        >>> there, accepted = moved(flat, start, 1.0, torch.full((3,), 0.1), Noise.of(0))
        >>> there.point.shape, bool((accepted > 0.99).all())
        (torch.Size([3, 2]), True)
    """
    step = size.unsqueeze(1)
    momentum = noise.normal(state.point.shape)
    before = state.log_density(beta) - 0.5 * momentum.double().square().sum(1)
    momentum = momentum + 0.5 * step * state.slope(beta)
    found = state
    for i in range(LEAPFROGS):
        found = state_at(target, found.point + step * momentum)
        momentum = momentum + (step if i < LEAPFROGS - 1 else 0.5 * step) * found.slope(beta)
    after = found.log_density(beta) - 0.5 * momentum.double().square().sum(1)
    chance = (after - before).exp().clamp(max=1).nan_to_num(nan=0.0)
    taken = noise.uniform((len(step),)) < chance
    return State(*(_chosen(taken, new, old) for new, old in zip(found, state, strict=True))), chance.float()


def _chosen(taken: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(taken.unsqueeze(1) if new.dim() == 2 else taken, new, old)
