"""The peer's side of `adversarial.py`: torchgan's DCGAN and trainer in an environment of its own.

It is told over standard input what to do, a JSON object a line, and answers with another: the CPU and wall-clock
seconds that so many epochs took, or what its networks say.

torchgan 0.1.0 needs torchvision for pictures alone, whose wheels do not load with every build of torch: what it imports
is an empty module here. What its trainer does when an epoch ends (pictures, a checkpoint) is left out, in its favour.
"""

# ruff: noqa: E402 - the empty module must be there before torchgan is imported
from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from types import ModuleType

os.environ |= {"TENSORBOARD_LOGGING": "0", "VISDOM_LOGGING": "0", "CONSOLE_LOGGING": "0"}
sys.modules["torchvision"] = ModuleType("torchvision")

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchgan.losses import MinimaxDiscriminatorLoss, MinimaxGeneratorLoss
from torchgan.models import DCGANDiscriminator, DCGANGenerator
from torchgan.trainer import Trainer

Weights = dict[str, torch.Tensor]


def trainer_of(place: str, epochs: int, optimizer: dict[str, object]) -> Trainer:
    """Return its trainer of DCGAN at 32×32, the critic first, as in Goodfellow et al. 2014."""
    adam = {"name": torch.optim.Adam, "args": optimizer}
    generator = {"nonlinearity": nn.ReLU()}
    critic = {"nonlinearity": nn.LeakyReLU(0.2), "last_nonlinearity": nn.Identity()}
    models = {
        "generator": {"name": DCGANGenerator, "args": generator, "optimizer": adam},
        "discriminator": {"name": DCGANDiscriminator, "args": critic, "optimizer": adam},
    }
    losses = [MinimaxDiscriminatorLoss(), MinimaxGeneratorLoss()]
    trainer = Trainer(
        models,
        losses,
        device=torch.device("cpu"),
        epochs=epochs,
        checkpoints=f"{place}/gan",
        recon=f"{place}/images",
    )
    trainer.save_model = lambda *_: None
    trainer.logger.run_end_epoch = lambda *_: None
    return trainer


def load(network: nn.Module, weights: Weights) -> None:
    """Give a network triptych's weights: the same layers by other names; its critic names the last one first."""
    own = dict(sorted(network.state_dict().items(), key=lambda entry: entry[0].startswith("disc.")))
    if [w.shape for w in own.values()] != [w.shape for w in weights.values()]:
        raise SystemExit("the networks differ")
    network.load_state_dict(dict(zip(own, weights.values(), strict=True)))


def said(trainer: Trainer, codes: torch.Tensor) -> list[float]:
    """Return what the critic says of the examples that codes stand for."""
    with torch.no_grad():
        made = trainer.generator.eval()(codes)
        logits: list[float] = trainer.discriminator.eval()(made).tolist()
    return logits


def main() -> None:
    """Answer until the input ends."""
    answers, sys.stdout = sys.stdout, sys.stderr
    given = torch.load(sys.argv[1], weights_only=True)
    data = TensorDataset(given["train"], torch.zeros(len(given["train"])))
    for line in sys.stdin:
        asked = json.loads(line)
        torch.set_num_threads(asked["threads"])
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as place:
            trainer = trainer_of(place, asked["epochs"], given["optimizer"])
            load(trainer.generator, given["generator"])
            load(trainer.discriminator, given["critic"])
            logits = said(trainer, given["codes"])
            batches = DataLoader(data, batch_size=asked["batch"], shuffle=True, drop_last=True)
            cpu, wall = time.process_time(), time.perf_counter()
            if asked["epochs"]:
                trainer(batches)
            answer = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "logits": logits}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
