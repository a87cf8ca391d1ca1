"""Processes that need not import torch: a server imports what all of them need, once, and forks each one.

A start of Python with torch costs three to eight seconds of processor time, a fork some milliseconds. The server
imports nothing of triptych, so that a process may read another copy of it.
"""

from __future__ import annotations

import io
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

CONTEXT = get_context("spawn" if sys.platform == "win32" else "forkserver")
CONTEXT.set_forkserver_preload(
    ["torch", "torch._dynamo", "lightning_fabric", "matplotlib.pyplot", "scipy.stats", "sklearn.datasets"]
)


class Forked:
    """`python -m MODULE …` or `python -c TEXT …` in a process of its own; the methods are those of `Popen`."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | Path | None = None) -> None:
        self._files = []
        for _ in range(2):
            number, name = tempfile.mkstemp()
            os.close(number)
            self._files.append(name)
        given = (list(arguments), self._files, str(cwd or os.getcwd()), dict(env))
        self._process = CONTEXT.Process(target=be, args=given)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end; return what was printed."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout)
        out, err = (Path(name).read_text() for name in self._files)
        for name in self._files:
            os.unlink(name)
        return out, err


def be(arguments: list[str], files: list[str], place: str, env: dict[str, str]) -> None:
    """Be the process: print into the files, and run what the arguments of Python name."""
    for number, name in enumerate(files, 1):
        os.dup2(os.open(name, os.O_WRONLY | os.O_APPEND), number)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb"), line_buffering=True) for n in (1, 2))
    os.chdir(place)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:0] = [path for path in env.get("PYTHONPATH", "").split(os.pathsep) if path]
    kind, what, *rest = arguments
    sys.argv = [kind, *rest]
    if kind == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<script>", "exec"), {"__name__": "__main__"})
