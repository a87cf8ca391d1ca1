"""All measures of all models at a glance: parallel axes, on each of which better is to the right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from triptych.evaluation.figures import METRICS
from triptych.evaluation.measure import Measures
from triptych.metrics.figure import Figure
from triptych.reports.curves import COLOURS
from triptych.reports.verdict import comparable

SHAPES = ("disc", "square", "diamond", "ring")
"""Of the models' marks, so that colour is not needed to tell them apart."""
_MAGNITUDES = 20.0
"""A measure of positive values whose largest is so many times the smallest is drawn by its logarithm."""
_REPEATED = ("bits-per-dim",)
"""Measures that say what another one says."""


@dataclass(frozen=True)
class Mark:
    """A model on an axis, in % of its length.

    Args:
        model: its number.
        at: the figure.
        low: one standard error to the left.
        high: one to the right.
        text: the figure.
    """

    model: int
    at: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Axis:
    """One measure.

    Args:
        key: of the measure.
        label: what is measured, its unit, and whether the axis is logarithmic.
        worst: what the left end stands for.
        best: what the right end stands for.
        marks: of the models that have a figure.
        missing: names of those that have none.
        level: whether no two models can be told apart by two standard errors.
    """

    key: str
    label: str
    worst: str
    best: str
    marks: tuple[Mark, ...]
    missing: tuple[str, ...]
    level: bool


@dataclass(frozen=True)
class Line:
    """A model over all axes.

    Args:
        name: of the model.
        colour: of its line and marks.
        shape: of its marks.
        strokes: parts of its line without a gap, as points `x,y` of an SVG: x in %, y in axes.
    """

    name: str
    colour: str
    shape: str
    strokes: tuple[str, ...]


def axes_of(models: Sequence[Measures]) -> list[Axis]:
    """Return an axis for each measure in which more or less is better, and which two models or more have.

    An axis reaches from the worst to the best figure and two standard errors beyond, so that models that cannot be told
    apart stand close together however close all of them are.

    Args:
        models: what was measured of each.
    """
    found = []
    for key in models[0].figures if models else ():
        metric = METRICS[key]
        figures = [(i, m.figures[key]) for i, m in enumerate(models) if m.figures[key].value is not None]
        if metric.better and key not in _REPEATED and len(figures) > 1 and comparable(models, key):
            missing = tuple(m.name for m in models if m.figures[key].value is None)
            found.append(_axis(key, figures, missing))
    return found


def _axis(key: str, figures: Sequence[tuple[int, Figure]], missing: tuple[str, ...]) -> Axis:
    metric = METRICS[key]
    ends = [(_value(f) - 2 * (f.error or 0.0), _value(f) + 2 * (f.error or 0.0)) for _, f in figures]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    logarithmic = low > 0 and high / low >= _MAGNITUDES

    def place(value: float) -> float:
        if high <= low:
            return 50.0
        share = math.log(value / low) / math.log(high / low) if logarithmic else (value - low) / (high - low)
        return round(100 * min(1.0, max(0.0, share if metric.better > 0 else 1 - share)), 2)

    marks = []
    for i, figure in figures:
        value, error = _value(figure), figure.error or 0.0
        left, right = sorted((place(max(value - error, low)), place(min(value + error, high))))
        marks.append(Mark(i, place(value), left, right, figure.text))
    order = sorted(figures, key=lambda pair: metric.better * _value(pair[1]))
    worst, best = order[0][1], order[-1][1]
    gap = abs(_value(best) - _value(worst))
    level = gap < 2 * math.hypot(best.error or 0.0, worst.error or 0.0) or gap == 0
    label = ", ".join([metric.label, *([worst.unit] if worst.unit else []), *(["logarithmic"] if logarithmic else [])])
    return Axis(key, label, worst.text, best.text, tuple(marks), missing, level)


def _value(figure: Figure) -> float:
    assert figure.value is not None, "only figures with a value are drawn"
    return figure.value


def lines_of(models: Sequence[Measures], axes: Sequence[Axis]) -> list[Line]:
    """Return a line for each model, broken where it has no figure.

    Args:
        models: what was measured of each.
        axes: of `axes_of`.
    """
    lines = []
    for i, model in enumerate(models):
        strokes: list[list[str]] = [[]]
        for row, axis in enumerate(axes):
            mark = next((mark for mark in axis.marks if mark.model == i), None)
            if mark is None:
                strokes.append([])
            else:
                strokes[-1].append(f"{mark.at:g},{row + 0.5:g}")
        whole = tuple(" ".join(stroke) for stroke in strokes if len(stroke) > 1)
        lines.append(Line(model.name, COLOURS[i % len(COLOURS)], SHAPES[i % len(SHAPES)], whole))
    return lines
