"""The peer's side of `variational.py`: pythae's VAE in an environment of its own.

It is told over standard input what to do, a JSON object a line, and answers with another: the CPU seconds that it took,
the mean log-likelihood that it found, and by how many MB the peak of its memory rose.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from pathlib import Path

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.trainers import BaseTrainer, BaseTrainerConfig


def built(latent: int) -> VAE:
    """Return pythae's default VAE: 784-512-latent-512-784, on Bernoulli pixels."""
    model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=latent, reconstruction_loss="bce"))
    model.device = "cpu"
    return model


def load(model: VAE, weights: dict[str, torch.Tensor]) -> VAE:
    """Give it triptych's weights, whose encoder sees 2x - 1 and says log σ where this one's sees x and says log σ²."""
    w1, b1, w2, b2, w3, b3, w4, b4 = weights.values()
    latent = len(b2) // 2
    parts = [
        (model.encoder.layers[0][0], 2 * w1, b1 - w1.sum(1)),
        (model.encoder.embedding, w2[:latent], b2[:latent]),
        (model.encoder.log_var, 2 * w2[latent:], 2 * b2[latent:]),
        (model.decoder.layers[0][0], w3, b3),
        (model.decoder.layers[1][0], w4, b4),
    ]
    with torch.no_grad():
        for layer, weight, bias in parts:
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return model.eval()


def bound(model: VAE, x: torch.Tensor, samples: int, gradients: bool) -> float:
    """Return the mean log p(x) by its own method (which has no minus in spite of its name), with its default batch."""
    with torch.set_grad_enabled(gradients):
        return float(model.get_nll(x, n_samples=samples))


def train(x: torch.Tensor, batch: int, epochs: int, latent: int) -> float:
    """Train a new model by its trainer with the default optimiser."""
    with tempfile.TemporaryDirectory() as place:
        config = BaseTrainerConfig(
            output_dir=place, num_epochs=epochs, learning_rate=1e-3, per_device_train_batch_size=batch, no_cuda=True
        )
        trainer = BaseTrainer(built(latent), BaseDataset(x, torch.zeros(len(x))), training_config=config)
        trainer.train()
    return 0.0


def resident(what: str) -> float:
    """Return a figure of the process's memory in MB (Linux)."""
    return int(re.search(what + r":\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    torch.set_num_threads(1)
    given = torch.load(sys.argv[1], weights_only=True)
    latent = given["latent"]
    model = load(built(latent), given["weights"])
    for line in sys.stdin:
        asked = json.loads(line)
        torch.manual_seed(asked["seed"])
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
        before = resident("VmRSS")
        begun = time.process_time()
        if asked["what"] == "train":
            found = train(given["train"], asked["batch"], asked["epochs"], latent)
        else:
            found = bound(model, given["test"][: asked["images"]], asked["samples"], asked["what"] == "as called")
        seconds = time.process_time() - begun
        answer = {"seconds": seconds, "log_p": found, "memory": resident("VmHWM") - before}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
