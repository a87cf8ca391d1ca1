"""Which metric of novelty catches which way of copying the training set, and how many duplicates the data have.

    python benchmarks/copies.py --data digits --docs docs/measures.md
    python benchmarks/copies.py --data PATH/mnist --duplicates

Training images stand in a model's place, as they are and altered. A table of the shares of near-copies, in %.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from frame import hardware
from panel import write_between

import triptych as tp
from triptych.data import Examples
from triptych.evaluation import METRICS, Protocol, Subject
from triptych.evaluation.studies.duplicates import duplicates

RESULTS = Path(__file__).parent / "results"


def ways_of(replayed: Examples, unseen: Examples, seed: int) -> dict[str, Examples]:
    """Return what stands in a model's place, by name; an amount is a share of the range from black to white."""
    assert replayed.event.levels is not None
    top, x = replayed.event.levels - 1, replayed.data.float()
    generator = torch.Generator().manual_seed(seed)
    noise = top * torch.randn(x.shape, generator=generator)
    uniform = top * torch.rand(x.shape, generator=generator)
    ways = {
        "replayed": x,
        "with noise of 5 %": x + 0.05 * noise,
        "with noise of 10 %": x + 0.1 * noise,
        "with noise of 20 %": x + 0.2 * noise,
        "shifted by a pixel": x.roll(1, -1),
        "20 % brighter": 1.2 * x,
        "20 % darker": 0.8 * x,
        "40 % darker": 0.6 * x,
        "mirrored": x.flip(-1),
        "means of two": (x + x.roll(1, 0)) / 2,
        "uniform noise": uniform,
    }
    shown = {way: Examples(y.round().clamp(0, top).to(torch.uint8), replayed.event) for way, y in ways.items()}
    return {**shown, "unseen data": Examples(unseen.data, unseen.event)}


def measured(protocol: Protocol, seed: int) -> dict[str, dict[str, str]]:
    """Return each figure's text by what stands in a model's place and the protocol's name."""
    order = torch.randperm(len(protocol.train), generator=torch.Generator().manual_seed(seed))
    ways = ways_of(protocol.train[order[: protocol.samples]], protocol.real, seed)
    code = protocol.changed(extractor="autoencoder")
    asked = [("near-copies", protocol), ("feature-copies", protocol), ("feature-copies", code)]
    asked.append(("altered-copies", protocol))
    found: dict[str, dict[str, str]] = {}
    for way, examples in ways.items():
        figures = [METRICS[name](Subject(examples, under)) for name, under in asked]
        found[way] = {figure.protocol: figure.text for figure in figures}
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    """Return it as Markdown."""
    columns = list(next(iter(found.values())))
    lines = ["| training images | " + " | ".join(f"`{name}`" for name in columns) + " |"]
    lines.append("|---|" + "---|" * len(columns))
    return "\n".join(lines + [f"| {way} | " + " | ".join(row.values()) + " |" for way, row in found.items()])


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and store in `benchmarks/results/copies-DATA.json`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="labelled images, as for `triptych train`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--duplicates", action="store_true", help="count the data's duplicates, too")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train, test = tp.data.load(given.data)
    name = Path(given.data).stem
    protocol = Protocol.prepare(train, test, data=name, seed=given.seed)
    found = {"hardware": hardware(), "copies": measured(protocol, given.seed)}
    print(table(found["copies"]))
    if given.duplicates:
        start = time.process_time()
        counted = duplicates(Subject(None, protocol)).to_dict()
        found["duplicates"] = {**counted, "CPU seconds": round(time.process_time() - start, 1)}
        print(json.dumps(found["duplicates"], indent=2))
    out = RESULTS / f"copies-{name}.json"
    out.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    if given.docs:
        write_between(given.docs, f"copies-{name}", table(found["copies"]))


if __name__ == "__main__":
    main()
