"""Run the real program in a real process."""

import contextlib
import io
import os
import subprocess
import sys

from tests.forked import Forked
from triptych.cli.program import main
from triptych.running.display import MARK

PROGRAM = [sys.executable, "-m", "triptych"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}


def call(*arguments):
    """Run the program in this process, which saves starting one; return exit code, output and errors."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as ended:
            return ended.code, out.getvalue(), told(err.getvalue())
    raise AssertionError("the program did not end by itself")


def told(err):
    """Return what was printed on standard error but for the progress lines, which come when the machine is slow."""
    return "".join(line for line in err.splitlines(keepends=True) if not line.startswith(MARK))


def well(*arguments):
    """Run the program in this process; it must end well. Return its output."""
    code, out, err = call(*arguments)
    assert code == 0, err
    return out


def refused(*arguments):
    """Run the program in this process; it must end with a user's error. Return its one line."""
    code, out, err = call(*arguments)
    assert code == 2, (code, out, err)
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    return lines[0]


def forked(*arguments, **options):
    """Start the program in a process of its own, with torch already imported; return the process."""
    return Forked(["-m", "triptych", *map(str, arguments)], **{"env": ENVIRONMENT, **options})


def start(*arguments, **options):
    """Start the program as a user does, and return the process."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"env": ENVIRONMENT, **options},
    )


def run(*arguments, **options):
    """Run the program to its end; return exit code, output and errors."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, told(err)
