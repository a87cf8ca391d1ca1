"""What variational objectives do with the rate: weights, schedules and floors, in nats per example."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.errors import ConfigurationError


@dataclass(frozen=True)
class RateWeight:
    """How an objective weighs the rate `KL(q(z | x) ‖ p(z))`.

    The objective is `distortion + rate + excess`: the excess is what makes it another one than the negative
    evidence lower bound, so that distortion and rate are always logged as they are.

    Args:
        beta: factor on the rate (Higgins et al. 2017, *β-VAE*, eq. 4).
        kl_warmup: minibatches over which that factor rises from 0 (Bowman et al. 2016, §3.1; Sønderby et al. 2016,
            §2.2).
        free_bits: nats of each dimension that cost nothing: the rate counts as `Σ_j max(λ, mean of KL_j)`
            (Kingma et al. 2016, *Improving Variational Inference with Inverse Autoregressive Flow*, eq. 15).

    Raises:
        ConfigurationError: for a negative number.
    """

    beta: float = 1.0
    kl_warmup: int = 0
    free_bits: float = 0.0

    def __post_init__(self) -> None:
        """Refuse negative numbers."""
        for name, value in vars(self).items():
            if value < 0:
                raise ConfigurationError(f"{name}={value:g}: expected 0 or more")

    @property
    def plain(self) -> bool:
        """Whether the objective is the evidence lower bound."""
        return self == RateWeight()

    def factor(self, number: int | None) -> float:
        """Return the factor on the rate at minibatch `number` (None: when all schedules have ended).

        >>> RateWeight(beta=4, kl_warmup=10).factor(5)
        2.0
        """
        if number is None or number >= self.kl_warmup:
            return self.beta
        return self.beta * number / self.kl_warmup

    def excess(self, rate: Tensor, number: int | None) -> Tensor:
        """Return what the objective adds to distortion and rate, `(B,)`.

        Args:
            rate: `(B, Z)` by dimension where it is known so, else `(B, 1)`.
            number: of the minibatch.
        """
        counted = rate
        if self.free_bits:
            mean = rate.mean(0, keepdim=True)
            counted = torch.where(mean > self.free_bits, rate, torch.full_like(rate, self.free_bits))
        return (self.factor(number) * counted - rate).sum(1)
