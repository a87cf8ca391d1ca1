"""The minibatches of a training run, as a function of their number."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.noise import Noise, mix

# What a seed is mixed with for each use of it: training mixes it with other numbers for its noise.
_ORDER, _BINARISE = 3, 4


class Batch(NamedTuple):
    """One minibatch, or one process's share of it, on the device that trains.

    Args:
        x: `(B, *event.shape)` examples, uint8 for images and float32 for vectors.
        label: `int64 (B,)` or float `(B, E)`; None where the examples have no labels.
        epoch: how many times all examples had been drawn before it.
        number: how many minibatches were drawn before it; None outside of training, where schedules are at their end.
    """

    x: Tensor
    label: Tensor | None
    epoch: int = 0
    number: int | None = None


class Batches:
    """The endless minibatches of a training run: batch k is a function of (examples, size, seed, k).

    Every epoch is a new permutation of the examples; its last incomplete batch is dropped. Nothing is
    remembered from one batch to the next, so a run is continued by starting at the next number. Examples
    in memory are moved to the device once and gathered there; examples on disk are read by worker
    processes. Both give the same batches.

    Args:
        examples: what to draw from.
        size: number of examples of a minibatch, over all processes.
        seed: of the permutations, and of the draws of examples that are binarised anew every epoch.
        rank: which process this is; it gets rows `rank·size/world` up to `(rank+1)·size/world`.
        world: how many processes share each minibatch.
        device: where the batches are put.

    Raises:
        ConfigurationError: if `size` is not a positive multiple of `world`.
        DataError: if there are fewer examples than one minibatch takes.

    Example:
        >>> import torch
        >>> from triptych.data import Batches, Examples
        >>> from triptych.event import Event
        >>> batches = Batches(Examples(torch.arange(10.0)[:, None], Event((1,))), 4, seed=0)
        >>> batches.per_epoch
        2
        >>> first, second, third = (batch.x for batch, _ in zip(batches.since(0), range(3)))
        >>> bool((next(batches.since(2)).x == third).all())
        True
    """

    def __init__(
        self,
        examples: Examples,
        size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        device: torch.device | str = "cpu",
    ) -> None:
        if size < 1 or size % world:
            raise ConfigurationError(
                f"a batch of {size} cannot be shared by {world} process{'es' * (world > 1)}: "
                f"give a positive multiple of {world}"
            )
        if len(examples) < size:
            raise DataError(
                f"fewer examples than the batch: {len(examples):,} examples, a batch of {size:,}; "
                f"give a batch size of at most {len(examples) // world * world:,}, or more examples"
            )
        self.examples = examples
        self.size = size
        self.seed = seed
        self.rank = rank
        self.world = world
        self.device = torch.device(device)
        self.per_epoch = len(examples) // size
        self._drawn = examples.data if examples.intensities is None else examples.intensities
        self._labels = examples.labels
        if examples.resident:
            self._drawn = self._drawn.to(self.device)
            self._labels = None if self._labels is None else self._labels.to(self.device)

    def since(self, start: int) -> Iterator[Batch]:
        """Yield the batches from number `start` on, without end.

        Args:
            start: number of the first batch; batch k belongs to epoch `k // per_epoch`.
        """
        if start < 0:
            raise ConfigurationError(f"batches are numbered from 0, not {start}")
        gathered = self._gathered(start) if self.examples.resident else self._streamed(start)
        return self._numbered(gathered, start)

    def rows(self, start: int, device: torch.device | str = "cpu") -> Iterator[Tensor]:
        """Yield which examples each batch from number `start` on is made of (this process's share).

        Args:
            start: number of the first batch.
            device: where the indices, `int64 (size/world,)`, are put.
        """
        share = self.size // self.world
        epoch, first = divmod(start, self.per_epoch)
        while True:
            generator = torch.Generator().manual_seed(mix(self.seed, _ORDER, epoch))
            order = torch.randperm(len(self.examples), generator=generator).to(device)
            for k in range(first, self.per_epoch):
                begin = k * self.size + self.rank * share
                yield order[begin : begin + share]
            epoch, first = epoch + 1, 0

    def _numbered(self, batches: Iterator[Batch], start: int) -> Iterator[Batch]:
        for k, (x, label, *_) in enumerate(batches, start):
            drawn = x if self.examples.intensities is None else self._bernoulli(x, k)
            yield Batch(drawn, label, k // self.per_epoch, k)

    def _gathered(self, start: int) -> Iterator[Batch]:
        for index in self.rows(start, self.device):
            label = None if self._labels is None else self._labels.index_select(0, index)
            yield Batch(self._drawn.index_select(0, index), label)

    def _streamed(self, start: int) -> Iterator[Batch]:
        from torch.utils.data import DataLoader

        # A forked worker shares the memory map; elsewhere it would be sent a copy of the whole data.
        workers = 2 if sys.platform == "linux" else 0
        loader: DataLoader[Batch] = DataLoader(
            _Rows(self._drawn, self._labels),  # type: ignore[arg-type]  # one index tensor fetches a batch
            batch_size=None,
            sampler=_Order(self, start),
            num_workers=workers,
            generator=torch.Generator(),  # else its seed is drawn from torch's own, which layers draw from
            multiprocessing_context="fork" if workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for x, label, *_ in loader:
            moved = None if label is None else label.to(self.device, non_blocking=True)
            yield Batch(x.to(self.device, non_blocking=True), moved)

    def _bernoulli(self, intensity: Tensor, k: int) -> Tensor:
        generator = torch.Generator(self.device).manual_seed(mix(self.seed, _BINARISE, k))
        uniform = Noise(generator, self.rank, self.world).uniform(intensity.shape)
        # Compared on the scale of the levels: `u·(levels-1) < intensity` is `u < intensity/(levels-1)`.
        return uniform.mul_(self.examples.intensity_levels - 1).lt(intensity).to(torch.uint8)


class _Rows:
    """Fetches a whole batch by one index tensor."""

    def __init__(self, data: Tensor, labels: Tensor | None) -> None:
        self.data = data
        self.labels = labels

    def __getitem__(self, index: Tensor) -> Batch:
        return Batch(self.data[index], None if self.labels is None else self.labels[index])


class _Order:
    """The rows of batch after batch, as a DataLoader asks for them."""

    def __init__(self, batches: Batches, start: int) -> None:
        self.batches = batches
        self.start = start

    def __iter__(self) -> Iterator[Tensor]:
        return self.batches.rows(self.start)
