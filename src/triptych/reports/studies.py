"""What was asked of models by name, in a terminal: figures side by side, and studies' tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triptych.evaluation.studies.registry import Table
from triptych.metrics.figure import Figure

if TYPE_CHECKING:
    from rich.console import Group


def terminal_study(name: str, found: Table) -> Group:
    """Return a study's table for a terminal.

    Args:
        name: of the model.
        found: what the study found.
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, header_style="bold")
    grid.add_column("")
    for column in found.columns:
        grid.add_column(column, justify="right", overflow="fold")
    for row, figures in found.rows.items():
        grid.add_row(row, *(figure.text for figure in figures))
    return Group(Text(f"{name}: {found.title}", "bold"), grid, Text(found.note, "dim"))


def terminal_figures(figures: Mapping[str, Mapping[str, Figure]]) -> Group:
    """Return figures for a terminal: a row for each name that was asked for, a column for each model.

    Args:
        figures: by the name that was asked for and the model.
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    grid = Grid(box=None, header_style="bold")
    grid.add_column("protocol", overflow="fold")  # a name is whole, so that it can be typed
    grid.add_column("unit")
    for model in next(iter(figures.values())):
        grid.add_column(model, justify="right", overflow="fold")
    notes: dict[str, int] = {}
    for asked, row in figures.items():
        cells = []
        for figure in row.values():
            mark = f" [{notes.setdefault(figure.note, len(notes) + 1)}]" if figure.note else ""
            cells.append(Text(figure.text + mark))
        protocols = list(dict.fromkeys(figure.protocol for figure in row.values() if figure.protocol))
        unit = next((figure.unit for figure in row.values() if figure.unit), "")
        grid.add_row(Text(", ".join(protocols) or asked), unit, *cells)
    return Group(grid, *(Text(f"[{i}] {note}", "dim") for note, i in notes.items()))
