"""`triptych quiz`: people say which is real, and how often they are wrong is counted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.inputs import Sources
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free
from triptych.cli.shared_options import OtherData, Overwrite
from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from triptych.evaluation.studies.registry import Table
    from triptych.reports.answers import Scored

_PAGE = Path("quiz.html")


def quiz(
    files: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run directories; with --score, files of answers.")
    ],
    n: Annotated[int, typer.Option("-n", help="Pairs of each run.")] = 50,
    exposure: Annotated[
        int | None, typer.Option("--exposure", help="Milliseconds for which a pair is seen. Else as long as one likes.")
    ] = None,
    data: OtherData = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="The page, a .html file; its key is put beside it.")] = _PAGE,
    overwrite: Overwrite = False,
    score: Annotated[bool, typer.Option("--score", help="Count what people answered.")] = False,
    key: Annotated[Path, typer.Option("--key", help="With --score: the key of the quiz.")] = Path("quiz.key.json"),
    as_json: Annotated[bool, typer.Option("--json", help="With --score: print JSON.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Make a page that asks people which of two pictures is real, or count their answers.

    The page holds everything and asks nothing of any server: open it, or send it to somebody. It stores the answers in
    a file. Which pictures are real stands in the key beside the page, quiz.key.json, and nowhere else: keep that.

    triptych quiz runs/vae runs/gan, and then triptych quiz --score answers-*.json
    """
    if score:
        for option, value in {"--exposure": exposure, "--data": data}.items():
            if value is not None:
                raise ConfigurationError(f"{option} and --score were given: {option} is of a page that is made")
        _score(files, key, as_json)
        return
    if as_json or key != Path("quiz.key.json"):
        raise ConfigurationError(f"{'--json' if as_json else '--key'} was given without --score, to which it belongs")
    _make(files, n, exposure, data, out, overwrite, seed, quiet)


def _make(
    runs: list[Path], n: int, exposure: int | None, data: str | None, out: Path, overwrite: bool, seed: int, quiet: bool
) -> None:
    from triptych.comparison.compare import check_names
    from triptych.reports.quiz import key_path, pairs_of, write_quiz
    from triptych.training.checkpoint import read_description

    if n < 1:
        raise ConfigurationError(f"-n {n}: expected at least 1 pair of each run")
    for place, suffix in ((out, ".html"), (key_path(out), ".json")):
        check_free(place, overwrite, (suffix,))
    for run in runs:
        read_description(run)
    models = {str(run): load(run) for run in runs}
    first = next(iter(models.values()))
    train, test = Sources(runs[0], data=data, quiet=quiet).splits(first, "--data")
    check_names([str(run) for run in runs], train, only_runs=True)
    pairs, before = pairs_of(models, train, test, n, seed)
    key = write_quiz(out, pairs, before, exposure=exposure, seed=seed)
    if not quiet:
        typer.echo(f"{n * len(runs)} pairs are in {out}: open it in a browser. Which are real is in {key}.")


def _score(files: list[Path], key: Path, as_json: bool) -> None:
    from triptych.reports.answers import score

    found = score(key, files)
    for line in found.unfinished:
        typer.echo(f"warning: {line}", err=True)
    if as_json:
        import json

        typer.echo(json.dumps(_as_json(found), indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    from triptych.reports.studies import terminal_study

    Console().print(terminal_study("quiz", _table(found)))
    for run, rate in found.rates.items():
        typer.echo(f"{run}: {rate.said}")


def _table(found: Scored) -> Table:
    """Return the fooling rates as a table."""
    from triptych.evaluation.studies.registry import Table
    from triptych.metrics.figure import Figure

    rows: dict[str, tuple[Figure, ...]] = {
        run: (rate.figure, Figure(rate.low, unit="%"), Figure(rate.high, unit="%"), Figure(rate.answers))
        for run, rate in found.rates.items()
    }
    protocol = next(iter(found.rates.values())).figure.protocol
    return Table(
        f"{protocol}, {found.people} {'person' if found.people == 1 else 'people'}",
        ("fooling rate, %", "from", "to", "answers"),
        rows,
        "share of answers that took the sample for real; from … to is the 95 % interval of Clopper and Pearson, wider "
        "where answers of one person or on one pair go together",
    )


def _as_json(found: Scored) -> dict[str, Any]:
    rates = {
        run: {
            "fooling_rate": rate.figure.to_dict(),
            "interval": [rate.low, rate.high],
            "answers": rate.answers,
            "people": rate.people,
            "pairs": rate.pairs,
            "says": rate.said,
        }
        for run, rate in found.rates.items()
    }
    return {"runs": rates, "people": found.people, "unfinished": list(found.unfinished)}
