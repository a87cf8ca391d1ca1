"""What the frame costs, as ratios measured side by side in one run: `make bench`.

The yardstick is process CPU time of one thread: the machines are shared, and wall-clock time of two threads
moves by a factor when a neighbour wakes up. Both are printed. A and B alternate, the ratio is the median over pairs.
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

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import torch
from hardware import hardware
from torch import Tensor, nn
from torch.nn import functional as F

import triptych as tp

RESULTS = Path(__file__).parent / "results" / "frame.json"


def alternate(a: Callable[[], int], b: Callable[[], int], pairs: int) -> dict[str, float]:
    """Run a and b in turn; return images/s of both, and the median ratio of a's speed to b's."""
    times: dict[str, list[tuple[float, float]]] = {"a": [], "b": []}
    images = 0
    a(), b()  # warm
    for _ in range(pairs):
        for name, run in (("a", a), ("b", b)):
            cpu, wall = time.process_time(), time.perf_counter()
            images = run()
            times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    ratio = [[y[i] / x[i] for x, y in zip(times["a"], times["b"], strict=True)] for i in (0, 1)]
    return {
        "fit images/s": images / statistics.median(t[1] for t in times["a"]),
        "bare images/s": images / statistics.median(t[1] for t in times["b"]),
        "ratio by CPU time": statistics.median(ratio[0]),
        "ratio by wall-clock": statistics.median(ratio[1]),
        "lowest ratio of a pair (CPU)": min(ratio[0]),
        "highest ratio of a pair (CPU)": max(ratio[0]),
    }


class BareVAE(nn.Module):
    """The VAE 784-400-32-400-784 as one would write it without triptych."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 64))
        self.decoder = nn.Sequential(nn.Linear(32, 400), nn.ReLU(), nn.Linear(400, 784))

    def loss(self, x: Tensor) -> Tensor:
        """Return the negative bound of binary images `(B, 784)`, in nats an image."""
        mean, log_scale = self.encoder(x).chunk(2, 1)
        logits = self.decoder(mean + log_scale.exp() * torch.randn_like(mean))
        distortion = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        rate = 0.5 * (mean**2 + (2 * log_scale).exp() - 1 - 2 * log_scale).sum()
        return (distortion + rate) / len(x)


def vae(steps: int, pairs: int) -> dict[str, float]:
    """`fit` against a bare loop of the same VAE: batch 128, fused Adam, data in memory."""
    data = (torch.rand(10_000, 1, 28, 28) < 0.2).to(torch.uint8)
    examples = tp.Examples(data, tp.Event((1, 28, 28), 2))
    model = tp.build("vae", examples.event, latent=32, hidden=400, encoder="mlp", decoder="mlp")
    bare = BareVAE()
    optimizer = torch.optim.Adam(bare.parameters(), lr=1e-3, fused=True)
    flat = data.view(-1, 784).float()

    def ours() -> int:
        tp.fit(model, examples, steps=steps, batch_size=128, progress=False)
        return steps * 128

    def theirs() -> int:
        order = torch.randperm(len(flat))
        for step in range(steps):
            at = step * 128 % (len(flat) - 128)
            optimizer.zero_grad(set_to_none=True)
            loss = bare.loss(flat[order[at : at + 128]])
            loss.backward()
            optimizer.step()
        return steps * 128

    return alternate(ours, theirs, pairs)


def dcgan_parts() -> tuple[nn.Sequential, nn.Sequential]:
    """Return generator and critic of DCGAN's shape at 32×32 (Radford et al. 2016)."""
    generator = nn.Sequential(
        nn.Unflatten(1, (100, 1, 1)),
        nn.ConvTranspose2d(100, 256, 4, bias=False), nn.BatchNorm2d(256), nn.ReLU(),
        nn.ConvTranspose2d(256, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.ReLU(),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.ConvTranspose2d(64, 3, 4, 2, 1),
    )  # fmt: skip
    critic = nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, 2, 1, bias=False), nn.BatchNorm2d(256), nn.LeakyReLU(0.2),
        nn.Conv2d(256, 1, 4, bias=False), nn.Flatten(),
    )  # fmt: skip
    return generator, critic


