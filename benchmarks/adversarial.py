"""The adversarial panel's speed, in one run: `make bench-adversarial`.

DCGAN at 32×32 in colour, batch 64, beside torchgan's trainer (`pip install torchgan --no-deps` in an environment of its
own, with the same version of torch), and beside a bare loop; WGAN-GP with the same generator beside a bare loop. Both
sides have the same layers, and start from the same weights. Runs alternate; ratios are medians over pairs, of process
CPU time with one thread, and of wall-clock time with several, where the CPU time of waiting threads says nothing.

    python benchmarks/adversarial.py --peer PEER/bin/python --docs docs/adversarial.md
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import torch
from frame import dcgan_parts, gan, hardware
from panel import write_between
from torch import Tensor, nn

import triptych as tp

RESULTS = Path(__file__).parent / "results" / "adversarial-speed.json"
BATCH, LATENT = 64, 100
ADAM: dict[str, Any] = {"lr": 2e-4, "betas": (0.5, 0.999)}
Took = dict[str, float]


class Peer:
    """The peer in its process."""

    def __init__(self, python: str, given: Path) -> None:
        script = Path(__file__).with_name("adversarial_peer.py")
        self.process = subprocess.Popen(
            [python, script, given], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def ask(self, **what: object) -> dict[str, Any]:
        """Return the CPU and wall-clock seconds of some epochs, and what the critic says before."""
        assert self.process.stdin is not None and self.process.stdout is not None
        print(json.dumps(what), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(
                f"the peer ended with {self.process.wait()}: does its environment have torchgan and torch?"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def timed(run: Callable[[], object]) -> Took:
    """Return the CPU and wall-clock seconds that a run takes."""
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def model_of(event: tp.Event, weights: Sequence[dict[str, Tensor]], **further: Any) -> tp.GAN:
    """Return the DCGAN that both have."""
    parts = dcgan_parts()
    for part, own in zip(parts, weights, strict=True):
        part.load_state_dict(own)
    return tp.build("gan", event, latent=LATENT, generator=parts[0], critic=parts[1], **further)


def check_same(model: tp.GAN, codes: Tensor, theirs: Sequence[float]) -> None:
    """Stop unless the peer's networks say what ours say."""
    with torch.no_grad():
        model.eval()
        ours = model.judged(model.generate(codes, None), None)
    if not torch.allclose(ours, torch.tensor(theirs), atol=1e-4):
        raise SystemExit(
            f"the same weights say {ours.tolist()} here and {theirs} in the peer: these are other networks"
        )


