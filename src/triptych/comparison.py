"""Train what is missing under one budget, measure everything under one protocol, write it side by side."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from triptych.catalogue import CATALOGUE, build, find
from triptych.data.examples import Examples
from triptych.data.load import hold_out
from triptych.errors import CheckpointError, ConfigurationError, DataError, NonFiniteError, did_you_mean
from triptych.evaluation.measure import Measures, measure, reference
from triptych.evaluation.metrics import Subject
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.studies import Table, find_study
from triptych.event import Event
from triptych.models.base import Model
from triptych.models.questions import Sampler
from triptych.reports import Panel, terminal_table, write_report
from triptych.training import fit, load
from triptych.training.checkpoint import read_description
from triptych.training.logging import Record, read_metrics
from triptych.training.rundir import read_config

VALIDATED = 0.1
"""Share of the training split on which the best weights are chosen, the same for all."""


@dataclass(frozen=True)
class Trained:
    """A model and how it came to be.

    Args:
        name: how reports call it.
        model: ready to be asked.
        run: its run directory.
        records: lines of its `metrics.jsonl`.
        findings: what a reader must know of its training.
        diverged: whether its training ended in figures that are not finite.
    """

    name: str
    model: Model
    run: Path
    records: Sequence[Record]
    findings: tuple[str, ...] = ()
    diverged: bool = False

    @property
    def rounds(self) -> int | None:
        """Rounds that it was trained for, if they were recorded."""
        return int(self.records[-1]["step"]) if self.records else None

    @property
    def seconds(self) -> float | None:
        """Its training time, if it was recorded."""
        return self.records[-1]["seconds"] if self.records else None


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
    panels, real, protocol = measure_all(trained, train, test, seed=seed)
    write_report(
        out,
        panels,
        protocol,
        commands=[command] if command else [],
        settings={**{k: v for k, v in budget.items() if v is not None}, "validation_share": share},
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
    return Trained(name, model, run, _records(run), tuple(findings), diverged)


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


def load_run(run: Path) -> Trained:
    """Load a trained model and the records of its training."""
    return Trained(str(run), load(run), run, _records(run))


def _records(run: Path) -> list[Record]:
    metrics = run / "metrics.jsonl"
    return read_metrics(metrics) if metrics.exists() else []


def measure_all(
    trained: Sequence[Trained], train: Examples, test: Examples, *, seed: int
) -> tuple[list[Panel], Measures, Protocol]:
    """Measure models under one protocol, all on the same device.

    Returns:
        A panel for each, the same measures of real data, and the protocol.
    """
    name = Path(str(train.source.get("spec", "data"))).stem
    device = "cuda" if torch.cuda.is_available() else "cpu"
    models = [one.model.to(device) for one in trained]
    samples = min(affordable_samples(models), len(test), len(train))
    protocol = Protocol.prepare(train, test, data=name, seed=seed, samples=samples)
    panels = []
    for one, model, shown in zip(trained, models, short_names([one.name for one in trained]), strict=True):
        measures = measure(shown, model, protocol, training_seconds=one.seconds, training_rounds=one.rounds)
        panels.append(Panel(measures, one.records, str(one.run), one.findings, one.diverged))
    return panels, reference(protocol), protocol


def studied(name: str, trained: Sequence[Trained], train: Examples, test: Examples, *, seed: int) -> dict[str, Table]:
    """Return what a study finds of each model, by the model's short name.

    Args:
        name: of the study.
        trained: the models.
        train: training split.
        test: held-out split.
        seed: of all that is drawn.

    Raises:
        ConfigurationError: for an unknown study.
        UserError: where a model or the data have no answer to it.
    """
    ask = find_study(name)
    protocol = Protocol.prepare(train, test, data=Path(str(train.source.get("spec", "data"))).stem, seed=seed)
    names = short_names([one.name for one in trained])
    return {shown: ask(Subject(one.model, protocol)) for one, shown in zip(trained, names, strict=True)}


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each path where that tells them apart, else all of it.

    >>> short_names(["runs/a/vae", "gan"]), short_names(["runs/a/vae", "runs/b/vae"])
    (['vae', 'gan'], ['runs/a/vae', 'runs/b/vae'])
    """
    last = [Path(name).name for name in names]
    return [part if last.count(part) == 1 else name for part, name in zip(last, names, strict=True)]


def affordable_samples(models: Sequence[Model]) -> int:
    """Return how many samples of each are compared: what the slowest draws in about a minute, 100 to 1000."""
    slowest = 0.0
    for model in models:
        if isinstance(model, Sampler):
            slowest = max(slowest, min(_seconds_a_sample(model) for _ in range(3)))  # a busy neighbour is not slowness
    return int(min(1000, max(100, 60 / max(slowest, 1e-9))))


def _seconds_a_sample(model: Sampler) -> float:
    started = time.perf_counter()
    model.sample(4, label=model.any_label, seed=0)
    return (time.perf_counter() - started) / 4
