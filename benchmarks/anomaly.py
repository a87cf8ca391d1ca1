"""Anomaly detection: each class held out of training in turn, and found again among the test examples, or not.

    python benchmarks/anomaly.py --data PATH/mnist --binarize stochastic --steps 5000 --set encoder=mlp decoder=mlp

The model's scores stand beside two yardsticks on the same split: the reconstruction error of principal component
analysis with as many components as the code has numbers, and the distance to the k-th nearest training example
(Ramaswamy et al. 2000, *Efficient Algorithms for Mining Outliers from Large Data Sets*, §2). Run again with the same
settings it goes on with the classes that are missing. With `--docs docs/variational.md` the table goes there, too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
import yaml
from frame import hardware
from panel import write_between
from torch import Tensor

from triptych.catalogue import build
from triptych.data import load
from triptych.data.examples import Examples, subset
from triptych.errors import UserError
from triptych.metrics.figure import Figure
from triptych.models.base import Model
from triptych.models.questions import Bounded, Reconstructor
from triptych.queries import anomaly_scores, auroc
from triptych.training import fit

RESULTS = Path(__file__).parent / "results"
COMPONENTS = 32
"""Of principal component analysis, beside a model without a code."""
Row = dict[str, Any]


def flat(x: Examples) -> Any:
    """Return scaled examples as an array `(N, D)`."""
    return x.event.scaled(x.data).flatten(1).numpy()


def component_errors(train: Examples, test: Examples, k: int) -> Tensor:
    """Return the squared reconstruction error by k principal components."""
    from sklearn.decomposition import PCA

    fitted, x = PCA(k, random_state=0).fit(flat(train)), flat(test)
    return torch.from_numpy(((fitted.inverse_transform(fitted.transform(x)) - x) ** 2).sum(1))


def neighbour_distances(train: Examples, test: Examples, k: int) -> Tensor:
    """Return the distance to the k-th nearest training example."""
    from sklearn.neighbors import NearestNeighbors

    distances, _ = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(flat(train)).kneighbors(flat(test))
    return torch.from_numpy(distances[:, -1])


def model_scores(model: Model, test: Examples, samples: int) -> dict[str, Tensor]:
    """Return the scores that a model gives, by name."""
    scores = {}
    if isinstance(model, Bounded):
        scores["bound"] = anomaly_scores(model, test, by="bound", samples=samples)
    if isinstance(model, Reconstructor):
        scores["reconstruction"] = anomaly_scores(model, test, by="reconstruction")
    return scores


def row_of(held_out: int, train: Examples, test: Examples, options: argparse.Namespace) -> Row:
    """Train without one class, and return how well each score finds it, with the seconds that each took."""
    ordinary = subset(train[train.labels != held_out], options.train_count, options.seed)
    begun = time.perf_counter()
    model = build(options.model, train.event, seed=options.seed, **options.set)
    fit(
        model,
        ordinary,
        steps=options.steps,
        batch_size=options.batch_size,
        seed=options.seed,
        schedule=options.schedule,
        progress=not options.quiet,
    )
    trained = time.perf_counter()
    scores = {f"{options.model}, {by}": s for by, s in model_scores(model, test, options.importance).items()}
    scored = time.perf_counter()
    k = model.latent if isinstance(model, Reconstructor) else COMPONENTS
    scores[f"PCA, {k} components"] = component_errors(ordinary, test, k)
    scores[f"neighbour {options.neighbours}"] = neighbour_distances(ordinary, test, options.neighbours)
    odd = test.labels == held_out
    return {
        "auroc": {name: auroc(values[~odd], values[odd])._asdict() for name, values in scores.items()},
        "ordinary": int((~odd).sum()),
        "anomalous": int(odd.sum()),
        "trained_on": len(ordinary),
        "seconds": {"training": trained - begun, "scores": scored - trained, "others": time.perf_counter() - scored},
    }


def mean_of(rows: Mapping[str, Row]) -> dict[str, dict[str, float]]:
    """Return the mean over classes of each score's area, and the standard error that the test examples give it."""
    names = next(iter(rows.values()))["auroc"]
    return {
        name: {
            "value": sum(row["auroc"][name]["value"] for row in rows.values()) / len(rows),
            "error": math.sqrt(sum(row["auroc"][name]["error"] ** 2 for row in rows.values())) / len(rows),
        }
        for name in names
    }


def table(rows: Mapping[str, Row]) -> str:
    """Return the areas as Markdown: a line each class, and their mean."""
    names = list(next(iter(rows.values()))["auroc"])
    lines = [f"| held out | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for title, areas in [*((name, row["auroc"]) for name, row in rows.items()), ("**mean**", mean_of(rows))]:
        cells = [Figure(areas[name]["value"], areas[name]["error"]).text for name in names]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what was typed, with what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="labelled examples, as for `triptych train`")
    parser.add_argument("--binarize", help="as for `triptych train`")
    parser.add_argument("--model", default="vae", help="name of the catalogue")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="its constructor arguments")
    parser.add_argument("--steps", type=int, required=True, help="training rounds of each class's model")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--schedule", default="cosine", help="of the learning rate")
    parser.add_argument("--importance", type=int, default=10, help="codes an example that a bound is made of")
    parser.add_argument("--neighbours", type=int, default=5, help="k of the k-th nearest training example")
    parser.add_argument("--classes", nargs="*", help="names of the classes to hold out; else all")
    parser.add_argument("--train-count", type=int, default=sys.maxsize, help="train on so many examples at most")
    parser.add_argument("--test-count", type=int, default=sys.maxsize, help="score so many test examples at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file; else benchmarks/results/anomaly-DATA-MODEL.json")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    parser.add_argument("--quiet", action="store_true", help="show no progress of training")
    options = parser.parse_args(arguments)
    options.set = {name: yaml.safe_load(value) for name, value in (given.split("=", 1) for given in options.set)}
    options.out = options.out or RESULTS / f"anomaly-{Path(options.data).stem}-{options.model}.json"
    return options


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what rows depend on: those of other settings are not mixed; a folder is told by its name."""
    apart = ("classes", "out", "docs", "quiet")
    return {**{k: v for k, v in vars(options).items() if k not in apart}, "data": Path(options.data).name}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train and score what is missing, class by class; print and store each row at once."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    train, test = load(options.data, binarize=options.binarize)
    if train.labels is None or not train.classes:
        raise SystemExit(f"{options.data} has no classes: nothing can be held out")
    test = subset(test, options.test_count, options.seed)
    found: dict[str, Any] = {"hardware": hardware(), "settings": settings_of(options), "held_out": {}}
    found["hardware"]["command"] = str(found["hardware"]["command"]).replace(options.data, Path(options.data).name)
    if options.out.exists():
        stored = json.loads(options.out.read_text())
        found["held_out"] = stored["held_out"] if stored["settings"] == found["settings"] else {}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    unknown = set(options.classes or ()) - set(train.classes)
    if unknown:
        raise SystemExit(
            f"no class {', '.join(sorted(unknown))} in {options.data}: there is {', '.join(train.classes)}"
        )
    for name in options.classes or train.classes:
        if name not in found["held_out"]:
            print(f"without {name} …", file=sys.stderr, flush=True)
            found["held_out"][name] = row_of(train.classes.index(name), train, test, options)
            options.out.write_text(json.dumps({**found, "mean": mean_of(found["held_out"])}, indent=2) + "\n")
    print(table(found["held_out"]))
    if options.docs is not None:
        write_between(options.docs, "anomaly", table(found["held_out"]))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
