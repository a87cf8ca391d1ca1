"""Learning curves: every player's loss terms, from the records of `metrics.jsonl`."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence

from triptych.pictures import axes_style
from triptych.training.diagnosis.examination import PREFIXES

COLOURS = ("#2f7fd6", "#d9702b", "#3a9e6b", "#a35fc4", "#c9464f", "#8c7a2e")
"""Of lines: readable on white and on black."""
_INK = "#010203"  # replaced by the page's own text colour

_NORM = "/gradient_norm"

Record = Mapping[str, float]
"""One line of `metrics.jsonl`: `step`, `seconds`, …, and `player/term` for each loss term."""


def terms_of(records: Sequence[Record]) -> list[str]:
    """Return the names of all loss terms, `player/term`, in the order in which they first appear.

    >>> terms_of([{"step": 1, "model/nll": 3.0, "model/gradient_norm": 0.1}])
    ['model/nll']
    """
    names = dict.fromkeys(key for record in records for key in record)
    return [name for name in names if "/" in name and not name.startswith(PREFIXES) and not name.endswith(_NORM)]


def curves_svg(records: Sequence[Record], name: str) -> str:
    """Draw the loss terms of one run against rounds, as an SVG element to put inside a page.

    Args:
        records: lines of `metrics.jsonl`, in order.
        name: of the model; keeps the identifiers of several drawings in one page apart.

    Returns:
        `<svg …>…</svg>`, which takes its text colour from the page; empty without two records of a term.
    """
    import matplotlib
    from matplotlib.figure import Figure

    terms = [term for term in terms_of(records) if sum(term in record for record in records) > 1]
    if not terms:
        return ""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif"}):
        figure = Figure(figsize=(3.4, 2.3), layout="constrained")
        axes = figure.add_subplot()
        for i, term in enumerate(terms):
            points = [(record["step"], record[term]) for record in records if term in record]
            steps, values = zip(*points, strict=True)
            label = term.removeprefix("model/").replace("/", ": ")
            axes.plot(steps, values, color=COLOURS[i % len(COLOURS)], linewidth=1.4, label=label)
        axes_style(axes)
        axes.tick_params(colors=_INK)
        axes.set_xlabel("round", fontsize=8, color=_INK)
        axes.margins(x=0.01)
        figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False, labelcolor=_INK, handlelength=1.2)
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _embedded(file.getvalue())


def _embedded(svg: str) -> str:
    """Return the SVG element alone: no header, no metadata, no name spaces, the page's text colour."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", svg)
    svg = re.sub(r'(<svg[^>]*?)\swidth="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?)\sheight="[^"]*"', r"\1", svg, count=1)
    return svg.replace(_INK, "currentColor")
