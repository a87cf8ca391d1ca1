"""How many modes of a known mixture a model's samples reach, and how many of its samples lie in one."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import DataError

WITHIN = 3.0
"""A good sample is no farther from a mode's centre than so many of its standard deviations."""


class Modes(NamedTuple):
    """What samples reach of a mixture."""

    covered: int
    """Modes with a good sample in them."""
    of: int
    """Modes of the mixture."""
    good: float
    """Share of good samples, between 0 and 1."""


def modes_covered(samples: Tensor, centres: Tensor, spread: float) -> Modes:
    """Count the modes of a mixture of round Gaussians that samples cover.

    A sample x is good if `min_k |x - c_k| ≤ 3 σ`; mode k is covered if it is the nearest of a good sample. Of the
    mixture's own samples in two dimensions `1 - e^(-9/2)` = 98.9 % are good. Reference: Srivastava et al. 2017,
    *VEEGAN*, §4.1; Lin et al. 2018, *PacGAN*, §4.1.

    Args:
        samples: `(N, D)`, in the units of the data.
        centres: c_k, `(K, D)`.
        spread: σ, the standard deviation of each mode.

    Raises:
        DataError: without samples, or for samples of another dimension than the centres.

    Example:
        >>> centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        >>> modes_covered(torch.tensor([[0.0, 0.02], [0.5, 0.0]]), centres, spread=0.01)
        Modes(covered=1, of=2, good=0.5)
    """
    if samples.dim() != 2 or not len(samples) or samples.shape[1] != centres.shape[1]:
        raise DataError(f"samples of shape {tuple(samples.shape)}: expected (N, {centres.shape[1]}), N at least 1")
    away, nearest = torch.cdist(samples.double(), centres.double()).min(1)
    good = away <= WITHIN * spread
    covered = torch.bincount(nearest[good], minlength=len(centres)) > 0
    return Modes(int(covered.sum()), len(centres), float(good.double().mean()))
