"""What all questions share: how they check what is given, and bound the memory of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.noise import Noise

BATCH = 256
"""How many examples are computed at a time in answering a query."""

Label = int | Sequence[int] | Tensor | None
"""One for all, or one each; of a model of vectors `(E,)` or `(N, E)`."""
Seed = int | torch.Generator | None


def chunks(n: int) -> Iterator[slice]:
    """Yield the parts of `n` examples that are computed at a time."""
    for start in range(0, n, BATCH):
        yield slice(start, min(start + BATCH, n))


class Question(Model):
    """What all questions share."""

    def _given(self, x: Examples | Tensor, label: Label) -> tuple[Tensor, Tensor | None]:
        """Check examples against the event; return them, and their labels if the model is conditional."""
        if isinstance(x, Examples):
            if label is None and self.conditional:
                label = x.labels
            x = x.data
        x = torch.as_tensor(x)
        self.event.check(x)
        return x, self.labels(label, len(x))

    def _noise(self, seed: Seed) -> Noise:
        return Noise.of(seed, self.device)

    def _examples(self, parts: list[Tensor], labels: Tensor | None = None) -> Examples:
        data = torch.cat(parts) if parts else torch.empty(0, *self.event.shape, dtype=self.event.dtype)
        return Examples(data.cpu(), self.event, None if labels is None else labels.cpu())
