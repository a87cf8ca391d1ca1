"""A report's figures for other programs: a table of one figure a line, and Markdown for a README."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from triptych.evaluation.figures import METRICS
from triptych.evaluation.measure import Measures
from triptych.evaluation.protocol import Protocol
from triptych.reports.commands import command_of
from triptych.reports.panel import Panel
from triptych.reports.table import MAIN, Row, table

COLUMNS = ("model", "trainings", "group", "measure", "label", "value", "error", "unit", "kind", "protocol", "better")
"""Of the file; two more say why there is no value, and what measures the figure again."""


def figures_csv(panels: Sequence[Panel], real: Measures, protocol: Protocol) -> str:
    """Return every figure, a line each: of the models, of their single trainings, and of real data in a model's place.

    Args:
        panels: one for each model.
        real: measures of training data in a model's place.
        protocol: the conditions.
    """
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow([*COLUMNS, "note", "command"])
    for panel in panels:
        rows.writerows(_lines(panel.measures, panel.runs, protocol))
        for one, run in zip(panel.measures.seeds, panel.runs, strict=False):
            name = one.name if one.name != panel.measures.name else f"{one.name} (first training)"
            rows.writerows(_lines(one, [run], protocol, name))
    rows.writerows(_lines(real, [], protocol))
    return file.getvalue()


def _lines(m: Measures, runs: Sequence[str], protocol: Protocol, name: str = "") -> list[list[Any]]:
    lines = []
    for key, figure in m.figures.items():
        metric = METRICS[key]
        better = {1: "more", -1: "less"}.get(metric.better, "")
        numbers = ["" if x is None else repr(float(x)) for x in (figure.value, figure.error)]
        about = [name or m.name, max(1, len(m.seeds)), metric.group, key, metric.label]
        lines.append(
            [
                *about,
                *numbers,
                figure.unit,
                figure.kind,
                figure.protocol,
                better,
                figure.note,
                command_of(runs, key, protocol),
            ]
        )
    return lines


def markdown(content: dict[str, Any], panels: Sequence[Panel], real: Measures, protocol: Protocol) -> str:
    """Return the verdict and the main figures for a README.

    Args:
        content: what the report says; see `write_report`.
        panels: one for each model.
        real: measures of training data in a model's place.
        protocol: the conditions.
    """
    built = table([panel.measures for panel in panels], real, protocol, MAIN)
    lines = [f"### {content['title']}", "", "| purpose | take | why |", "|---|---|---|"]
    lines += [
        _bar(v["purpose"], f"**{v['headline']}**" if v["winner"] else v["headline"], v["reason"])
        for v in content["verdicts"]
    ]
    lines += ["", _bar("", *built.columns), "|---|" + "---:|" * len(built.columns)]
    lines += [_line(row) for row in (*built.answers, *built.measured)]
    lines += [
        "",
        "± is one standard error; ↑ more is better, ↓ less is better; **bold**: the best, and all its equals.",
    ]
    lines += [f"<br>[{i}] {note}" for i, note in enumerate(built.notes, 1)]
    made = "; ".join(f"{name} {content['environment'][name]}" for name in ("triptych", "torch", "python", "processors"))
    lines += ["", *(f"Made by `{command}`" for command in content["commands"]), f"({made})."]
    return "\n".join(lines) + "\n"


def _line(row: Row) -> str:
    label = ", ".join(part for part in (row.label, row.unit) if part)
    label += f"<br><sub>{row.protocol}</sub>" if row.protocol else ""
    cells = []
    for cell in row.cells:
        text = f"**{cell.text}**" if cell.best else cell.text
        text += f" [{cell.note}]" if cell.note else ""
        cells.append(text + (f"<br><sub>{cell.protocol}</sub>" if cell.protocol else ""))
    return _bar(label, *cells)


def _bar(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
