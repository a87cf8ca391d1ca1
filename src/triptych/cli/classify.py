"""`triptych classify`: the classes of examples by Bayes' rule, the doubtful ones declined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import Sources, data_of_run
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, write_file
from triptych.cli.parts import ORDINARY, Part, asked_parts, ordinary_of, write_table
from triptych.cli.shared_options import Fit, ImagesForData, OtherData, Overwrite, Split, TableOut
from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.queries.classification import BayesClassifier, Posterior

RULES = ("posterior", "likelihood")
"""By what examples are declined: a low posterior of the class, or a low p(x)."""

Runs = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="A run that was trained with labels; or a run of each class, in order."),
]
By = Annotated[str, typer.Option("--by", help="Decline for a low posterior, or for a low likelihood p(x).")]
Picture = Annotated[Path | None, typer.Option("--picture", help="A .png file: accuracy by coverage, and reliability.")]


def classify(
    runs: Runs,
    data: OtherData = None,
    image: ImagesForData = None,
    split: Split = "test",
    reject: Annotated[float, typer.Option("--reject", help="Share of ordinary examples to decline; 0 for none.")] = 0.0,
    by: By = RULES[0],
    importance: Annotated[int, typer.Option("--importance", help="Codes an example and class, for a bound.")] = 10,
    out: TableOut = Path("classes.csv"),
    picture: Picture = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Tell the classes of examples by Bayes' rule, from a class-conditional density or one density a class.

    The prior is the classes' shares of the training data. Of several runs each is a class, called by the run's name.
    """
    from triptych.queries.classification import bayes_classifier

    check_free(out, overwrite, (".csv",))
    if picture is not None:
        check_free(picture, overwrite, (".png",))
    sources = Sources(runs[0], image, data, split, fit, seed, quiet)
    _check(runs, reject, by)
    models = [load(run) for run in runs]
    bayes_classifier(models, samples=importance)  # before any example is read: it says so if it cannot
    trains, tests, names = _data_of(runs, quiet)
    classifier = bayes_classifier(models, _prior(trains, models[0].classes), samples=importance, seed=seed)
    parts = asked_parts(sources, models[0], zip(trains, tests, strict=True))
    posteriors = [classifier(part.examples) for part in parts]
    posterior = _joined(posteriors)
    limit, whence = _limit(runs, trains, classifier, reject, by)
    labelled = _labels(parts, names)
    if picture is not None:
        _draw(picture, posterior, labelled)
    rows = [row for one in posteriors for row in _rows(one, certainty_of(one, by) < limit, names)]
    write_table(out, parts, ("class", "posterior", "log_evidence", "rejected"), rows)
    if quiet:
        return
    if reject:
        typer.echo(f"threshold: {limit:,.5g} nats, below which lies at most {100 * reject:g} % of {whence}")
    for line in _told(posterior, labelled, limit, by, seed):
        typer.echo(line)
    where = f"{out}, the picture in {picture}" if picture else f"{out}"
    typer.echo(f"classes by {', '.join(map(str, runs))} (seed {seed}) are in {where}")


def certainty_of(posterior: Posterior, by: str) -> Tensor:
    """Return by what examples are declined, `(N,)`: those with the lowest first."""
    return posterior.log_odds if by == RULES[0] else posterior.log_evidence


def _check(runs: list[Path], reject: float, by: str) -> None:
    """Raise `ConfigurationError` for options that cannot be."""
    if by not in RULES:
        raise ConfigurationError(f"no --by {by}; {did_you_mean(by, RULES)}")
    if not 0 <= reject < 1:
        raise ConfigurationError(f"--reject {reject:g}: expected a share from 0 to below 1")
    if len(set(runs)) < len(runs):
        raise ConfigurationError("a run was given twice: each run is of a class of its own")


