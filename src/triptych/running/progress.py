"""What the program is doing and how far it is: one mechanism for terminals and for logs.

Code says what it does with `task` and `track`. Nothing is printed unless a caller opens a display with `shown`, as
every verb of the command line does; see `triptych.running.display`.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

from triptych.running.display import Display

Part = TypeVar("Part")


class Task:
    """One thing under way.

    Args:
        title: what is being done, such as "weighing codes".
        total: how many parts there are; 1.0 if `done` is a fraction; None if nobody knows.
    """

    def __init__(self, title: str, total: float | None = None) -> None:
        self.title, self.total = title, total
        self.done = 0.0
        self.note: Callable[[], str] | None = None
        """Returns figures to show beside the title. Another thread asks when it shows the task, so read only a copy, or
        what is never changed in place."""
        self.left: Callable[[], float | None] | None = None
        """Returns the seconds left, where the task has an estimate of its own."""
        self.started = time.monotonic()

    def advance(self, parts: float = 1) -> None:
        """Count parts as done."""
        self.done += parts
        for listener in _LISTENERS:
            listener(self, parts)

    @property
    def fraction(self) -> float | None:
        """The share that is done; None if nobody knows."""
        return min(1.0, self.done / self.total) if self.total else None

    def seconds_left(self) -> float | None:
        """Estimate the seconds left: the task's own estimate, or from the parts done so far."""
        spent, fraction = time.monotonic() - self.started, self.fraction
        if self.left is not None:
            return self.left()
        if not fraction or spent < 1:
            return None
        return spent * (1 - fraction) / fraction

    def __str__(self) -> str:
        """Say what is done and how far it is.

        >>> task = Task("weighing codes", 2000)
        >>> task.advance(500)
        >>> str(task)
        'weighing codes  500 of 2,000'
        """
        counted = isinstance(self.total, int) and not isinstance(self.total, bool)
        share = f"{self.fraction:.0%}" if self.fraction is not None else ""
        parts = [self.title, f"{int(self.done):,} of {self.total:,}" if counted else share]
        if self.note is not None:
            parts.append(self.note())
        left = self.seconds_left()
        if left is not None:
            parts.append(f"{clock(left)} left")
        elif self.total is None and (spent := time.monotonic() - self.started) >= 1:
            parts.append(clock(spent))
        return "  ".join(filter(None, parts))


_LISTENERS: list[Callable[[Task, float], None]] = []
_DISPLAY = Display()


def _forked() -> None:
    """Show nothing in a forked worker, which has neither the display's thread nor, perhaps, its lock."""
    _DISPLAY.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


@contextmanager
def shown(wanted: bool = True) -> Iterator[None]:
    """Show within what is under way, on standard error. Displays nest: the outermost one counts.

    Args:
        wanted: False to change nothing.
    """
    if not wanted or os.environ.get("LOCAL_RANK", "0") != "0":  # of several processes the first one speaks
        yield
        return
    _DISPLAY.open()
    try:
        yield
    finally:
        _DISPLAY.close()


@contextmanager
def task(title: str, total: float | None = None) -> Iterator[Task]:
    """Say what is done within; the task says how far it is.

    Args:
        title: what is being done.
        total: parts; 1.0 if `done` is a fraction; None if nobody knows.

    Example:
        >>> with task("reading", total=3) as reading:
        ...     reading.advance(2)
        ...     str(reading)
        'reading  2 of 3'
    """
    one = Task(title, total)
    with _DISPLAY.lock:
        _DISPLAY.tasks.append(one)
    try:
        yield one
    finally:
        _DISPLAY.remove(one)


def track(parts: Iterable[Part], title: str, total: int | None = None) -> Iterator[Part]:
    """Yield each part of a task, and count those that are done.

    Args:
        parts: what is worked on, one after the other.
        title: what is being done, such as "weighing codes".
        total: how many there are, if `parts` has no length.

    Example:
        >>> list(track(range(3), "counting"))
        [0, 1, 2]
    """
    if total is None and isinstance(parts, Sized):
        total = len(parts)
    with task(title, total) as one:
        for part in parts:
            yield part
            one.advance()


def slices(x: Sequence[Any] | Any, size: int, title: str) -> Iterator[Any]:
    """Yield slices of `size` examples, and count the examples that are done.

    Args:
        x: anything with a length that slices, such as a tensor or `Examples`.
        size: examples in a slice.
        title: what is being done.

    Example:
        >>> list(slices([1, 2, 3], 2, "adding"))
        [[1, 2], [3]]
    """
    with task(title, len(x)) as one:
        for start in range(0, len(x), size):
            yield x[start : start + size]
            one.advance(min(size, len(x) - start))


@contextmanager
def listening(listener: Callable[[Task, float], None]) -> Iterator[None]:
    """Within, call `listener` with the task and the number of parts whenever a task advances."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


@contextmanager
def unheard() -> Iterator[None]:
    """Within, no listener hears of tasks: what is done has its own way to watch its pace."""
    heard = _LISTENERS[:]
    _LISTENERS.clear()
    try:
        yield
    finally:
        _LISTENERS[:] = heard


def innermost() -> Task | None:
    """Return the task that began last and is still under way."""
    return _DISPLAY.tasks[-1] if _DISPLAY.tasks else None


def abandon() -> None:
    """Take the bars away although tasks are under way, because the process ends."""
    _DISPLAY.abandon()


def say(line: str) -> None:
    """Print a line on standard error, above the bars if there are any; nothing where no display is open."""
    if _DISPLAY.openings:
        _DISPLAY.say(line)


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds.

    >>> clock(75), clock(3725.2)
    ('1:15', '1:02:06')
    """
    whole = math.ceil(seconds)
    minutes = f"{whole // 3600}:{whole // 60 % 60:02d}" if whole >= 3600 else f"{whole // 60}"
    return f"{minutes}:{whole % 60:02d}"
