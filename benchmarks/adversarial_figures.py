"""What adversarial models reach in some minutes of one thread: trained and measured by the command line, two at a time.

    python benchmarks/adversarial_figures.py --mnist PATH/mnist
    python benchmarks/adversarial_figures.py --mnist PATH/mnist infogan-mnist coupled-gan-digits

The networks and batches are smaller than the published ones, so that a processor gets somewhere; `triptych recipes` has
the published settings. Run again it goes on where it stopped: what was stopped is resumed, and what is stored is kept,
unless `--measure` asks to measure it again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

from frame import hardware

RESULTS = Path(__file__).parent / "results" / "adversarial-figures.json"
MNIST = "PATH/mnist"
"""Stands for the place of MNIST in a command."""


class Trial(NamedTuple):
    """One training, and how it is measured."""

    train: str
    """Words behind `triptych train`."""
    evaluate: str
    """Words behind `triptych evaluate RUN`."""


_CONDITIONAL = f"--data {MNIST} --classes 10 --channels 32 --steps 4000"
_AGREEMENT = f"--data {MNIST} --metrics agreement"
_FGAN = (
    f"--data {MNIST} --latent 100 --prior uniform --generator mlp:hidden=1200 --generator-norm batch "
    "--critic mlp:hidden=240,activation=elu --critic-norm none --lr 2e-4 --batch-size 128 --steps 800"
)
_PARZEN = f"--data {MNIST} --metrics parzen,parzen-sklearn --test-count 500"
_DIVERGENCES = ("kl", "reverse-kl", "pearson", "neyman", "squared-hellinger", "jeffreys", "jensen-shannon", "gan")
TRIALS: dict[str, Trial] = {
    "dcgan-mnist": Trial(f"dcgan {_CONDITIONAL}", _AGREEMENT),
    "auxiliary-classifier-gan-mnist": Trial(f"auxiliary-classifier-gan {_CONDITIONAL}", _AGREEMENT),
    "wgan-gp-mnist": Trial(f"wgan-gp {_CONDITIONAL.replace('32', '16').replace('4000', '1500')}", _AGREEMENT),
    "infogan-mnist": Trial(
        f"infogan --data {MNIST} --channels 32 --critic-norm batch --steps 3000", f"--data {MNIST} --metrics matching"
    ),
    "infogan-digits": Trial("infogan --data digits --steps 1500", "--metrics matching"),
    "coupled-gan-digits": Trial("coupled-gan --data digits --domains negative --steps 1500", "--metrics domains"),
    "sd-gan-digits": Trial("sd-gan --data digits --channels 16 --steps 1500", "--metrics identity"),
    **{f"fgan-{name}-mnist": Trial(f"gan --loss fgan-{name} {_FGAN}", _PARZEN) for name in _DIVERGENCES},
}


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


def row_of(name: str, mnist: str, runs: Path) -> dict[str, Any]:
    """Train and measure one trial; its commands are stored as a user types them, wherever the data lie here."""
    trial, run = TRIALS[name], runs / name
    row: dict[str, Any] = {
        "train": f"triptych train {trial.train} --out runs/{name}",
        "evaluate": f"triptych evaluate runs/{name} {trial.evaluate}",
    }
    keep = ["--resume"] if (run / "config.yaml").exists() else []
    try:
        triptych("train", *trial.train.replace(MNIST, mnist).split(), "--out", str(run), "--quiet", *keep)
        measured = triptych("evaluate", str(run), *trial.evaluate.replace(MNIST, mnist).split(), "--json", "--quiet")
    except Failed as error:
        return row | {"failed": str(error).replace(mnist, MNIST)}
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    return row | {"steps": last["step"], "seconds": last["seconds"], "figures": json.loads(measured)}


def main() -> None:
    """Train, measure, print and store; what is finished is stored at once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", help="else all of them")
    parser.add_argument("--mnist", required=True, help="where MNIST lies")
    parser.add_argument("--runs", type=Path, default=Path("runs/adversarial"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--measure", action="store_true", help="measure again what is stored already")
    options = parser.parse_args()
    names = options.trials or list(TRIALS)
    if unknown := [name for name in names if name not in TRIALS]:
        parser.error(f"{', '.join(unknown)}: expected some of {', '.join(TRIALS)}")
    found: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    lock = Lock()

    def play(name: str) -> None:
        if "figures" in found.get(name, {}) and not options.measure:
            return
        row = row_of(name, options.mnist, options.runs) | hardware()
        with lock:
            found[name] = row
            print(name, json.dumps(row.get("figures", row.get("failed")), ensure_ascii=False)[:2000], flush=True)
            RESULTS.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")

    with ThreadPoolExecutor(options.workers) as pool:
        list(pool.map(play, names))


if __name__ == "__main__":
    main()
