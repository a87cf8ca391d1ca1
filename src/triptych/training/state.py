"""The state of a training run: weights, optimisers and averages, to a checkpoint and back."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from torch import Tensor

from triptych.models.base import Model
from triptych.training import checkpoint
from triptych.training.averaging import Average
from triptych.training.seat import Seat


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

    @contextmanager
    def final(self) -> Iterator[None]:
        """Within, the model has the weights that it would end with: the best, else the averaged, else its own."""
        if not self.best:
            with self.averaged():
                yield
            return
        trained = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self.model.load_state_dict(self.best)
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def settle(self) -> None:
        """Give the model for good the weights that it ends with."""
        if self.best:
            self.model.load_state_dict(self.best)
        elif self.average is not None:
            self.average.assign()

    def save(self, run: Path, step: int, seconds: float, pending: list[Any]) -> Path:
        """Write a checkpoint, and the model as it is now; return the checkpoint's path.

        Args:
            run: the run directory.
            step: rounds done.
            seconds: training time so far; beside the checkpoint, whose bytes must not depend on it.
            pending: figures that are not reported yet, as JSON can hold them.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        numbers: dict[str, Any] = {}
        for seat, prefix in self._prefixes():
            state, numbers[prefix] = checkpoint.optimizer_state(seat.optimizer, prefix)
            tensors |= state
        if self.average is not None:
            tensors |= {f"average.{name}": tensor for name, tensor in self.average.state().items()}
        record: dict[str, Any] = {"optimizers": numbers, "pending": pending}
        if self.best:
            tensors |= {f"best.{name}": tensor for name, tensor in self.best.items()}
            record["best"] = self.best_value
        written = checkpoint.write_checkpoint(run, step, seconds, tensors, record)
        with self.final():
            checkpoint.save(self.model, run)
        return written

    def restore(self, run: Path) -> tuple[int, float, list[Any], list[str]]:
        """Take up the newest whole checkpoint; return its step (0 if there is none), time, figures, damages."""
        found = checkpoint.newest_checkpoint(run)
        if found is None:
            return 0, 0.0, [], []
        tensors, record, damaged = found
        self.model.load_state_dict(_part(tensors, "model."))
        for seat, prefix in self._prefixes():
            checkpoint.restore_optimizer(seat.optimizer, prefix, tensors, record["optimizers"][prefix])
        if self.average is not None:
            self.average.restore(_part(tensors, "average."))
        if "best" in record:
            self.best, self.best_value = _part(tensors, "best."), record["best"]
        step = int(record["step"])
        notes = [f"{message}; going on from step {step:,}" for message in damaged]
        return step, checkpoint.read_seconds(run, step), record["pending"], notes

    def _prefixes(self) -> list[tuple[Seat, str]]:
        return [(seat, f"optimizer.{index}.") for index, seat in enumerate(self.seats)]


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
