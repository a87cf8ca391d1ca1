"""`triptych sample`, `evaluate` and `compare`: what one does with models."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli.loading import Threads
from triptych.cli.options import COMMON, Data, Debug, Quiet, Seed, command, data_parameters, load_data, parameter
from triptych.errors import ConfigurationError


def sample(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    n: Annotated[int, typer.Option("-n", help="How many.")] = 64,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png grid, an .npz file, or a directory.")] = Path(
        "samples.png"
    ),
    label: Annotated[int | None, typer.Option("--label", help="Of a conditional model: the label of all.")] = None,
    by_label: Annotated[
        bool, typer.Option("--by-label", help="Of a conditional model: a row for each label, -n in each.")
    ] = False,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Of models that draw part by part: below 1 sharper, above flatter.")
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option("--top-p", help="Of the same: keep the most probable levels with this share together.")
    ] = 1.0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw samples from a trained model into a picture, a file or a directory.

    With --by-label a model that makes examples of codes (gan, vae) has the same codes in each row: of a coupled-gan the
    columns are joint samples of its domains.
    """
    from triptych.cli.loading import load
    from triptych.cli.output import check_free, write_examples

    check_free(out, overwrite)
    model = load(run)
    if model.embedding:
        raise ConfigurationError(f"{run} is conditioned on vectors: sample it in Python, model.sample(n, label=...)")
    sharpness = {"temperature": temperature, "top_p": top_p}
    if by_label:
        if label is not None:
            raise ConfigurationError("--label and --by-label were given: choose one of them")
        write_examples(_each_label(model, n, seed, sharpness), out, columns=n)
    else:
        write_examples(model.sample(n, label=label, seed=seed, **sharpness), out)
    if not quiet:
        sharpened = f", temperature {temperature:g}, top_p {top_p:g}" if (temperature, top_p) != (1, 1) else ""
        of = f" of each of {model.classes} labels" if by_label else ""
        typer.echo(f"{n} samples{of} of {run} (seed {seed}{sharpened}) are in {out}")


def _each_label(model: Any, n: int, seed: int, sharpness: dict[str, float]) -> Any:
    """Return n examples of each label, those of the first label first; of the same codes if they are of codes."""
    import torch

    from triptych.queries import LatentSampler

    if not model.classes:
        raise ConfigurationError("--by-label was given, and the model has no labels: train it with --classes N")
    labels = torch.arange(model.classes).repeat_interleave(n)
    if isinstance(model, LatentSampler) and set(sharpness.values()) == {1.0}:
        return model.decode(model.sample_codes(n, seed=seed).repeat(model.classes, 1), label=labels)
    return model.sample(len(labels), label=labels, seed=seed, **sharpness)


SUMMARY = "summary"
"""The comparison's metrics, all of them."""
Features = Annotated[
    str,
    typer.Option(
        "--features",
        help="What samples and data are compared on: auto, pixels, labels-net, autoencoder, inception, "
        "or a function of your own, file.py:name.",
    ),
]
EVALUATE = "Measure trained models on held-out data."
COMPARE = "Train models under one budget, measure them, and write a report of them side by side."


def _evaluate(given: dict[str, Any]) -> None:
    with ExitStack() as ends:
        _measure(given, ends)


def _measure(given: dict[str, Any], ends: ExitStack) -> None:
    from triptych.evaluation.asked import read_asked
    from triptych.evaluation.duplicates import leak
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
    from triptych.assessment import Assessment, load_run
    from triptych.cli.inputs import read_fitted
    from triptych.comparison import check_names
    from triptych.evaluation.effort import threads_for
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


def data_of_run(run: Path, quiet: bool, instead: str) -> Any:
    """Return the training and the test examples that a run was trained on.

    Args:
        run: the run directory.
        quiet: show no progress of decoding.
        instead: the option that the error recommends.

    Raises:
        ConfigurationError: for a run that does not say.
    """
    from triptych.data import load
    from triptych.training.rundir import read_config

    stored = dict(read_config(run / "config.yaml").get("data", {}))
    stored.pop("validate", None)
    if "spec" not in stored:
        raise ConfigurationError(f"{run} does not say what it was trained on: give {instead}")
    return load(stored.pop("spec"), progress=not quiet, **stored)


