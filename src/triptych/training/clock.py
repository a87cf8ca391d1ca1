"""The training time that all processes of a run go by, and whether they stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from triptych.running.interruption import Stop
from triptych.training.alone import Alone

if TYPE_CHECKING:
    from lightning_fabric import Fabric

AGREE_EVERY = 10
"""Rounds after which several processes agree on the time, and on whether to stop; fewer where rounds take long."""


class Clock:
    """Counts training time. Several processes go by the first one's clock, and stop if one was asked to.

    They learn of both only every few rounds, all at the same step: whatever follows from the time (learning rate,
    validation, the end) must happen in the same round everywhere.

    Args:
        fabric: of the run.
        stop: whether the user has asked this process to stop.
        most: most rounds between two agreements: those between two reports.
    """

    def __init__(self, fabric: Fabric | Alone, stop: Stop, most: int) -> None:
        self.fabric, self.stop, self.most = fabric, stop, min(AGREE_EVERY, most)
        self.seconds, self.agreed, self.stopping = 0.0, 0.0, False
        self.agree_every = 1

    def begin(self, seconds: float) -> None:
        """Go on from the time of the run so far, as the first process knows it."""
        self.seconds = self.agreed = float(self.fabric.broadcast(seconds))

    def tick(self, step: int, seconds: float) -> None:
        """Count the seconds of round `step`."""
        self.seconds += seconds
        if self.fabric.world_size == 1:
            self.agreed, self.stopping = self.seconds, self.stop.asked
        elif step % self.agree_every == 0:
            mine = [float(self.stop.asked), self.seconds if self.fabric.global_rank == 0 else 0.0]
            told = self.fabric.all_reduce(torch.tensor(mine, device=self.fabric.device), reduce_op="sum")
            assert isinstance(told, Tensor)
            asked, agreed = told.tolist()
            each = (agreed - self.agreed) / self.agree_every
            self.agree_every = max(1, min(self.most, int(0.5 / max(each, 1e-9))))
            self.seconds, self.agreed, self.stopping = agreed, agreed, asked > 0
