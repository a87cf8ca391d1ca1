"""`triptych compare`: train models under one budget and measure them side by side."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli.options import COMMON, Data, Features, Seed, command, data_parameters, load_data, parameter
from triptych.cli.shared_options import Threads

COMPARE = "Train models under one budget, measure them, and write a report of them side by side."


def _compare(given: dict[str, Any]) -> None:
    from triptych.comparison.compare import compare

    train, test = load_data(given["data"], given)
    budget = {name: given[name] for name in ("minutes", "steps") if given[name] is not None}
    compare(
        given["models"],
        train,
        test,
        out=given["out"],
        seed=given["seed"],
        seeds=given["seeds"],
        extractor=given["features"],
        batch_size=given["batch_size"],
        overwrite=given["overwrite"],
        quiet=given["quiet"],
        threads=given["threads"],
        command=shlex.join(["triptych", *sys.argv[1:]]),
        **(budget or {"minutes": 1.0}),
    )


def compare_verb() -> Callable[..., None]:
    """Return the command `compare`."""
    names = Annotated[
        list[str], typer.Argument(metavar="MODEL|RUN...", help="Names of the catalogue, or run directories.")
    ]
    minutes = Annotated[float | None, typer.Option("--minutes", help="Training time of each model; 1 unless --steps.")]
    steps = Annotated[int | None, typer.Option("--steps", help="Training rounds of each model.")]
    seeds = Annotated[
        int, typer.Option("--seeds", help="Trainings of each model: figures are means, errors contain the spread.")
    ]
    out = Annotated[Path, typer.Option("--out", help="Where the runs and the report go.")]
    batch = Annotated[int, typer.Option("--batch-size", help="Examples in a minibatch.")]
    overwrite = Annotated[bool, typer.Option("--overwrite", help="Drop what is there of another comparison.")]
    parameters = [
        parameter("models", names),
        parameter("data", Data),
        parameter("out", out, Path("runs/compare")),
        parameter("minutes", minutes, None),
        parameter("steps", steps, None),
        parameter("seeds", seeds, 1),
        parameter("batch_size", batch, 64),
        parameter("features", Features, "auto"),
        parameter("overwrite", overwrite, False),
        *data_parameters(),
        parameter("seed", Seed, 0),
        parameter("threads", Threads, "auto"),
        *COMMON,
    ]
    return command(_compare, "compare", COMPARE, parameters)
