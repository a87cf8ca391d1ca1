"""What one example is: its shape, its levels, its units. Every scaling between data and networks is here."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor

from triptych.errors import DataError


@dataclass(frozen=True)
class Event:
    """The sample space of one data set.

    An image is `uint8 (C, H, W)` with values `0 … levels-1`; a vector is `float32 (D,)`. Networks see
    neither: they see the *scaled* example, in [-1, 1] for images, and standardised by the training
    split's `centre` and `spread` for vectors. No other code knows that scaling.

    Args:
        shape: `(C, H, W)` for images, `(D,)` for vectors.
        levels: number of values that a sub-pixel can take (2, 17, 256, …); None for vectors.
        centre: subtracted from each coordinate of a vector; empty for none.
        spread: divides each coordinate of a vector; empty for none.

    Example:
        >>> event = Event((1, 8, 8), levels=17)
        >>> event.dims
        64
        >>> event.scaled(torch.tensor([0, 8, 16], dtype=torch.uint8)).tolist()
        [-1.0, 0.0, 1.0]
    """

    shape: tuple[int, ...]
    levels: int | None = None
    centre: tuple[float, ...] = ()
    spread: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Reject what is neither an image nor a vector."""
        if len(self.shape) not in (1, 3) or min(self.shape) < 1:
            raise DataError(f"an example has shape (C, H, W) or (D,), not {tuple(self.shape)}")
        if self.is_image and not (self.levels and 2 <= self.levels <= 256):
            raise DataError(f"an image has 2 to 256 levels, not {self.levels}")
        if not self.is_image and self.levels is not None:
            raise DataError("a vector has no levels: give levels=None")
        for name in ("centre", "spread"):
            given = getattr(self, name)
            if given and (self.is_image or len(given) != self.shape[0]):
                raise DataError(f"{name} has {len(given)} numbers, the example {self.shape}")

    @property
    def is_image(self) -> bool:
        """Whether an example is an image (else a vector)."""
        return len(self.shape) == 3

    @property
    def dims(self) -> int:
        """Number of dimensions D of one example: `C·H·W`, or the vector's length."""
        return math.prod(self.shape)

    @property
    def dtype(self) -> torch.dtype:
        """The type in which examples are stored."""
        return torch.uint8 if self.is_image else torch.float32

    def scaled(self, x: Tensor) -> Tensor:
        """Map examples to the float32 numbers that networks see: images to [-1, 1], vectors standardised."""
        if self.levels is not None:
            step, one = _units_of(self.levels, x.device)  # tensors: with numbers a call would take twice as long
            return torch.mul(x, step).sub_(one)
        return (x.to(torch.float32) - self._units(x, self.centre, 0.0)) / self._units(x, self.spread, 1.0)

    def restored(self, y: Tensor) -> Tensor:
        """Map what networks make back to examples: the inverse of `scaled`, rounded to the nearest level."""
        return self.rounded(self.unscaled(y))

    def unscaled(self, y: Tensor) -> Tensor:
        """Map what networks make to the data's own units, without rounding: levels of images, as float32."""
        if self.levels is not None:
            return (y + 1.0) * ((self.levels - 1) / 2)
        return (y * self._units(y, self.spread, 1.0) + self._units(y, self.centre, 0.0)).to(torch.float32)

    def rounded(self, x: Tensor) -> Tensor:
        """Return real numbers in the data's own units as examples: images rounded to the nearest level."""
        return x if self.levels is None else x.round().clamp_(0, self.levels - 1).to(torch.uint8)

    def graded(self, levels: int | None) -> Event:
        """Return the event of the same images in other levels; None for the event itself.

        >>> Event((1, 8, 8), 2).graded(256).levels
        256
        """
        return self if levels is None else replace(self, levels=levels)

    def check(self, x: Tensor) -> None:
        """Raise `DataError` unless `x` is a batch of examples of this event.

        Raises:
            DataError: for another shape, another type, or more levels than this event has.
        """
        if tuple(x.shape[1:]) != self.shape:
            raise DataError(f"examples have shape {tuple(x.shape[1:])}, the model takes {self.shape}")
        if x.dtype != self.dtype:
            raise DataError(f"examples are {x.dtype}, the model takes {self.dtype}")
        if self.levels is not None and x.numel() and int(x.max()) >= self.levels:
            raise DataError(f"examples have a level {int(x.max())}, the model takes 0 to {self.levels - 1}")

    def same_space(self, other: Event) -> bool:
        """Return whether examples of the two have one shape and the same levels, whatever their units."""
        return (self.shape, self.levels) == (other.shape, other.levels)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` restores, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Event:
        """Restore an event from `to_dict`."""
        rest = {name: tuple(stored.get(name, ())) for name in ("centre", "spread")}
        return cls(tuple(stored["shape"]), stored.get("levels"), **rest)

    @staticmethod
    def _units(like: Tensor, numbers: tuple[float, ...], default: float) -> Tensor:
        return torch.tensor(numbers or default, dtype=torch.float32, device=like.device)

    def __str__(self) -> str:
        """Describe the event in a few words.

        >>> str(Event((3, 32, 32), 256))
        '3×32×32 image, 256 levels'
        """
        if self.is_image:
            return f"{'×'.join(map(str, self.shape))} image, {self.levels} levels"
        return f"vector of {self.shape[0]}"


@cache
def _units_of(levels: int, device: torch.device) -> tuple[Tensor, Tensor]:
    step = torch.tensor(2.0 / (levels - 1), dtype=torch.float32, device=device)
    return step, torch.ones((), dtype=torch.float32, device=device)
