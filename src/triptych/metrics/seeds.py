"""Figures of a model that was trained several times, each with a seed of its own: means, and errors that hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev

from triptych.metrics.figure import Figure


def over_seeds(figures: Sequence[Figure]) -> Figure:
    """Return the mean of a figure over S trainings, `|S-seeds` added to its protocol.

    Its error is `√(SD² / S + ē²)`: the spread between trainings, and the mean square ē² of the single errors. The
    latter is not divided by S, because all trainings are measured on the same test examples, whose chance they share:
    for what is a mean over test examples this is exact, for what is drawn anew of each model its square is too large,
    by ē² at most. Trainings without a value, or measured by another protocol than the first, are left out, and the
    protocol says so: `|2-of-3-seeds`.

    Args:
        figures: one a training.

    Returns:
        The figure itself of a single training; the first one's reason if none has a value.

    Example:
        >>> over_seeds([Figure(-70.0, 0.4, "nats", "exact@test-360"), Figure(-72.0, 0.4, "nats", "exact@test-360")])
        Figure(value=-71.0, error=1.077..., unit='nats', protocol='exact@test-360|2-seeds', kind='', note='')
    """
    if len(figures) == 1:
        return figures[0]
    having = [figure for figure in figures if figure.value is not None]
    if not having:
        return figures[0]
    first = having[0]
    alike = [figure for figure in having if (figure.protocol, figure.kind) == (first.protocol, first.kind)]
    values = [figure.value for figure in alike if figure.value is not None]
    few = "" if len(alike) == len(figures) else f"{len(alike)}-of-"
    protocol = f"{first.protocol}|{few}{len(figures)}-seeds" if first.protocol else ""
    return Figure(fmean(values), _error(alike, values), first.unit, protocol, first.kind, first.note)


def _error(figures: Sequence[Figure], values: Sequence[float]) -> float | None:
    """Return the error of the mean; None where neither the trainings nor the measuring vary."""
    single = fmean((figure.error or 0.0) ** 2 for figure in figures)
    spread = stdev(values) ** 2 / len(values) if len(values) > 1 else 0.0
    return math.sqrt(spread + single) or None
