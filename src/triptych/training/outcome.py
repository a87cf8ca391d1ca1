"""What a training run did, and what it did not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from triptych.training.logging import Record
from triptych.training.seat import Seat


@dataclass
class Run:
    """What a training run did.

    Args:
        steps: rounds done.
        seconds: training time, pauses for pictures and checkpoints not counted.
        records: figures of each logging window, as in `metrics.jsonl`.
        directory: where it was kept; None if it was not.
        rank: number of this process; 0 is the one that writes.
        notes: what the user should know, such as a damaged checkpoint that was passed over, or a collapsed posterior.
    """

    steps: int
    seconds: float
    records: list[Record]
    directory: Path | None = None
    rank: int = 0
    notes: list[str] = field(default_factory=list)


def never_played(seats: Sequence[Seat], step: int) -> list[str]:
    """Say which players had no turn in `step` rounds: the budget ended before their first one."""
    late = {seat.player.name: seat.player.rounds[0] for seat in seats if seat.player.rounds[0] >= step}
    if not late:
        return []
    return [f"{step:,} rounds were too few for {', '.join(late)}: the last begins after {max(late.values()):,}"]
