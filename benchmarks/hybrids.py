"""What the adversarial autoencoder and BiGAN reach on MNIST: codes against the prior, and what codes are worth.

    python benchmarks/hybrids.py --data ../shared/data/mnist --runs runs/hybrids \
        --store benchmarks/results/hybrids.json --picture docs/images/codes.png

A run that is already in the directory is measured as it is, and its own budget is reported. Published: codes that match
a Gaussian, a mixture of ten Gaussians and a swiss roll (Makhzani et al. 2016, fig. 4, as pictures only); 97.4 % of test
digits classified right by the nearest training digit's code (Donahue et al. 2017, table 1, 400 epochs).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import torch
from torch import Tensor

matplotlib.use("Agg")
from hardware import hardware
from matplotlib import pyplot

from triptych.data import Examples, load
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.studies.agreement import classified, classifier_of
from triptych.evaluation.subject import Subject
from triptych.metrics.two_sample import two_sample
from triptych.training import load as load_model
from triptych.training.logging import read_metrics

MLP = ("--encoder", "mlp", "--decoder", "mlp")
CASES: dict[str, tuple[str, ...]] = {
    "aae-normal": ("aae", *MLP),
    "aae-mixture": ("aae", *MLP, "--prior", "mixture"),
    "aae-mixture-labels": ("aae", *MLP, "--prior", "mixture", "--classes", "10"),
    "aae-swiss-roll": ("aae", *MLP, "--prior", "swiss-roll"),
    "bigan": (
        *("bigan", "--encoder", "mlp", "--generator", "mlp", "--critic", "mlp", "--generator-norm", "batch"),
        *("--latent", "50", "--hidden", "512", "--batch-size", "128"),
    ),
}
"""Each run: the model, and its options."""
COMPARED = 2000
PERMUTATIONS = 500


def train(name: str, data: str, minutes: float, out: Path) -> None:
    """Train a case for some minutes, with one thread, unless it is there."""
    if not (out / "model.safetensors").exists():
        budget = ("--minutes", f"{minutes:g}", "--schedule", "cosine", "--threads", "1")
        command = [sys.executable, "-m", "triptych", "train", *CASES[name], "--data", data, *budget, "--out", str(out)]
        subprocess.run(command, check=True)


def energy(a: Tensor, b: Tensor) -> float:
    """Return the energy distance of two sets of equal size (Székely & Rizzo 2013, eq. 6.1)."""
    return float(2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean())


def permuted_p_value(a: Tensor, b: Tensor) -> float:
    """Return how often sets of the same examples, shared out by chance, lie as far apart."""
    both, generator = torch.cat([a, b]), torch.Generator().manual_seed(0)
    observed, further = energy(a, b), 0
    for _ in range(PERMUTATIONS):
        order = torch.randperm(len(both), generator=generator)
        further += energy(both[order[: len(a)]], both[order[len(a) :]]) >= observed
    return (further + 1) / (PERMUTATIONS + 1)


def nearest(codes: Tensor, labels: Tensor, asked: Tensor) -> Tensor:
    """Return the label of the nearest code of each."""
    return torch.cat([labels[torch.cdist(part, codes).argmin(1)] for part in asked.split(500)])


def share(correct: Tensor) -> str:
    """Return a share in %, with its binomial standard error."""
    p = float(correct.double().mean())
    return f"{100 * p:.2f} ± {100 * math.sqrt(p * (1 - p) / len(correct)):.2f}"


def measure(model: Any, train: Examples, test: Examples, subject: Subject) -> dict[str, Any]:
    """Return the figures of one model."""
    codes, some = model.encode(test), test[:COMPARED]
    prior = model.sample_codes(COMPARED, seed=1)
    told = two_sample(codes[:COMPARED].double(), prior.double(), classifier="neighbours")
    assert train.labels is not None and test.labels is not None and some.labels is not None
    found = classified(classifier_of(subject).function, model.reconstruct(some))  # type: ignore[arg-type]
    return {
        "energy p-value": permuted_p_value(codes[:COMPARED], prior),
        "neighbours p-value": told.p_value,
        "1-NN accuracy of codes, %": share(nearest(model.encode(train), train.labels, codes) == test.labels),
        "class kept by reconstructions, %": share(found == some.labels),
    }


def draw(models: dict[str, Any], test: Examples, path: Path) -> None:
    """Draw the codes of test examples by class, above draws of the prior."""
    planes = {name: model for name, model in models.items() if model.latent == 2}
    figure, axes = pyplot.subplots(2, len(planes), figsize=(3.2 * len(planes), 6.4), squeeze=False)
    for column, (name, model) in zip(axes.T, planes.items(), strict=True):
        column[0].scatter(*model.encode(test[:COMPARED]).T, c=test.labels[:COMPARED], cmap="tab10", s=2)
        column[1].scatter(*model.sample_codes(COMPARED, seed=1).T, s=2, color="grey")
        column[0].set_title(name)
        for axis in column:
            axis.set_aspect("equal")
            axis.axis("off")
    figure.savefig(path, dpi=90, bbox_inches="tight")


def main() -> None:
    """Train what is missing, measure, print, store and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="hub:ylecun/mnist")
    parser.add_argument("--runs", type=Path, default=Path("runs/hybrids"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--store", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    for name in given.cases:
        train(name, given.data, given.minutes, given.runs / name)
    split = load(given.data)
    protocol = Protocol.prepare(*split, extractor="labels-net")
    models = {name: load_model(given.runs / name) for name in given.cases}
    rows = {}
    for name, model in models.items():
        last = read_metrics(given.runs / name / "metrics.jsonl")[-1]
        budget = {"steps": last["step"], "minutes": round(float(last["seconds"]) / 60, 1)}
        rows[name] = {**budget, **measure(model, *split, Subject(model, protocol))}
        print(name, json.dumps(rows[name]))
    if given.store:
        given.store.write_text(json.dumps({"hardware": hardware(), "rows": rows}, indent=2) + "\n")
    if given.picture:
        draw(models, split[1], given.picture)


if __name__ == "__main__":
    main()
