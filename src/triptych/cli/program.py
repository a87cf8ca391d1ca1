"""The program `triptych`: how it starts, and how it ends.

It answers to signals before it imports its verbs, which takes a tenth of a second.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from triptych.errors import Interrupted, UserError
from triptych.running import interruption, progress

USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> None:
    """Run the program: 0 if all went well, 2 for a user's error, 130 or 143 if interrupted, 1 for a defect."""
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    sys.argv[1:] = given  # what a report says was typed, and what further processes are started with
    warnings.showwarning = _warn
    with interruption.guarded(ends=arguments is None):
        try:
            with interruption.raising():
                code = _run(given)
        except KeyboardInterrupt:
            interruption.ignore()
            _say("interrupted")
            code = interruption.exit_code()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except Exception as error:
            interruption.ignore()
            code = _explain(error, debug="--debug" in given)
    if arguments is None and interruption.caught():
        interruption.leave()
    sys.exit(code if isinstance(code, int) else 0)


def _run(given: list[str]) -> Any:
    """Run a verb, and return what it returns."""
    import typer

    from triptych.cli.app import app

    try:
        with progress.shown("--quiet" not in given), progress.task(given[0]):
            code = app(args=given, standalone_mode=False, prog_name="triptych")
    except typer.Abort:
        raise KeyboardInterrupt from None
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C, which it gives without a word
        raise KeyboardInterrupt
    return code


def _out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out; torch says so of the CPU's by the text alone."""
    accelerators = isinstance(error, RuntimeError) and "out of memory" in str(error)
    return isinstance(error, MemoryError) or accelerators or "can't allocate memory" in str(error)


def _explain(error: Exception, debug: bool) -> int:
    """Print an error as one line, and return the exit code that it stands for."""
    usage = getattr(error, "format_message", None)
    if debug and usage is None:
        raise error
    if isinstance(error, Interrupted):
        _say(f"{error}")
        return interruption.exit_code()
    if interruption.caught() and not isinstance(
        error, UserError
    ):  # as when the other processes of a training end first
        _say("interrupted")
        return interruption.exit_code()
    if isinstance(error, UserError):
        _say(f"error: {error}")
        return USER_ERROR
    if isinstance(error, OSError) and error.strerror:
        import errno

        where = f"{error.filename}: " if error.filename else ""
        room = ", or make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
        _say(f"error: {where}{error.strerror}: choose another place{room}")
        return USER_ERROR
    if _out_of_memory(error):
        _say("error: not enough memory for what was asked: try a smaller size, such as of the model or the minibatch")
        return USER_ERROR
    if usage is not None:  # typer's own: an unknown option, a missing argument
        context = getattr(error, "ctx", None)
        where = f" (see `{context.command_path} --help`)" if context is not None else ""
        _say(f"error: {usage()}{where}")
        return USER_ERROR
    _say(f"defect: {type(error).__name__}: {error} (run again with --debug for the traceback, and please report it)")
    return 1


def _say(line: str) -> None:
    print(" ".join(line.split()), file=sys.stderr, flush=True)


def _warn(message: Any, *_: Any, **__: Any) -> None:
    _say(f"warning: {message}")
