"""Whether probabilities are what they say: of all that is told with 80 %, are 80 % right?"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from triptych.metrics.figure import Figure, mean_and_error, proportion
from triptych.noise import Noise

BINS = 15
"""Of equal width, as Guo et al. 2017 have them."""
SIMULATED = 200
"""Draws of what a calibrated classifier would get right."""


class Bin(NamedTuple):
    """What was told with about the same probability."""

    low: float
    high: float
    members: int
    confidence: float
    """The mean probability that was told."""
    accuracy: Figure
    """Of which this share was right, in %, with its binomial error."""


def reliability(confidence: Tensor, right: Tensor, bins: int = BINS) -> list[Bin]:
    """Return the points of a reliability diagram: bins `(l, h]` of equal width that are not empty.

    Reference: DeGroot & Fienberg 1983, *The Comparison and Evaluation of Forecasters*, §2.

    Args:
        confidence: `(N,)` probabilities of what was told.
        right: `(N,)` whether it was true.
        bins: how many.

    Example:
        >>> for one in reliability(torch.tensor([0.6, 0.7, 0.9]), torch.tensor([True, False, True]), bins=4):
        ...     print(one.low, one.high, one.members, round(one.confidence, 2), one.accuracy.value)
        0.5 0.75 2 0.65 50.0
        0.75 1.0 1 0.9 100.0
    """
    where = _bin_of(confidence, bins)
    found = []
    for b in sorted(set(where.tolist())):
        members = where == b
        count, hits = int(members.sum()), int(right[members].sum())
        mean = float(confidence[members].double().mean())
        found.append(Bin(b / bins, (b + 1) / bins, count, mean, proportion(hits, count, f"accuracy-{count}")))
    return found


def calibration_error(confidence: Tensor, right: Tensor, bins: int = BINS) -> Figure:
    """Return the expected calibration error in %, with its standard error.

    `ECE = Σ_b n_b / N |accuracy_b - confidence_b|` (Guo, Pleiss, Sun & Weinberger 2017, *On Calibration of Modern
    Neural Networks*, eq. 3). As each bin's distance counts whatever its sign, chance alone makes it positive: see
    `calibrated_error` for how much. With s_b the sign of a bin's distance, `ECE = 1/N Σ_i s_b(i) (right_i - c_i)`, and
    its error is the standard error of that mean: exact for many examples where no bin is calibrated, and up to 1.7
    times too large where all are.

    Args:
        confidence: `(N,)` probabilities of what was told.
        right: `(N,)` whether it was true.
        bins: how many, of equal width.

    Example:
        >>> calibration_error(torch.full((100,), 0.9), torch.arange(100) < 70).text
        '20 ± 5'
    """
    excess = right.double() - confidence.double()
    where = _bin_of(confidence, bins)
    sums = torch.zeros(bins, dtype=torch.float64).index_add(0, where, excess)
    mean, error = mean_and_error(100 * sums.sign()[where] * excess)
    return _figure(mean, error, "%", f"ece-{bins}-bins@test-{len(right)}")


def calibrated_error(confidence: Tensor, bins: int = BINS, seed: int = 0) -> Figure:
    """Return the expected calibration error, in %, that a calibrated classifier would show by chance: the bias of ECE.

    What it tells would be true with exactly the probability that it gives; 200 draws of that are made. Reference:
    Vaicenavicius et al. 2019, *Evaluating Model Calibration in Classification*, §5.

    Args:
        confidence: `(N,)` probabilities of what was told.
        bins: how many, of equal width.
        seed: of the draws.

    Example:
        >>> calibrated_error(torch.full((100,), 0.9)).text  # √(2/π · 0.9 · 0.1 / 100) = 2.4 %
        '2.56 ± 0.13'
    """
    c = confidence.double()
    noise, where = Noise.of(seed), _bin_of(confidence, bins)
    found = []
    for _ in range(SIMULATED):
        excess = (noise.uniform((len(c),)).double() < c).double() - c
        found.append(torch.zeros(bins, dtype=torch.float64).index_add(0, where, excess).abs().sum() / len(c))
    mean, error = mean_and_error(100 * torch.stack(found))
    return _figure(mean, error, "%", f"ece-{bins}-bins@calibrated-{len(c)}")


def log_loss(log_posterior: Tensor, labels: Tensor) -> Figure:
    """Return the mean of `-log p(y | x)` of the true classes, in nats, with its standard error.

    Args:
        log_posterior: `(N, K)` nats.
        labels: `(N,)` true classes.

    Example:
        >>> log_loss(torch.tensor([[0.5, 0.5], [0.5, 0.5]]).log(), torch.tensor([0, 1])).value
        0.6931
    """
    losses = -log_posterior.gather(1, labels[:, None])[:, 0]
    if not bool(losses.isfinite().all()):
        bad = int((~losses.isfinite()).sum())
        return Figure(None, unit="nats", note=f"the true class has no probability for {bad} of {len(losses)} examples")
    return _figure(*mean_and_error(losses), "nats", f"log-loss@test-{len(losses)}")


def _figure(mean: float, error: float | None, unit: str, protocol: str) -> Figure:
    """Return a figure to four decimals: what is far below one doubt in a million is none."""
    return Figure(round(mean, 4), None if error is None else round(error, 4), unit, protocol)


def _bin_of(confidence: Tensor, bins: int) -> Tensor:
    """Return the bin `(b/B, (b+1)/B]` of each probability, `(N,)`; 0 is in the first."""
    return ((confidence.double() * bins).ceil().long() - 1).clamp(0, bins - 1)
