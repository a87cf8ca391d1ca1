"""The state of a training run: weights, optimisers and averages, to a checkpoint and back."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from triptych.models.base import Model
from triptych.training import checkpoint
from triptych.training.averaging import Average
from triptych.training.seat import Seat


@dataclass(frozen=True)
class Snapshot:
    """A training at the end of a round: what a checkpoint holds.

    Args:
        step: rounds done.
        seconds: training time so far; beside a checkpoint, whose bytes must not depend on it.
        tensors: weights, optimisers, averages and best weights, each under a prefix.
        record: the rest, as JSON can hold it.
    """

    step: int
    seconds: float
    tensors: dict[str, Tensor]
    record: dict[str, Any]

    def copied(self) -> Snapshot:
        """Return a snapshot that stays as it is when the training goes on."""
        tensors = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        return replace(self, tensors=tensors, record=copy.deepcopy(self.record))

    def final(self) -> dict[str, Tensor]:
        """Return the weights that the model would end with: the best, else the averaged, else its own."""
        return part(self.tensors, "best.") or part(self.tensors, "model.") | part(self.tensors, "average.")


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names begin with a prefix, without it."""
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}


class State:
    """All that a run must remember. What is random in a round is a function of its number, and needs no memory.

    Args:
        model: what is trained.
        seats: its players.
        ema: decay of an average of the weights; None for none.
    """

    def __init__(self, model: Model, seats: Sequence[Seat], ema: float | None) -> None:
        self.model = model
        self.seats = seats
        self.average = None if ema is None else Average(model, ema)
        self.best: dict[str, Tensor] = {}
        self.best_value = -math.inf

    def averaged(self) -> AbstractContextManager[None]:
        """Return a context in which the model has its averaged weights, if they are averaged."""
        return nullcontext() if self.average is None else self.average.applied()

    def consider(self, value: float) -> None:
        """Keep the weights that the model now has, if `value` is the highest so far."""
        if value > self.best_value:
            self.best_value = value
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}

    def settle(self) -> None:
        """Give the model for good the weights that it ends with."""
        if self.best:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.average.assign()

    def snapshot(self, step: int, seconds: float, pending: list[Any], owed: Sequence[str] = ()) -> Snapshot:
        """Return all that a checkpoint holds; its tensors are the live ones.

        Args:
            step: rounds done.
            seconds: training time so far.
            pending: figures that are not reported yet, as JSON can hold them.
            owed: what is due after this round and not done yet.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        numbers: dict[str, Any] = {}
        for seat, prefix in self._prefixes():
            state, numbers[prefix] = checkpoint.optimizer_state(seat.optimizer, prefix)
            tensors |= state
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.state().items()}
        record: dict[str, Any] = {"optimizers": numbers, "pending": pending}
        if owed:
            record["owed"] = list(owed)
        if self.best:
            tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
            record["best"] = self.best_value
        return Snapshot(step, seconds, tensors, record)

    def save(self, run: Path, snapshot: Snapshot) -> Path:
        """Write a checkpoint, and the model as it would end now; return the checkpoint's path."""
        written = checkpoint.write_checkpoint(run, snapshot.step, snapshot.seconds, snapshot.tensors, snapshot.record)
        checkpoint.save(self.model, run, snapshot.final())
        return written

    def restore(self, run: Path) -> tuple[Snapshot | None, list[str]]:
        """Take up the newest whole checkpoint; return it (None if there is none), and what was damaged."""
        found = checkpoint.newest_checkpoint(run)
        if found is None:
            return None, []
        tensors, record, damaged = found
        step = int(record["step"])
        taken = Snapshot(step, checkpoint.read_seconds(run, step), tensors, record)
        self.take(taken)
        return taken, [f"{message}; going on from step {step:,}" for message in damaged]

    def take(self, snapshot: Snapshot) -> None:
        """Return to the state of a snapshot."""
        tensors, record = snapshot.tensors, snapshot.record
        self.model.load_state_dict(part(tensors, "model."))
        for seat, prefix in self._prefixes():
            checkpoint.restore_optimizer(seat.optimizer, prefix, tensors, record["optimizers"][prefix])
        if self.average is not None:
            self.average.restore(part(tensors, "average."))
        if "best" in record:
            self.best, self.best_value = part(tensors, "best."), record["best"]

    def _prefixes(self) -> list[tuple[Seat, str]]:
        return [(seat, f"optimizer.{index}.") for index, seat in enumerate(self.seats)]
