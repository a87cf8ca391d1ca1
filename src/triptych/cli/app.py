"""The program `triptych`: its verbs, and how it ends."""

from __future__ import annotations

import errno
import os
import sys
import warnings
from typing import Annotated, Any

import typer

from triptych.cli.arithmetic import arithmetic
from triptych.cli.classify import classify
from triptych.cli.compare import COMPARE, compare_verb
from triptych.cli.complete import complete
from triptych.cli.compress import compress
from triptych.cli.denoise import denoise
from triptych.cli.diagnose import diagnose
from triptych.cli.encode import encode, reconstruct
from triptych.cli.evaluate import EVALUATE, evaluate_verb
from triptych.cli.invert import invert
from triptych.cli.joint import joint
from triptych.cli.lazy import HELP, Lazy, lazy_group
from triptych.cli.loading import with_threads
from triptych.cli.models import explain, models
from triptych.cli.quiz import quiz
from triptych.cli.sample import sample
from triptych.cli.score import score
from triptych.cli.train import recipes, train_app
from triptych.cli.traverse import traverse
from triptych.cli.walks import interpolate, manifold
from triptych.errors import Interrupted, UserError
from triptych.running import interruption, progress

USER_ERROR = 2
INTERRUPTED = 130

_VERBS = {"evaluate": Lazy(EVALUATE, evaluate_verb), "compare": Lazy(COMPARE, compare_verb)}

app = typer.Typer(
    name="triptych",
    cls=lazy_group(_VERBS, "command"),
    help="Train, sample, score and compare every classic family of deep generative model on your own data.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
app.command()(models)
app.command()(explain)
app.command()(recipes)
app.command()(diagnose)
app.add_typer(train_app, name="train")
app.command()(with_threads(sample))
app.command()(with_threads(complete))
app.command()(with_threads(reconstruct))
app.command()(with_threads(encode))
app.command()(with_threads(invert))
app.command()(with_threads(interpolate))
app.command()(with_threads(traverse))
app.command()(with_threads(manifold))
app.command()(with_threads(joint))
app.command()(with_threads(arithmetic))
app.command()(with_threads(score))
app.command()(with_threads(classify))
app.command()(with_threads(quiz))
app.command()(with_threads(denoise))
app.command()(with_threads(compress))


def _version(asked: bool) -> None:
    if asked:
        from triptych.version import __version__

        print(f"triptych {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main(arguments: list[str] | None = None) -> None:
    """Run the program: 0 if all went well, 2 for a user's error, 130 or 143 if interrupted, 1 for a defect."""
    given = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    sys.argv[1:] = given  # what a report says was typed, and what further processes are started with
    warnings.showwarning = _warn
    with interruption.guarded():
        try:
            with progress.shown("--quiet" not in given), progress.task(given[0]):
                code = app(args=given, standalone_mode=False, prog_name="triptych")
            if code == INTERRUPTED:  # typer's own answer to Ctrl-C, which it gives without a word
                raise KeyboardInterrupt
        except (KeyboardInterrupt, typer.Abort):
            interruption.ignore()
            _say("interrupted")
            code = interruption.exit_code()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except Exception as error:
            interruption.ignore()
            code = _explain(error, debug="--debug" in given)
    sys.exit(code if isinstance(code, int) else 0)


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
