"""Randomness: one seed in, the same bytes out, on one process or on many."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


def mix(*numbers: int) -> int:
    """Hash whole numbers into one seed, so that neighbouring seeds give unrelated streams (splitmix64).

    Torch's generator on the CPU uses 32 bits of it: of 100,000 streams about one pair is the same.

    >>> mix(0, 1) == mix(0, 1), mix(0, 1) == mix(1, 0)
    (True, False)
    """
    state = 0
    for number in numbers:
        state = (state ^ (number & _MASK)) + 0x9E3779B97F4A7C15 & _MASK
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB & _MASK
        state ^= state >> 31
    return state >> 1


class Noise:
    """A stream of random numbers that is the same however many processes share the batch.

    Every draw's first dimension is the batch. With `world` processes each draws the numbers of the whole
    batch from an equally seeded generator and keeps its own rows: two processes see together exactly what
    one process would have seen.

    Args:
        generator: where the numbers come from; advanced by each draw.
        rank: which process this is.
        world: how many processes share the batch.

    Example:
        >>> Noise.of(0).normal((2, 3)).shape
        torch.Size([2, 3])
        >>> bool((Noise.of(7).uniform((4,)) == Noise.of(7).uniform((4,))).all())
        True
    """

    def __init__(self, generator: torch.Generator, rank: int = 0, world: int = 1) -> None:
        self.generator = generator
        self.rank = rank
        self.world = world

    @classmethod
    def of(cls, seed: int | torch.Generator | None = None, device: torch.device | str = "cpu") -> Noise:
        """Return the stream of a seed, of a user's generator, or (None) of torch's global state."""
        if isinstance(seed, torch.Generator):
            return cls(seed)
        if seed is None:
            seed = int(torch.randint(1 << 62, ()).item())
        return cls(torch.Generator(device).manual_seed(mix(seed)))

    @property
    def device(self) -> torch.device:
        """Where the numbers are made."""
        return self.generator.device

    def normal(self, shape: Sequence[int]) -> Tensor:
        """Draw standard normal numbers of the given shape (this process's rows of them)."""
        return self._mine(torch.randn(self._all(shape), generator=self.generator, device=self.device))

    def uniform(self, shape: Sequence[int]) -> Tensor:
        """Draw numbers uniform on [0, 1) of the given shape."""
        return self._mine(torch.rand(self._all(shape), generator=self.generator, device=self.device))

    def integers(self, high: int, shape: Sequence[int]) -> Tensor:
        """Draw whole numbers uniform on 0 … high-1 of the given shape."""
        return self._mine(torch.randint(high, self._all(shape), generator=self.generator, device=self.device))

    def by(self, sampler: Callable[[int], Tensor], n: int) -> Tensor:
        """Draw `n` rows by a sampler that takes its numbers from torch's global generator, which is left as it was.

        Args:
            sampler: from a number of rows to as many, such as `lambda n: distribution.sample((n,))`.
            n: how many rows this process needs.

        Example:
            >>> normal = torch.distributions.Normal(0.0, 1.0)
            >>> Noise.of(0).by(lambda n: normal.sample((n,)), 3).shape
            torch.Size([3])
        """
        seed = int(torch.randint(1 << 62, (), generator=self.generator, device=self.device))
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seed)
            return self._mine(sampler(n * self.world))

    def _all(self, shape: Sequence[int]) -> list[int]:
        return [shape[0] * self.world, *shape[1:]]

    def _mine(self, drawn: Tensor) -> Tensor:
        if self.world == 1:
            return drawn
        rows = drawn.shape[0] // self.world
        return drawn[self.rank * rows : (self.rank + 1) * rows]
