"""Location-scale families rounded to equally spaced levels on [-1, 1], without cancellation in the tails."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

LOG_SCALE_MIN = -7.0
"""The floor of a log-scale on [-1, 1], as published for PixelCNN++ (Salimans et al. 2017, code)."""
LOG_SCALE_MAX = 5.0
"""Beyond this scale nearly all mass is at the end levels, and single precision loses the bins between."""


class Family(ABC):
    """A standard distribution on the real line, by the logarithms of its two tails."""

    @staticmethod
    @abstractmethod
    def log_cdf(t: Tensor) -> Tensor:
        """Return log P(T ≤ t)."""

    @staticmethod
    @abstractmethod
    def log_between(low: Tensor, high: Tensor, width: Tensor) -> Tensor:
        """Return log P(low < T ≤ high), given also `width = high - low > 0` as it was before rounding."""

    @staticmethod
    def scale(log_scale: Tensor) -> Tensor:
        """Return the scale, kept between `exp(LOG_SCALE_MIN)` and `exp(LOG_SCALE_MAX)`."""
        return log_scale.clamp(LOG_SCALE_MIN, LOG_SCALE_MAX).exp()


class Logistic(Family):
    """The logistic distribution, `P(T ≤ t) = σ(t)`."""

    @staticmethod
    def log_cdf(t: Tensor) -> Tensor:
        """Return `log σ(t)`."""
        return F.logsigmoid(t)

    @staticmethod
    def log_between(low: Tensor, high: Tensor, width: Tensor) -> Tensor:
        """Return `log(σ(h) - σ(l)) = log σ(h) + log σ(-l) + log(1 - e^(l-h))`."""
        return F.logsigmoid(high) + F.logsigmoid(-low) + _log1mexp(width)


class Normal(Family):
    """The standard normal distribution.

    Below -1 it is computed as `log Φ(t) = log ½ erfcx(-t/√2) - t²/2`: torch's own `log_ndtr` is right there, but
    its gradient loses all digits from t = -100 on.
    """

    @staticmethod
    def log_cdf(t: Tensor) -> Tensor:
        """Return `log Φ(t)`."""
        t = t.clamp(-_FAR, _FAR)
        deep = t < -1
        tail = _log_half_erfcx(torch.where(deep, t, -1.0)) - 0.5 * torch.where(deep, t, 0.0) ** 2
        return torch.where(deep, tail, torch.special.log_ndtr(torch.where(deep, 0.0, t)))

    @staticmethod
    def log_between(low: Tensor, high: Tensor, width: Tensor) -> Tensor:
        """Return `log(Φ(h) - Φ(l))`, taken in the lower tail, where the difference loses no digits."""
        low, high = low.clamp(-_FAR, _FAR), high.clamp(-_FAR, _FAR)
        upper = low + high > 0
        low, high = torch.where(upper, -high, low), torch.where(upper, -low, high)
        deep = high < -1
        a, b = torch.where(deep, low, -2.0), torch.where(deep, high, -1.0)
        tail_gap = _log_half_erfcx(b) - _log_half_erfcx(a) - 0.5 * width * (a + b)
        log_high = Normal.log_cdf(high)
        near_gap = log_high - Normal.log_cdf(low)
        return log_high + _log1mexp(torch.where(deep, tail_gap, near_gap).clamp(min=1e-6))


def standard_normal(u: Tensor) -> Tensor:
    """Return the standard normal quantile of uniform numbers, `Φ⁻¹(u)`; single precision ends at ±5.4."""
    normal: Tensor = torch.special.ndtri(u.clamp(2.0**-25, 1 - 2.0**-24))
    return normal


_FAR = 1e9
"""Beyond this many scales a float's square is near overflow."""


def _log_half_erfcx(t: Tensor) -> Tensor:
    """Return `log ½ erfcx(-t/√2)` for t ≤ -1."""
    return torch.log(0.5 * torch.special.erfcx(-t / math.sqrt(2)))


def _log1mexp(gap: Tensor) -> Tensor:
    """Return `log(1 - e^-gap)` for gap > 0."""
    return torch.log(-torch.expm1(-gap))


def bin_log_prob(family: type[Family], x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Return the log-probability (nats) that a rounded draw is level `x`; the end levels take the tails.

    Args:
        family: the standard distribution.
        x: `uint8` levels, broadcastable against `mean`.
        mean: location on the scale [-1, 1].
        log_scale: logarithm of the scale.
        levels: number of levels.
    """
    inverse = 1 / family.scale(log_scale)
    level = x.to(mean.dtype)
    step = 2.0 / (levels - 1)
    high = (level * step - 1.0 + step / 2 - mean) * inverse
    low = (level * step - 1.0 - step / 2 - mean) * inverse
    inside = family.log_between(low, high, step * inverse)
    return torch.where(x == 0, family.log_cdf(high), torch.where(x == levels - 1, family.log_cdf(-low), inside))


def expected_level(family: type[Family], mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Return the expectation of a rounded draw, in levels: `Σ_l P(level > l)`."""
    inverse = 1 / family.scale(log_scale)
    step = 2.0 / (levels - 1)
    total = torch.zeros_like(mean)
    for level in range(levels - 1):
        edge = level * step - 1.0 + step / 2
        total += family.log_cdf((mean - edge) * inverse).exp()
    return total