def _compare(given: dict[str, Any]) -> None:
    from triptych.comparison import compare

    train, test = load_data(given["data"], given)
    budget = {name: given[name] for name in ("minutes", "steps") if given[name] is not None}
    compare(
        given["models"],
        train,
        test,
        out=given["out"],
        seed=given["seed"],
        seeds=given["seeds"],
        extractor=given["features"],
        batch_size=given["batch_size"],
        overwrite=given["overwrite"],
        quiet=given["quiet"],
        threads=given["threads"],
        command=shlex.join(["triptych", *sys.argv[1:]]),
        **(budget or {"minutes": 1.0}),
    )


def evaluate_verb() -> Callable[..., None]:
    """Return the command `evaluate`."""
    from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
    from triptych.evaluation.metrics import METRICS
    from triptych.evaluation.protocol import KERNELS
    from triptych.evaluation.studies import STUDIES

    runs = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories.")]
    maybe_data = Annotated[
        str | None, typer.Option("--data", help="As in `train`; else what the first run was trained on.")
    ]
    listed = ", ".join([SUMMARY, *METRICS, *STUDIES])
    metrics = Annotated[
        str | None,
        typer.Option(
            "--metrics",
            help=f"What to measure, with commas between: {listed}. Else the first and what applies. "
            "A metric's name may fix its protocol: fid-10k@pixels, nats-5000.",
        ),
    ]
    importance = Annotated[int, typer.Option("--importance", help="Codes of each example that bounds are made of.")]
    kernels = Annotated[int, typer.Option("--kernels", help="Samples that a Parzen estimate is made of.")]
    count = Annotated[
        int | None, typer.Option("--test-count", help="Test examples to bound log p(x) of; else at most 2000.")
    ]
    against = Annotated[
        str | None, typer.Option("--against", help="Of outliers: other data; images are fitted to the run's.")
    ]
    background = Annotated[
        Path | None,
        typer.Option("--background", help="Of outliers: the run of a model that likelihoods are divided by."),
    ]
    parameters = [
        parameter("runs", runs),
        parameter("data", maybe_data, None),
        parameter("metrics", metrics, None),
        parameter("importance", importance, IMPORTANCE_SAMPLES),
        parameter("kernels", kernels, KERNELS),
        parameter("test_count", count, None),
        parameter("against", against, None),
        parameter("background", background, None),
        parameter("features", Features, "auto"),
        parameter("as_json", Annotated[bool, typer.Option("--json", help="Print JSON.")], False),
        *data_parameters(),
        parameter("seed", Seed, 0),
        parameter("threads", Threads, "auto"),
        *COMMON,
    ]
    return command(_evaluate, "evaluate", EVALUATE, parameters)


def compare_verb() -> Callable[..., None]:
    """Return the command `compare`."""
    names = Annotated[
        list[str], typer.Argument(metavar="MODEL|RUN...", help="Names of the catalogue, or run directories.")
    ]
    minutes = Annotated[float | None, typer.Option("--minutes", help="Training time of each model; 1 unless --steps.")]
    steps = Annotated[int | None, typer.Option("--steps", help="Training rounds of each model.")]
    seeds = Annotated[
        int, typer.Option("--seeds", help="Trainings of each model: figures are means, errors contain the spread.")
    ]
    out = Annotated[Path, typer.Option("--out", help="Where the runs and the report go.")]
    batch = Annotated[int, typer.Option("--batch-size", help="Examples in a minibatch.")]
    overwrite = Annotated[bool, typer.Option("--overwrite", help="Drop what is there of another comparison.")]
    parameters = [
        parameter("models", names),
        parameter("data", Data),
        parameter("out", out, Path("runs/compare")),
        parameter("minutes", minutes, None),
        parameter("steps", steps, None),
        parameter("seeds", seeds, 1),
        parameter("batch_size", batch, 64),
        parameter("features", Features, "auto"),
        parameter("overwrite", overwrite, False),
        *data_parameters(),
        parameter("seed", Seed, 0),
        parameter("threads", Threads, "auto"),
        *COMMON,
    ]
    return command(_compare, "compare", COMPARE, parameters)
