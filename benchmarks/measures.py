"""What the measures say of known things in a model's place: real data, copies, a class missing, blur, noise.

    python benchmarks/measures.py --data digits --n 400 --docs docs/measures.md
    python benchmarks/measures.py --data PATH/mnist --n 1000 --docs docs/measures.md

Every metric of samples against data and of novelty is measured, and the command fails if one does not order these
things as theory says (`triptych.testing.known`). Other data's figures in the file of results stay.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from frame import hardware
from panel import write_between

from triptych.data import load
from triptych.errors import UserError
from triptych.evaluation.figures import METRICS
from triptych.evaluation.subject import Subject
from triptych.metrics.figure import Figure
from triptych.testing.known import GROUPS, NO_ORDER, REAL, Known, expected, known, violated

RESULTS = Path(__file__).parent / "results" / "measures.json"
Figures = dict[str, dict[str, Figure]]
"""By metric and thing."""


def measured(found: Known) -> tuple[Figures, dict[str, float]]:
    """Return every metric's figures of all known things, and the seconds that each took."""
    subjects = {thing: Subject(examples, found.protocol) for thing, examples in found.things.items()}
    figures, seconds = {}, {}
    for name in [name for name, metric in METRICS.items() if metric.group in GROUPS]:
        begun = time.perf_counter()
        figures[name] = {thing: METRICS[name](subject) for thing, subject in subjects.items()}
        seconds[name] = time.perf_counter() - begun
        print(f"{name}: {seconds[name]:.1f} s", file=sys.stderr, flush=True)
    return figures, seconds


def table(figures: Figures) -> str:
    """Return figures as Markdown: a row a metric that examples have, in brackets what theory does not order."""
    answered = {name: row for name, row in figures.items() if any(one.value is not None for one in row.values())}
    things = list(next(iter(answered.values())))
    lines = [f"| measure | {' | '.join(things)} |", f"|---|{'---|' * len(things)}"]
    for name, row in answered.items():
        arrow = {1: " ↑", -1: " ↓"}.get(METRICS[name].better, "")
        unit = next((one.unit for one in row.values() if one.unit), "")
        cells = [_cell(name, thing, one) for thing, one in row.items()]
        lines.append(f"| `{row[REAL].protocol or name}`{', ' + unit if unit else ''}{arrow} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, thing: str, figure: Figure) -> str:
    return figure.text if thing == REAL or thing in expected(name) else f"({figure.text})"


def stored(found: Known, figures: Figures, seconds: Mapping[str, float], broken: Sequence[str]) -> dict[str, Any]:
    """Return what is kept of one data set."""
    rows = {
        name: {
            "seconds": round(seconds[name], 2),
            "theory": expected(name),
            "not_ordered": NO_ORDER.get(name, {}),
            "figures": {thing: figure.to_dict() for thing, figure in row.items()},
        }
        for name, row in figures.items()
    }
    return {"protocol": found.protocol.describe(), "violated": list(broken), "measures": rows}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, store; return 1 if theory was contradicted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits", help="labelled images, as for `triptych train`")
    parser.add_argument("--n", type=int, default=400, help="samples and test examples that are compared")
    parser.add_argument("--features", default="auto", help="as for `triptych evaluate`")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS, help="JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    data = Path(options.data.split(":")[-1]).stem
    train, test = load(options.data)
    found = known(train, test, options.n, data=data, extractor=options.features, seed=options.seed)
    figures, seconds = measured(found)
    broken = [line for name, row in figures.items() for line in violated(name, row)]
    kept = json.loads(options.out.read_text()) if options.out.exists() else {}
    machine = hardware()
    machine["command"] = str(machine["command"]).replace(options.data, data)
    kept[data] = {"hardware": machine, **stored(found, figures, seconds, broken)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    print(table(figures))
    if options.docs is not None:
        write_between(options.docs, f"measures-{data}", table(figures))
    for line in broken:
        print(f"theory is contradicted: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except UserError as error:
        sys.exit(f"error: {error}")
