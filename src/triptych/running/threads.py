"""How many threads a computation gets: counted, timed, and set.

More threads are not always faster. Small networks gain nothing from a second thread, and on a busy machine all threads
of an operation wait for the slowest. So `auto` times the work at hand with 1, 2, 4, … threads and takes the fewest that
are within a tenth of the fastest.
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from triptych.errors import ConfigurationError

AUTO = "auto"
WITHIN = 0.10
"""Fewer threads are taken if they are at most this much slower than the fastest number."""
CROWDED = 60
"""Times a CPU second that other processes take a processor away, from which on the machine counts as crowded. With two
threads on two processors up to 30 were measured on a quiet machine, and 140 to 9,700 beside one busy process."""
BLOCK, BLOCKS = 0.03, 3
"""Seconds that a timed block takes at least, and blocks for each number of threads."""


class _Set:
    """The number of threads that this module has set, and the most there may be."""

    most = 0
    now = 0


def available() -> int:
    """Return the most threads that may be used.

    That is torch's own number when the program starts (`OMP_NUM_THREADS` or the processors), or what the caller has set
    with `torch.set_num_threads`, but no more than the processors that this process may run on.
    """
    if torch.get_num_threads() != _Set.now:
        _Set.most = _Set.now = torch.get_num_threads()
    return max(1, min(_Set.most, processors()))


def processors() -> int:
    """Return the processors that this process may use: its affinity, and a container's quota."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no such file, or "max"
        return count


def preemptions() -> tuple[int, float]:
    """Return how often another process has taken a processor from this one, and this one's CPU seconds, so far."""
    try:
        import resource
    except ImportError:  # not on this system: no machine ever counts as crowded
        return 0, 0.0
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_nivcsw, usage.ru_utime + usage.ru_stime


def crowded(since: tuple[int, float]) -> bool:
    """Return whether other processes have wanted this one's processors since `preemptions` returned `since`."""
    count, seconds = preemptions()
    return count - since[0] > CROWDED * max(seconds - since[1], 0.05)


def now() -> int:
    """Return the number of threads that are set."""
    return torch.get_num_threads()


def use(threads: int) -> None:
    """Set the number of threads of torch and of NumPy's linear algebra."""
    available()
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    _Set.now = threads
    for library in _blas():
        library.set_num_threads(threads)


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Use so many threads within."""
    available()
    before = torch.get_num_threads()
    use(threads)
    try:
        yield
    finally:
        use(before)


@cache
def _blas() -> list[Any]:
    """Return the libraries of NumPy's linear algebra, whose threads are not torch's."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def read(spec: str | int) -> int | None:
    """Return the number of threads that a user asks for; None for `auto`.

    Raises:
        ConfigurationError: for anything but `auto` and a number from 1 to the processors.

    Example:
        >>> read("auto"), read("1")
        (None, 1)
    """
    if str(spec) == AUTO:
        return None
    if not str(spec).isdecimal() or not 1 <= int(spec) <= processors():
        raise ConfigurationError(f"threads={spec}: expected auto, or a number from 1 to {processors()}")
    return int(spec)


def candidates(most: int) -> list[int]:
    """Return the numbers of threads that are tried.

    >>> candidates(6), candidates(1)
    ([1, 2, 4, 6], [1])
    """
    return sorted({min(1 << i, most) for i in range(most.bit_length() + 1)})


def timed(work: Callable[[], object], most: int, seconds: float = math.inf) -> dict[int, float]:
    """Time work with 1, 2, 4, … threads, up to the first number that gains nothing.

    Blocks of each number alternate with blocks of the number before, so that a neighbour that comes or goes meets
    both alike. Each figure is a median of blocks. On a crowded machine more threads only take the processors from
    other processes, which then do the same, so they are not counted.

    Args:
        work: what is timed; called several times.
        most: threads.
        seconds: stop when this much time is spent and at least two numbers have been tried.

    Returns:
        Seconds a call, by number of threads.
    """
    started = time.perf_counter()
    work()  # the first call allocates
    once = time.perf_counter() - started
    found = {1: once}
    for fewer, more in pairwise(candidates(most)):
        if fewer > 1 and time.perf_counter() - started + 2 * found[fewer] > seconds:
            break
        times, others = _alternating(work, [fewer, more], seconds)
        if others:
            break
        found |= times
        if found[more] > 0.95 * found[fewer]:
            break
    return found


def _alternating(work: Callable[[], object], numbers: list[int], seconds: float) -> tuple[dict[int, float], bool]:
    """Time work with each number of threads in turn, until so many seconds are spent.

    Returns:
        The median seconds a call by number, and whether the machine was crowded.
    """
    times: dict[int, list[float]] = {number: [] for number in numbers}
    before, started = preemptions(), time.perf_counter()
    for _ in range(BLOCKS):
        for number in numbers:
            with using(number):
                times[number].append(_block(work, warm=not times[number]))
        if time.perf_counter() - started > seconds:
            break
    return {number: statistics.median(each) for number, each in times.items()}, crowded(before)


def _block(work: Callable[[], object], warm: bool) -> float:
    """Return the seconds a call, over a block of calls; with `warm` some calls come first that are not counted."""
    started = time.perf_counter()
    work()
    once = time.perf_counter() - started
    if once > 10 * BLOCK:
        return once
    if warm:
        started = time.perf_counter()
    calls = 0 if warm else 1
    while time.perf_counter() - started < BLOCK:
        work()
        calls += 1
    return (time.perf_counter() - started) / calls


class TooLong(Exception):
    """Raised inside work that takes too long to be repeated."""


def once(work: Callable[[], object], seconds: float) -> float | None:
    """Return the seconds that work takes; None if it was left because it took longer than it may.

    Args:
        work: calls modules of torch, between which it is left.
        seconds: after which it is left.

    Example:
        >>> layer, x = torch.nn.Linear(2, 2), torch.zeros(1, 2)
        >>> once(lambda: layer(x), 60.0) is not None, once(lambda: layer(x), 0.0)
        (True, None)
    """
    started = time.perf_counter()

    def look(module: torch.nn.Module, given: object) -> None:
        if time.perf_counter() - started > seconds:
            raise TooLong

    handle = torch.nn.modules.module.register_module_forward_pre_hook(look)
    try:
        work()
    except TooLong:
        return None
    finally:
        handle.remove()
    return time.perf_counter() - started


def fewest(times: Mapping[int, float]) -> int:
    """Return the fewest threads that are within a tenth of the fastest.

    >>> fewest({1: 1.05, 2: 1.0}), fewest({1: 1.5, 2: 1.0, 4: 0.95})
    (1, 2)
    """
    best = min(times.values())
    return min(number for number, seconds in times.items() if seconds <= (1 + WITHIN) * best)
