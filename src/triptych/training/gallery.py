"""What a run shows while it trains: samples, reconstructions or completions, whichever the model answers."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.models.autoencoders.removal import block_sides, centre
from triptych.models.base import Model
from triptych.models.completion import Completer
from triptych.models.questions import Reconstructor, Sampler
from triptych.noise import Noise
from triptych.pictures import completion_grid, pairs, picture, png
from triptych.training.files import write_whole

TILES = 64
"""How many examples a picture shows."""
ROWS = 8
"""How many at most where each has a row of its own."""


class Gallery:
    """The pictures of a run, always of the same seed and the same examples.

    Args:
        model: what is trained.
        train: the training split, of which it shows the first.
        folder: where the pictures go.
        seed: of what is drawn.
    """

    def __init__(self, model: Model, train: Examples, folder: Path, seed: int) -> None:
        self.model, self.train, self.folder, self.seed = model, train, folder, seed
        self.spent, self.seconds_each = 0.0, 0.0

    @property
    def can_show(self) -> bool:
        """Whether the model answers a question whose answer is a picture."""
        completes = isinstance(self.model, Completer) and self.model.event.is_image
        return completes or isinstance(self.model, Sampler | Reconstructor)

    def add(self, step: int, count: int) -> None:
        """Write the picture of a step, of `count` examples."""
        started = time.perf_counter()
        draw = self.asked(count)
        self.spent += time.perf_counter() - started
        write_whole(self.folder / f"step-{step:09d}.png", draw())

    def affordable(self, seconds: float) -> int:
        """Return how many examples a picture may show now: 64, 16, 4 or none.

        Asking the model may take a twentieth of the training time, which is `seconds` so far.
        """
        if not self.seconds_each:
            started = time.perf_counter()
            self.asked(1)
            self.seconds_each = time.perf_counter() - started
        left = max(2.0, seconds / 20) - self.spent
        return next((n for n in (TILES, 16, 4) if n * self.seconds_each <= left), 0)

    def asked(self, count: int) -> Callable[[], bytes]:
        """Ask the model for samples; else for reconstructions; else for completions. Return what draws them."""
        model, given = self.model, self.train[: min(count, len(self.train))]
        if isinstance(model, Sampler):
            return partial(picture, model.sample(count, label=self._labels(count), seed=self.seed))
        if isinstance(model, Reconstructor):
            made = model.reconstruct(given)
            if not given.event.is_image:
                return partial(picture, made, given)
            tiled = partial(pairs, given, made, columns=math.ceil(math.sqrt(2 * len(given))))  # a pair is twice as high
            return lambda: png(tiled())
        assert isinstance(model, Completer)
        given = given[:ROWS]
        known = centre(given.event.shape[1:], block_sides(given.event, 0.5), 1, Noise.of(self.seed))[0, 0]
        rows = partial(completion_grid, given, known, model.complete(given, known, seed=self.seed), 1)
        return lambda: png(rows())

    def _labels(self, count: int) -> Tensor | None:
        """Return None, for labels that are drawn; but vectors are those of the data."""
        if self.model.embedding and self.train.labels is not None:
            return self.train.labels[torch.arange(count) % len(self.train)]
        return None
