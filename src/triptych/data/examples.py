"""A set of examples, as the data file holds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.event import Event


@dataclass(frozen=True, eq=False)
class Examples:
    """Examples of one event, with their labels if they have any.

    Args:
        data: `uint8 (N, C, H, W)` with values below `event.levels`, or `float32 (N, D)`. May be a
            memory-mapped tensor larger than memory.
        event: what one example is.
        labels: `int64 (N,)`, or None; or float vectors `(N, E)`, for models that are conditioned on them.
        classes: the name of each label, or of each number of a vector; empty if they have none.
        intensities: for data binarised anew every epoch, `uint8 (N, C, H, W)` of 256 (or the source's)
            levels; `data` is then one fixed draw from it. None otherwise.
        intensity_levels: number of levels of `intensities`.
        resident: whether `data` is held in memory (and gathered by index) rather than streamed from disk.
        columns: the name of each coordinate of a vector; empty if they have none.
        source: the arguments of `load` that give these examples again; empty if they came from elsewhere.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("digits")
        >>> train[:64].data.shape, train.event.levels
        (torch.Size([64, 1, 8, 8]), 17)
    """

    data: Tensor
    event: Event
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    intensities: Tensor | None = None
    intensity_levels: int = 256
    resident: bool = True
    columns: tuple[str, ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts belong together."""
        if tuple(self.data.shape[1:]) != self.event.shape:
            shape = tuple(self.data.shape[1:])
            raise DataError(f"examples have shape {shape}, their event {self.event.shape}")
        if self.labels is not None and len(self.labels) != len(self.data):
            raise DataError(f"{len(self.data)} examples have {len(self.labels)} labels: expected one each")

    def __len__(self) -> int:
        """Return the number of examples N."""
        return len(self.data)

    def __getitem__(self, index: slice | Tensor | Sequence[int]) -> Examples:
        """Return the examples at a slice, at indices, or where a mask is true."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index)
        return replace(
            self,
            data=self.data[index],
            labels=None if self.labels is None else self.labels[index],
            intensities=None if self.intensities is None else self.intensities[index],
        )

    @property
    def shape(self) -> torch.Size:
        """The shape of `data`: `(N, C, H, W)` or `(N, D)`."""
        return self.data.shape


def subset(examples: Examples, n: int, seed: int) -> Examples:
    """Return n examples drawn without replacement, in the order of the data; all if there are no more."""
    if n >= len(examples):
        return examples
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    return examples[order[:n].sort().values]
