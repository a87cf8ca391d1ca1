"""How steadily a model was trained: what of its progress was lost again by the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FEWEST = 5
"""Examinations of a training that can tell anything of its course."""

_OF_MEDIAN = 0.67
"""Standard deviation of the median of 3 normal numbers, in units of one's (David & Nagaraja 2003, §4.4)."""


@dataclass(frozen=True)
class Course:
    """What was examined of a model again and again in its training, on data that it was not trained on.

    Args:
        measure: what it is, as protocols name it.
        values: one an examination, in order; less is better.
    """

    measure: str
    values: tuple[float, ...]


def lost(values: Sequence[float]) -> tuple[float, float] | None:
    """Return the share of its progress that a training had lost again by its end, in %, and its standard error.

    `100 (last - best) / (first - best)`, each being a median of three neighbouring examinations, so that one lucky
    examination is no progress. The error comes from the noise of an examination: the median absolute deviation of each
    from the mean of its neighbours. 0 is a training that ends at its best, 100 one that ends where it began, and a
    training that diverged has lost more than that.

    Args:
        values: of the examinations, in order; less is better.

    Returns:
        None for fewer than 5 examinations, or without any progress.

    Example:
        >>> [round(x) for x in lost([9.0, 8.0, 5.0, 3.0, 1.0, 1.0, 1.0, 3.0, 3.0])]
        [29, 16]
    """
    if len(values) < FEWEST:
        return None
    smooth = [median(values[i - 1 : i + 2]) for i in range(1, len(values) - 1)]
    gained = smooth[0] - min(smooth)
    if gained <= 0:
        return None
    off = [abs(values[i] - (values[i - 1] + values[i + 1]) / 2) for i in range(1, len(values) - 1)]
    noise = 1.4826 * median(off) / 1.5**0.5
    return 100 * (smooth[-1] - min(smooth)) / gained, 100 * 2**0.5 * _OF_MEDIAN * noise / gained
