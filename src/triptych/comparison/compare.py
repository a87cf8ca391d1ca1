"""Train what is missing under one budget, measure everything under one protocol, write it side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from triptych.catalogue import CATALOGUE, build
from triptych.comparison.assessment import Assessment, Trained, data_name, load_run, pooled_panels, records_of
from triptych.comparison.cache import FOLDER, measured_reference
from triptych.data.examples import Examples
from triptych.data.load import hold_out
from triptych.errors import CheckpointError, ConfigurationError, DataError, Interrupted, NonFiniteError, did_you_mean
from triptych.evaluation.cost.effort import threads_for
from triptych.evaluation.features.resolve import resolve_extractor
from triptych.evaluation.measure import Measures
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.studies.duplicates import leak
from triptych.event import Event
from triptych.reports import Panel, check_place, terminal_table, write_report
from triptych.running import progress
from triptych.training import fit, load
from triptych.training.checkpoint import read_description
from triptych.training.rundir import read_config

VALIDATED = 0.1
"""Share of the training split on which the best weights are chosen, the same for all."""


@dataclass(frozen=True)
class Plan:
    """How each model of a comparison is trained.

    Args:
        rest: what they are trained on.
        valid: what their best weights are chosen on.
        budget: `minutes`, `steps` and `batch_size`.
        seed: of the first training of each.
        overwrite: drop runs of another configuration that are there.
        quiet: print no progress.
        threads: of each training, and of what is measured; see `fit`.
    """

    rest: Examples
    valid: Examples | None
    budget: Mapping[str, Any]
    seed: int
    overwrite: bool
    quiet: bool
    threads: str | int = "auto"


def compare(
    models: Sequence[str],
    train: Examples,
    test: Examples,
    *,
    out: str | Path,
    minutes: float | None = None,
    steps: int | None = None,
    seeds: int = 1,
    batch_size: int = 64,
    seed: int = 0,
    extractor: str = "auto",
    overwrite: bool = False,
    quiet: bool = False,
    threads: str | int = "auto",
    command: str | None = None,
) -> list[Panel]:
    """Train models under one budget, measure them under one protocol, and write a report.

    Every model sees the same examples: a tenth of the training split is held out to choose the weights of
    those that bound log p(x). Models that are already trained in `out` are not trained again, those that were
    interrupted go on, and what was measured before is kept.

    Args:
        models: names of the catalogue, or run directories.
        train: training split.
        test: held-out split.
        out: directory of the report, and of a run for each name (`NAME`, `NAME-seed1`, …).
        minutes: training time of each.
        steps: or its training rounds.
        seeds: trainings of each name, each with a seed of its own: figures are means, errors contain the spread.
        batch_size: examples in a minibatch.
        seed: of all that is random.
        extractor: features that samples and data are compared on.
        overwrite: drop runs of another configuration that are there.
        quiet: print neither progress nor the table.
        threads: of each training (see `fit`), and of what is measured; the comparison keeps the number that it
            measures with, and goes on with it.
        command: what the user typed, for the report.

    Returns:
        A panel for each model, in the order given.

    Raises:
        ConfigurationError: for a name that is neither a model nor a run, or given twice, or fewer than 1 seed.
        DataError: for a run of other data.
        CheckpointError: if `out` holds something else.
    """
    out = Path(out)
    check_names(models, train)
    if seeds < 1:
        raise ConfigurationError(f"{seeds} seeds were asked for: expected at least 1 training of each model")
    check_place(out)
    asked = [build(name, train.event, seed=seed) if name in CATALOGUE else load(Path(name)) for name in models]
    with progress.shown(not quiet), threads_for(asked, threads, kept=out / FOLDER / "threads"):
        features = resolve_extractor(extractor, train, test, data=data_name(train), seed=seed)  # before any training
        share = VALIDATED if train.resident else 0.0
        rest, valid = hold_out(train, share, seed)
        budget = {"minutes": minutes, "steps": steps, "batch_size": batch_size}
        plan = Plan(rest, valid, budget, seed, overwrite, quiet, threads)
        trained = [trainings_of(name, plan, out, seeds) for name in progress.track(models, "training")]
        singles = [one for several in trained for one in several]
        assessed = Assessment(singles, train, test, seed=seed, extractor=features)
        panels = pooled_panels(assessed.panels(out / FOLDER), [len(several) for several in trained])
        real = measured_reference(assessed.protocol, out / FOLDER)
        here = any(name in CATALOGUE for name in models)
        with progress.task("looking for test examples in the training split"):
            leaked = leak(assessed.protocol)
        chosen = {**budget, "seeds": seeds, "validation_share": share} if here else {}  # runs have their own settings
        with progress.task("writing the report"):
            write_report(
                out,
                panels,
                assessed.protocol,
                commands=[command] if command else [],
                settings={k: v for k, v in chosen.items() if v is not None},
                real=real,
                notes=[*([leaked] if leaked else []), *(_foreign(models) if here else [])],
            )
    if not quiet:
        _print(panels, real, assessed.protocol, out)
    return panels


def _print(panels: Sequence[Panel], real: Measures, protocol: Protocol, out: Path) -> None:
    from rich.console import Console

    Console().print(terminal_table([panel.measures for panel in panels], real, protocol, main=True))
    for panel in panels:
        for finding in panel.findings:
            print(f"{panel.measures.name}: {finding}")
    print(f"all figures, pictures and the verdict: {out / 'report.html'}")


def trainings_of(name: str, plan: Plan, out: Path, seeds: int) -> list[Trained]:
    """Return a run as it is, or a model of the catalogue trained with each seed.

    Args:
        name: of the catalogue, or a run directory.
        plan: how it is trained.
        out: where its runs go.
        seeds: how many trainings.
    """
    if name not in CATALOGUE:
        return [load_run(Path(name))]
    places = [out / (f"{name}-seed{i}" if i else name) for i in range(seeds)]
    done = [
        train_one(
            name,
            plan.rest,
            plan.valid,
            place,
            plan.budget,
            seed=plan.seed + i,
            overwrite=plan.overwrite,
            quiet=plan.quiet,
            threads=plan.threads,
        )
        for i, place in enumerate(places)
    ]
    return [replace(one, name=place.name) for one, place in zip(done, places, strict=True)]


def _foreign(models: Sequence[str]) -> list[str]:
    """Say which models came trained, and so under a budget of their own."""
    runs = [name for name in models if name not in CATALOGUE]
    if not runs:
        return []
    return [f"{', '.join(runs)} came trained: their budget is their own, and their errors know of one training alone"]


def check_names(models: Sequence[str], train: Examples, only_runs: bool = False) -> None:
    """Raise before any training if a name is unknown or double, or a run is of other data or another split.

    Args:
        models: names of the catalogue, or run directories.
        train: the training split.
        only_runs: whether all must be run directories.
    """
    places = [name if name in CATALOGUE and not only_runs else str(Path(name).resolve()) for name in models]
    for name, place in zip(models, places, strict=True):
        if places.count(place) > 1:
            raise ConfigurationError(f"{name} was given twice: expected each model once")
        if name in CATALOGUE and not only_runs:
            if (Path(name) / "model.json").exists():
                raise ConfigurationError(
                    f"{name} is a model, and a run here: write ./{name} for the run, or rename it to train the model"
                )
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
    threads: str | int = "auto",
    arguments: Mapping[str, Any] | None = None,
) -> Trained:
    """Train a model of the catalogue in `run`, or go on with what is there."""
    CATALOGUE.find(name)
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
            threads=threads,
            **budget,
        )
        findings += done.notes
    except Interrupted as stopped:
        raise Interrupted(f"{str(stopped).removesuffix('go on with --resume')}the same command goes on") from None
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
