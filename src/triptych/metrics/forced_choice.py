"""How often people take samples for real: the fooling rate of a two-alternative forced choice, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics.figure import Figure

CHANCE = 50.0
"""The fooling rate, in %, of samples that nobody can tell from real examples."""
LEVEL = 0.95


@dataclass(frozen=True)
class FoolingRate:
    """How often people took a model's samples for real.

    Args:
        figure: share of answers that chose the sample, in %, with its standard error.
        low: lower end of the 95 % interval, in %.
        high: upper end.
        answers: how many were given.
        people: by how many.
        pairs: on how many pairs.
    """

    figure: Figure
    low: float
    high: float
    answers: int
    people: int
    pairs: int

    @property
    def said(self) -> str:
        """What the interval says of 50 %, in words."""
        if self.high < CHANCE:
            return "below 50 %: people tell the samples from real examples"
        if self.low > CHANCE:
            return "above 50 %: the samples are taken for real more often than real examples"
        return "50 % is inside the interval: people were not shown to tell the samples from real examples"


def fooling_rate(fooled: Tensor, people: Sequence[str], pairs: Sequence[str], protocol: str = "") -> FoolingRate:
    """Return the share of answers that took the sample for real, with a 95 % interval.

    The interval is Clopper and Pearson's, which is exact for independent answers. Answers of one person, or on one
    pair, are not independent: the n answers then count as fewer, `n / d`, where d is how much larger the variance of
    the mean is with sums over people and over pairs in it than without,

        V = Σ_a (Σ_{i∈a} e_i)² / n²,  d = (V_people + V_pairs - V_answers) / V_answers,  e_i = y_i - mean(y),

    each sum over A groups times A / (A - 1), and d at least 1. With one person it is the interval for this person.
    Where all answers agree nothing shows d, and each pair counts once. The standard error is binomial of the same
    n / d, with Laplace's rule as in `proportion`.

    References: Clopper & Pearson 1934; Cameron, Gelbach & Miller 2011, *Robust Inference with Multiway Clustering*, for
    V; Korn & Graubard 1998 for the interval at n / d.

    Args:
        fooled: boolean `(n,)`: whether the sample was chosen.
        people: who answered, n names.
        pairs: which pair was answered, n names.
        protocol: name to give the figure.

    Raises:
        DataError: without answers, or not as many of each.

    Example:
        >>> found = fooling_rate(torch.tensor([True, False, False, False]), ["a"] * 4, ["1", "2", "3", "4"])
        >>> found.figure.value, round(found.low, 1), round(found.high, 1)
        (25.0, 0.6, 80.6)
    """
    from scipy.stats import beta  # type: ignore[import-untyped]

    n = len(fooled)
    if not n or not n == len(people) == len(pairs):
        raise DataError(f"{n} answers of {len(people)} people on {len(pairs)} pairs: expected one of each, and any")
    share = float(fooled.double().mean())
    effective = n / _design_effect(fooled.double(), people, pairs)
    successes, failures, tail = share * effective, (1 - share) * effective, (1 - LEVEL) / 2
    low = float(beta.ppf(tail, successes, failures + 1)) if successes else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, failures)) if failures else 1.0
    smoothed = (successes + 1) / (effective + 2)
    error = 100 * (smoothed * (1 - smoothed) / effective) ** 0.5
    figure = Figure(100 * share, error, "%", protocol)
    return FoolingRate(figure, 100 * low, 100 * high, n, len(set(people)), len(set(pairs)))


def _design_effect(fooled: Tensor, people: Sequence[str], pairs: Sequence[str]) -> float:
    """Return d, by how much the answers' dependence multiplies the variance of their mean."""
    away = fooled - fooled.mean()
    alone = float(away.square().sum())
    if not alone:
        return len(fooled) / len(set(pairs))
    grouped = [_between(away, groups) for groups in (people, pairs) if 1 < len(set(groups)) < len(away)]
    together = sum(grouped) - (alone if len(grouped) == 2 else 0.0)
    return max(1.0, together / alone)


def _between(away: Tensor, groups: Sequence[str]) -> float:
    """Return `Σ_a (Σ_{i∈a} e_i)²`, times A / (A - 1)."""
    names = {name: k for k, name in enumerate(dict.fromkeys(groups))}
    index = torch.tensor([names[name] for name in groups])
    sums = torch.zeros(len(names), dtype=away.dtype).index_add_(0, index, away)
    return float(sums.square().sum()) * len(names) / (len(names) - 1)
