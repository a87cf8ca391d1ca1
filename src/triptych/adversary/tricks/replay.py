"""Replay: the critic is shown made examples of the past among the new ones."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.adversary.tricks.base import TRICKS, Setting, Trick
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.noise import Noise
from triptych.processes import gathered


@TRICKS.register("replay")
class Replay(Trick):
    """Half of the critic's made examples come from a buffer of past ones, so that it does not forget them.

    Every turn the other half, which is new, goes into the buffer: while there is room beside what is there, then in
    place of examples chosen at random. A model of labels is shown, for each label, past examples that were made for
    it, and new ones where there are none. Several processes keep one buffer. Reference: Shrivastava et al. 2017,
    *Learning from Simulated and Unsupervised Images through Adversarial Training*, §2.3.

    Args:
        size: examples that the buffer holds. They are saved with the model: a resumed run is exact.

    Raises:
        ConfigurationError: for a size below 1.
    """

    past: Tensor
    label: Tensor
    filled: Tensor

    def __init__(self, *, size: int = 512) -> None:
        super().__init__()
        if size < 1:
            raise ConfigurationError(f"replay:size={size}: expected at least 1 example")
        self.size = size

    def begin(self, setting: Setting) -> None:
        """Make the empty buffer."""
        self.register_buffer("past", torch.zeros(self.size, *setting.shape))
        self.register_buffer("label", torch.zeros(self.size, dtype=torch.long))
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def fakes(self, fake: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return the made examples with every second one replayed, and keep the others for later."""
        label = torch.zeros(len(fake), dtype=torch.long, device=fake.device) if batch.label is None else batch.label
        everyone, labels = gathered(fake.detach()), gathered(label)
        one = Noise(noise.generator)  # the same numbers on all processes
        replayed = self._replayed(everyone, labels, one)
        self._keep(everyone[::2], labels[::2], one)
        return replayed[noise.rank * len(fake) : (noise.rank + 1) * len(fake)]

    def _replayed(self, fake: Tensor, label: Tensor, noise: Noise) -> Tensor:
        """Return the examples, every second one from the buffer, drawn among those of its label."""
        wanted = label[1::2].unsqueeze(1)
        there = (self.label == wanted) & (torch.arange(self.size, device=fake.device) < self.filled)
        which = torch.where(there, noise.uniform((len(wanted), self.size)), -1.0).argmax(1)
        found = there.any(1).view(-1, *[1] * (fake.dim() - 1))
        shown = fake.clone()
        shown[1::2] = torch.where(found, self.past[which].to(fake), fake[1::2])
        return shown

    def _keep(self, fake: Tensor, label: Tensor, noise: Noise) -> None:
        """Put new examples into the buffer."""
        fake, label = fake[: self.size], label[: self.size]
        old = torch.arange(self.size, device=fake.device) < self.filled
        chosen = torch.where(old, noise.uniform((self.size,)), 1.0).argsort()  # those in use, each at most once
        free = self.filled + torch.arange(len(fake), device=fake.device)
        place = torch.where(free < self.size, free, chosen[(free - self.size).clamp(min=0)])
        self.past[place], self.label[place] = fake.to(self.past), label
        self.filled.add_(len(fake)).clamp_(max=self.size)
