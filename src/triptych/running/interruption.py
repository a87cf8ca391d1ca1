"""Ctrl-C and SIGTERM: save what can be saved, and end within two seconds.

Python runs a signal's handler only between two of its own instructions, so one long operation of torch can delay it
for a minute. The program therefore has a second line of defence: a thread that learns of the signal at once, gives the
main thread `GRACE` seconds to end by itself, then saves what `at_deadline` has registered and ends the process.

No exception is raised in the middle of an import: it would leave half a module, and in torch's C++ it aborts the
process. The handler is called again before the next import begins, or soon after. So it is when an exception was lost,
as Python loses those that are raised in a destructor.
"""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any

from triptych.running import progress

AGAIN = 0.02
"""Seconds after which a handler is called again that could not raise its exception."""
GRACE = 1.2
"""Seconds that the main thread has to end by itself."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)

if TYPE_CHECKING:
    import socket

_IMPORT = builtins.__import__
_RESCUES: list[Callable[[], str]] = []
_CAUGHT: list[int] = []
_GUARDED = threading.Event()
_RAISES = threading.Event()


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
def guarded(ends: bool = False) -> Iterator[None]:
    """Within, Ctrl-C and SIGTERM are noted, raise `KeyboardInterrupt` in `raising`, and end the process soon.

    Only a program may open this, for it ends the process.

    Args:
        ends: the process ends afterwards in any case, so signals are ignored from then on.
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
        with _never_lost(), _handled(_interrupt, ended=lambda: ends or caught()):
            yield
    finally:
        ended.set()
        _GUARDED.clear()
        signal.set_wakeup_fd(before)
        mouth.close()
        watcher.join()
        ear.close()


@contextmanager
def raising() -> Iterator[None]:
    """Within, the first signal since `guarded` was opened raises `KeyboardInterrupt`; so does leaving it after one."""
    _RAISES.set()
    try:
        _raise_if_caught()
        yield
        _raise_if_caught()
    finally:
        _RAISES.clear()


def _raise_if_caught() -> None:
    if _CAUGHT and _RAISES.is_set():
        _RAISES.clear()
        raise KeyboardInterrupt


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


def leave() -> None:
    """End the process at once with `exit_code`, unless it has started others.

    Modules take a second to clean up; and Python itself would end by SIGINT if Ctrl-C was raised in an `eval`.
    """
    import multiprocessing

    if "lightning_fabric" not in sys.modules and not multiprocessing.active_children():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code())


def exit_code() -> int:
    """Return the exit code of a program that a signal ended, 128 plus its number; 130 if no signal was caught."""
    return 128 + (_CAUGHT[0] if _CAUGHT else signal.SIGINT)


@contextmanager
def _handled(
    handler: Callable[[int, FrameType | None], None], ended: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """Handle signals; afterwards ignore them if the program has `ended`."""

    def handle(number: int, frame: FrameType | None) -> None:
        if _imports(frame):
            _call_again(number)
            builtins.__import__ = partial(_checked_import, handle, number)
        else:
            builtins.__import__ = _IMPORT
            handler(number, frame)

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, signal.SIG_IGN if ended() else old)


@contextmanager
def _never_lost() -> Iterator[None]:
    """Call the handler again if Python had to ignore its exception.

    Work that was to be left needs no second call: it reads `asked` when its part is done.
    """
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if _CAUGHT and isinstance(lost.exc_value, KeyboardInterrupt):
            _RAISES.set()
            _call_again(_CAUGHT[-1])
        elif not isinstance(lost.exc_value, Left):
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _call_again(number: int) -> None:
    main = threading.main_thread().ident
    again = threading.Timer(AGAIN, signal.pthread_kill, (main, number))
    again.daemon = True
    again.start()


def _imports(frame: FrameType | None) -> bool:
    """Return whether this code runs because of an import."""
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False


def _checked_import(handle: Callable[[int, FrameType | None], None], number: int, *given: Any, **more: Any) -> Any:
    """Import, unless a signal waits for the end of an import that is over."""
    frame = sys._getframe(1)
    if threading.current_thread() is threading.main_thread() and not _imports(frame):
        handle(number, frame)
    return _IMPORT(*given, **more)


def _interrupt(number: int, frame: FrameType | None) -> None:
    _CAUGHT.append(number)
    _raise_if_caught()


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
