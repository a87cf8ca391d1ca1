"""What training does to codes: layer-wise pre-training where labels are few, and β where factors are known.

    python benchmarks/representation.py pretraining --data digits --docs docs/variational.md
    python benchmarks/representation.py beta --docs docs/variational.md --picture docs/images/beta.png

Run again it goes on where it stopped: what has had its rounds is not trained again.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from frame import hardware
from panel import write_between

from triptych.comparison.compare import train_one
from triptych.data import load
from triptych.data.examples import Examples, subset
from triptych.errors import UserError
from triptych.evaluation.embeddings import classes_of, encoded, principal, raw, untrained
from triptych.evaluation.studies.disentanglement import factors_of, scores
from triptych.evaluation.studies.representation import LABELLED, TESTED, probe_accuracy
from triptych.metrics.alignment import Embedding
from triptych.metrics.figure import Figure
from triptych.models.base import Model
from triptych.models.questions import ImportanceWeighted

RESULTS = Path(__file__).parent / "results"
BETAS = (1.0, 2.0, 4.0, 8.0)
STACK: dict[str, Any] = {"latent": 32, "layers": 2, "hidden": 256}
SCHEDULE = "cosine"
NETWORK: dict[str, Any] = {"latent": 10, "encoder": "mlp", "decoder": "mlp", "layers": 2, "hidden": 400}
Rows = dict[str, list[list[float]]]
"""By name of a row, for each seed, its figures."""


def trained(name: str, train: Examples, seed: int, run: str, arguments: dict[str, Any], options: Any) -> Model:
    """Train a model of the catalogue, or take up what is there."""
    print(f"{run} …", file=sys.stderr, flush=True)
    budget = {"steps": options.steps, "minutes": None, "batch_size": options.batch_size, "schedule": SCHEDULE}
    told: dict[str, Any] = {"seed": seed, "overwrite": False, "quiet": options.quiet}
    return train_one(name, train, None, options.runs / run, budget, arguments=arguments, **told).model


def pretraining(options: argparse.Namespace, train: Examples, test: Examples) -> Rows:
    """Return the accuracy in % of a probe of few labels, on codes of the stacked autoencoder and beside them.

    Each seed has its own first weights and its own draw of the labels, the same for all rows.
    """
    classes = classes_of(subset(train, LABELLED, 0)), classes_of(subset(test, TESTED, 0))
    labelled, tested = subset(train, LABELLED, 0), subset(test, TESTED, 0)
    flat = raw(labelled, tested)
    few = max(1, options.labels // len(set(classes[0].tolist())))

    def probed(space: Embedding, seed: int) -> list[float]:
        found = probe_accuracy(space, *classes, few=few, draws=options.draws, seed=seed).value
        assert found is not None, "a probe has an accuracy"
        return [found]

    rows: Rows = {name: [] for name in ("layer by layer", "all layers at once", "random initialisation")}
    rows |= {"PCA": [], "pixels": []}
    alone = options.steps // (2 * (STACK["layers"] + 1))  # half of the rounds, the same for each layer
    for seed in range(options.seeds):
        for row, rounds in (("layer by layer", alone), ("all layers at once", 0)):
            arguments = {**STACK, "pretraining": rounds}
            run = f"{options.name}-{rounds}-seed-{seed}"
            model = trained("stacked-autoencoder", train, seed, run, arguments, options)
            rows[row].append(probed(encoded(model, labelled, tested), seed))
        rows["random initialisation"].append(probed(encoded(untrained(model, seed), labelled, tested), seed))
        rows["PCA"].append(probed(principal(flat, STACK["latent"], 0), seed))
        rows["pixels"].append(probed(flat, seed))
    return rows


def beta(options: argparse.Namespace, train: Examples, test: Examples) -> Rows:
    """Return for each β: MIG, SAP, disentanglement, completeness, informativeness in %; distortion and rate in nats."""
    factors, _ = factors_of(train, test)
    rows: Rows = {}
    for weight in options.betas:
        rows[f"{weight:g}"] = []
        for seed in range(options.seeds):
            run = f"{options.name}-{weight:g}-seed-{seed}"
            model = trained("vae", train, seed, run, {**NETWORK, "beta": weight}, options)
            assert isinstance(model, ImportanceWeighted), "a VAE weighs codes"
            weights = model.weights(test, samples=1, seed=0)
            nats = [-float(side.mean()) for side in weights]
            told = [figure.value for figure in scores(encoded(model, train, test), factors)[0]]
            rows[f"{weight:g}"].append([value for value in told if value is not None] + nats)
            print(f"β {weight:g}, seed {seed}: {rows[f'{weight:g}'][-1]}", file=sys.stderr, flush=True)
    return rows


def figures(of: Sequence[Sequence[float]], units: Sequence[str]) -> list[Figure]:
    """Return the mean over seeds of each figure, with its standard error."""
    return [
        Figure(
            statistics.fmean(values),
            statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else None,
            unit,
            f"{len(values)}-seeds",
        )
        for values, unit in zip(zip(*of, strict=True), units, strict=True)
    ]


def pretraining_table(rows: Rows, options: argparse.Namespace) -> str:
    """Return the accuracies as Markdown, and by how much each exceeds random initialisation, seed by seed."""
    lines = [f"| codes | accuracy with {options.labels} labels, % | above random initialisation |", "|---|---|---|"]
    random = rows["random initialisation"]
    for name, values in rows.items():
        above = [[a[0] - b[0]] for a, b in zip(values, random, strict=True)]
        gain = "" if values is random else figures(above, ["%"])[0].text
        lines.append(f"| {name} | {figures(values, ['%'])[0].text} | {gain} |")
    return "\n".join(lines)


BETA_COLUMNS = ("MIG", "SAP", "disentanglement", "completeness", "informativeness, %", "distortion, nats", "rate, nats")
BETA_UNITS = ("", "", "", "", "%", "nats", "nats")


def beta_table(rows: Rows, options: argparse.Namespace) -> str:
    """Return the scores of each β as Markdown."""
    lines = [f"| β | {' | '.join(BETA_COLUMNS)} |", "|---" * (len(BETA_COLUMNS) + 1) + "|"]
    for weight, values in rows.items():
        lines.append(f"| {weight} | {' | '.join(figure.text for figure in figures(values, BETA_UNITS))} |")
    return "\n".join(lines)


def beta_picture(rows: Rows, path: Path) -> None:
    """Draw MIG and distortion against β."""
    from matplotlib.figure import Figure as Drawing

    from triptych.pictures import BLUE, axes_style

    drawing = Drawing(figsize=(6.4, 2.6), layout="constrained")
    weights = [float(weight) for weight in rows]
    for axes, column in zip(drawing.subplots(1, 2), ("MIG", "distortion, nats"), strict=True):
        found = [figures(values, BETA_UNITS)[BETA_COLUMNS.index(column)] for values in rows.values()]
        heights, errors = [f.value or 0.0 for f in found], [f.error or 0.0 for f in found]
        axes.errorbar(weights, heights, errors, color=BLUE, marker="o", markersize=3, capsize=2, linewidth=1.4)
        axes_style(axes)
        axes.set_xscale("log", base=2)
        axes.set_xticks(weights, list(rows))
        axes.set_xlabel("β", fontsize=8)
        axes.set_title(column, fontsize=8)
    drawing.savefig(path, dpi=160)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what was typed, with what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("pretraining", "beta"))
    parser.add_argument("--data", help="labelled images, as for `triptych train`; else digits, of `beta` factors")
    parser.add_argument("--steps", type=int, help="rounds of each model; else 3,000, of `beta` 8,000")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--labels", type=int, default=100, help="labels that a probe learns from")
    parser.add_argument("--draws", type=int, default=5, help="draws of these labels for each seed")
    parser.add_argument("--betas", type=float, nargs="*", default=BETAS)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--runs", type=Path, default=Path("runs/representation"), help="directory of the runs")
    parser.add_argument("--out", type=Path, help="JSON file; else in benchmarks/results")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    parser.add_argument("--picture", type=Path, help="of `beta`: also draw the curve")
    parser.add_argument("--quiet", action="store_true", help="show no progress of training")
    options = parser.parse_args(arguments)
    options.data = options.data or {"pretraining": "digits", "beta": "factors"}[options.part]
    options.steps = options.steps or {"pretraining": 3000, "beta": 8000}[options.part]
    options.name = f"{options.part}-{Path(options.data.split(':')[-1]).stem}"
    options.out = options.out or RESULTS / f"representation-{options.name}.json"
    return options


def about(options: argparse.Namespace, rows: Rows) -> dict[str, Any]:
    """Return what the figures are of; a folder is told by its name, wherever it lies."""
    spec = Path(options.data).name if Path(options.data).exists() else options.data
    machine: Mapping[str, Any] = hardware()
    told = {**machine, "command": str(machine["command"]).replace(options.data, spec)}
    network = STACK if options.part == "pretraining" else NETWORK
    training = {"steps": options.steps, "batch_size": options.batch_size, "schedule": SCHEDULE}
    return {"hardware": told, "data": spec, "training": training, "model": network, "rows": rows}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print and store."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    train, test = load(options.data)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    measure, table = {"pretraining": (pretraining, pretraining_table), "beta": (beta, beta_table)}[options.part]
    rows = measure(options, train, test)
    text = table(rows, options)
    options.out.write_text(json.dumps(about(options, rows), indent=2) + "\n")
    print(text)
    if options.docs is not None:
        write_between(options.docs, f"representation-{options.name}", text)
    if options.picture is not None and options.part == "beta":
        beta_picture(rows, options.picture)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
