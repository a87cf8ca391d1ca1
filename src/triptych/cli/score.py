"""`triptych score`: how anomalous each example is to a trained model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import Sources, data_of_run, labels_of
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free
from triptych.cli.parts import ORDINARY, Part, asked_parts, ordinary_of, write_table
from triptych.cli.shared_options import Fit, ImagesForData, LabelOfAll, OtherData, Overwrite, Run, Split, TableOut
from triptych.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.models.base import Model


By = Annotated[
    str,
    typer.Option(
        "--by",
        help="bound or density (nats), reconstruction (squared error), or auto: as it can; or typicality, "
        "complexity, ratio (nats), which find simple anomalies, too.",
    ),
]
Background = Annotated[
    Path | None, typer.Option("--background", help="Of --by ratio: the run of a model of common features.")
]
FalseAlarm = Annotated[float, typer.Option("--false-alarm", help="Share of ordinary examples that may be flagged.")]
Importance = Annotated[int, typer.Option("--importance", help="Codes an example that a bound is made of.")]
Anomalous = Annotated[
    list[str] | None, typer.Option("--anomalous", help="A label of anomalies; may be given several times.")
]


@dataclass(frozen=True)
class Scorer:
    """A model, and how it scores."""

    model: Model
    by: str
    samples: int
    label: str | None
    seed: int
    ordinary: Examples
    background: Model | None

    def scores(self, x: Examples) -> Tensor:
        """Return the score of each example, `(N,)`."""
        from triptych.queries.anomaly import anomaly_scores

        return anomaly_scores(
            self.model,
            x,
            by=self.by,
            label=labels_of(self.model, x, self.label),
            samples=self.samples,
            seed=self.seed,
            ordinary=self.ordinary,
            background=self.background,
        )


def score(
    run: Run,
    data: OtherData = None,
    image: ImagesForData = None,
    split: Split = "test",
    by: By = "auto",
    background: Background = None,
    false_alarm: FalseAlarm = 0.01,
    importance: Importance = 10,
    anomalous: Anomalous = None,
    label: LabelOfAll = None,
    out: TableOut = Path("scores.csv"),
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Score examples by how anomalous they are, and flag those above a threshold.

    The threshold is learnt from training examples: from those held out, if the run was trained with --validate. With
    --anomalous, the labels of what is to be found, it is said how well it is found.
    """
    from triptych.queries.anomaly import threshold

    check_free(out, overwrite, (".csv",))
    sources = Sources(run, image, data, split, fit, seed, quiet)
    if image and anomalous:
        raise ConfigurationError(
            "--anomalous names labels of data, and image files have none: leave it, or give --data"
        )
    model, by, beside = _models(run, by, background)
    train, test = data_of_run(run, quiet, "the examples in Python, queries.anomaly_scores")
    parts = asked_parts(sources, model, [(train, test)])
    ordinary, whence = _ordinary(run, train, anomalous)
    scorer = Scorer(model, by, importance, label, seed, ordinary, beside)
    for part in parts:
        _anomalies(part.examples, anomalous)  # before anything is computed: it says so if there is no such label
    limit = threshold(scorer.scores(ordinary), false_alarm)
    scores = [scorer.scores(part.examples) for part in parts]
    rows = [(f"{value:.9g}", int(value > limit)) for values in scores for value in values.tolist()]
    write_table(out, parts, ("score", "flagged"), rows)
    if quiet:
        return
    told = _threshold_told(by, limit, false_alarm, f"{len(ordinary):,} {whence} examples")
    typer.echo("\n".join([*_fitted_to(train, anomalous), told, *_found(parts, scores, limit, anomalous)]))
    if image or data is not None or split == "train":
        own = [Part("of the run's own test examples", test)]
        typer.echo(next(_found(own, [scorer.scores(test)], limit, anomalous)))
    typer.echo(f"scores by {run} (seed {seed}) are in {out}")


def _models(run: Path, by: str, background: Path | None) -> tuple[Model, str, Model | None]:
    """Return the model of a run, by what it scores, and the model that a ratio is to.

    Raises:
        ConfigurationError: for a ratio without one, another score with one, or one of another event.
    """
    from triptych.queries.anomaly import measure_of

    model = load(run)
    by = measure_of(model, by)
    if (by == "ratio") != (background is not None):
        raise ConfigurationError(
            "--background is of --by ratio, and the ratio is to a background: give both or neither"
        )
    beside = None if background is None else load(background)
    if beside is not None and not beside.event.same_space(model.event):
        raise ConfigurationError(f"{background} is of a {beside.event}, the run of a {model.event}: expected the same")
    return model, by, beside


def _ordinary(run: Path, train: Examples, anomalous: list[str] | None) -> tuple[Examples, str]:
    """Return what the threshold is learnt from, without the anomalies that are known."""
    from triptych.data.examples import subset

    chosen, whence = ordinary_of(run, train)
    if anomalous and set(anomalous) <= set(train.classes):
        chosen = chosen[~_anomalies(chosen, anomalous)]
    return subset(chosen, ORDINARY, 0), whence


def _fitted_to(train: Examples, anomalous: list[str] | None) -> Iterator[str]:
    """Say so if the model has learnt what it is to find."""
    known = [name for name in anomalous or () if name in train.classes]
    count = int(_anomalies(train, known).sum())
    if count:
        yield f"note: {count:,} training examples are of {', '.join(known)}: the model may take them for ordinary"


def _anomalies(x: Examples, anomalous: Sequence[str] | None) -> Tensor:
    """Return which examples have a label of anomalies, boolean `(N,)`."""
    import torch

    if not anomalous:
        return torch.zeros(len(x), dtype=torch.bool)
    if x.labels is None or x.labels.dim() > 1:
        raise DataError("--anomalous names labels, and these examples have none: leave it, or give labelled data")
    for name in anomalous:
        if name not in x.classes:
            raise ConfigurationError(f"--anomalous {name}: no such label; {did_you_mean(name, x.classes)}")
    return torch.isin(x.labels, torch.tensor([x.classes.index(name) for name in anomalous]))


def _threshold_told(by: str, limit: float, false_alarm: float, whence: str) -> str:
    from triptych.queries.anomaly import MEASURES

    share = f"{100 * false_alarm:g} %"
    return f"threshold: {limit:,.5g} ({MEASURES[by][1]}), above which lies at most {share} of {whence}"


def _found(parts: list[Part], scores: list[Tensor], limit: float, anomalous: list[str] | None) -> Iterator[str]:
    """Say what is flagged: of the ordinary examples, of the anomalies, and how well the two are told apart."""
    import torch

    from triptych.metrics.figure import Figure, proportion
    from triptych.queries.anomaly import auroc

    what = " and ".join(part.name for part in parts)
    score, found = torch.cat(scores), torch.cat([_anomalies(part.examples, anomalous) for part in parts])
    for kind, members in {"ordinary " if anomalous else "": ~found, "anomalous ": found}.items():
        if len(chosen := score[members]):
            share = proportion(int((chosen > limit).sum()), len(chosen)).text
            yield f"flagged: {share} % of {len(chosen):,} {kind}{what}"
    if anomalous and bool(found.any()) and not bool(found.all()):
        area = auroc(score[~found], score[found])
        yield f"AUROC: {Figure(area.value, area.error).text}, {', '.join(anomalous)} against the others"
