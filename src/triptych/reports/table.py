"""The table of pros and cons: built once, printed on a page or in a terminal with the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triptych.evaluation.figures import GROUPS, METRICS
from triptych.evaluation.measure import Measures
from triptych.evaluation.protocol import Protocol
from triptych.metrics.figure import Figure
from triptych.reports.verdict import comparable, copied_by, leaders, ranked

if TYPE_CHECKING:
    from rich.console import Group
    from rich.text import Text


@dataclass(frozen=True)
class Cell:
    """One cell.

    Args:
        text: what is printed.
        note: number of its footnote; None for none.
        best: whether it is the best of its row, or cannot be told from it.
        warn: whether it tells of copying.
        protocol: how it was measured, where that differs within its row.
    """

    text: str
    note: int | None = None
    best: bool = False
    warn: bool = False
    protocol: str = ""


@dataclass(frozen=True)
class Row:
    """One row: a question or a measure.

    Args:
        key: of the measure.
        label: what is measured.
        unit: of all cells.
        protocol: how all cells were measured, where it is the same.
        cells: one for each model, and one for the reference.
        group: under which heading it is; empty for a question.
    """

    key: str
    label: str
    unit: str
    protocol: str
    cells: tuple[Cell, ...]
    group: str = ""


@dataclass(frozen=True)
class Table:
    """Rows over models, with numbered footnotes."""

    columns: tuple[str, ...]
    families: tuple[str, ...]
    answers: tuple[Row, ...]
    measured: tuple[Row, ...]
    notes: tuple[str, ...]


_ANSWERS = {
    "sample": "draws new examples",
    "log_prob": "gives log p(x)",
    "encode": "finds codes",
    "complete": "completes examples",
}
_SHORT = {"sample": "draws examples", "complete": "completes them"}
"""Labels for a terminal of 80 columns, which has room for no more."""
_ARROWS = {1: " ↑", 0: "", -1: " ↓"}
MAIN = (
    "nats",
    "bits-per-dim",
    "fid",
    "precision",
    "recall",
    "modes",
    "near-copies",
    "probe-accuracy",
    "reconstruction",
    "lost-progress",
    "speed",
    "parameters",
    "training-time",
)
"""Measures that are shown where there is room for a few."""


def table(
    models: Sequence[Measures], reference: Measures, protocol: Protocol, main: Sequence[str] | None = None
) -> Table:
    """Lay out what was measured: one column a model, the last one real training data.

    Args:
        models: what was measured of each.
        reference: the same of real data.
        protocol: the conditions.
        main: the measures to keep, where any model has a figure of them; None for all.
    """
    notes: dict[str, int] = {}
    everyone = [*models, reference]
    keys = [key for key in reference.figures if key != "bits-per-dim" or protocol.event.is_image]
    keys.sort(key=lambda key: GROUPS.index(METRICS[key].group))
    if main is not None:
        keys = [key for key in keys if key in main and any(m.figures[key].value is not None for m in models)]
    held_out = protocol.held_out_copies
    return Table(
        tuple(m.name for m in everyone),
        tuple(m.family for m in everyone),
        tuple(_answer(key, everyone) for key in _ANSWERS),
        tuple(_measured(key, models, reference, held_out, notes) for key in keys),
        tuple(notes),
    )


def _answer(query: str, everyone: Sequence[Measures]) -> Row:
    def said(m: Measures) -> str:
        if not m.answers:
            return "–"
        return m.likelihood if query == "log_prob" else "yes" if query in m.answers else "no"

    return Row(query, _ANSWERS[query], "", "", tuple(Cell(said(m)) for m in everyone))


def _measured(
    key: str,
    models: Sequence[Measures],
    reference: Measures,
    held_out: Figure,
    notes: dict[str, int],
) -> Row:
    figures = [m.figures[key] for m in (*models, reference)]
    protocols = list(dict.fromkeys(f.protocol for f in figures[:-1] if f.value is not None))
    shared = protocols[0] if len(protocols) == 1 else ""
    alike = (shared, shared.split("|")[0], "")  # real data was not trained with several seeds
    label = METRICS[key].label + _ARROWS[METRICS[key].better]
    if key == "nats" and reference.samples is not None and not reference.samples.event.is_image:
        label = label.replace("likelihood", "density")
    best = leaders(models, key) if METRICS[key].better and comparable(models, key) else []
    if best and len(best) == len(ranked(models, key)):
        best = []  # nothing stands out

    def cell(m: Measures, figure: Figure) -> Cell:
        if m is reference and figure.value is None:
            return Cell("–")
        number = notes.setdefault(figure.note, len(notes) + 1) if figure.note else None
        same = figure.value is None or (figure.protocol in alike if m is reference else bool(shared))
        own = "" if same else figure.protocol
        warn = key in copied_by(m, held_out)
        return Cell(figure.text, number, m in best, warn, own)

    cells = [cell(m, f) for m, f in zip((*models, reference), figures, strict=True)]
    return Row(key, label, next((f.unit for f in figures if f.unit), ""), shared, tuple(cells), METRICS[key].group)


def terminal_table(models: Sequence[Measures], reference: Measures, protocol: Protocol, *, main: bool = False) -> Group:
    """Return the table for a terminal, with its footnotes.

    Args:
        models: what was measured of each.
        reference: the same of real data.
        protocol: the conditions.
        main: show the main measures only, and say how many there are besides.

    Returns:
        Something that `rich.print` prints.
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table as RichTable
    from rich.text import Text

    built = table(models, reference, protocol, MAIN if main else None)
    shown = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown.add_column("", no_wrap=True)
    for i, name in enumerate(built.columns):
        shown.add_column(Text(name), justify="right", style="dim" if i == len(models) else None)
    for row in built.answers:
        shown.add_row(_short(row), *(_terminal_cell(cell) for cell in row.cells))
    group = ""
    for row in built.measured:
        if row.group != group:
            shown.add_section()
            shown.add_row(Text(row.group, "dim italic"))
            group = row.group
        shown.add_row(_short(row), *(_terminal_cell(cell) for cell in row.cells))
    unseen = protocol.held_out_copies
    lines = [] if unseen.value is None else [f"unseen real data: {unseen.text} % near-copies"]
    lines += [f"[{i}] {note}" for i, note in enumerate(built.notes, 1)]
    lines += ["measured as: " + ", ".join(_protocols(built))]
    if main and (more := len(reference.figures) - len(built.measured)):
        lines.append(f"{more} more measures are in the report")
    return Group(shown, *(Text(line, "dim") for line in lines))


def _short(row: Row) -> str:
    if row.key in METRICS:
        return METRICS[row.key].short + _ARROWS[METRICS[row.key].better]
    return _SHORT.get(row.key, row.label)


def _protocols(built: Table) -> list[str]:
    """Return the names of all protocols, with the models that each holds for where it does not for all."""
    found: dict[str, list[str]] = {}
    for row in built.measured:
        if row.protocol:
            found[row.protocol] = []
        for name, cell in zip(built.columns, row.cells, strict=True):
            if cell.protocol and name not in found.setdefault(cell.protocol, []):
                found[cell.protocol].append(name)
    return [name + (f" ({', '.join(who)})" if who else "") for name, who in found.items()]


def _terminal_cell(cell: Cell) -> Text:
    from rich.text import Text

    text = Text(cell.text, "bold" if cell.best else "bold red" if cell.warn else "")
    if cell.note:
        text.append(f" [{cell.note}]", "dim")
    return text
