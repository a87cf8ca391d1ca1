"""The autoregressive panel: every model trained for the same time on one thread, and what came of it.

    python benchmarks/panel.py --data digits --minutes 5 --docs docs/autoregressive.md

Run again it goes on where it stopped: a model that has had its time is not trained again, nor measured, unless
`--measure` asks for it. A tenth of the training split, the same for all, chooses the best weights, as in `compare`.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from frame import hardware
from torch import Tensor

from triptych.catalogue import CATALOGUE, build
from triptych.comparison.compare import VALIDATED, Trained, train_one
from triptych.data import hold_out, load
from triptych.data.examples import Examples
from triptych.errors import UserError
from triptych.evaluation.cost.speed import sampling_speed
from triptych.evaluation.likelihood import log_likelihood
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.questions import Sampler
from triptych.queries import bits_per_dim

RESULTS = Path(__file__).parent / "results"
BASELINE = "independent pixels"
BATCHES = (64, 1)
SAMPLING_SECONDS = 20.0
"""About how long each timing of the sampler may take; a slower one draws a smaller batch, which its protocol names."""
SMALL: dict[str, dict[str, Any]] = {
    "pixelcnn": {"channels": 32, "layers": 5},
    "gated-pixelcnn": {"channels": 32, "layers": 4},
    "pixelcnn++": {"channels": 24, "blocks": 1, "scales": 2},
    "row-lstm": {"channels": 32, "layers": 2},
    "diagonal-lstm": {"channels": 24, "layers": 2},
    "diagonal-bilstm": {"channels": 16, "layers": 2},
}
"""Sizes at which one processor core sees 28×28 images often enough in some minutes; other models as they are."""
Row = dict[str, Any]


def chunks_of(examples: Examples) -> Iterator[Tensor]:
    """Yield `(n, D)` examples, few enough at a time that their levels as numbers fit into memory."""
    for start in range(0, len(examples), 1000):
        yield examples.data[start : start + 1000].flatten(1)


def level_probabilities(train: Examples) -> Tensor:
    """Return how probable each level of each sub-pixel is, `(L, D)`: (its count + 1) / (N + L), after Laplace.

    Where the data are binarised anew every epoch, the counts are their expectations.
    """
    levels = train.event.levels
    assert levels is not None, "vectors have no levels"
    n, places = len(train), train.event.dims
    if train.intensities is not None:
        lit = train.intensities.flatten(1).double().sum(0) / (train.intensity_levels - 1)
        counts = torch.stack([n - lit, lit])
    else:
        counts = torch.zeros(levels, places, dtype=torch.float64)
        for chunk in chunks_of(train):
            counts.scatter_add_(0, chunk.long(), torch.ones_like(chunk, dtype=torch.float64))
    return (counts + 1) / (n + levels)


def independent(train: Examples, test: Examples) -> Row:
    """Return the row of independent pixels, in closed form: what every model of dependence must beat."""
    log_p = level_probabilities(train).log()
    nats = torch.cat([log_p.gather(0, chunk.long()).sum(1) for chunk in chunks_of(test)])
    bits = bits_per_dim(nats, test.event.dims)
    protocol = f"exact@test-{len(test)}"
    return {
        "nats": Figure(*mean_and_error(nats), "nats", protocol, "=").to_dict(),
        "bits_per_dim": Figure(*mean_and_error(bits), "bits/dim", protocol, "=").to_dict(),
        "parameters": (log_p.shape[0] - 1) * log_p.shape[1],
    }


def measured(one: Trained, test: Examples) -> Row:
    """Return what is said of a trained model."""
    model = one.model
    assert isinstance(model, Sampler), "an autoregressive model draws"
    found = log_likelihood(model, test)
    speeds = {batch: sampling_speed(model, batch=batch, seconds=SAMPLING_SECONDS) for batch in BATCHES}
    return {
        "nats": found.nats.to_dict(),
        "bits_per_dim": found.bits_per_dim.to_dict(),
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": one.rounds,
        "seconds": one.seconds,
        "seconds_per_image": {str(batch): per_image(speed).to_dict() for batch, speed in speeds.items()},
        "held_out": [[r["seconds"], r["held-out/nll"]] for r in one.records if "held-out/nll" in r],
        "arguments": {name: str(value) for name, value in model.arguments.items()},
        "findings": list(one.findings),
    }


def per_image(speed: Figure) -> Figure:
    """Return the time of a sample, given samples a second."""
    assert speed.value is not None, "a sampler has a speed"
    error = None if speed.error is None else speed.error / speed.value**2
    return Figure(1 / speed.value, error, "s", speed.protocol, note=speed.note)


def rows_of(options: argparse.Namespace, train: Examples, test: Examples) -> Iterator[tuple[str, Row]]:
    """Train and measure what is missing, model by model; a model that is not one of such data says why."""
    rest, valid = hold_out(train, VALIDATED, options.seed)
    yield BASELINE, independent(rest, test)
    budget = {"minutes": options.minutes, "steps": None, "batch_size": options.batch_size}
    for name in map(str, options.models):
        print(f"{name} …", file=sys.stderr, flush=True)
        stored, weights = options.runs / f"{name}.json", options.runs / name / "model.safetensors"
        try:
            arguments = SMALL.get(name, {}) if options.small else {}
            build(name, train.event, **arguments)
            one = train_one(
                name,
                rest,
                valid[: options.valid_count],
                options.runs / name,
                budget,
                seed=options.seed,
                overwrite=False,
                quiet=options.quiet,
                arguments=arguments,
            )
        except UserError as error:
            yield name, {"not_measured": str(error)}
            continue
        fresh = stored.exists() and stored.stat().st_mtime_ns >= weights.stat().st_mtime_ns
        row: Row = json.loads(stored.read_text()) if fresh and not options.measure else {}
        if not row or not row["nats"]["protocol"].endswith(f"@test-{len(test)}"):
            row = measured(one, test)
            stored.write_text(json.dumps(row, indent=2) + "\n")
        yield name, row


def table(rows: Mapping[str, Row]) -> str:
    """Return the rows as Markdown, the most probable test data first."""
    shown = [(name, row) for name, row in rows.items() if row.get("nats", {}).get("value") is not None]
    shown.sort(key=lambda entry: -entry[1]["nats"]["value"])
    lines = [
        "| model | log p(x), nats | bits/dim | parameters | training steps | training, s "
        "| sampling, ms an image, 64 at once | one at a time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in shown:
        cells = [name, _plain(row["nats"]), _plain(row["bits_per_dim"]), f"{row['parameters']:,}"]
        cells += [f"{row[key]:,.0f}" if key in row else "" for key in ("steps", "seconds")]
        times = row.get("seconds_per_image", {})
        cells += [_milliseconds(times.get(str(batch)), batch) for batch in BATCHES]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _plain(figure: Mapping[str, Any]) -> str:
    return str(figure["text"]).removeprefix("= ")


def _milliseconds(figure: Mapping[str, Any] | None, batch: int) -> str:
    if figure is None:
        return ""
    text = Figure(1000 * figure["value"]).text
    used = re.match(r"batch-(\d+)@", figure["protocol"])
    return text if used and int(used[1]) == batch else f"{text} ({figure['protocol'].split('@')[0]})"


def write_between(path: Path, name: str, text: str) -> None:
    """Replace what is between `<!-- table:NAME -->` and `<!-- end -->` in a file."""
    page = path.read_text()
    found = re.search(rf"(<!-- table:{re.escape(name)} -->\n).*?(<!-- end -->)", page, re.DOTALL)
    if found is None:
        raise SystemExit(f"{path} has no <!-- table:{name} --> … <!-- end -->: add them where the table belongs")
    path.write_text(f"{page[: found.end(1)]}{text}\n{page[found.start(2) :]}")


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return what was typed, with what follows from it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="images, as for `triptych train`")
    parser.add_argument("--binarize", help="as for `triptych train`")
    parser.add_argument("--minutes", type=float, required=True, help="training time of each model")
    parser.add_argument("--models", nargs="*", help="names of the catalogue; else every autoregressive one")
    parser.add_argument("--test-count", type=int, help="measure on so many test examples; else on all")
    parser.add_argument("--valid-count", type=int, help="choose weights by so many held-out examples; else by all")
    parser.add_argument("--small", action="store_true", help="convolutional and recurrent models of reduced size")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=Path, help="directory of the runs; else runs/panel-DATA")
    parser.add_argument("--out", type=Path, help="JSON file; else benchmarks/results/autoregressive-DATA.json")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    parser.add_argument("--measure", action="store_true", help="measure again what is trained already")
    parser.add_argument("--quiet", action="store_true", help="show no progress of training")
    options = parser.parse_args(arguments)
    if not options.minutes > 0 or not math.isfinite(options.minutes):
        parser.error(f"--minutes {options.minutes:g}: expected a time above 0")
    options.name = Path(options.data.split(":")[-1]).stem + ("-binarised" if options.binarize else "")
    options.runs = options.runs or Path("runs") / f"panel-{options.name}"
    options.out = options.out or RESULTS / f"autoregressive-{options.name}.json"
    options.models = options.models or [name for name, entry in CATALOGUE.items() if entry.family == "autoregressive"]
    return options


def about(options: argparse.Namespace, train: Examples) -> dict[str, Any]:
    """Return what the figures are of; a folder is told by its name, wherever it lies."""
    local = Path(options.data).exists()
    spec = Path(options.data).name if local else options.data
    machine = hardware()
    machine["command"] = str(machine["command"]).replace(options.data, spec)
    return {"hardware": machine, "data": {**train.source, "spec": spec}, "minutes": options.minutes}


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, measure, print and store; what is finished is stored at once."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    train, test = load(options.data, binarize=options.binarize)
    if not train.event.is_image:
        raise SystemExit(f"{options.data} holds vectors: the panel is of images")
    test = test if options.test_count is None else test[: options.test_count]
    options.runs.mkdir(parents=True, exist_ok=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    found = about(options, train)
    found |= {"batch_size": options.batch_size, "seed": options.seed, "held_out_share": VALIDATED, "models": {}}
    for name, row in rows_of(options, train, test):
        found["models"][name] = row
        options.out.write_text(json.dumps(found, indent=2) + "\n")
        if "not_measured" in row:
            print(f"{name} is left out: {row['not_measured']}", file=sys.stderr)
    print(table(found["models"]))
    if options.docs is not None:
        write_between(options.docs, f"autoregressive-{options.name}", table(found["models"]))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"error: {error}")
