"""One process on the processors: what the loop asks of Lightning Fabric, without importing it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

Value = TypeVar("Value")


class Alone:
    """Stands in for a `Fabric` of one process on the CPU in single precision, which has nothing to do.

    Fabric imports torch's compiler and more, which takes longer than many a training on a laptop.
    """

    global_rank = 0
    world_size = 1
    device = torch.device("cpu")

    def to_device(self, module: nn.Module) -> None:
        """Move a module to the device."""
        module.to(self.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context of the precision."""
        return nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Compute the gradient of a loss."""
        loss.backward()  # type: ignore[no-untyped-call]

    def barrier(self) -> None:
        """Wait for all processes."""

    def broadcast(self, value: Value) -> Value:
        """Return the first process's value."""
        return value

    def all_reduce(self, value: Value, reduce_op: str = "mean") -> Value:
        """Return the mean, or the sum, of all processes' values."""
        return value
