"""Variational objectives: how the rate is weighed, how it splits, and gradients of importance-weighted bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.distributions import DiagonalNormal
from triptych.errors import ConfigurationError
from triptych.objectives.likelihood import importance_bound
from triptych.processes import gathered, sharing, summed


@dataclass(frozen=True)
class RateWeight:
    """How an objective weighs the rate `KL(q(z | x) ‖ p(z))`, in nats per example.

    The objective is `distortion + rate + excess`: the excess is what makes it another one than the negative
    evidence lower bound, so that distortion and rate are always logged as they are. With the mean rate R of the
    minibatch and its total correlation TC the rate counts as `β · counted`, where counted is R, or one of

    - `Σ_j max(λ, R_j)` over dimensions, with free bits;
    - `|R - C|`, with a capacity;
    - `R + (γ - 1) TC`, with another factor on the total correlation.

    A rate that is not known by dimension counts as one dimension. References: for β Higgins et al. 2017, *β-VAE*, eq. 4
    (with a capacity it is the γ of its paper); for the warm-up Bowman et al. 2016, §3.1, and Sønderby et al. 2016,
    §2.2; for the free bits λ Kingma et al. 2016, *Improving Variational Inference with Inverse Autoregressive Flow*,
    eq. 15; for the capacity C Burgess et al. 2018, *Understanding disentangling in β-VAE*, §5; for γ (the β of its
    paper) Chen et al. 2018, *Isolating Sources of Disentanglement in VAEs*, eq. 4.

    Args:
        beta: factor on the rate in the objective, or on its distance from the capacity.
        kl_warmup: minibatches over which that factor rises from 0.
        free_bits: nats of each code's dimension that cost nothing.
        capacity: nats that the rate is held to; 0 to hold it to none.
        capacity_steps: minibatches over which the capacity rises from 0.
        total_correlation: factor on the part of the rate that is dependence between the code's dimensions.

    Raises:
        ConfigurationError: for a negative number, or two ways of counting the rate at once.
    """

    beta: float = 1.0
    kl_warmup: int = 0
    free_bits: float = 0.0
    capacity: float = 0.0
    capacity_steps: int = 0
    total_correlation: float = 1.0

    def __post_init__(self) -> None:
        """Refuse negative numbers, and combinations that have no meaning."""
        for name, value in vars(self).items():
            if not 0 <= value < math.inf:
                raise ConfigurationError(f"{name}={value:g}: expected 0 or more")
        if self.capacity_steps and not self.capacity:
            raise ConfigurationError(f"capacity_steps={self.capacity_steps} without a capacity: give one, in nats")
        chosen = [
            n for n in ("free_bits", "capacity", "total_correlation") if getattr(self, n) != getattr(type(self), n)
        ]
        if len(chosen) > 1:
            raise ConfigurationError(
                f"{' and '.join(chosen)} were given: each counts the rate in its own way, leave one"
            )

    @property
    def plain(self) -> bool:
        """Whether the objective is the evidence lower bound."""
        return self == RateWeight()

    @property
    def splits(self) -> bool:
        """Whether the total correlation has a factor of its own."""
        return self.total_correlation != 1

    def factor(self, number: int | None) -> float:
        """Return the factor on the rate at minibatch `number` (None: when all schedules have ended).

        >>> RateWeight(beta=4, kl_warmup=10).factor(5)
        2.0
        """
        return self.beta * _risen(number, self.kl_warmup)

    def excess(self, rate: Tensor, number: int | None, total_correlation: Tensor | None = None) -> Tensor:
        """Return what the objective adds to distortion and rate, `(B,)`.

        Args:
            rate: `(B, Z)` by dimension where it is known so, else `(B, 1)`.
            number: of the minibatch.
            total_correlation: `(B,)` nats, if it has a factor of its own.

        Example:
            >>> RateWeight(beta=4).excess(torch.tensor([[1.0, 2.0]]), None)
            tensor([9.])
        """
        whole = rate.sum(1)
        counted = whole
        if self.free_bits:
            counted = torch.where(_mean(rate) > self.free_bits, rate, torch.full_like(rate, self.free_bits)).sum(1)
        elif self.capacity:
            target = self.capacity * _risen(number, self.capacity_steps)
            counted = torch.where(_mean(whole) > target, whole - target, target - whole)
        elif total_correlation is not None:
            counted = whole + (self.total_correlation - 1) * total_correlation
        return self.factor(number) * counted - whole


@dataclass(frozen=True)
class BoundConfig:
    """The bound on log p(x) that a model is trained on: distortion and weighed rate, or one of weighted codes.

    Args:
        rate: how the rate is weighed.
        importance: codes of each example that the objective weighs.
        doubly_reparameterised: estimate the encoder's gradient of that objective with less variance.

    Raises:
        ConfigurationError: for importance < 1, or weighted codes together with a weight on the rate.

    Example:
        >>> BoundConfig(RateWeight(beta=4)).weighs_codes, BoundConfig(importance=5).weighs_codes
        (False, True)
    """

    rate: RateWeight = RateWeight()
    importance: int = 1
    doubly_reparameterised: bool = False

    def __post_init__(self) -> None:
        """Refuse an objective that has no meaning."""
        if self.importance < 1:
            raise ConfigurationError(f"importance={self.importance}: expected at least 1 code of each example")
        if self.weighs_codes and not self.rate.plain:
            what = "doubly_reparameterised" if self.importance == 1 else f"importance={self.importance}"
            raise ConfigurationError(
                f"{what} and a weight on the rate were given: a bound of weighted codes has no rate, leave one of them"
            )

    @property
    def weighs_codes(self) -> bool:
        """Whether it is a bound of weighted codes."""
        return self.importance > 1 or self.doubly_reparameterised

    @property
    def gaussian(self) -> list[str]:
        """The settings that take a Gaussian posterior."""
        wanting = {"total_correlation": self.rate.splits, "doubly_reparameterised": self.doubly_reparameterised}
        return [name for name, given in wanting.items() if given]


def _risen(number: int | None, steps: int) -> float:
    """Return how far a schedule has come, 0 to 1."""
    return 1.0 if number is None or number >= steps else number / steps


def _mean(x: Tensor) -> Tensor:
    """Return the mean of a minibatch, over all processes that share it, without gradients."""
    return summed(x.detach().mean(0, keepdim=True)) / sharing()


class RateParts(NamedTuple):
    """The rate in three parts, each `(B,)` nats, whose sum is `log q(z | x) - log p(z)`."""

    mutual_information: Tensor
    """log q(z | x) - log q(z): what the code tells of the example."""
    total_correlation: Tensor
    """log q(z) - Σ_j log q(z_j): how dependent the dimensions are."""
    dimension_wise: Tensor
    """Σ_j log q(z_j) - log p(z): how far the marginals are from the prior, if it factorises."""


def split_rate(z: Tensor, q: DiagonalNormal, log_prior: Tensor) -> RateParts:
    """Split the rate by the aggregate posterior `q(z) = 1/M Σ_m q(z | x_m)` of the minibatch.

    Reference: Chen et al. 2018, *Isolating Sources of Disentanglement in VAEs*, eq. 2, with the minibatch-weighted
    estimate of §3.1, where N is taken to be M: for more examples than these the first part is at most log M, and the
    second differs from theirs by the constant (Z - 1) log N.

    Args:
        z: a code of each posterior, `(M, Z)`.
        q: the posteriors of M examples; with several processes each gives its own.
        log_prior: log p(z), `(M,)`.

    Example:
        >>> q = DiagonalNormal(torch.zeros(8, 2), torch.zeros(8, 2))
        >>> z = torch.randn(8, 2)
        >>> parts = split_rate(z, q, DiagonalNormal.standard(8, 2).log_prob(z))
        >>> [bool(part.abs().max() < 1e-5) for part in parts]
        [True, True, True]
    """
    everyone = DiagonalNormal(gathered(q.mean), gathered(q.log_scale))
    each = everyone.log_prob_by_dimension(z.unsqueeze(1))  # (M, M, Z): code, posterior, dimension
    log_count = math.log(each.shape[1])
    aggregate = torch.logsumexp(each.sum(2), 1) - log_count
    marginals = (torch.logsumexp(each, 1) - log_count).sum(1)
    return RateParts(q.log_prob(z) - aggregate, aggregate - marginals, marginals - log_prior)


def doubly_reparameterised(q: DiagonalNormal, z: Tensor, log_joint: Callable[[Tensor], Tensor], samples: int) -> Tensor:
    """Return the importance-weighted bound, `(B,)`, with the doubly reparameterised gradient of the posterior.

    Its value is `log 1/K Σ_k w_k`. Its gradient to q is `Σ_k w̃_k² ∂log w_k/∂z_k · ∂z_k/∂φ` with normalised weights
    w̃, which has the same expectation as the bound's own and less variance; at the true posterior it is 0. Reference:
    Tucker et al. 2019, *Doubly Reparameterized Gradient Estimators for Monte Carlo Objectives*, eq. 8; with K = 1,
    Roeder et al. 2017, *Sticking the Landing*, §3.

    Args:
        q: posteriors of the `(B·K)` rows.
        z: a code of each, `(B·K, Z)`, with gradients to q.
        log_joint: from codes to log p(x, z) of their rows, in nats.
        samples: K.

    Example:
        >>> q = DiagonalNormal(torch.zeros(2, 1, requires_grad=True), torch.zeros(2, 1))
        >>> joint = DiagonalNormal.standard(2, 1).log_prob   # q is the true posterior, log p(x) = 0
        >>> bound = doubly_reparameterised(q, q.mean + torch.tensor([[1.0], [2.0]]), joint, samples=2)
        >>> bound.backward()
        >>> abs(bound.item()) < 1e-6, bool((q.mean.grad.abs() < 1e-6).all())
        (True, True)
    """
    held = DiagonalNormal(q.mean.detach(), q.log_scale.detach())
    log_weights = (log_joint(z) - held.log_prob(z)).view(-1, samples)
    normalised = torch.softmax(log_weights.detach(), 1).view(-1, 1)
    if z.requires_grad:  # the bound's gradient has w̃ once: on the way through the code it gets the second one
        z.register_hook(lambda gradient: gradient * normalised)  # type: ignore[no-untyped-call]
    return importance_bound(log_weights.T)
