"""What a run reports while it trains: `metrics.jsonl` and TensorBoard."""

from __future__ import annotations

import json
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
