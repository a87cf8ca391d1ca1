"""The few array operations of a pass over pixels, into memory that is there: by NumPy on a CPU, by torch elsewhere.

On a CPU the arrays of a pass are small, and what an operation costs is mostly its call: 0.3 µs in NumPy where
torch takes 1.1 (add, 64 numbers), 1.0 where torch takes 2.4 (192×64 matrix times vector). Both see one memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

Operation = Callable[[], Any]
"""One thing to do, its operands and its output fixed beforehand."""


class Arrays:
    """Makes operations for the arrays of one device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.by_numpy = device.type == "cpu"
        self.library: Any = np if self.by_numpy else torch
        self._kept: dict[tuple[Any, ...], Any] = {}

    def of(self, tensor: Tensor) -> Any:
        """Return a tensor as this device's operations take it, in the same memory."""
        return tensor.numpy() if self.by_numpy else tensor

    def zeros(self, *shape: int) -> Tensor:
        """Return a tensor of zeros."""
        return torch.zeros(*shape, device=self.device)

    def add(self, a: Any, b: Any, out: Any) -> Operation:
        """Write `a + b`."""
        return partial(self.library.add, a, b, out=out)

    def multiply(self, a: Any, b: Any, out: Any) -> Operation:
        """Write `a · b`, elementwise."""
        return partial(self.library.multiply, a, b, out=out)

    def matmul(self, a: Any, b: Any, out: Any) -> Operation:
        """Write the matrix product `a b`; `out` is contiguous."""
        return partial(np.dot if self.by_numpy else torch.mm, a, b, out=out)

    def tanh(self, a: Any, out: Any) -> Operation:
        """Write `tanh a`."""
        return partial(self.library.tanh, a, out=out)

    def exp(self, a: Any, out: Any) -> Operation:
        """Write `e^a`."""
        return partial(self.library.exp, a, out=out)

    def maximum(self, a: Any, b: Any, out: Any) -> Operation:
        """Write the greater of the two, elementwise."""
        return partial(self.library.maximum, a, b, out=out)

    def minimum(self, a: Any, b: Any, out: Any) -> Operation:
        """Write the lesser of the two, elementwise."""
        return partial(self.library.minimum, a, b, out=out)

    def copy(self, source: Any, target: Any) -> Operation:
        """Copy."""
        return partial(np.copyto, target, source) if self.by_numpy else partial(target.copy_, source)

    def constant(self, like: Any, *numbers: float) -> Any:
        """Return an array in the shape of another, of one number, or of several in equal parts of its columns.

        Scalars would be converted at every call.
        """
        key = (*like.shape, numbers)
        if key not in self._kept:
            parts = torch.tensor(numbers, device=self.device).repeat_interleave(like.shape[1] // len(numbers))
            self._kept[key] = self.of(parts.expand(tuple(like.shape)).contiguous())
        return self._kept[key]

    def spare(self, like: Any, name: str) -> Any:
        """Return an array for intermediate results, in the shape of another; the same one for the same name."""
        key = (*like.shape, name)
        if key not in self._kept:
            self._kept[key] = self.of(torch.zeros(tuple(like.shape), device=self.device))
        return self._kept[key]

    def fused(self, operations: list[Operation]) -> list[Operation]:
        """Return the same work in fewer calls: on a GPU one recorded graph, whose replay is a single launch."""
        if self.device.type != "cuda" or len(operations) < 2:
            return operations
        for operation in operations:  # once beforehand: libraries take their workspaces then
            operation()
        torch.cuda.synchronize(self.device)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for operation in operations:
                operation()
        return [graph.replay]

    def sigmoid(self, a: Any, out: Any) -> list[Operation]:
        """Write `σ(a) = ½ (1 + tanh ½a)`."""
        half = self.constant(a, 0.5)
        return [
            self.multiply(a, half, out),
            self.tanh(out, out),
            self.multiply(out, half, out),
            self.add(out, half, out),
        ]

    def elu(self, a: Any, out: Any) -> list[Operation]:
        """Write `max(a, 0) + e^min(a, 0) - 1`; `out` may not be `a`."""
        zero, minus_one = self.constant(a, 0.0), self.constant(a, -1.0)
        spare = self.spare(a, "elu")
        return [
            self.minimum(a, zero, spare),
            self.exp(spare, spare),
            self.maximum(a, zero, out),
            self.add(out, spare, out),
            self.add(out, minus_one, out),
        ]


class _OneThread:
    """The limit on NumPy's threads, which is the process's: set by the first who asks, lifted by the last."""

    def __init__(self) -> None:
        self.lock, self.users = Lock(), 0

    def enter(self) -> None:
        with self.lock:
            if self.users == 0:
                self.limit = _blas().limit(limits=1)
            self.users += 1

    def leave(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0:
                self.limit.restore_original_limits()


_ONE_THREAD = _OneThread()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Within, NumPy's matrix products use one thread: those of a pass are too small to share."""
    _ONE_THREAD.enter()
    try:
        yield
    finally:
        _ONE_THREAD.leave()


@cache
def _blas() -> Any:
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return ThreadpoolController().select(user_api="blas")
