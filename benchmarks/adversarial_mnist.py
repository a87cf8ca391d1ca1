"""What the adversarial recipes reach on MNIST in so many minutes of one thread, two at a time.

    python benchmarks/adversarial_mnist.py --data PATH/mnist --minutes 30
    python benchmarks/adversarial_mnist.py --data PATH/mnist --minutes 30 dcgan-mnist wgan-gp-mnist

Each is trained with `triptych train --recipe NAME` and measured with `triptych evaluate`, as its recipe says. Run again
it goes on where it stopped: what has had its time is not trained again, and a stored figure is not measured again,
unless `--measure` asks for it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from frame import hardware

from triptych.recipes import RECIPES, Recipe
from triptych.recipes.adversarial import ADVERSARIAL

RESULTS = Path(__file__).parent / "results" / "adversarial-mnist.json"
RUNS = Path("runs/adversarial-mnist")
Row = dict[str, Any]


class Failed(Exception):
    """A command that ended with an error; the message is its last line."""


def triptych(*words: str) -> str:
    """Run one command with one thread, and return what it printed."""
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "triptych", *words]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **one_thread})
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing was said"]
        raise Failed(f"triptych {' '.join(words)}: {said[-1]}")
    return done.stdout


def training(name: str, options: argparse.Namespace, run: Path) -> list[str]:
    """Return the words that train a recipe."""
    budget = ["--steps", str(options.steps)] if options.steps else ["--minutes", f"{options.minutes:g}"]
    place = ["--resume"] if (run / "config.yaml").exists() else []
    return ["train", "--recipe", name, "--data", str(options.data), *budget, "--out", str(run), "--quiet", *place]


def evaluation(recipe: Recipe, options: argparse.Namespace, run: Path) -> list[str]:
    """Return the words that measure it."""
    return ["evaluate", str(run), "--data", str(options.data), *recipe.measured.split(), "--json", "--quiet"]


def row_of(name: str, options: argparse.Namespace) -> Row:
    """Train one recipe and measure it."""
    recipe, run = RECIPES[name], options.runs / name
    train, measure = training(name, options, run), evaluation(recipe, options, run)
    row: Row = {"train": shown(train, options), "evaluate": shown(measure, options)}
    row |= {"published": recipe.published, "protocol": recipe.protocol}
    try:
        triptych(*train)
        row["figures"] = json.loads(triptych(*measure))
    except Failed as error:
        return row | {"failed": str(error).replace(str(options.data), "PATH/mnist")}
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return row | {"steps": last["step"], "seconds": last["seconds"]}


def shown(words: Sequence[str], options: argparse.Namespace) -> str:
    """Return a command as a user types it, wherever the data lie here."""
    return " ".join(["triptych", *words]).replace(str(options.data), "PATH/mnist").replace(" --resume", "")


def main() -> None:
    """Train, measure, print and store; what is finished is stored at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="else all adversarial ones on MNIST")
    parser.add_argument("--data", type=Path, required=True, help="where MNIST lies")
    parser.add_argument("--minutes", type=float, default=30.0, help="training time of each")
    parser.add_argument("--steps", type=int, help="train so many rounds instead, to see that it runs; stores nothing")
    parser.add_argument("--runs", type=Path, default=RUNS)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="measure again what is stored already")
    options = parser.parse_args()
    names = options.recipes or list(ADVERSARIAL)
    if unknown := [name for name in names if name not in ADVERSARIAL]:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(ADVERSARIAL)}")
    found: dict[str, Any] = {"runs": {}}
    if RESULTS.exists() and not options.steps:
        found = json.loads(RESULTS.read_text())
    options.runs.mkdir(parents=True, exist_ok=True)
    lock = Lock()

    def play(name: str) -> None:
        stored = found["runs"].get(name, {})
        if not options.measure and "figures" in stored and stored["seconds"] >= 60 * options.minutes:
            return
        row = row_of(name, options) | {"hardware": hardware()}
        with lock:
            found["runs"][name] = row
            print(name, json.dumps(row.get("figures", row.get("failed")), ensure_ascii=False)[:2000], flush=True)
            if not options.steps:
                RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")

    with ThreadPoolExecutor(options.workers) as pool:
        list(pool.map(play, names))


if __name__ == "__main__":
    main()
