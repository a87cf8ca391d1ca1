"""`triptych models` and `triptych explain`: what there is, and what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.options import Debug, Quiet, Seed
from triptych.cli.shared_options import AsJson

if TYPE_CHECKING:
    from triptych.models.base import Model


def models(
    as_json: AsJson = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List the models, and what each can answer."""
    import json

    from triptych.catalogue import CATALOGUE
    from triptych.models.base import declared
    from triptych.queries import likelihood_kind

    if as_json:
        listed = {
            name: {
                "family": entry.family,
                "reference": entry.reference,
                "summary": entry.summary,
                "likelihood": likelihood_kind(entry.model),
                "answers": declared(entry.model),
            }
            for name, entry in CATALOGUE.items()
        }
        print(json.dumps(listed, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("model", "log p(x)", "answers", "reference"):
        table.add_column(column, overflow="fold", no_wrap=column in ("model", "log p(x)"))
    family = ""
    for name, entry in CATALOGUE.items():
        if entry.family != family:
            family = entry.family
            table.add_row(f"[bold]{family}[/bold]")
        asked = ", ".join(declared(entry.model))
        table.add_row(f" {name}", likelihood_kind(entry.model), asked, entry.reference)
    Console().print(table)
    print("\nMore of one: triptych explain MODEL. Its options: triptych train MODEL --help.")


def explain(
    what: Annotated[str, typer.Argument(metavar="MODEL|RUN", help="A name of the catalogue, or a run directory.")],
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Explain a model, or what a run directory holds."""
    from triptych.catalogue import CATALOGUE

    if what in CATALOGUE:
        _explain_model(what)
    elif Path(what).is_dir():
        _explain_run(Path(what))
    else:
        from triptych.errors import ConfigurationError, did_you_mean

        raise ConfigurationError(f"{what!r} is neither a model nor a run directory; {did_you_mean(what, CATALOGUE)}")


def _explain_model(name: str) -> None:
    import inspect

    from triptych.catalogue import CATALOGUE
    from triptych.config import settings_of
    from triptych.models.base import QUESTIONS, declared
    from triptych.queries import likelihood_kind
    from triptych.specs import listed

    entry = CATALOGUE[name]
    text = inspect.cleandoc(entry.model.__doc__ or "").split("\nArgs:")[0].strip()
    print(f"{name} · {entry.family} · {entry.reference}\n{entry.summary}\n\n{text}\n")
    print(f"log p(x): {likelihood_kind(entry.model)}\nanswers:")
    for query in declared(entry.model):
        print(f"  {query:<16} {QUESTIONS[query]}")
    print("options:")
    settings = [found for found in settings_of(entry.model).values() if found.name != "event"]
    for found in settings:
        default = entry.arguments.get(found.name, found.default)
        print(f"  --{found.name.replace('_', '-'):<14} {found.text} [{default}]")
    for found in settings:
        if found.known:
            print(f"parts of --{found.name.replace('_', '-')}, with their options:")
            for typed, line in listed(found.known).items():
                print(f"  {typed}\n      {line}")
    print(f"\ntry: triptych train {name} --data digits --minutes 1 --out runs/{name}")


def _explain_run(run: Path) -> None:
    from triptych.reports.curves import terms_of
    from triptych.training import load
    from triptych.training.checkpoint import read_description
    from triptych.training.logging import read_metrics
    from triptych.training.rundir import read_config

    description = read_description(run)
    model = load(run)
    parameters = sum(p.numel() for p in model.parameters())
    print(f"{run}: {description['model']} on {model.event}, {parameters:,} parameters")
    print(f"answers: {', '.join(model.answers)}")
    print("arguments: " + ", ".join(f"{k}={v}" for k, v in description["arguments"].items()))
    if (run / "config.yaml").exists():
        config = read_config(run / "config.yaml")
        print("data: " + ", ".join(f"{k}={v}" for k, v in config["data"].items()))
        given = {k: v for k, v in config["training"].items() if v is not None}
        print("training: " + ", ".join(f"{k}={v}" for k, v in given.items()))
    if (run / "metrics.jsonl").exists() and (records := read_metrics(run / "metrics.jsonl")):
        last = records[-1]
        told = ", ".join(f"{term} {last[term]:.4g}" for term in terms_of([last]))
        print(f"after {int(last['step']):,} steps, {last['seconds']:.0f} s of training: {told}")
    print(f"try: {next_step(run, model)}")


def next_step(run: Path, model: Model) -> str:
    """Return a command that shows what a trained model answers."""
    shown = {
        "sample": f"sample {run} -n 64 -o samples.png",
        "reconstruct": f"reconstruct {run} -o reconstructed.png",
        "complete": f"complete {run} --keep around -n 1 -o completed.png",  # what a context-autoencoder has learnt
    }
    verb = next((verb for query, verb in shown.items() if query in model.answers), f"explain {run}")
    return f"triptych {verb}"
