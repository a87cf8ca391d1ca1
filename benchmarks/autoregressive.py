"""Sampling of the autoregressive panel, as ratios measured side by side in one run: `make bench-autoregressive`.

A batch is sampled, and beside it the same model's parallel forward is run on such a batch: the first ratio. The naive
sampler runs that whole forward once for every site (`Repeated`, the definition that sampling is tested against); it is
timed over its first few sites, each of which costs the same, and counted for all: the second ratio. The yardstick is
process CPU time for one thread, wall-clock time for more. Runs alternate; ratios are medians over pairs.

    python benchmarks/autoregressive.py --docs docs/autoregressive.md      # one thread
    python benchmarks/autoregressive.py --threads 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

os.environ["OMP_NUM_THREADS"] = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"

import torch
from frame import hardware
from panel import write_between

import triptych as tp
from triptych.distributions.sharpness import Sharpness
from triptych.models.autoregressive.base import Autoregressive, Repeated
from triptych.noise import Noise

RESULTS = Path(__file__).parent / "results"
BINARY, COLOUR = tp.Event((1, 28, 28), 2), tp.Event((3, 32, 32), 256)


class Case(NamedTuple):
    """One model to sample from."""

    name: str
    event: tp.Event
    arguments: dict[str, object]
    batches: tuple[int, ...]
    pairs: tuple[int, ...]


CASES = {
    "PixelCNN, 7 layers of 5×5, 64 channels, 28×28×1": Case(
        "pixelcnn", BINARY, {"layers": 7, "kernel_size": 5, "channels": 64}, (64, 16, 1), (5, 9, 21)
    ),
    "Gated PixelCNN, 10 layers, 128 channels, 28×28×1": Case(
        "gated-pixelcnn", BINARY, {"layers": 10, "channels": 128}, (16, 1), (3, 7)
    ),
    "PixelCNN++, 3 blocks of 2 layers, 64 filters, 32×32×3": Case(
        "pixelcnn++", COLOUR, {"blocks": 2, "scales": 3, "channels": 64}, (16,), (3,)
    ),
    "Row LSTM, 28×28×1": Case("row-lstm", BINARY, {}, (16, 1), (3, 5)),
    "Diagonal BiLSTM, 28×28×1": Case("diagonal-bilstm", BINARY, {}, (16, 1), (3, 5)),
}


def seconds(run: Callable[[], object]) -> tuple[float, float]:
    """Return what a run takes, in CPU and wall-clock seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return time.process_time() - cpu, time.perf_counter() - wall


def naive_start(model: Autoregressive, x: torch.Tensor, sites: int) -> None:
    """Draw the first sites of a batch by the naive sampler."""
    steps, noise = Repeated(model, len(x), None), Noise.of(0)
    place = (1, 1) if model.event.is_image else ()
    for site in range(sites):
        law = model.law(steps.features(site).view(len(x), -1, *place), model.site)
        drawn = law.at(noise.uniform((len(x), model.law.draws(model.site), *place)))
        steps.tell(site, model.site.scaled(drawn).view(len(x), -1))


def measure(case: Case, batch: int, pairs: int, naive_sites: int = 3) -> dict[str, float]:
    """Return the figures of one model and batch size."""
    model = tp.build(case.name, case.event, **case.arguments).eval()
    assert isinstance(model, Autoregressive)
    x = torch.randint(case.event.levels or 2, (batch, *case.event.shape), dtype=torch.uint8)
    by = 0 if torch.get_num_threads() == 1 else 1
    times: dict[str, list[float]] = {"forward": [], "sample": [], "naive": []}
    with torch.no_grad():
        runs = {
            "forward": lambda: model.features(case.event.scaled(x), None),
            "sample": lambda: model._sample_sharp(batch, None, Noise.of(0), Sharpness()),
            "naive": lambda: naive_start(model, x, naive_sites),
        }
        for run in runs.values():
            run()
        for _ in range(pairs):
            for name, run in runs.items():
                times[name].append(seconds(run)[by])
    naive = [t * model.sites / naive_sites for t in times["naive"]]
    return {
        "batch": batch,
        "forward, s": statistics.median(times["forward"]),
        "sampling, s": statistics.median(times["sample"]),
        "sampling ÷ forward": median_ratio(times["sample"], times["forward"]),
        "naive ÷ sampling": median_ratio(naive, times["sample"]),
    }


def median_ratio(above: list[float], below: list[float]) -> float:
    """Return the median over pairs of a ratio."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


MEMORY = """
import re, sys, torch, triptych as tp
sys.path.insert(0, {here!r})
from autoregressive import CASES
def resident(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
torch.set_num_threads(1)
case = CASES[{name!r}]
model = tp.build(case.name, case.event, **case.arguments).eval()
x = torch.randint(case.event.levels, ({batch}, *case.event.shape), dtype=torch.uint8)
model.log_prob(x[:1]), model.sample(1, seed=0)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = resident("VmRSS")
with torch.no_grad():
    model.features(case.event.scaled(x), None) if sys.argv[1] == "forward" else model.sample({batch}, seed=0)
print(resident("VmHWM") - before)
"""


def memory(name: str, batch: int) -> dict[str, float]:
    """Return by how much one forward, and the sampling of a batch, raise the peak memory of a fresh process (Linux)."""
    script = MEMORY.format(here=str(Path(__file__).parent), name=name, batch=batch)
    forward, sampling = (
        float(subprocess.check_output([sys.executable, "-c", script, what])) for what in ("forward", "sampling")
    )
    return {"forward, MB": forward, "sampling, MB": sampling}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Return the figures as Markdown."""
    lines = [
        "| model | batch | one forward, s | sampling, s | sampling ÷ forward | naive ÷ sampling "
        "| memory, sampling (forward), MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, rows in found.items():
        for row in rows:
            times = f"{row['forward, s']:.3g} | {row['sampling, s']:.3g}"
            ratios = f"{row['sampling ÷ forward']:.2f} | {row['naive ÷ sampling']:,.0f}"
            memory = f"{row['sampling, MB']:.0f} ({row['forward, MB']:.0f})"
            lines.append(f"| {name} | {row['batch']:.0f} | {times} | {ratios} | {memory} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="parts of the cases' names")
    parser.add_argument("--no-store", action="store_true")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, list[dict[str, float]]] = {}
    for name, case in CASES.items():
        if options.only and not any(part.lower() in name.lower() for part in options.only):
            continue
        print(name, flush=True)
        rows = []
        for batch, pairs in zip(case.batches, case.pairs, strict=True):
            rows.append(measure(case, batch, pairs) | (memory(name, batch) if options.threads == 1 else {}))
            print("  " + ", ".join(f"{key} {value:,.4g}" for key, value in rows[-1].items()), flush=True)
        found[name] = rows
    if not options.no_store:
        RESULTS.mkdir(exist_ok=True)
        target = RESULTS / f"autoregressive-sampling-{options.threads}.json"
        target.write_text(json.dumps({"hardware": hardware(), **found}, indent=2, ensure_ascii=False) + "\n")
        print(f"stored in {target}")
        if options.docs is not None:
            write_between(options.docs, "sampling", table(found))


if __name__ == "__main__":
    main()