def beside_peer(train: tp.Examples, peer: Peer, threads: int, epochs: int, pairs: int) -> dict[str, float]:
    """Training beside torchgan's trainer: with its schedule, with channels last, and with fakes judged twice."""
    given = peer_given(train)
    weights = (given["generator"], given["critic"])
    check_same(
        model_of(train.event, weights), given["codes"], peer.ask(threads=threads, batch=BATCH, epochs=0)["logits"]
    )
    steps = epochs * (len(train) // BATCH)

    def ours(channels_last: bool, **further: Any) -> Took:
        model = model_of(train.event, weights, **further)
        return timed(
            lambda: tp.fit(
                model, train, steps=steps, batch_size=BATCH, lr=ADAM["lr"], channels_last=channels_last, progress=False
            )
        )

    runs: dict[str, Callable[[], Took]] = {
        "same schedule": lambda: ours(False),
        "channels last": lambda: ours(True),
        "shared fakes": lambda: ours(True, shared_fakes=True),
        "peer": lambda: peer.ask(threads=threads, batch=BATCH, epochs=epochs),
    }
    return compared(runs, "peer", steps * BATCH, threads, pairs)


def peer_given(train: tp.Examples) -> dict[str, Any]:
    """Return what both start from; every call makes the same."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator, critic = dcgan_parts()
        codes = torch.randn(8, LATENT)
    return {
        "generator": generator.state_dict(),
        "critic": critic.state_dict(),
        "codes": codes,
        "optimizer": ADAM,
        "train": train.data.float() / 127.5 - 1,
    }


def compared(
    runs: dict[str, Callable[[], Took]], against: str, images: int, threads: int, pairs: int
) -> dict[str, float]:
    """Alternate runs; return images/s of each, and the median ratio of each one's speed to that of one of them."""
    clock = "cpu" if threads == 1 else "wall"
    times: dict[str, list[float]] = {name: [] for name in runs}
    for pair in range(-1, pairs):  # the first warms up
        for name, run in runs.items():
            took = run()[clock]
            if pair >= 0:
                times[name].append(took)
    found = {f"{name}, images/s": images / statistics.median(values) for name, values in times.items()}
    for name in runs:
        if name != against:
            ratios = [theirs / own for own, theirs in zip(times[name], times[against], strict=True)]
            found |= {f"{name} ÷ {against}": statistics.median(ratios)}
            found |= {f"lowest {name} ÷ {against}": min(ratios), f"highest {name} ÷ {against}": max(ratios)}
    return found


def wgan_gp_parts() -> tuple[nn.Sequential, nn.Sequential]:
    """Return DCGAN's generator, and its critic without batch normalisation (Gulrajani et al. 2017, §4)."""
    generator, critic = dcgan_parts()
    return generator, nn.Sequential(*(layer for layer in critic if not isinstance(layer, nn.BatchNorm2d)))


class BareWGAN:
    """WGAN-GP as one would write it without triptych, and well: fused Adam, frozen critic, fakes without a graph."""

    def __init__(self, data: Tensor) -> None:
        self.data = data
        self.generator, self.critic = wgan_gp_parts()
        self.adam = [
            torch.optim.Adam(part.parameters(), lr=1e-4, betas=(0.0, 0.9), fused=True)
            for part in (self.critic, self.generator)
        ]

    def critic_loss(self, real: Tensor) -> Tensor:
        """Return -(E D(x) - E D(G(z))) + 10 E(‖∇D(x̂)‖ - 1)²."""
        with torch.no_grad():
            fake = torch.tanh(self.generator(torch.randn(len(real), LATENT)))
        between = torch.lerp(fake, real, torch.rand(len(real), 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)
        penalty = 10 * (slope.flatten(1).norm(dim=1) - 1) ** 2
        return (self.critic(fake) - self.critic(real)).mean() + penalty.mean()

    def train(self, rounds: int, critic_steps: int) -> None:
        """Play."""
        order = torch.randperm(len(self.data))
        for turn in range(rounds * critic_steps):
            at = turn * BATCH % (len(self.data) - BATCH)
            self.critic.requires_grad_(True)
            self.adam[0].zero_grad(set_to_none=True)
            self.critic_loss(self.data[order[at : at + BATCH]]).backward()
            self.adam[0].step()
            if (turn + 1) % critic_steps == 0:
                self.critic.requires_grad_(False)
                self.adam[1].zero_grad(set_to_none=True)
                (-self.critic(torch.tanh(self.generator(torch.randn(BATCH, LATENT))))).mean().backward()
                self.adam[1].step()


def wgan_gp(train: tp.Examples, threads: int, rounds: int, pairs: int) -> dict[str, float]:
    """`fit` against a bare loop of the same WGAN-GP: five turns of the critic a round."""
    generator, critic = wgan_gp_parts()
    model = tp.build(
        "gan",
        train.event,
        latent=LATENT,
        loss="wasserstein",
        penalty="gradient:weight=10",
        critic_steps=5,
        generator=generator,
        critic=critic,
        beta1=0.0,
        beta2=0.9,
    )
    bare = BareWGAN(train.data.float() / 127.5 - 1)
    runs: dict[str, Callable[[], Took]] = {
        "fit": lambda: timed(lambda: tp.fit(model, train, steps=rounds, batch_size=BATCH, lr=1e-4, progress=False)),
        "bare": lambda: timed(lambda: bare.train(rounds, 5)),
    }
    return compared(runs, "bare", rounds * 5 * BATCH, threads, pairs)


def measured(python: str, threads: int, quick: bool) -> dict[str, dict[str, float]]:
    """Return all figures with so many threads."""
    torch.set_num_threads(threads)
    pairs = 2 if quick else 7
    count = BATCH * (4 if quick else 10)
    data = torch.randint(256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    train = tp.Examples(data, tp.Event((3, 32, 32), 256))
    with tempfile.TemporaryDirectory() as place:
        given = Path(place) / "given.pt"
        torch.save(peer_given(train), given)
        peer = Peer(python, given)
        found = {"beside torchgan": beside_peer(train, peer, threads, 1, pairs)}
    bare = gan(4 if quick else 8, pairs)
    clock = "CPU time" if threads == 1 else "wall-clock"
    found["DCGAN beside a bare loop"] = {
        "fit, images/s": bare["fit images/s"],
        "bare, images/s": bare["bare images/s"],
        "fit ÷ bare": bare[f"ratio by {clock}"],
    }
    found["WGAN-GP beside a bare loop"] = wgan_gp(train, threads, 1 if quick else 2, pairs)
    return found


def table(found: dict[str, dict[str, dict[str, float]]]) -> str:
    """Return the figures as Markdown."""
    lines = ["| images/s | threads | triptych | the other | ratio |", "|---|---|---|---|---|"]
    for threads, figures in found.items():
        rows = [
            ("DCGAN, torchgan's schedule, beside torchgan", "beside torchgan", "same schedule", "peer"),
            ("the same with `--channels-last`", "beside torchgan", "channels last", "peer"),
            ("with `--channels-last --shared-fakes`", "beside torchgan", "shared fakes", "peer"),
            ("DCGAN beside a bare loop", "DCGAN beside a bare loop", "fit", "bare"),
            ("WGAN-GP, 5 turns of the critic, beside a bare loop", "WGAN-GP beside a bare loop", "fit", "bare"),
        ]
        for title, group, ours, theirs in rows:
            row = figures[group]
            lines.append(
                f"| {title} | {threads} | {row[f'{ours}, images/s']:,.0f} | {row[f'{theirs}, images/s']:,.0f} "
                f"| {row[f'{ours} ÷ {theirs}']:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", required=True, help="the Python of an environment that has torchgan")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true", help="fewer repeats: to see that it runs; stores nothing")
    parser.add_argument("--docs", type=Path, help="also write the table between the markers of this file")
    options = parser.parse_args()
    found = {str(threads): measured(options.peer, threads, options.quick) for threads in options.threads}
    print(json.dumps(found, indent=2, ensure_ascii=False))
    print(table(found))
    if not options.quick:
        RESULTS.write_text(json.dumps({"hardware": hardware(), "threads": found}, indent=2, ensure_ascii=False) + "\n")
        print(f"stored in {RESULTS}")
        if options.docs is not None:
            write_between(options.docs, "adversarial-speed", table(found))


if __name__ == "__main__":
    main()
