"""When to report, to draw a picture and to write a checkpoint; and when the user asks to stop."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

from triptych.training.budget import Budget


class Window:
    """The rounds since the last report."""

    def __init__(self, step: int, seconds: float) -> None:
        self.step = step
        self.seconds = seconds

    def speed(self, step: int, seconds: float, images: int) -> dict[str, float]:
        """Return training time and images/s since the last report, and begin the next window."""
        rate = (step - self.step) * images / max(seconds - self.seconds, 1e-9)
        self.step, self.seconds = step, seconds
        return {"seconds": round(seconds, 4), "images_per_s": round(rate, 2)}


class Marks:
    """When the next picture and the next checkpoint are due."""

    def __init__(self, options: SimpleNamespace, budget: Budget, step: int, seconds: float) -> None:
        self.sample_every = options.sample_every
        self.checkpoint_every = options.checkpoint_every
        self.budget = budget
        self.tenths = int(10 * budget.fraction(step, seconds))
        self.fiftieths = int(50 * budget.fraction(step, seconds))
        self.clock = time.perf_counter()

    def sample_due(self, step: int, seconds: float) -> bool:
        """Return whether a picture is due after this round."""
        if self.sample_every is not None:
            return bool(step % self.sample_every == 0)
        before, self.tenths = self.tenths, int(10 * self.budget.fraction(step, seconds))
        return self.tenths > before

    def validation_due(self, step: int, seconds: float) -> bool:
        """Return whether the model is to be validated after this round."""
        before, self.fiftieths = self.fiftieths, int(50 * self.budget.fraction(step, seconds))
        return self.fiftieths > before

    def checkpoint_due(self, step: int) -> bool:
        """Return whether a checkpoint is due after this round."""
        if self.checkpoint_every is not None:
            return bool(step % self.checkpoint_every == 0)
        if time.perf_counter() - self.clock < 60:
            return False
        self.clock = time.perf_counter()
        return True


class _Left(BaseException):
    """Raised where something is left halfway, because the user asked to stop."""


class StopRequest:
    """Whether the user has asked to stop, by Ctrl-C or SIGTERM."""

    def __init__(self) -> None:
        self.asked = False
        self.leaves_at_once = False

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, what is going on is left when the user asks; it must be something that can be left."""
        self.leaves_at_once = True
        try:
            yield
        except _Left:
            pass
        finally:
            self.leaves_at_once = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within, the first signal asks to stop after the round; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: object) -> None:
            if self.asked:
                raise KeyboardInterrupt
            self.asked = True
            if self.leaves_at_once:
                raise _Left

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
