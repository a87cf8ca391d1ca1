"""What all questions share: how they check what is given, and bound the memory of an answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.noise import Noise
from triptych.running.progress import task

BATCH = 256
"""How many examples are computed at a time in answering a query."""

Label = int | str | Sequence[int] | Tensor | None
"""One for all, by number or name, or one each; of a model of vectors `(E,)` or `(N, E)`."""
Seed = int | torch.Generator | None


def chunks(n: int, title: str) -> Iterator[slice]:
    """Yield the parts of `n` examples that are computed at a time, and count the examples that are done.

    Args:
        n: how many.
        title: what is done to them, such as "encoding".
    """
    with task(title, n) as one:
        for start in range(0, n, BATCH):
            part = slice(start, min(start + BATCH, n))
            yield part
            one.advance(part.stop - part.start)


class Question(Model):
    """What all questions share."""

    def _given(self, x: Examples | Tensor, label: Label) -> tuple[Tensor, Tensor | None]:
        """Check examples against the event; return them, and their labels if the model is conditional."""
        if isinstance(x, Examples):
            if label is None and self.conditional:
                label = self.labels_in(x)
            x = x.data
        x = torch.as_tensor(x)
        self.event.check(x)
        return x, self.labels(label, len(x))

    def _noise(self, seed: Seed) -> Noise:
        return Noise.of(seed, self.device)

    def _examples(self, parts: list[Tensor], labels: Tensor | None = None) -> Examples:
        data = torch.cat(parts) if parts else torch.empty(0, *self.event.shape, dtype=self.event.dtype)
        return Examples(data.cpu(), self.event, None if labels is None else labels.cpu())
