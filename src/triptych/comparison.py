"""Train what is missing under one budget, measure everything under one protocol, write it side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.assessment import Assessment, Trained, load_run, records_of
from triptych.catalogue import CATALOGUE, build, find
from triptych.data.examples import Examples
from triptych.data.load import hold_out
from triptych.errors import CheckpointError, ConfigurationError, DataError, NonFiniteError, did_you_mean
from triptych.evaluation.measure import reference
from triptych.event import Event
from triptych.reports import Panel, terminal_table, write_report
from triptych.training import fit, load
from triptych.training.checkpoint import read_description
from triptych.training.rundir import read_config

VALIDATED = 0.1
"""Share of the training split on which the best weights are chosen, the same for all."""


def compare(
    models: Sequence[str],
    train: Examples,
    test: Examples,
    *,
    out: str | Path,
    minutes: float | None = None,
    steps: int | None = None,
    batch_size: int = 64,
    seed: int = 0,
    overwrite: bool = False,
    quiet: bool = False,
    command: str | None = None,
) -> list[Panel]:
    """Train models under one budget, measure them under one protocol, and write a report.

    Every model sees the same examples: a tenth of the training split is held out to choose the weights of
    those that bound log p(x). Models that are already trained in `out` are not trained again, those that were
    interrupted go on.

    Args:
        models: names of the catalogue, or run directories.
        train: training split.
        test: held-out split.
        out: directory of the report, and of a run for each name.
        minutes: training time of each.
        steps: or its training rounds.
        batch_size: examples in a minibatch.
        seed: of all that is random.
        overwrite: drop runs of another configuration that are there.
        quiet: print neither progress nor the table.
        command: what the user typed, for the report.

    Returns:
        A panel for each model, in the order given.

    Raises:
        ConfigurationError: for a name that is neither a model nor a run, or given twice.
        DataError: for a run of other data.
        CheckpointError: if `out` holds something else.
    """
    out = Path(out)
    check_names(models, train)
    share = VALIDATED if train.resident else 0.0
    rest, valid = hold_out(train, share, seed)
    budget = {"minutes": minutes, "steps": steps, "batch_size": batch_size}
    trained = [
        load_run(Path(name))
        if name not in CATALOGUE
        else train_one(name, rest, valid, out / name, budget, seed=seed, overwrite=overwrite, quiet=quiet)
        for name in models
    ]
    assessed = Assessment(trained, train, test, seed=seed)
    here = any(name in CATALOGUE for name in models)
    chosen = {**budget, "validation_share": share} if here else {}  # runs have settings of their own
    panels, real, protocol = assessed.panels(), reference(assessed.protocol), assessed.protocol
    write_report(
        out,
        panels,
        protocol,
        commands=[command] if command else [],
        settings={k: v for k, v in chosen.items() if v is not None},
        real=real,
    )
    if not quiet:
        from rich.console import Console

        Console().print(terminal_table([panel.measures for panel in panels], real, protocol))
        for panel in panels:
            for finding in panel.findings:
                print(f"{panel.measures.name}: {finding}")
        print(f"report: {out / 'report.html'}")
    return panels


def check_names(models: Sequence[str], train: Examples, only_runs: bool = False) -> None:
    """Raise before any training if a name is unknown or double, or a run is of other data or another split.

    Args:
        models: names of the catalogue, or run directories.
        train: the training split.
        only_runs: whether all must be run directories.
    """
    for name in models:
        if list(models).count(name) > 1:
            raise ConfigurationError(f"{name} was given twice: expected each model once")
        if name in CATALOGUE and not only_runs:
            if (Path(name) / "model.json").exists():
                raise ConfigurationError(f"{name} is a model, and a run here: write ./{name} for the run")
            continue
        if not Path(name).is_dir():
            hint = did_you_mean(name, CATALOGUE)
            raise ConfigurationError(f"{name!r} is neither a model nor a run directory; {hint}")
        _check_data(Path(name), train)


def _check_data(run: Path, train: Examples) -> None:
    """Raise if a run is of other examples, or was trained on another split: it would be tested on what it saw."""
    event = Event.from_dict(read_description(run)["event"])
    if not event.same_space(train.event):
        raise DataError(f"{run} was trained on {event}, the data is {train.event}: choose runs on the same data")
    if not (run / "config.yaml").exists():
        return
    there, here = read_config(run / "config.yaml")["data"], train.source
    if there.get("spec") != here.get("spec"):
        return
    for option in sorted((set(there) | set(here)) - {"validate", "skip_bad"}):
        if there.get(option) != here.get(option):
            name = "data_seed" if option == "seed" else option
            raise DataError(
                f"{run} was trained on another split of {here['spec']} ({name}: {there.get(option)} there, "
                f"{here.get(option)} here) and would be tested on what it saw: give --{name.replace('_', '-')} as there"
            )


def train_one(
    name: str,
    train: Examples,
    valid: Examples | None,
    run: Path,
    budget: Mapping[str, Any],
    *,
    seed: int,
    overwrite: bool,
    quiet: bool,
    arguments: Mapping[str, Any] | None = None,
) -> Trained:
    """Train a model of the catalogue in `run`, or go on with what is there."""
    find(name)
    _check_budget(run, budget, overwrite)
    model = build(name, train.event, seed=seed, **(arguments or {}))
    findings: list[str] = []
    diverged = False
    try:
        done = fit(
            model,
            train,
            valid,
            run=run,
            resume=not overwrite and (run / "config.yaml").exists(),
            overwrite=overwrite,
            seed=seed,
            progress=not quiet,
            **budget,
        )
        findings += done.notes
    except NonFiniteError as error:
        findings.append(str(error))
        diverged = True
        model = load(run)
    return Trained(name, model, run, records_of(run), tuple(findings), diverged)


def _check_budget(run: Path, budget: Mapping[str, Any], overwrite: bool) -> None:
    """Raise if what is there was trained under another budget: the comparison would not be fair."""
    if overwrite or not (run / "config.yaml").exists():
        return
    there = read_config(run / "config.yaml")["training"]
    for name in ("minutes", "steps"):
        if there.get(name) != budget[name]:
            raise CheckpointError(
                f"{run} was trained under another budget ({name}: {there.get(name)} there, {budget[name]} here): "
                "choose another --out, or --overwrite"
            )
