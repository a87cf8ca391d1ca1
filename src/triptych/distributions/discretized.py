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
    @abstractmethod
    def around(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the integral of P(T ≤ s) over s from -∞ to t, and the first and third derivative of P(T ≤ t)."""

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

    @staticmethod
    def around(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `log(1 + e^t)`, `d = σ(t) σ(-t)` and `d (1 - 6d)`."""
        density = torch.sigmoid(t) * torch.sigmoid(-t)
        return F.softplus(t), density, density * (1 - 6 * density)


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

    @staticmethod
    def around(t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return `t Φ(t) + φ(t)`, `φ(t)` and `(t² - 1) φ(t)`."""
        density = torch.exp(-0.5 * t**2) / math.sqrt(2 * math.pi)
        return t * torch.special.ndtr(t) + density, density, (t**2 - 1) * density


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
    """Return the expectation of a rounded draw, in levels: `Σ_l P(level > l)`.

    Of scales of `WIDE` levels and more the sum is taken as an integral with its first corrections, without a term for
    each level; single precision is then what limits it, to 0.002 levels.
    """
    scale = family.scale(log_scale).expand_as(mean)
    wide = scale >= WIDE * 2.0 / (levels - 1)
    total = torch.empty_like(mean)
    total[wide] = _integrated_level(family, mean[wide], scale[wide], levels)
    total[~wide] = _summed_level(family, mean[~wide], scale[~wide], levels)
    return total


WIDE = 2.0
"""Levels that a scale must be wide for an integral to be as good as the sum."""


def _summed_level(family: type[Family], mean: Tensor, scale: Tensor, levels: int) -> Tensor:
    """Return `Σ_l P(level > l)`, term by term."""
    step = 2.0 / (levels - 1)
    total = torch.zeros_like(mean)
    for level in range(levels - 1):
        edge = level * step - 1.0 + step / 2
        total += family.log_cdf((mean - edge) / scale).exp()
    return total


def _integrated_level(family: type[Family], mean: Tensor, scale: Tensor, levels: int) -> Tensor:
    """Return the same by Euler-Maclaurin at midpoints: `Σ_l F(t_l) h = ∫ F - h²/24 [F^(1)] + 7h⁴/5760 [F^(3)]`.

    h is the width of a level in scales. The next term is below 1e-6 levels, for h ≤ ½.
    """
    h = 2.0 / (levels - 1) / scale
    ends = []
    for end in (-1.0, 1.0):
        integral, first, third = family.around((mean - end) / scale)
        ends.append(integral - h**2 / 24 * first + 7 * h**4 / 5760 * third)
    return (ends[0] - ends[1]) / h
