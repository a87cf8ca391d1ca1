"""A study's table, in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triptych.evaluation.studies import Table

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
