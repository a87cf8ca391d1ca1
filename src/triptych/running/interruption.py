"""Ctrl-C and SIGTERM: save what can be saved, and end within two seconds.

Python runs a signal's handler only between two of its own instructions, so one long operation of torch can delay it
for a minute. The program therefore has a second line of defence: a thread that learns of the signal at once, gives the
main thread `GRACE` seconds to end by itself, then saves what `at_deadline` has registered and ends the process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from triptych.running import progress

GRACE = 1.2
"""Seconds that the main thread has to end by itself."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

if TYPE_CHECKING:
    import socket

_RESCUES: list[Callable[[], str]] = []
_CAUGHT: list[int] = []
_GUARDED = threading.Event()


class Left(BaseException):
    """Raised inside work that is left halfway, because the user asked to stop."""


class Stop:
    """Whether the user has asked to stop, for work that ends at a point of its own choice."""

    def __init__(self) -> None:
        self.asked = False
        self.can_leave = False

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Within, `Left` is raised as soon as the user asks to stop; the work must be such that it can be left."""
        self.can_leave = True
        try:
            if self.asked:
                raise Left
            yield
        finally:
            self.can_leave = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, the first signal sets `asked`; a second one raises `KeyboardInterrupt`."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: FrameType | None) -> None:
            _CAUGHT.append(number)
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            if self.can_leave:
                raise Left

        with _handled(ask):
            yield


@contextmanager
def guarded() -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM raise `KeyboardInterrupt`, and end the process if that does not end it in time.

    Only a program may open this, for it ends the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import socket

    _CAUGHT.clear()
    _GUARDED.set()
    ear, mouth = socket.socketpair()
    mouth.setblocking(False)
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(ear, ended), name="interruption", daemon=True)
    before = signal.set_wakeup_fd(mouth.fileno(), warn_on_full_buffer=False)
    watcher.start()
    try:
        with _handled(_interrupt, last=True):
            yield
    finally:
        ended.set()
        _GUARDED.clear()
        signal.set_wakeup_fd(before)
        mouth.close()
        watcher.join()
        ear.close()


@contextmanager
def at_deadline(rescue: Callable[[], str]) -> Iterator[None]:
    """Within, call `rescue` if the process must end although the main thread is still at work.

    Args:
        rescue: saves what can be saved, from another thread; returns a line that says what it saved.
    """
    _RESCUES.append(rescue)
    try:
        yield
    finally:
        _RESCUES.remove(rescue)


def caught() -> bool:
    """Return whether a signal has come since `guarded` was opened."""
    return bool(_CAUGHT)


def guards() -> bool:
    """Return whether `guarded` is open."""
    return _GUARDED.is_set()


def ignore() -> None:
    """Ignore further signals, because the program is about to end: they would only interrupt its last words."""
    if _GUARDED.is_set():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def exit_code() -> int:
    """Return the exit code of a program that a signal ended, 128 plus its number; 130 if no signal was caught."""
    return 128 + (_CAUGHT[0] if _CAUGHT else signal.SIGINT)


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], None], last: bool = False) -> Iterator[None]:
    """Handle signals; after the `last` context a program that caught one ignores any other: it is about to end."""
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_IGN if last and _CAUGHT else old)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _CAUGHT.append(number)
    raise KeyboardInterrupt


def _watch(ear: socket.socket, ended: threading.Event) -> None:
    """Wait for a signal; then for the main thread to end; then end the process."""
    while received := ear.recv(64):
        numbers = [number for number in received if number in SIGNALS]
        if not numbers:
            continue
        _CAUGHT.extend(numbers)
        if ended.wait(GRACE):
            return
        lines = [line for rescue in list(_RESCUES) if (line := rescue())]
        if ended.wait(0.1):  # it was only saving
            return
        _end(lines or ["interrupted"])


def _end(lines: list[str]) -> None:
    progress.abandon()
    for line in lines:
        print(line, file=sys.stderr, flush=True)
    if "multiprocessing" in sys.modules:
        import multiprocessing

        for child in multiprocessing.active_children():
            child.kill()
    sys.stdout.flush()
    os._exit(exit_code())


def _forget() -> None:
    """Leave the parent's signals to the parent: a forked worker would write into its wakeup socket."""
    if _GUARDED.is_set():
        with contextlib.suppress(ValueError):  # only a main thread has signals
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
