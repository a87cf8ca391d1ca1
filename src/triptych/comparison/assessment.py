"""Trained models, and what is measured of all of them under one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from triptych.comparison.cache import measured
from triptych.data.examples import Examples
from triptych.errors import DataError, UnsupportedQuery
from triptych.evaluation.asked import Asked
from triptych.evaluation.cost.speed import affordable_samples
from triptych.evaluation.features.extractor import Extractor
from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
from triptych.evaluation.measure import pooled
from triptych.evaluation.protocol import KERNELS, Protocol
from triptych.evaluation.studies.registry import Table, find_study
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.metrics.steadiness import Course
from triptych.models.base import Model
from triptych.reports import Panel
from triptych.running.progress import task, track
from triptych.training import load
from triptych.training.diagnosis import diagnosed
from triptych.training.diagnosis.examination import ENERGY
from triptych.training.logging import Record, read_metrics

REAL = "training data"
"""How tables call real data in a model's place."""

SIZES = (100, 200, 500, 1000)
"""How many samples are compared, if no number is asked for: the most that the slowest model can, so that a busier
machine hardly ever measures by another protocol."""
_COURSES = {"held-out/nll": "held-out-nll", ENERGY: "energy-distance"}
"""Figures of records that tell of a training's course on unseen data, the first that there is, and their names."""


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
    def course(self) -> Course | None:
        """What was examined of it again and again, if it was recorded."""
        for key, name in _COURSES.items():
            if values := tuple(record[key] for record in self.records if key in record):
                return Course(name, values)
        return None

    @property
    def seconds(self) -> float | None:
        """Its training time, if it was recorded."""
        return self.records[-1]["seconds"] if self.records else None


def load_run(run: Path) -> Trained:
    """Load a trained model and the records of its training."""
    records = records_of(run)
    findings = diagnosed(records)
    diverged = any(finding.name == "non-finite figures" for finding in findings)
    return Trained(str(run), load(run), run, records, tuple(map(str, findings)), diverged)


def records_of(run: Path) -> list[Record]:
    """Return the records of a run's training, none if they were not kept."""
    metrics = run / "metrics.jsonl"
    return read_metrics(metrics) if metrics.exists() else []


