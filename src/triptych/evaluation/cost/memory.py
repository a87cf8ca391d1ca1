"""How much memory a model takes while it answers."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from triptych.evaluation.cost.speed import drawing, seconds_each, where
from triptych.metrics.figure import Figure
from triptych.models.base import Model
from triptych.models.questions import Sampler
from triptych.noise import mix

MIB = 1 << 20
REPEATS = 2
BATCHES = (64, 16, 4, 1)
"""Samples of a batch: the most that can be afforded."""


def sampling_memory(model: Sampler, *, seconds: float = 1.0, seed: int = 0) -> Figure:
    """Return the most memory that a model and the drawing of a batch take at once, in MiB, with its standard error.

    Counted are the weights, and what is alive at once besides: on the CPU tensors and NumPy's arrays, see
    `peak_memory`; on a GPU what its allocator gave out. Not counted are the libraries themselves, and what a kernel of
    the CPU takes and gives back within one operation. A slow sampler draws a smaller
    batch, as watching takes up to ten times as long as drawing; the protocol names it. The figure is the mean of two
    draws, and the error theirs: almost none, for the same batch takes the same.

    Args:
        model: anything that samples.
        seconds: time that one batch may take, unwatched.
        seed: of the draws.

    Example:
        >>> import triptych as tp
        >>> found = sampling_memory(tp.build("gan", tp.Event((1, 8, 8), 17), hidden=8))
        >>> found.unit, found.protocol.startswith("memory-")
        ('MiB', True)
    """
    affordable = seconds / seconds_each(drawing(model), seed=seed)
    count = next((batch for batch in BATCHES if batch <= affordable), BATCHES[-1])
    peak = _peak_on_gpu if model.device.type == "cuda" else peak_memory

    def draw(repeat: int) -> int:
        return peak(lambda: model.sample(count, label=model.any_label, seed=mix(seed, 5, repeat)))

    model.sample(count, label=model.any_label, seed=mix(seed, 0))  # the first of a size keeps what later ones find
    found = torch.tensor([draw(i) + weights(model) for i in range(REPEATS)]).double() / MIB
    error = float(found.std()) / len(found) ** 0.5
    return Figure(float(found.mean()), error, "MiB", f"memory-{count}@{where(model)}")


def weights(model: Model) -> int:
    """Return the bytes of a model's parameters and buffers, what they share counted once.

    >>> import triptych as tp
    >>> model = tp.build("gan", tp.Event((2,)), hidden=8)
    >>> weights(model) == 4 * sum(p.numel() for p in model.parameters())
    True
    """
    storages = (tensor.untyped_storage() for tensor in model.state_dict().values())
    return sum({storage.data_ptr(): int(storage.nbytes()) for storage in storages}.values())


def peak_memory(ask: Callable[[], object]) -> int:
    """Return the most bytes of new tensors, and of NumPy's arrays and other objects of Python, alive at once.

    Each is watched for itself, so that the sum is an upper bound where both do not have their most at one time.

    Args:
        ask: does something on the CPU.

    Example:
        >>> peak_memory(lambda: torch.ones(1_000_000).add(1).sum()) // 1_000_000  # two times 4 MB, and a little
        8
    """
    gc.collect()  # what earlier calls left behind is freed now, and not at a moment of chance within
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    try:
        with Watch() as watch:
            ask()
        tensors: int = watch.peak
        return tensors + max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not tracing:
            tracemalloc.stop()


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of tensors that operations within it make, as long as their memory is alive."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._alive = 0
        self._known: dict[int, weakref.ref[Any]] = {}

    def note(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do the operation, and count what it made."""
        for given in tree_iter((args, kwargs)):
            if isinstance(given, Tensor):
                self._see(given, new=False)
        found = function(*args, **(kwargs or {}))
        for made in tree_iter(found):
            if isinstance(made, Tensor):
                self._see(made, new=True)
        self.peak = max(self.peak, self._alive)
        return found

    def _see(self, tensor: Tensor, new: bool) -> None:
        """Note the memory that a tensor lies in, once, until it is freed; it counts if an operation made it."""
        storage = tensor.untyped_storage()
        key, size = id(storage), storage.nbytes() if new else 0
        if key in self._known:
            return

        def freed(_: Any) -> None:
            del self._known[key]
            self._alive -= size

        self._known[key] = weakref.ref(storage, freed)
        self._alive += size


# Given once the class is there: to keep its compiler away from a method in the body, torch would import it.
Watch.__torch_dispatch__ = Watch.note  # type: ignore[assignment,method-assign]


def _peak_on_gpu(ask: Callable[[], object]) -> int:
    """Return the most bytes that the GPU's allocator gave out above what was in use."""
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    ask()
    torch.cuda.synchronize()
    return int(torch.cuda.max_memory_allocated()) - before
