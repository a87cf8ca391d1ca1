"""`triptych train MODEL`: every model's own options, the data's, and the loop's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    check_typed,
    command,
    data_parameters,
    load_data,
    parameter,
    parameters_of,
)
from triptych.config import settings_of
from triptych.errors import ConfigurationError
from triptych.recipes import DATA, RECIPES

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
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Train as a paper did: a name that `triptych recipes` lists.")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Of a recipe: where its data are, if not on the Hugging Face hub.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", help="Of a recipe: train so long instead.")] = None,
    steps: Annotated[int | None, typer.Option("--steps", help="Of a recipe: train so many rounds instead.")] = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that is in the directory.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Drop the run that is in the directory.")] = False,
    seed: Annotated[int | None, typer.Option("--seed", help="Of a recipe: seed of all that is random.")] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    of_recipe = {"--data": data, "--minutes": minutes, "--steps": steps, "--seed": seed}
    if ctx.invoked_subcommand is not None:
        _refuse({"--config": config, "--recipe": recipe}, "trains a whole run: leave the model's name away")
        _refuse(of_recipe, "belongs to the model: give it after the model's name")
        return
    if recipe is not None:
        _refuse({"--config": config}, "says what to train, and so does --recipe: give one of them")
        keeping = {"resume": resume, "overwrite": overwrite, "seed": seed or 0}
        train_recipe(recipe, data, {"minutes": minutes, "steps": steps}, out, keeping, quiet)
        return
    _refuse(of_recipe, "was given without a model or a --recipe: name what to train")
    if config is None:
        raise ConfigurationError(f"no model was named: triptych train MODEL, one of {', '.join(CATALOGUE)}")
    if out is None:
        raise ConfigurationError("--config replays a run into a new directory: give --out, too")
    replay(config, out, resume=resume, overwrite=overwrite, quiet=quiet)


def _refuse(flags: Mapping[str, Any], why: str) -> None:
    """Raise for the first flag that was given."""
    for flag, value in flags.items():
        if value is not None:
            raise ConfigurationError(f"{flag} {why}")


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
    arguments = {name: given[name] for name in settings_of(entry.model) if name in given}
    options = {n: given[n] for n in settings_of(fit) if n in given and n not in _FIT_ALONE}
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
    from triptych.training import fit
    from triptych.training.rundir import read_config

    stored = read_config(config)
    missing = {"model", "arguments", "data", "training"} - set(stored)
    if missing or "spec" not in stored["data"]:
        raise ConfigurationError(
            f"{config} cannot be replayed: it has no {', '.join(sorted(missing)) or 'data spec'}; "
            "runs of `triptych train` can"
        )
    taking = {"arguments": CATALOGUE.find(str(stored["model"])).model, "data": load, "training": fit}
    for part, function in taking.items():
        check_typed(str(config), stored[part], function)
    data = dict(stored["data"])
    share = data.pop("validate", 0.0)
    train, _ = load(data.pop("spec"), progress=not quiet, **data)
    options = {**stored["training"], "resume": resume, "overwrite": overwrite}
    _run(stored["model"], stored["arguments"], train, share, options, out, quiet)


def train_recipe(
    name: str,
    spec: str | None,
    budget: dict[str, Any],
    out: Path | None,
    keeping: dict[str, Any],
    quiet: bool,
) -> None:
    """Train a model as a paper did, and say what it published.

    Args:
        name: of the recipe.
        spec: where the data are; None for the hub.
        budget: `minutes` or `steps` in place of the recipe's own budget, None where not given.
        out: run directory; None for `runs/NAME`.
        keeping: `resume`, `overwrite` and `seed`.
        quiet: print nothing.

    Raises:
        ConfigurationError: for an unknown recipe, or two budgets.
    """
    from triptych.data import load

    recipe = RECIPES.find(name)
    options = dict(recipe.training)
    given = {amount: value for amount, value in budget.items() if value is not None}
    own = {amount: options.pop(amount) for amount in ("epochs", "minutes", "steps") if amount in options}
    told = [f"{name}: {recipe.model} on {recipe.data}, published {recipe.published}", f"note: {recipe.note}"]
    if given:
        told.append(f"budget: {_named(given)}, in place of the recipe's {_named(own)}")
    if not quiet:
        typer.echo("\n".join(told))
    train, _ = load(spec or DATA[recipe.data], progress=not quiet, **recipe.data_options)
    recipe.check(train.event)
    out = out or Path("runs") / name
    _run(recipe.model, dict(recipe.arguments), train, recipe.validate, options | (given or own) | keeping, out, quiet)
    if not quiet:
        typer.echo(f"published: {recipe.published}; {recipe.protocol}")
        typer.echo(f"reached:   see triptych evaluate {out} {recipe.measured}")


def _named(budget: Mapping[Any, Any]) -> str:
    return ", ".join(f"{value:g} {amount}" for amount, value in budget.items())


def recipes(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the recipes: published results, and where they are from."""
    if as_json:
        import json
        from dataclasses import asdict

        print(json.dumps({name: asdict(recipe) for name, recipe in RECIPES.items()}, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("recipe", "model", "published", "reference"):
        table.add_column(column, overflow="fold", no_wrap=column != "reference")
    for name, recipe in RECIPES.items():
        table.add_row(name, recipe.model, recipe.result, recipe.reference)
    Console().print(table)
    print("\nTo train one: triptych train --recipe NAME --data WHERE-IT-IS.")


def _run(
    name: str, arguments: dict[str, Any], train: Any, share: float, options: dict[str, Any], out: Path, quiet: bool
) -> None:
    from triptych.catalogue import build
    from triptych.cli.models import next_step
    from triptych.data import hold_out
    from triptych.training import fit

    train, valid = hold_out(train, share, seed=options["seed"])
    model = build(name, train.event, seed=options["seed"], **arguments)
    done = fit(model, train, valid, run=out, progress=not quiet, **options)
    if done.rank == 0 and not quiet:
        typer.echo(f"{name}: {done.steps:,} steps, {done.seconds:.1f} s of training; saved in {out}")
        typer.echo(f"next: {next_step(out, model)}")


train_app = typer.Typer(
    cls=lazy_group(
        {name: Lazy(entry.summary, partial(_train_verb, name)) for name, entry in CATALOGUE.items()}, "model"
    ),
    invoke_without_command=True,
    callback=_replay,
    help="Train a model. `triptych train MODEL --help` lists the model's own options.",
    context_settings=HELP,
)
