"""The variational panel's speed beside the best-known library of VAEs, in one run: `make bench-variational`.

Both have the same networks, 784-512-32 and 32-512-784 with rectifiers and Bernoulli pixels, and for the bound the same
weights; beside them runs the decoder's last layer alone on as many codes, which no implementation can do without. The
peer is pythae, in an environment of its own (`pip install pythae`, and the same version of torch). Runs alternate; the
yardstick is process CPU time of one thread; ratios are medians over pairs.

    python benchmarks/variational.py --peer PEER/bin/python --docs docs/variational.md
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from frame import hardware
from panel import write_between
from torch.nn import functional as F

import triptych as tp

RESULTS = Path(__file__).parent / "results" / "variational-speed.json"
LATENT, HIDDEN, SAMPLES = 32, 512, 5000
BATCHES = (64, 100)


class Peer:
    """The peer in its process: `ask` has it do one thing and returns what that took."""

    def __init__(self, python: str, given: Path) -> None:
        script = Path(__file__).with_name("variational_peer.py")
        self.process = subprocess.Popen(
            [python, script, given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **what: object) -> dict[str, float]:
        """Return CPU seconds, the log-likelihood found, and by how many MB the peak of its memory rose."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"the peer ended with {self.process.wait()}: does its environment have pythae and torch?")
        answer: dict[str, float] = json.loads(line)
        return answer


