"""`triptych train MODEL`: every model's own options, the data's, and the loop's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.catalogue import CATALOGUE
from triptych.cli.lazy import HELP, Lazy, lazy_group
from triptych.cli.options import (
    COMMON,
    Data,
    Debug,
    Quiet,
    Seed,
    command,
    data_parameters,
    load_data,
    parameter,
    parameters_of,
)
from triptych.errors import ConfigurationError

DEFAULT_MINUTES = 1.0
_FIT_ALONE = ("progress", "run", "seed")


Out = Annotated[Path | None, typer.Option("--out", help="Run directory; else runs/MODEL-DATA.")]
Share = Annotated[
    float,
    typer.Option("--validate", help="Share of the training split held out to choose the best weights; 0 for none."),
]


def _replay(
    ctx: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="Replay the config.yaml of a run.")] = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in the directory.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Drop the run that is in the directory.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    if ctx.invoked_subcommand is not None:
        if config is not None:
            raise ConfigurationError("--config replays a whole run: leave the model's name away")
        return
    if config is None:
        raise ConfigurationError(f"no model was named: triptych train MODEL, one of {', '.join(CATALOGUE)}")
    if out is None:
        raise ConfigurationError("--config replays a run into a new directory: give --out, too")
    replay(config, out, resume=resume, overwrite=overwrite, quiet=quiet)


def _train_verb(name: str) -> Callable[..., None]:
    """Return the command that trains the model called `name`."""
    from triptych.training import fit

    entry = CATALOGUE[name]
    parameters = [
        parameter("data", Data),
        parameter("out", Out, None),
        parameter("validate", Share, 0.0),
        *parameters_of(entry.model, "Model", without=["event"], defaults=entry.arguments),
        *parameters_of(fit, "Training", without=_FIT_ALONE),
        *data_parameters(),
        parameter("seed", Seed, 0),
        *COMMON,
    ]
    doc = f"""{entry.summary[0].upper()}{entry.summary[1:]} ({entry.reference}).

    Trains for {DEFAULT_MINUTES:g} minute unless --steps, --epochs or --minutes says otherwise.
    """
    return command(lambda given: _train(name, given), name, doc, parameters)


def _train(name: str, given: dict[str, Any]) -> None:
    from triptych.training import fit

    entry = CATALOGUE[name]
    arguments = {n: given[n] for n in list(inspect.signature(entry.model).parameters)[1:] if n in given}
    options = {n: given[n] for n in inspect.signature(fit).parameters if n in given and n not in _FIT_ALONE}
    out = given["out"] or Path("runs") / f"{name}-{Path(given['data'].split(':')[-1]).stem}"
    train, _ = load_data(given["data"], given)
    if all(options[budget] is None for budget in ("steps", "epochs", "minutes")):
        options["minutes"] = DEFAULT_MINUTES
    _run(name, arguments, train, given["validate"], {**options, "seed": given["seed"]}, out, given["quiet"])


def replay(config: Path, out: Path, *, resume: bool, overwrite: bool, quiet: bool) -> None:
    """Train again what a `config.yaml` describes, into another directory.

    Raises:
        ConfigurationError: for a configuration that the command line did not write.
    """
    from triptych.data import load
    from triptych.training.rundir import read_config

    stored = read_config(config)
    missing = {"model", "arguments", "data", "training"} - set(stored)
    if missing or "spec" not in stored["data"]:
        raise ConfigurationError(
            f"{config} cannot be replayed: it has no {', '.join(sorted(missing)) or 'data spec'}; "
            "runs of `triptych train` can"
        )
    data = dict(stored["data"])
    share = data.pop("validate", 0.0)
    train, _ = load(data.pop("spec"), progress=not quiet, **data)
    options = {**stored["training"], "resume": resume, "overwrite": overwrite}
    _run(stored["model"], stored["arguments"], train, share, options, out, quiet)


def _run(
    name: str, arguments: dict[str, Any], train: Any, share: float, options: dict[str, Any], out: Path, quiet: bool
) -> None:
    from triptych.catalogue import build
    from triptych.data import hold_out
    from triptych.training import fit

    train, valid = hold_out(train, share, seed=options["seed"])
    model = build(name, train.event, seed=options["seed"], **arguments)
    done = fit(model, train, valid, run=out, progress=not quiet, **options)
    if done.rank == 0 and not quiet:
        typer.echo(f"{name}: {done.steps:,} steps, {done.seconds:.1f} s of training; saved in {out}")
        typer.echo(f"next: triptych sample {out} -n 64 -o samples.png")


train_app = typer.Typer(
    cls=lazy_group(
        {name: Lazy(entry.summary, partial(_train_verb, name)) for name, entry in CATALOGUE.items()}, "model"
    ),
    invoke_without_command=True,
    callback=_replay,
    help="Train a model. `triptych train MODEL --help` lists the model's own options.",
    context_settings=HELP,
)