class Assessment:
    """Trained models under one protocol, all on the same device; what is asked of one model twice is computed once.

    Args:
        trained: the models.
        train: training split.
        test: held-out split.
        seed: of all that is drawn.
        importance: K of likelihood bounds.
        kernels: samples that a Parzen estimate is made of.
        scored: how many test examples their likelihood is measured of; None for what `Protocol.prepare` chooses.
        extractor: features that samples and data are compared on, see `resolve_extractor`.
        against: other examples, that models are to tell from the data's.
        background: a model that likelihoods are divided by, to tell them.
    """

    def __init__(
        self,
        trained: Sequence[Trained],
        train: Examples,
        test: Examples,
        *,
        seed: int,
        importance: int = IMPORTANCE_SAMPLES,
        kernels: int = KERNELS,
        scored: int | None = None,
        extractor: str | Extractor = "auto",
        against: Examples | None = None,
        background: Model | None = None,
    ) -> None:
        self.trained = trained
        device = "cuda" if torch.cuda.is_available() else "cpu"
        models = [one.model.to(device) for one in trained]
        afforded = affordable_samples(models)
        samples = min(max(n for n in SIZES if n <= afforded), len(test), len(train))
        self.protocol = Protocol.prepare(
            train,
            test,
            data=data_name(train),
            seed=seed,
            samples=samples,
            importance=importance,
            kernels=kernels,
            scored=scored,
            extractor=extractor,
        ).changed(against=against, background=background and background.to(device))
        self.subjects = {
            shown: Subject(model, self.protocol, one.seconds, one.rounds, one.course)
            for shown, one, model in zip(short_names([one.name for one in trained]), trained, models, strict=True)
        }

    def panels(self, kept: Path | None = None) -> list[Panel]:
        """Measure everything of each model.

        Args:
            kept: folder of what was measured before an interruption, and is not measured again; None to keep nothing.
        """
        return [
            Panel(measured(shown, subject, kept), one.records, (str(one.run),), one.findings, one.diverged)
            for one, (shown, subject) in zip(self.trained, track(self.subjects.items(), "models"), strict=True)
        ]

    def warnings(self) -> list[str]:
        """Return which trainings diverged: what is measured of these models are their last good weights."""
        shown = zip(self.subjects, self.trained, strict=True)
        told = "its training diverged, and what is measured are its last good weights"
        return [f"{name}: {told}" for name, one in shown if one.diverged]

    def figures(self, asked: Sequence[Asked]) -> dict[str, dict[str, Figure]]:
        """Measure what was asked for by name, of each model and of real training data in a model's place.

        Args:
            asked: metrics, each with its protocol.

        Returns:
            Figures by the text that was asked and the model's short name, the last one `REAL`.

        Raises:
            UserError: where the data have too few examples or no labels for a protocol.
        """
        protocols = {one.text: one.of(self.protocol) for one in asked}  # all are checked before one is measured
        real = Subject(None, self.protocol)
        found: dict[str, dict[str, Figure]] = {}
        for one in asked:
            assert one.metric is not None, "a study has a table of its own"
            everyone = {**self.subjects, REAL: real}
            found[one.text] = {}
            for name, of in everyone.items():
                with task(f"{name}: {one.text}"):
                    found[one.text][name] = one.metric(of.under(protocols[one.text]))
        return found

    def study(self, name: str, unanswered: list[str] | None = None) -> dict[str, Table]:
        """Return what a study finds of each model, by the model's short name.

        Args:
            name: of the study.
            unanswered: takes the reason of each model that has no answer to it, which is raised if None is given.

        Raises:
            ConfigurationError: for an unknown study.
            UserError: where a model or the data have no answer to it.
        """
        ask = find_study(name)
        found = {}
        for shown, subject in self.subjects.items():
            try:
                with task(f"{shown}: {name}"):
                    found[shown] = ask(subject)
            except (Unanswered, UnsupportedQuery, DataError) as reason:
                if unanswered is None:
                    raise
                unanswered.append(f"{shown} has no {name}: {reason}")
        return found


def pooled_panels(panels: Sequence[Panel], counts: Sequence[int]) -> list[Panel]:
    """Return one panel a model: of several trainings the pooled measures, the first one's curves, all findings.

    Args:
        panels: one a training, those of a model side by side.
        counts: trainings of each model.
    """
    left = iter(panels)
    groups = [[next(left) for _ in range(count)] for count in counts]
    return [_pooled(group) if len(group) > 1 else group[0] for group in groups]


def _pooled(group: Sequence[Panel]) -> Panel:
    told = [f"training {i}: {finding}" for i, panel in enumerate(group, 1) for finding in panel.findings]
    return Panel(
        pooled([panel.measures for panel in group]),
        group[0].curves,
        tuple(run for panel in group for run in panel.runs),
        tuple(told),
        any(panel.diverged for panel in group),
        tuple(panel.curves for panel in group[1:]),
    )


def data_name(train: Examples) -> str:
    """Return how protocols and extractors call the data: the last part of its spec, without an ending."""
    return ("stacked-" if train.source.get("stack") else "") + Path(str(train.source.get("spec", "data"))).stem


def short_names(names: Sequence[str]) -> list[str]:
    """Return the last part of each path where that tells them apart, else all of it.

    >>> short_names(["runs/a/vae", "gan"]), short_names(["runs/a/vae", "runs/b/vae"])
    (['vae', 'gan'], ['runs/a/vae', 'runs/b/vae'])
    """
    last = [Path(name).name for name in names]
    return [part if last.count(part) == 1 else name for part, name in zip(last, names, strict=True)]