def seconds(run: Callable[[], object]) -> float:
    """Return the CPU seconds that a run takes."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def images(count: int) -> tuple[tp.Examples, tp.Examples]:
    """Return binary images of 28×28: the embedded digits enlarged, `count` drawn for training, and the test split."""
    splits = []
    for split in tp.data.load("digits", progress=False):
        large = F.interpolate(split.data.float(), size=(28, 28), mode="bilinear")
        splits.append((large >= 8).to(torch.uint8))
    order = torch.randint(len(splits[0]), (count,), generator=torch.Generator().manual_seed(0))
    event = tp.Event((1, 28, 28), 2)
    return tp.Examples(splits[0][order], event), tp.Examples(splits[1], event)


def model_of(event: tp.Event) -> tp.VAE:
    """Return the VAE that both have."""
    return tp.build("vae", event, latent=LATENT, hidden=HIDDEN, encoder="mlp", decoder="mlp")


def bounds(model: tp.VAE, test: tp.Examples, peer: Peer, pairs: int) -> dict[str, float]:
    """The importance-weighted bound, k = 5000, of the same images with the same weights."""
    x = test[:2]
    last = list(model.decoder.modules())[-1]
    rows = torch.randn(SAMPLES // 5, HIDDEN)
    times: dict[str, list[float]] = {"ours": [], "as called": [], "without gradients": [], "last layer": []}
    gaps = []
    for pair in range(-1, pairs):  # the first warms up
        begun = time.process_time()
        ours = float(model.log_prob_bounds(x, samples=SAMPLES, seed=pair).lower.mean())
        took = {"ours": time.process_time() - begun}
        for how in ("as called", "without gradients"):
            answer = peer.ask(what=how, images=len(x), samples=SAMPLES, seed=1 + pair)
            took[how] = answer["seconds"]
        with torch.no_grad():
            took["last layer"] = seconds(lambda: [last(rows) for _ in range(5 * len(x))])
        if pair >= 0:
            gaps.append(ours - answer["log_p"])
            for name, value in took.items():
                times[name].append(value)
    found = {f"{name}, images/s": len(x) / statistics.median(values) for name, values in times.items()}
    return found | {
        "ours ÷ as called": ratio(times["as called"], times["ours"]),
        "ours ÷ without gradients": ratio(times["without gradients"], times["ours"]),
        "ours ÷ last layer": ratio(times["last layer"], times["ours"]),
        "log p(x), ours - theirs, nats": statistics.mean(gaps),
        "standard error, nats": statistics.stdev(gaps) / len(gaps) ** 0.5,
    }


def training(train: tp.Examples, peer: Peer, batch: int, epochs: int, pairs: int) -> dict[str, float]:
    """Training of a new model by Adam, batch by batch from memory."""
    steps = epochs * (len(train) // batch)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for pair in range(1 + pairs):
        model = model_of(train.event)
        ours = seconds(lambda m=model: tp.fit(m, train, steps=steps, batch_size=batch, progress=False))
        theirs = peer.ask(what="train", batch=batch, epochs=epochs, seed=0)["seconds"]
        if pair:
            times["ours"].append(ours)
            times["peer"].append(theirs)
    seen = steps * batch
    return {
        "ours, images/s": seen / statistics.median(times["ours"]),
        "peer, images/s": seen / statistics.median(times["peer"]),
        "ours ÷ peer": ratio(times["peer"], times["ours"]),
    }


MEMORY = """
import re, sys, torch, triptych as tp
def resident(what):
    return int(re.search(what + r":\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
torch.set_num_threads(1)
given = torch.load(sys.argv[1], weights_only=True)
model = tp.build("vae", tp.Event((1, 28, 28), 2), latent=given["latent"], hidden={hidden}, encoder="mlp", decoder="mlp")
model.load_state_dict(given["weights"])
x = given["test"][:1].to(torch.uint8)
model.log_prob_bounds(x)
open("/proc/self/clear_refs", "w").write("5")  # the peak starts anew
before = resident("VmRSS")
model.log_prob_bounds(x, samples=int(sys.argv[2]))
print(resident("VmHWM") - before)
"""


def rise(given: Path, samples: int) -> float:
    """Return by how many MB the bound of one image raises the peak memory of a fresh process (Linux)."""
    script = MEMORY.format(hidden=HIDDEN)
    return float(subprocess.check_output([sys.executable, "-c", script, str(given), str(samples)]))


def ratio(above: list[float], below: list[float]) -> float:
    """Return the median over pairs of a ratio."""
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


def table(found: dict[str, dict[str, float]]) -> str:
    """Return the figures as Markdown."""
    bound, memory = found["bound"], found["memory"]
    lines = [
        "| one thread | triptych | pythae | ratio |",
        "|---|---|---|---|",
        f"| bound of 5,000 codes, images/s, beside pythae as it is called | {bound['ours, images/s']:.1f} "
        f"| {bound['as called, images/s']:.1f} | {bound['ours ÷ as called']:.2f} |",
        f"| the same, pythae within `torch.no_grad()` | {bound['ours, images/s']:.1f} "
        f"| {bound['without gradients, images/s']:.1f} | {bound['ours ÷ without gradients']:.2f} |",
        f"| the decoder's last layer alone, images/s | {bound['last layer, images/s']:.1f} | | "
        f"{bound['ours ÷ last layer']:.2f} |",
        f"| memory that the bound takes for 5,000 (50,000) codes, MB | {memory['ours, 5,000 codes']:.0f} "
        f"({memory['ours, 50,000 codes']:.0f}) | {memory['peer, 5,000 codes']:.0f} | |",
    ]
    for batch in BATCHES:
        row = found[f"training, batch {batch}"]
        lines.append(
            f"| training, batch {batch}, images/s | {row['ours, images/s']:,.0f} | {row['peer, images/s']:,.0f} "
            f"| {row['ours ÷ peer']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="the Python of an environment that has pythae")
    parser.add_argument("--quick", action="store_true", help="fewer repeats: to see that it runs; stores nothing")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    pairs = 2 if options.quick else 9
    train, test = images(2_000 if options.quick else 10_000)
    model = model_of(train.event)
    tp.fit(model, train, steps=300, batch_size=100, progress=False)
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "given.pt"
        weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        torch.save(
            {"latent": LATENT, "weights": weights, "train": train.data.float(), "test": test.data.float()}, given
        )
        peer = Peer(options.peer, given)
        memory = {f"ours, {k:,} codes": rise(given, k) for k in (SAMPLES, 10 * SAMPLES)}
        memory["peer, 5,000 codes"] = peer.ask(what="as called", images=1, samples=SAMPLES, seed=0)["memory"]
        found = {"memory": memory, "bound": bounds(model, test, peer, pairs)}
        for batch in BATCHES:
            found[f"training, batch {batch}"] = training(train, peer, batch, 1 if options.quick else 2, pairs)
    print(json.dumps(found, indent=2, ensure_ascii=False))
    if not options.quick:
        RESULTS.write_text(json.dumps({"hardware": hardware(), **found}, indent=2, ensure_ascii=False) + "\n")
        print(f"stored in {RESULTS}")
        if options.docs is not None:
            write_between(options.docs, "variational-speed", table(found))


if __name__ == "__main__":
    main()
