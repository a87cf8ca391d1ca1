"""Trained models for the verbs, and the number of threads that answers are computed with."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.cli.options import Debug, parameter
from triptych.cli.shared_options import Threads

if TYPE_CHECKING:
    from triptych.models.base import Model


class _Verb:
    """The verb that runs: what it was asked, and what ends with it."""

    asked = "auto"
    ends: ExitStack | None = None


def with_program_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Return a verb that also takes `--debug` and `--threads`, which are the program's.

    `program` reads the first; the first model that the verb loads settles the number of threads.
    """

    @functools.wraps(verb)
    def run(debug: bool, threads: str, **given: Any) -> None:
        _Verb.asked = threads
        with ExitStack() as _Verb.ends:
            verb(**given)

    hints = {**typing.get_type_hints(verb, include_extras=True), "debug": Debug, "threads": Threads}
    own = [p.replace(annotation=hints[p.name]) for p in inspect.signature(verb).parameters.values()]
    added = [parameter("debug", Debug, False), parameter("threads", Threads, "auto")]
    run.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    run.__annotations__ = hints
    return run


def load(run: Path) -> Model:
    """Load a trained model, and settle the number of threads if the verb takes `--threads`."""
    from triptych.training import load as load_run

    model = load_run(run)
    if _Verb.ends is not None:
        from triptych.evaluation.cost.effort import threads_for

        _Verb.ends.enter_context(threads_for([model], _Verb.asked))
        _Verb.ends = None
    return model
