"""Annealed importance sampling: its error, its error bars, its cost, and how it lies beside a bound.

    python benchmarks/annealing.py

1. 1000 steps and 16 chains for 100 examples of a linear-Gaussian model, whose log p(x) is known.
2. 100 repeats with new examples, for several numbers of steps: how many error bars (2 errors) cover the truth.
3. 1000 steps and 16 chains for 100 digits, MLP decoder 8-400-1088: time; beside the importance-weighted bound; the
   bracket on simulated digits; and what trajectories of other lengths reach with as many gradients.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from frame import hardware  # type: ignore[import-not-found]
from torch import Tensor
from torch.distributions import MultivariateNormal

import triptych as tp
from triptych.evaluation import METRICS, Protocol, Subject
from triptych.evaluation.studies.annealed import Annealer, annealing
from triptych.metrics import hamiltonian
from triptych.metrics.annealing import PILOTS, Annealed, chain_error, forward, log_mean, mean_of_chains, schedule
from triptych.metrics.hamiltonian import Target
from triptych.noise import Noise

RESULTS = Path(__file__).parent / "results" / "annealing.json"
DIMS, LATENT, SCALE = 10, 2, 0.5
MIXING = Noise.of(3).normal((DIMS, LATENT))
COVARIANCE = (MIXING @ MIXING.T + SCALE**2 * torch.eye(DIMS)).double()
LAW = MultivariateNormal(torch.zeros(DIMS, dtype=torch.float64), COVARIANCE)


def _target(x: Tensor, rows: int) -> Target:
    repeated = x.repeat_interleave(rows, 0)

    def target(z: Tensor) -> tuple[Tensor, Tensor]:
        prior = -0.5 * z.square().sum(1) - LATENT / 2 * math.log(2 * math.pi)
        squares = ((repeated - z @ MIXING.T) / SCALE).square().sum(1)
        return prior, -0.5 * squares - DIMS * math.log(SCALE * math.sqrt(2 * math.pi))

    return target


def _annealed(count: int, steps: int, chains: int, seed: int) -> tuple[Tensor, Annealed]:
    """Return the exact log p(x) of examples of the model, and what annealing finds of them."""
    noise, rows = Noise.of(seed), PILOTS + chains
    x = noise.normal((count, LATENT)) @ MIXING.T + SCALE * noise.normal((count, DIMS))
    with torch.no_grad():
        start = noise.normal((count * rows, LATENT))
        return LAW.log_prob(x.double()), forward(_target(x, rows), start, schedule(steps), chains, noise)


def linear() -> dict[str, float]:
    """Return how far 1000 steps and 16 chains are from the closed form, of 100 examples."""
    exact, found = _annealed(100, 1000, 16, 0)
    off = log_mean(found.log_weights) - exact
    error = chain_error(found.log_weights)
    assert error is not None
    return {
        "error of the mean, nats": float(off.mean()),
        "its error bar, nats": error.size,
        "mean absolute error of an example, nats": float(off.abs().mean()),
        "greatest, nats": float(off.abs().max()),
    }


def coverage(steps: int, repeats: int, count: int, chains: int = 16) -> dict[str, float]:
    """Return of how many repeats 2 errors cover the truth: of the same examples, and of all examples."""
    same = everyone = 0
    for repeat in range(repeats):
        exact, found = _annealed(count, steps, chains, 1 + repeat)
        error, (mean, whole) = chain_error(found.log_weights), mean_of_chains(found.log_weights)
        assert error is not None and whole is not None
        same += abs(float((log_mean(found.log_weights) - exact).mean())) < 2 * error.size
        everyone += abs(mean + float(LAW.entropy())) < 2 * whole
    return {"repeats": repeats, "examples": count, "mean of the same examples": same, "mean of all examples": everyone}


def digits(steps: int, training: int) -> dict[str, Any]:
    """Return the cost of 100 digits, and the estimate beside the bound and between both sides."""
    train, test = tp.data.load("digits")
    model = tp.build("vae", train.event, latent=8, hidden=400, encoder="mlp", decoder="mlp")
    tp.fit(model, train, steps=training, progress=False)
    protocol = Protocol.prepare(train, test, extractor="pixels", importance=5000, scored=100)
    subject = Subject(model, protocol.changed(annealing=(steps, 16)))
    cpu, wall = time.process_time(), time.perf_counter()
    found = Annealer(model, subject.protocol).of_test()
    seconds = {"CPU seconds": time.process_time() - cpu, "wall seconds": time.perf_counter() - wall}
    error = chain_error(found.log_weights)
    assert error is not None
    figures = {name: row[0].to_dict() for name, row in annealing(subject).rows.items()}
    bound = METRICS["iwae"](subject).to_dict()
    return {**seconds, "error of the chains, nats": error.size, "annealing": figures, "bound": bound}


def lengths(training: int) -> dict[str, float]:
    """Return the gap that trajectories of several lengths leave on simulated digits with as many gradients, in nats."""
    train, test = tp.data.load("digits")
    model = tp.build("vae", train.event, latent=8, hidden=400, encoder="mlp", decoder="mlp")
    tp.fit(model, train, steps=training, progress=False)
    protocol = Protocol.prepare(train, test, extractor="pixels", scored=20)
    found, usual = {}, hamiltonian.LEAPFROGS
    for length in (1, 3, 10):
        hamiltonian.LEAPFROGS = length
        subject = Subject(model, protocol.changed(annealing=(600 // length, 16)))
        found[f"{600 // length} steps of {length}"] = annealing(subject).rows["gap between the two, nats"][0].value
    hamiltonian.LEAPFROGS = usual
    return {name: float(value or 0) for name, value in found.items()}


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    few = given.quick
    with tempfile.TemporaryDirectory() as place:
        os.environ["TRIPTYCH_CACHE"] = place  # nothing that was kept from before
        training = 200 if few else 3000
        found: dict[str, Any] = {"hardware": hardware(), "linear-Gaussian": linear()}
        print(json.dumps(found, indent=2), flush=True)
        for steps, count in ((10, 100), (100, 100), (1000, 20)):
            found[f"covered, {steps} steps"] = coverage(steps, 10 if few else 100, count)
            print(steps, found[f"covered, {steps} steps"], flush=True)
        found["trajectories"] = lengths(training)
        print(found["trajectories"], flush=True)
        found["digits"] = digits(50 if few else 1000, training)
        print(json.dumps(found["digits"], indent=2), flush=True)
    if not few:
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