def _data_of(runs: list[Path], quiet: bool) -> tuple[list[Examples], list[Examples], tuple[str, ...]]:
    """Return what the runs were trained on, and the names of the classes; of several runs each is a class."""
    from dataclasses import replace

    import torch

    from triptych.comparison.assessment import short_names

    splits = [data_of_run(run, quiet, "the examples in Python, queries.classification") for run in runs]
    if len(runs) == 1:
        train, test = splits[0]
        assert train.labels is not None, "the model was trained with them"
        return [train], [test], train.classes or tuple(map(str, range(int(train.labels.max()) + 1)))
    names = tuple(short_names([str(run) for run in runs]))
    own = [
        [replace(x, labels=torch.full((len(x),), k), classes=names) for x in split] for k, split in enumerate(splits)
    ]
    return [train for train, _ in own], [test for _, test in own], names


def _prior(trains: list[Examples], classes: int) -> Tensor:
    import torch

    from triptych.queries.classification import class_prior

    return class_prior(trains[0], classes) if len(trains) == 1 else torch.tensor([float(len(x)) for x in trains])


def _limit(
    runs: list[Path], trains: list[Examples], classifier: BayesClassifier, reject: float, by: str
) -> tuple[float, str]:
    """Return the certainty below which an example is declined, and from which ordinary examples it was learnt."""
    import torch

    from triptych.data.examples import subset
    from triptych.queries.anomaly import threshold

    if not reject:
        return -float("inf"), ""
    most = ORDINARY // len(runs)
    ordinary, whence = zip(*(ordinary_of(*of) for of in zip(runs, trains, strict=True)), strict=True)
    certainty = torch.cat([certainty_of(classifier(subset(x, most, 0)), by) for x in ordinary])
    seen = ": it has seen them, and others are less certain (train with --validate)" if "training" in whence else ""
    return -threshold(-certainty, reject), f"{len(certainty):,} {' and '.join(sorted(set(whence)))} examples{seen}"


def _labels(parts: Sequence[Part], names: Sequence[str]) -> Tensor | None:
    """Return the true classes of all examples, matched by name, if all of them are known."""
    import torch

    from triptych.errors import DataError
    from triptych.spaces import Labels

    space, found = Labels(len(names), tuple(names)), []
    for examples in (part.examples for part in parts):
        if examples.labels is None or examples.labels.dim() > 1:
            return None
        try:
            found.append(space.matched(examples.labels, examples.classes))
        except DataError:
            return None
    return None if any(int(labels.max()) >= len(names) for labels in found) else torch.cat(found)


def _joined(posteriors: Sequence[Posterior]) -> Posterior:
    import torch

    from triptych.queries.classification import Posterior

    return Posterior(torch.cat([one.log_likelihood for one in posteriors]), posteriors[0].log_prior)


def _told(posterior: Posterior, labels: Tensor | None, limit: float, by: str, seed: int) -> Iterator[str]:
    """Say what is right of what is answered, and how true the posterior is."""
    from triptych.metrics.calibration import calibrated_error, calibration_error, log_loss
    from triptych.metrics.figure import proportion

    n, kept = len(posterior.log_likelihood), certainty_of(posterior, by) >= limit
    if limit > -float("inf"):
        yield f"declined: {proportion(n - int(kept.sum()), n).text} % of {n:,}"
    if labels is None or not bool(kept.any()):
        return
    right, confidence = (posterior.predicted == labels)[kept], posterior.confidence[kept]
    yield f"right: {proportion(int(right.sum()), len(right)).text} % of {len(right):,} answered"
    chance = calibrated_error(confidence, seed=seed).text
    yield f"calibration error: {calibration_error(confidence, right).text} %; of a calibrated classifier {chance} %"
    yield f"log loss: {log_loss(posterior.log_posterior[kept], labels[kept]).text} nats"


def _draw(picture: Path, posterior: Posterior, labels: Tensor | None) -> None:
    from triptych.reports.rejection import rejection_picture

    if labels is None:
        raise ConfigurationError("--picture shows what is right, and these examples have no labels of the classes")
    write_file(picture, rejection_picture(posterior, labels))


def _rows(posterior: Posterior, declined: Tensor, names: Sequence[str]) -> Iterator[tuple[str, str, str, int]]:
    """Return the cells of each example: its class, the posterior of that, log p(x), and whether it is declined."""
    columns = (posterior.predicted, posterior.confidence, posterior.log_evidence, declined)
    for k, share, evidence, no in zip(*(column.tolist() for column in columns), strict=True):
        yield names[k], f"{share:.6g}", f"{evidence:.9g}", int(no)