def gan(steps: int, pairs: int) -> dict[str, float]:
    """`fit` against a bare loop of the same DCGAN at 32×32: batch 64, fused Adam, data in memory."""
    data = torch.randint(256, (2_000, 3, 32, 32), dtype=torch.uint8)
    examples = tp.Examples(data, tp.Event((3, 32, 32), 256))
    own_generator, own_critic = dcgan_parts()
    model = tp.build("gan", examples.event, latent=100, generator=own_generator, critic=own_critic)
    generator, critic = dcgan_parts()
    critic_adam = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    generator_adam = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
    scaled = data.float() / 127.5 - 1

    def ours() -> int:
        tp.fit(model, examples, steps=steps, batch_size=64, progress=False)
        return steps * 64

    def theirs() -> int:
        order = torch.randperm(len(scaled))
        for step in range(steps):
            at = step * 64 % (len(scaled) - 64)
            real = scaled[order[at : at + 64]]
            with torch.no_grad():
                fake = torch.tanh(generator(torch.randn(64, 100)))
            for parameter in critic.parameters():
                parameter.requires_grad_(True)
            critic_adam.zero_grad(set_to_none=True)
            loss = F.softplus(-critic(real)).mean() + F.softplus(critic(fake)).mean()
            loss.backward()
            critic_adam.step()
            for parameter in critic.parameters():
                parameter.requires_grad_(False)
            generator_adam.zero_grad(set_to_none=True)
            loss = F.softplus(-critic(torch.tanh(generator(torch.randn(64, 100))))).mean()
            loss.backward()
            generator_adam.step()
        return steps * 64

    return alternate(ours, theirs, pairs)


FIRST_BATCH = """
import sys, time
import triptych as tp
from triptych.data import Batches, load
import torch
begun = time.perf_counter()
train, test = load(sys.argv[1], progress=False)
next(Batches(train, 128).since(0))
print(time.perf_counter() - begun)
"""


def folder(images: int, repeats: int) -> dict[str, float]:
    """First and second start on a folder of PNG files, from `load` to the first batch, each in a fresh process."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "images"
        pixels = torch.randint(256, (images, 28, 28), dtype=torch.uint8).numpy()
        for index in range(images):
            part = root / str(index % 10)
            part.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[index]).save(part / f"{index:06d}.png")
        environment = {**os.environ, "TRIPTYCH_CACHE": f"{place}/cache"}
        command = [sys.executable, "-c", FIRST_BATCH, str(root)]
        seconds = [float(subprocess.check_output(command, env=environment)) for _ in range(1 + repeats)]
    return {"images": images, "first start, s": seconds[0], "second start, s": statistics.median(seconds[1:])}


def start_up(repeats: int) -> dict[str, float]:
    """Whole-process wall-clock time of `--help`, and of importing triptych beside importing torch."""

    def seconds(*command: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - begun

    torch_alone, ours, used, shown = [], [], [], []
    for _ in range(repeats):
        torch_alone.append(seconds("-c", "import torch"))
        ours.append(seconds("-c", "import torch, triptych"))
        used.append(seconds("-c", "import torch; from triptych import GAN, VAE, PixelCNN, data, fit, load"))
        shown.append(seconds("-m", "triptych", "--help"))
    base = statistics.median(torch_alone)
    return {
        "triptych --help, s": statistics.median(shown),
        "import torch, s": base,
        "import triptych over it, s": statistics.median(ours) - base,
        "its models, data and fit over it, s": statistics.median(used) - base,
    }


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and images: to see that it runs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--only", nargs="*", choices=["vae", "gan", "folder", "start"], default=["vae", "gan", "folder", "start"]
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    few = options.quick
    benches: dict[str, Callable[[], dict[str, float]]] = {
        "vae": lambda: vae(100 if few else 300, 3 if few else 21),
        "gan": lambda: gan(5 if few else 12, 2 if few else 9),
        "folder": lambda: folder(2_000 if few else 60_000, 2 if few else 5),
        "start": lambda: start_up(2 if few else 7),
    }
    found: dict[str, object] = {"hardware": hardware()}
    for name in options.only:
        doc = {"vae": vae, "gan": gan, "folder": folder, "start": start_up}[name].__doc__ or ""
        print(f"\n{name}: {doc.splitlines()[0]}", flush=True)
        figures = benches[name]()
        found[name] = figures
        for figure, value in figures.items():
            print(f"  {figure:<36} {value:,.3f}", flush=True)
    if not few:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=2) + "\n")
        print(f"\nstored in {RESULTS}")


if __name__ == "__main__":
    main()
