"""Run verbs of the program side by side, each in a process of its own, and watch what they print and when.

One process imports the program once and forks a child for each verb. The children are slowed, so that verbs on tiny
models last as long as those on large ones; or they get stuck inside an operation that no signal handler can leave.

Reads from standard input, as JSON by name, what to run: `arguments`, and for a child that is to get stuck `calls`, the
operation in which it does. Writes, by name: the exit code, seconds, the longest gap without a line, all lines, and for
stuck children the seconds from the signal to the end.
"""

from __future__ import annotations

import ctypes
import json
import os
import selectors
import signal
import sys
import time
from typing import Any

import lightning_fabric  # noqa: F401 - what the children would import each by themselves
import matplotlib.pyplot  # noqa: F401
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch
from torch.nn import functional

import triptych.cli.app
import triptych.comparison.compare
import triptych.queries
import triptych.reports
import triptych.training.loop  # noqa: F401
from triptych.cli.program import main

SLEEP, SLEEPS = 1.0, 6
"""Seconds that each of a child's first operations takes longer, and how many do."""
AT_ONCE = 6


def slowed(operation: Any, counted: list[int], calls: int | None) -> Any:
    def slow(*given: Any, **more: Any) -> Any:
        counted[0] += 1
        if calls is not None and counted[0] == calls:
            sys.stderr.write("stuck\n")
            sys.stderr.flush()
            stuck()
        if counted[0] <= SLEEPS:
            time.sleep(SLEEP)
        return operation(*given, **more)

    return slow


def stuck() -> None:
    """Wait for a lock that this thread itself holds: outside of Python, where no signal's handler can run."""
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(128)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)


class Child:
    """A verb in a process of its own."""

    def __init__(self, name: str, arguments: list[str], calls: int | None) -> None:
        self.name, self.calls = name, calls
        self.started = self.spoken = time.monotonic()
        self.gap, self.text, self.signalled = 0.0, "", 0.0
        self.output, end = os.pipe()
        self.number = os.fork()
        if self.number == 0:
            os.close(self.output)
            run(arguments, end, calls)
        os.close(end)

    def read(self) -> bool:
        """Take in what was printed; return whether there is more to come."""
        content = os.read(self.output, 1 << 16)
        now = time.monotonic()
        self.gap, self.spoken = max(self.gap, now - self.spoken), now
        self.text += content.decode(errors="replace")
        if self.calls is not None and not self.signalled and "stuck\n" in self.text:
            time.sleep(0.3)
            self.signalled = time.monotonic()
            os.kill(self.number, signal.SIGTERM)
        return bool(content)

    def ended(self) -> dict[str, Any]:
        _, status = os.waitpid(self.number, 0)
        now = time.monotonic()
        return {
            "code": os.waitstatus_to_exitcode(status),
            "seconds": now - self.started,
            "gap": max(self.gap, now - self.spoken),
            "lines": self.text.splitlines(),
            "ending": now - self.signalled if self.signalled else None,
        }


def run(arguments: list[str], end: int, calls: int | None) -> None:
    os.dup2(end, 1)
    os.dup2(end, 2)
    counted = [0]
    for name in ("linear", "conv2d"):
        setattr(functional, name, slowed(getattr(functional, name), counted, calls))
    code: Any = 70
    try:
        main(arguments)
    except SystemExit as exit:
        code = exit.code
    finally:
        sys.stdout.flush()
        os._exit(code)


def watched(jobs: dict[str, Any]) -> dict[str, Any]:
    waiting, found = list(jobs.items()), {}
    selector = selectors.DefaultSelector()
    while waiting or selector.get_map():
        while waiting and len(selector.get_map()) < AT_ONCE:
            name, job = waiting.pop(0)
            child = Child(name, job["arguments"], job["calls"])
            selector.register(child.output, selectors.EVENT_READ, child)
        for key, _ in selector.select():
            if not key.data.read():
                selector.unregister(key.fd)
                os.close(key.fd)
                found[key.data.name] = key.data.ended()
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    json.dump(watched(json.load(sys.stdin)), sys.stdout)
