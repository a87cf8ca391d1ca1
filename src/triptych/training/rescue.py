"""What is saved of a training that must end in the middle of a long operation."""

from __future__ import annotations

import threading
from pathlib import Path

from triptych.training.state import Snapshot, State

SLOW = 0.3
"""Seconds of a round from which on the state before each round is kept, to be saved if the round must be left."""


class Rescue:
    """Writes checkpoints, and the last state that can be saved while a round is under way.

    Args:
        run: the run directory.
        state: of the training.
    """

    def __init__(self, run: Path, state: State) -> None:
        self.run, self.state = run, state
        self.kept: Snapshot | None = None
        self.saved: Path | None = None
        self.saved_step = -1
        self.lock = threading.Lock()

    def keep(self, snapshot: Snapshot) -> None:
        """Keep a copy of the state, which the training then goes on from."""
        self.kept = snapshot.copied()

    def write(self, snapshot: Snapshot) -> None:
        """Write a checkpoint."""
        with self.lock:
            self._write(snapshot)

    def _write(self, snapshot: Snapshot) -> None:
        self.saved = self.state.save(self.run, snapshot)
        self.saved_step = snapshot.step

    def __call__(self) -> str:
        """Save what was kept, from any thread; return a line that says from where the run goes on."""
        if self.lock.acquire(timeout=30):  # a checkpoint that is being written is finished first
            try:
                if self.kept is not None and self.kept.step > self.saved_step:
                    self._write(self.kept)
            finally:
                self.lock.release()
        if self.saved is None:
            return f"stopped before the first checkpoint in {self.run}"
        return f"stopped after step {self.saved_step:,}; saved in {self.run}: go on with --resume"
