"""One forward pass that two players of a step both use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from triptych.adversary.scores import View
from triptych.data.batches import Batch


class SharedFakes:
    """Passes fakes from the critic's last turn of a step on to its opponent's, if they are to be shared.

    Args:
        shared: whether they are; if not, each player makes its own.
        turns: of the critic in a step.
    """

    def __init__(self, shared: bool, turns: int) -> None:
        self.shared, self.turns = shared, turns
        self.kept: tuple[int, View] | None = None

    def of_critic(self, opponent: nn.Module, batch: Batch, make: Callable[[], View]) -> View:
        """Return fakes for the critic's turn, without a graph unless they are kept.

        Minibatches are numbered, `turns` a step. Outside of training they have no number, and nothing is kept.

        Args:
            opponent: what makes the fakes.
            batch: the minibatch.
            make: returns the fakes.
        """
        last = batch.number is not None and (batch.number + 1) % self.turns == 0
        if not (self.shared and last):
            with torch.no_grad():
                return make()
        with followed(opponent):
            made = make()
        assert batch.number is not None
        self.kept = (batch.number, made)
        return made

    def of_opponent(self, batch: Batch, make: Callable[[], View]) -> View:
        """Return fakes with a graph: those that the critic has just scored, or new ones."""
        kept, self.kept = self.kept, None
        return kept[1] if kept is not None and kept[0] == batch.number else make()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied or pickled: not what is kept within a step."""
        return {**self.__dict__, "kept": None}


@contextmanager
def followed(module: nn.Module) -> Iterator[None]:
    """Let a module's results carry a graph to its parameters, though they are frozen: it is not its turn."""
    frozen = [parameter for parameter in module.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
