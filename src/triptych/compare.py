"""Train what is missing under one budget, measure everything under one protocol, write it side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from triptych.catalogue import CATALOGUE, build, find
from triptych.data.examples import Examples
from triptych.data.load import hold_out
from triptych.errors import ConfigurationError, DataError, NonFiniteError, did_you_mean
from triptych.evaluation.measure import Measures, measure, reference
from triptych.evaluation.protocol import Protocol
from triptych.models.base import Model
from triptych.reports import Panel, terminal_table, write_report
from triptych.training import fit, load
from triptych.training.logging import Record, read_metrics

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
    """

    name: str
    model: Model
    run: Path
    records: Sequence[Record]
    findings: tuple[str, ...] = ()

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
        print(f"report: {out / 'report.html'}")
    return panels


def check_names(models: Sequence[str], train: Examples) -> None:
    """Raise before any training if a name is unknown or double, or a run is of other data."""
    for name in models:
        if list(models).count(name) > 1:
            raise ConfigurationError(f"{name} was given twice: expected each model once")
        if name in CATALOGUE:
            continue
        if not Path(name).is_dir():
            raise ConfigurationError(
                f"{name!r} is neither a model nor a run directory; {did_you_mean(name, CATALOGUE)}"
            )
        event = load(name).event
        if event != train.event:
            raise DataError(f"{name} was trained on {event}, the data is {train.event}: choose runs on the same data")


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
) -> Trained:
    """Train a model of the catalogue in `run`, or go on with what is there."""
    find(name)
    model = build(name, train.event, seed=seed)
    findings: list[str] = []
    try:
        done = fit(
            model,
            train,
            valid,
            run=run,
            resume=not overwrite,
            overwrite=overwrite,
            seed=seed,
            progress=not quiet,
            **budget,
        )
        findings += done.notes
    except NonFiniteError as error:
        findings.append(str(error))
    return Trained(name, model, run, read_metrics(run / "metrics.jsonl"), tuple(findings))


def load_run(run: Path) -> Trained:
    """Load a trained model and the records of its training."""
    metrics = run / "metrics.jsonl"
    return Trained(str(run), load(run), run, read_metrics(metrics) if metrics.exists() else [])


def measure_all(
    trained: Sequence[Trained], train: Examples, test: Examples, *, seed: int
) -> tuple[list[Panel], Measures, Protocol]:
    """Measure models under one protocol, all on the same device.

    Returns:
        A panel for each, the same measures of real data, and the protocol.
    """
    name = Path(str(train.source.get("spec", "data"))).stem
    protocol = Protocol.prepare(train, test, data=name, seed=seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    panels = []
    for one in trained:
        measures = measure(one.name, one.model.to(device), protocol, training_seconds=one.seconds)
        panels.append(Panel(measures, one.records, str(one.run), one.findings))
    return panels, reference(protocol), protocol
