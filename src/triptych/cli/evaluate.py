"""`triptych evaluate`: measure trained models on held-out data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli.inputs import data_of_run, read_fitted
from triptych.cli.options import COMMON, Features, Seed, command, data_parameters, load_data, parameter
from triptych.cli.shared_options import AsJson, Threads
from triptych.errors import ConfigurationError

SUMMARY = "summary"
"""The comparison's metrics, all of them."""
EVALUATE = "Measure trained models on held-out data."

Runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]
MaybeData = Annotated[str | None, typer.Option("--data", help="As in `train`; else what the first run was trained on.")]
Importance = Annotated[int, typer.Option("--importance", help="Codes of each example that bounds are made of.")]
Kernels = Annotated[int, typer.Option("--kernels", help="Samples that a Parzen estimate is made of.")]
TestCount = Annotated[
    int | None, typer.Option("--test-count", help="Test examples to bound log p(x) of; else at most 2000.")
]
Against = Annotated[
    str | None, typer.Option("--against", help="Of outliers: other data; images are fitted to the run's.")
]
Background = Annotated[
    Path | None, typer.Option("--background", help="Of outliers: the run of a model that likelihoods are divided by.")
]


def _evaluate(given: dict[str, Any]) -> None:
    with ExitStack() as ends:
        _measure(given, ends)


def _measure(given: dict[str, Any], ends: ExitStack) -> None:
    from triptych.evaluation.asked import read_asked
    from triptych.evaluation.studies.duplicates import leak
    from triptych.reports.studies import terminal_figures, terminal_study

    by_default = given["metrics"] is None
    names = [SUMMARY, "bounds", "agreement"] if by_default else [name.strip() for name in given["metrics"].split(",")]
    if given["against"] is not None and by_default:
        names.append("outliers")
    for option in ("against", "background"):
        if given[option] is not None and "outliers" not in names:
            raise ConfigurationError(f"--{option} is for outliers: add them to --metrics, or leave --{option}")
    asked = {name: read_asked(name) for name in names if name != SUMMARY}
    assessed = _assessed(given, ends)
    tables: list[Any] = []
    found: dict[str, Any] = _summary(assessed, tables) if SUMMARY in names else {}
    if metrics := [one for one in asked.values() if one.metric]:
        figures = assessed.figures(metrics)
        found["figures"] = {text: {who: of.to_dict() for who, of in row.items()} for text, row in figures.items()}
        tables.append(terminal_figures(figures))
    unanswered: list[str] = []
    for name in [name for name, one in asked.items() if not one.metric]:
        studies = assessed.study(name, unanswered)
        found[name] = {run: table.to_dict() for run, table in studies.items()}
        tables += [terminal_study(run, table) for run, table in studies.items()]
    if not tables:
        raise ConfigurationError("; ".join(unanswered))
    leaked = leak(assessed.protocol) if SUMMARY in names else None
    for reason in [*assessed.warnings(), *([leaked] if leaked else []), *([] if by_default else unanswered)]:
        typer.echo(f"warning: {reason}", err=True)
    if given["as_json"]:
        import json

        print(json.dumps(found, indent=2))
    else:
        from rich.console import Console

        for table in tables:
            Console().print(table)


def _assessed(given: dict[str, Any], ends: ExitStack) -> Any:
    """Load the models and the data, and settle the number of threads until the verb ends."""
    from triptych.comparison.assessment import Assessment, load_run
    from triptych.comparison.compare import check_names
    from triptych.evaluation.cost.effort import threads_for
    from triptych.training import load
    from triptych.training.checkpoint import read_description

    for run in given["runs"]:
        read_description(run)
    train, test = _data_of(given)
    check_names([str(run) for run in given["runs"]], train, only_runs=True)
    against, background = given["against"], given["background"]
    trained = [load_run(run) for run in given["runs"]]
    ends.enter_context(threads_for([one.model for one in trained], given["threads"]))
    return Assessment(
        trained,
        train,
        test,
        seed=given["seed"],
        importance=given["importance"],
        kernels=given["kernels"],
        scored=given["test_count"],
        extractor=given["features"],
        against=None if against is None else read_fitted(against, given["runs"][0], train.event, given["quiet"]),
        background=None if background is None else load(background),
    )


def _summary(assessed: Any, tables: list[Any]) -> dict[str, Any]:
    """Measure what is compared; return it as JSON can hold it, and add its table to others."""
    from triptych.evaluation import reference
    from triptych.reports import terminal_table

    models = [panel.measures for panel in assessed.panels()]
    tables.append(terminal_table(models, reference(assessed.protocol), assessed.protocol))
    return {"models": [m.to_dict() for m in models], "protocol": assessed.protocol.describe()}


def _data_of(given: dict[str, Any]) -> Any:
    """Return the data that was named, or else what the first run was trained on."""
    if given["data"] is not None:
        return load_data(given["data"], given)
    for option in data_parameters():
        if given[option.name] != option.default:
            flag = option.name.replace("_", "-")
            raise ConfigurationError(f"--{flag} was given without --data: name the data that it is about")
    return data_of_run(Path(given["runs"][0]), given["quiet"], "--data")


def evaluate_verb() -> Callable[..., None]:
    """Return the command `evaluate`."""
    from triptych.evaluation.figures import METRICS
    from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
    from triptych.evaluation.protocol import KERNELS
    from triptych.evaluation.studies.registry import STUDIES

    listed = ", ".join([SUMMARY, *METRICS, *STUDIES])
    metrics = Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help=f"What to measure, with commas between: {listed}. Else the first and what applies. "
            "A metric's name may fix its protocol: fid-10k@pixels, nats-5000.",
        ),
    ]
    parameters = [
        parameter("runs", Runs),
        parameter("data", MaybeData, None),
        parameter("metrics", metrics, None),
        parameter("importance", Importance, IMPORTANCE_SAMPLES),
        parameter("kernels", Kernels, KERNELS),
        parameter("test_count", TestCount, None),
        parameter("against", Against, None),
        parameter("background", Background, None),
        parameter("features", Features, "auto"),
        parameter("as_json", AsJson, False),
        *data_parameters(),
        parameter("seed", Seed, 0),
        parameter("threads", Threads, "auto"),
        *COMMON,
    ]
    return command(_evaluate, "evaluate", EVALUATE, parameters)
