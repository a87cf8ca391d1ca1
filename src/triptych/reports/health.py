"""What the doctor sees over a run, drawn: the critic's advantage, variety, distance, gradients; findings marked."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from triptych.pictures import GREY, axes_style
from triptych.reports.curves import COLOURS, Record, terms_of
from triptych.training.diagnosis import Finding
from triptych.training.diagnosis.examination import (
    ACTIVE,
    AUC,
    ENERGY,
    GOOD,
    INACTIVE,
    KINDS,
    MODES,
    MODES_OF,
    NOVELTY,
    VARIETY,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_FOUND = "#c9464f"
_PANELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("critic: real from made", {AUC: "AUC"}),
    ("variety, data = 1", {VARIETY: "pairwise distance", KINDS: "classes"}),
    ("modes", {MODES: "covered", GOOD: "good samples"}),
    ("samples and data", {ENERGY: "energy distance", NOVELTY: "nearest example, data = 1"}),
    ("units of the code", {ACTIVE: "active", INACTIVE: "inactive"}),
)
"""Of each panel its title, and the name of each figure in it. Modes are drawn as a share of all."""


def health_png(records: Sequence[Record], findings: Sequence[Finding]) -> bytes:
    """Draw the figures of a run's examinations against rounds, and the norms of all gradients.

    Args:
        records: lines of `metrics.jsonl`, in order.
        findings: marked by a line at the round since which each holds.

    Returns:
        A PNG file; one panel a kind of figure that the run has.
    """
    from matplotlib.figure import Figure

    norms = {key: key.split("/")[0] for record in records for key in record if key.endswith("/gradient_norm")}
    panels = [(title, dict(names)) for title, names in _PANELS if any(name in r for r in records for name in names)]
    panels.append(("norm of the gradient", norms))
    if len(panels) == 1:
        panels.insert(0, ("loss terms", {term: term.removeprefix("model/") for term in terms_of(records)}))
    columns = 2 if len(panels) < 5 else 3
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.4 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid[len(panels) :]:
        axes.remove()
    for axes, (title, names) in zip(grid, panels, strict=False):
        _panel(axes, records, title, names)
        _mark(axes, findings)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130, facecolor="white", metadata={"Software": None})
    return file.getvalue()


def _panel(axes: Axes, records: Sequence[Record], title: str, names: Mapping[str, str]) -> None:
    """Draw the figures of one panel."""
    for colour, (key, name) in zip(COLOURS * 3, names.items(), strict=False):
        seen = [r for r in records if key in r]
        if seen:
            values = [r[key] / r[MODES_OF] if key == MODES else r[key] for r in seen]
            axes.plot([r["step"] for r in seen], values, color=colour, linewidth=1.4, label=name)
    axes_style(axes)
    if "gradient" in title:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("round", fontsize=8, color=GREY)
    axes.legend(fontsize=7, frameon=False)


def _mark(axes: Axes, findings: Sequence[Finding]) -> None:
    """Draw a line at the beginning of each finding, with its name; those of one round share the line."""
    begun: dict[int, list[str]] = {}
    for finding in findings:
        begun.setdefault(finding.since, []).append(finding.name)
    for since, names in begun.items():
        axes.axvline(since, color=_FOUND, linewidth=1, linestyle="--")
        axes.annotate(
            "\n".join(names), (since, 0.02), xycoords=("data", "axes fraction"), color=_FOUND, fontsize=7,
            xytext=(3, 0), textcoords="offset points",
        )  # fmt: skip
