"""What a run reports while it trains: `metrics.jsonl`, a progress bar, TensorBoard."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from triptych.errors import CheckpointError, ConfigurationError
from triptych.training.files import write_whole

Record = dict[str, float]
"""Figures of one logging window by name: "step", "seconds", "images_per_s", "<player>/<term>", …."""


class Metrics:
    """The records of a run, in memory and in `metrics.jsonl`.

    Args:
        run: the run directory, or None to keep them in memory only.
        step: rounds already done: later records of an interrupted run are dropped.
        tensorboard: also write TensorBoard events; needs the `[track]` extra.

    Raises:
        ConfigurationError: if TensorBoard is asked for and not installed, or there is no run directory.
    """

    def __init__(self, run: Path | None, step: int = 0, tensorboard: bool = False) -> None:
        self.path = None if run is None else run / "metrics.jsonl"
        self.records: list[Record] = []
        if self.path is not None and self.path.exists():
            self.records = [r for r in read_metrics(self.path) if r["step"] <= step]
            lines = "".join(json.dumps(r) + "\n" for r in self.records)
            write_whole(self.path, lines.encode())
        self.writer = _summary_writer(run, step) if tensorboard else None

    def append(self, record: Record) -> None:
        """Add a record.

        Raises:
            CheckpointError: if it cannot be written.
        """
        self.records.append(record)
        if self.path is not None:
            try:
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(json.dumps(record) + "\n")
            except OSError as error:
                raise CheckpointError(f"{self.path} could not be written: {error.strerror}") from error
        if self.writer is not None:
            for name, value in record.items():
                if name != "step":
                    self.writer.add_scalar(name, value, int(record["step"]))

    def close(self) -> None:
        """Finish writing."""
        if self.writer is not None:
            self.writer.close()


def read_metrics(path: Path) -> list[Record]:
    """Return the records of a `metrics.jsonl`; a last line cut short by a kill is left out."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records


def _summary_writer(run: Path | None, step: int) -> Any:
    if run is None:
        raise ConfigurationError("tensorboard=True needs a run directory: give run=...")
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigurationError("TensorBoard is not installed: pip install 'triptych[track]'") from None
    return SummaryWriter(run / "tensorboard", purge_step=step)


class Progress:
    """The progress line: step, images/s, each player's loss, time left. Plain lines where there is no terminal.

    Args:
        title: what is trained.
        shown: whether anything is printed.
    """

    def __init__(self, title: str, shown: bool) -> None:
        self.title = title
        self.shown = shown
        self.printed = 0.0
        self.bar: Any = None

    def __enter__(self) -> Progress:
        """Start the bar, if there is a terminal."""
        if self.shown and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[figures]}"))
            self.bar = Bar(*columns, console=Console(stderr=True))
            self.bar.start()
            self.task = self.bar.add_task(self.title, total=1.0, figures="starting")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the bar."""
        if self.bar is not None:
            self.bar.stop()

    def update(self, record: Record, fraction: float, losses: dict[str, float], finding: str = "") -> None:
        """Show a record, at `fraction` of the budget, and what is wrong, if anything is."""
        if not self.shown:
            return
        left = record["seconds"] * (1 - fraction) / max(fraction, 1e-9)
        told = "  ".join(f"{player} {loss:.4g}" for player, loss in losses.items())
        text = f"step {int(record['step']):,}  {record['images_per_s']:,.0f} images/s  {told}  {_clock(left)} left"
        text += f"  ! {finding}" if finding else ""
        if self.bar is not None:
            self.bar.update(self.task, completed=fraction, figures=text)
        elif fraction >= self.printed + 0.1 or fraction >= 1.0:
            self.printed = fraction
            print(f"{self.title}  {fraction:4.0%}  {text}", file=sys.stderr, flush=True)

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        if self.shown:
            print(message, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    whole = math.ceil(seconds)
    return (
        f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
        if whole >= 3600
        else f"{whole // 60}:{whole % 60:02d}"
    )
