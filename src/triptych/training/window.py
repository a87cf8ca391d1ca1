"""The figures of the turns since the last report: collected, checked, and averaged into a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from triptych.training.alone import Alone
from triptych.training.logging import Record
from triptych.training.seat import Seat

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Turn(NamedTuple):
    """What one turn of a player gave.

    Args:
        step: number of its round, from 1.
        seat: whose turn it was.
        names: of the loss terms.
        figures: the terms' means, then the gradient's norm.
    """

    step: int
    seat: Seat
    names: list[str]
    figures: Tensor


class Window:
    """The turns since the last report.

    Args:
        seats: the players.
        step: rounds done.
        seconds: training time so far.
    """

    def __init__(self, seats: Sequence[Seat], step: int, seconds: float) -> None:
        self.seats, self.step, self.seconds = seats, step, seconds
        self.turns: list[Turn] = []

    def fetch(self, check: Callable[[Turn], None]) -> None:
        """Bring the figures from the device, and check each turn."""
        self.turns = [turn._replace(figures=turn.figures.cpu()) for turn in self.turns]
        for turn in self.turns:
            check(turn)

    def speed(self, step: int, seconds: float, images: int) -> Record:
        """Return training time and images/s since the last report.

        Args:
            step: rounds done.
            seconds: training time so far.
            images: that a round takes.
        """
        rate = (step - self.step) * images / max(seconds - self.seconds, 1e-9)
        return {"step": step, "seconds": round(seconds, 4), "images_per_s": round(rate, 2)}

    def means(self, fabric: Fabric | Alone) -> tuple[Record, dict[str, float]]:
        """Return the mean of each player's figures by "<player>/<term>", and the sum of each player's terms."""
        record: Record = {}
        losses: dict[str, float] = {}
        for seat in self.seats:
            own = [turn for turn in self.turns if turn.seat is seat]
            if not own:
                continue
            figures = torch.stack([turn.figures for turn in own]).double().mean(0)
            if fabric.world_size > 1:
                figures = fabric.all_reduce(figures, reduce_op="mean")  # type: ignore[assignment]
            *means, norm = figures.tolist()
            terms = dict(zip(own[0].names, means, strict=True))
            if seat.player.figures is not None:
                terms |= seat.player.figures(terms)
            record |= {f"{seat.player.name}/{name}": value for name, value in terms.items()}
            record[f"{seat.player.name}/gradient_norm"] = norm
            losses[seat.player.name] = sum(means)
        return record, losses

    def close(self, step: int, seconds: float) -> None:
        """Begin the next window."""
        self.turns.clear()
        self.step, self.seconds = step, seconds

    def plain(self) -> list[Any]:
        """Return the turns as JSON can hold them."""
        return [(t.step, self.seats.index(t.seat), t.names, t.figures.tolist()) for t in self.turns]

    def take(self, plain: Sequence[Any]) -> None:
        """Take up turns that `plain` returned."""
        self.turns = [Turn(step, self.seats[i], names, torch.tensor(figures)) for step, i, names, figures in plain]
