"""What a report knows of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from triptych.evaluation.measure import Measures
from triptych.reports.curves import Record


@dataclass(frozen=True, eq=False)
class Panel:
    """One model of a report.

    Args:
        measures: what was measured of it.
        curves: lines of its `metrics.jsonl`, in order.
        runs: its run directories, one a training.
        findings: what a reader must know of its training: it diverged, it was stopped.
        diverged: whether a training ended in figures that are not finite: then no verdict names it.
        repeats: the lines of its further trainings.
    """

    measures: Measures
    curves: Sequence[Record] = ()
    runs: Sequence[str] = ()
    findings: Sequence[str] = ()
    diverged: bool = False
    repeats: Sequence[Sequence[Record]] = ()
