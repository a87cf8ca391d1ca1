"""The bars that a terminal shows: one for each nested task."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

if TYPE_CHECKING:
    from triptych.running.progress import Task


class Bars:
    """Bars on standard error, drawn when `show` is called.

    What the program prints meanwhile appears above them; output that goes to a file or a pipe is not touched.
    """

    def __init__(self) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=24))
        self.progress = Progress(
            *columns,
            console=Console(stderr=True, highlight=False),
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),
        )
        self.rows: dict[int, int] = {}
        self.progress.start()

    def show(self, tasks: Sequence[Task]) -> None:
        """Draw the tasks as they are now."""
        here = {id(task) for task in tasks}
        for gone in set(self.rows) - here:
            self.progress.remove_task(self.rows.pop(gone))  # type: ignore[arg-type]
        for task in tasks:
            if id(task) not in self.rows:
                self.rows[id(task)] = self.progress.add_task("", total=None)
            row = self.rows[id(task)]
            self.progress.update(row, description=str(task), total=task.total, completed=task.done)  # type: ignore[arg-type]
        self.progress.refresh()

    def print(self, line: str) -> None:
        """Print a line above the bars."""
        self.progress.console.print(line, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Take the bars away."""
        self.progress.stop()
