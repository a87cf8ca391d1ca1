"""Sums over the processes that share a batch, so that they compute what one process would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_ALONE: ContextVar[bool] = ContextVar("_ALONE", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """Within, this process computes by itself what the others do not: they are not waited for."""
    token = _ALONE.set(True)
    try:
        yield
    finally:
        _ALONE.reset(token)


class _Summed(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return summed(gradients[0])


def sharing() -> int:
    """Return how many processes share a batch: 1 where nobody has started others, or `alone`.

    >>> sharing()
    1
    """
    shared = dist.is_available() and dist.is_initialized() and not _ALONE.get()
    return dist.get_world_size() if shared else 1


def summed(x: Tensor) -> Tensor:
    """Return the sum of `x` over all processes, with gradients to each one's part.

    Args:
        x: of the same shape everywhere.

    Example:
        >>> summed(torch.ones(2))
        tensor([1., 1.])
    """
    if sharing() == 1:
        return x
    total: Tensor = _Summed.apply(x)  # type: ignore[no-untyped-call]
    return total


def gathered(x: Tensor) -> Tensor:
    """Return the rows of all processes, `(world·B, …)`, with gradients to each one's own.

    Args:
        x: `(B, …)`, of the same shape everywhere.

    Example:
        >>> gathered(torch.ones(2))
        tensor([1., 1.])
    """
    world = sharing()
    if world == 1:
        return x
    before = len(x) * dist.get_rank()
    after = len(x) * (world - 1) - before
    padding = [x.new_zeros(rows, *x.shape[1:]) for rows in (before, after)]
    return summed(torch.cat([padding[0], x, padding[1]]))
