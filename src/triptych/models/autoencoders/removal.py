"""Blocks that are removed from images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.specs import Registry

Sides = Sequence[int]
"""Height and width."""
BLOCKS = 4
"""How many random blocks are removed, if the one block is not a pixel wide."""
REMOVALS: Registry[Callable[[Sides, Sides, int, Noise], Tensor]] = Registry("removal")
"""Every way to remove blocks by the name that a user can type."""


def block_sides(event: Event, share: float) -> tuple[int, int]:
    """Return height and width of a block with sides of a share of the image's, at least a pixel.

    Raises:
        ConfigurationError: for a share outside (0, 1), or a block as large as the image.

    Example:
        >>> block_sides(Event((1, 8, 9), 2), 0.5)
        (4, 4)
    """
    if not 0 < share < 1:
        raise ConfigurationError(f"block={share:g}: expected a share of the image's sides, above 0 and below 1")
    height, width = (max(1, round(side * share)) for side in event.shape[1:])
    if (height, width) == tuple(event.shape[1:]):
        raise ConfigurationError(f"block={share:g}: a {event} would have nothing left")
    return height, width


@REMOVALS.register("centre")
def centre(image: Sides, block: Sides, n: int, noise: Noise) -> Tensor:
    """Return what is known where the block in the middle is not, boolean `(n, 1, H, W)`.

    Reference: Pathak et al. 2016, §3.3.

    Example:
        >>> centre((4, 4), (2, 2), 1, Noise.of(0)).int().squeeze()
        tensor([[1, 1, 1, 1],
                [1, 0, 0, 1],
                [1, 0, 0, 1],
                [1, 1, 1, 1]], dtype=torch.int32)
    """
    known = torch.ones(n, 1, *image, dtype=torch.bool)
    (top, left), (height, width) = ((a - b) // 2 for a, b in zip(image, block, strict=True)), block
    known[:, :, top : top + height, left : left + width] = False
    return known


@REMOVALS.register("random")
def random(image: Sides, block: Sides, n: int, noise: Noise) -> Tensor:
    """Return what is known where four blocks of half the sides are not, which may overlap: boolean `(n, 1, H, W)`.

    Together they take at most as much as the one block; where half of a side of 1 is still a pixel, they are fewer.
    Reference: Pathak et al. 2016, §3.3.

    Example:
        >>> gone = ~random((8, 8), (4, 4), 100, Noise.of(0))
        >>> int(gone.sum((1, 2, 3)).min()) >= 4, int(gone.sum((1, 2, 3)).max()) <= 16
        (True, True)
    """
    lengths = [max(1, side // 2) for side in block]
    count = min(BLOCKS, math.prod(block) // math.prod(lengths))
    u = noise.uniform((n, count, 2))
    gone = torch.ones(n, count, *image, dtype=torch.bool, device=u.device)
    for axis, (side, length) in enumerate(zip(image, lengths, strict=True)):
        first = (u[:, :, axis] * (side - length + 1)).long().unsqueeze(-1)
        at = torch.arange(side, device=u.device)
        inside = (at >= first) & (at < first + length)
        gone &= inside.unsqueeze(3) if axis == 0 else inside.unsqueeze(2)
    return ~gone.any(1, keepdim=True)
