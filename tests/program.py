"""Run the real program in a real process."""

import os
import subprocess
import sys

PROGRAM = [sys.executable, "-m", "triptych"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1"}


def start(*arguments, **options):
    """Start the program and return the process."""
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
    return process.returncode, out, err
