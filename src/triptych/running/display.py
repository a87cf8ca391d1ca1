"""How tasks under way are shown: on a terminal a bar for each nested one, elsewhere a line every second.

Elsewhere a line is printed whenever `SILENCE` seconds have passed without one, so a log shows that the program is alive
and how far it is. A thread of its own does both, so one long operation of torch cannot silence it.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.running.progress import Task

SILENCE = 1.0
"""Seconds without a line after which a log gets one."""
MARK = "… "
"""Begins each such line, so that a log can be searched for the others."""
REFRESH = 0.2
"""Seconds between two looks at the tasks."""
DELAY = 0.5
"""Seconds that a task must last before a terminal shows it."""


class Display:
    """The tasks under way, and the thread that shows them."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.openings = 0
        self.spoken = 0.0
        self.lock = threading.RLock()
        self.bars: Any = None
        self.ended = threading.Event()
        self.thread: threading.Thread | None = None

    def open(self) -> None:
        """Show the tasks from now on, if no display is open yet."""
        with self.lock:
            self.openings += 1
            if self.openings > 1:
                return
            self.spoken = time.monotonic()
            self.ended = threading.Event()
            self.thread = threading.Thread(target=self._watch, args=(self.ended,), name="progress", daemon=True)
            self.thread.start()

    def close(self) -> None:
        """End what `open` began; the last one to close hides the tasks."""
        with self.lock:
            self.openings -= 1
            if self.openings:
                return
            self.ended.set()
            self._hide()

    def say(self, line: str) -> None:
        """Print a line, above the bars if there are any."""
        with self.lock:
            self.spoken = time.monotonic()
            if self.bars is not None:
                self.bars.print(line)
            else:
                print(line, file=sys.stderr, flush=True)

    def remove(self, task: Task) -> None:
        """Take a task off, because it has ended."""
        with self.lock:
            if task in self.tasks:
                self.tasks.remove(task)
            if not self.tasks:
                self._hide()

    def abandon(self) -> None:
        """Hide all tasks at once, because the process ends."""
        if self.lock.acquire(timeout=0.2):  # never wait for a thread that is stuck
            self.ended.set()
            self._hide()
            self.lock.release()
        elif sys.stderr.isatty():
            print("\x1b[?25h", end="", file=sys.stderr, flush=True)  # bars hide the cursor

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(REFRESH):
            with self.lock:
                if not ended.is_set() and self.tasks:
                    self._show()

    def _show(self) -> None:
        now = time.monotonic()
        if sys.stderr.isatty():
            if self.bars is None and now - self.tasks[0].started >= DELAY:
                from triptych.running.bars import Bars

                self.bars = Bars()
            if self.bars is not None:
                self.bars.show(self.tasks)
        elif now - self.spoken >= SILENCE - REFRESH:
            self.say(MARK + " · ".join(map(str, self.tasks)))

    def _hide(self) -> None:
        if self.bars is not None:
            self.bars.stop()
            self.bars = None
