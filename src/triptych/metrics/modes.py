"""How many modes of known data a model's samples reach, in what shares, and how many of its samples lie in one."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import DataError

WITHIN = 3.0
"""A good sample is no farther from a mode's centre than so many of its standard deviations."""

_SMOOTHED = (15 / 16, -11 / 16, 5 / 16, -1 / 16)  # (-1)^(j+1) P(B ≥ j), B binomial of 4 and ½


class Modes(NamedTuple):
    """What samples reach of a mixture."""

    covered: int
    """Modes with a good sample in them."""
    of: int
    """Modes of the mixture."""
    good: float
    """Share of good samples, between 0 and 1."""


def modes_covered(samples: Tensor, centres: Tensor, spread: float | Tensor, due: Tensor | None = None) -> Modes:
    """Count the modes of a mixture of round Gaussians that samples cover.

    A sample x is good if `min_k |x - c_k| ≤ 3 σ`; mode k is covered if it is the nearest of a good sample, or of
    as many as are due. Of the mixture's own samples in two dimensions `1 - e^(-9/2)` = 98.9 % are good. Reference:
    Srivastava et al. 2017, *VEEGAN*, §4.1; Lin et al. 2018, *PacGAN*, §4.1.

    Args:
        samples: `(N, D)`, in the units of the data.
        centres: c_k, `(K, D)`.
        spread: σ, the standard deviation of each mode; one number, or `(K,)`.
        due: `(K,)`, the good samples that cover a mode; None for one.

    Raises:
        DataError: without samples, or for samples of another dimension than the centres.

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        >>> modes_covered(torch.tensor([[0.0, 0.02], [0.5, 0.0]]), centres, spread=0.01)
        Modes(covered=1, of=2, good=0.5)
    """
    mode, good = nearest_mode(samples, centres, spread)
    counts = torch.bincount(mode[good], minlength=len(centres))
    covered = (counts > 0) if due is None else (counts > 0) & (counts >= due)
    return Modes(int(covered.sum()), len(centres), float(good.double().mean()))


def nearest_mode(samples: Tensor, centres: Tensor, spread: float | Tensor) -> tuple[Tensor, Tensor]:
    """Return the nearest mode of each sample, and whether it is good, `(N,)` each; see `modes_covered`.

    Args:
        samples: `(N, D)`, in the units of the data.
        centres: c_k, `(K, D)`.
        spread: σ, the standard deviation of each mode; one number, or `(K,)`.

    Raises:
        DataError: without samples, or for samples of another dimension than the centres.
    """
    if samples.dim() != 2 or not len(samples) or samples.shape[1] != centres.shape[1]:
        raise DataError(f"samples of shape {tuple(samples.shape)}: expected (N, {centres.shape[1]}), N at least 1")
    away, nearest = torch.cdist(samples.double(), centres.double()).min(1)
    return nearest, away <= WITHIN * torch.as_tensor(spread).expand(len(centres))[nearest]


def covered(counts: Tensor, of: int) -> tuple[int, float]:
    """Return how many modes have a sample in them, and the standard error of that number.

    With `m_k` samples expected in mode k the variance is `Σ_k e^(-m_k) (1 - e^(-m_k)) - (Σ_k m_k e^(-m_k))² / n`. The
    first sum is how many new modes n further samples would find, which Good and Toulmin estimate from the number
    `f_j` of modes with j samples, `f_1 - f_2 + f_3 - …`, with Efron and Thisted's smoothing; the second is `f_1² / n`.
    Against repeated draws it is 0.9 to 1.1 times the true deviation, and more where that is below one mode. Reference:
    Good & Toulmin 1956, *The Number of New Species, and the Increase in Population Coverage, when a Sample is
    Increased*, §2; Efron & Thisted 1976, *Estimating the Number of Unseen Species*, §5.

    Args:
        counts: `(K,)` samples in each mode.
        of: n, all samples, in a mode or not.

    Example:
        >>> covered(torch.tensor([50, 0, 1, 1]), of=60)[0]
        3
    """
    few = [int((counts == j).sum()) for j in (1, 2, 3, 4)]
    new = sum(weight * number for weight, number in zip(_SMOOTHED, few, strict=True))
    return int((counts > 0).sum()), math.sqrt(max(0.0, new - few[0] ** 2 / max(of, 1)))


def expected_covered(share: Tensor, n: int) -> float:
    """Return how many modes n draws of the data itself reach in the mean, `Σ_k 1 - (1 - q_k)^n`.

    Args:
        share: q_k, `(K,)`, of each mode in the data.
        n: draws.

    Example:
        >>> round(expected_covered(torch.full((1000,), 1e-3), 1000))
        632
    """
    return float((1 - (1 - share.double()) ** n).sum())


def reverse_divergence(counts: Tensor, share: Tensor) -> tuple[float, float]:
    """Return the reverse Kullback-Leibler divergence of the modes of samples from those of the data, in nats.

    `KL(p ‖ q) = Σ_k p_k log p_k / q_k`, p_k the share of samples in mode k. Of n draws of the data itself it is about
    `(K - 1) / 2n`, not 0. The error is the jackknife's, over samples: 1 to 1.1 times the deviation of repeated draws,
    up to 1.5 times where p is near q or n is below K. Reference: Srivastava et al. 2017, §4.2; Lin et al. 2018, §4.2;
    for the bias Miller 1955, *Note on the Bias of Information Estimates*; for the error Efron & Stein 1981, *The
    Jackknife Estimate of Variance*, §2.

    Args:
        counts: `(K,)` samples in each mode.
        share: q_k, `(K,)`, of each mode in the data; above 0 where there are samples.

    Raises:
        DataError: for fewer than 2 samples, or samples in a mode that the data do not have.

    Example:
        >>> value, error = reverse_divergence(torch.tensor([10, 0]), torch.tensor([0.5, 0.5]))
        >>> round(value, 4)    # log 2
        0.6931
    """
    n = int(counts.sum())
    there = counts > 0
    if n < 2 or bool((share[there] <= 0).any()):
        raise DataError(f"{n} samples of {len(share)} modes: a divergence expects 2 or more, where the data have some")
    count, log_share = counts[there].double(), share[there].double().log()
    own, less = torch.special.xlogy(count, count), torch.special.xlogy(count - 1, count - 1)
    total = float((own - count * log_share).sum())
    without = (total - own + less + log_share) / (n - 1) - math.log(n - 1)  # the divergence, less a sample of each mode
    spread = float(count @ (without - count @ without / n).square())
    return max(0.0, total / n - math.log(n)), math.sqrt(spread * (n - 1) / n)
