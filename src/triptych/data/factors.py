"""Images of known factors, drawn on the spot: what disentanglement is measured on."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from triptych.data.source import Source

SIZE = 32
"""Height and width of an image, in pixels."""
RADII = (5.1, 6.3, 7.5, 8.7)
"""Of the circle that a shape fits into, in pixels."""
ROTATIONS = 12
PLACES = 8
_STEP = 2  # pixels from one place to the next, whole: a shape moves without changing
_REACH = _STEP * (PLACES - 1)  # pixels between the first place and the last


def _heart(x: Tensor, y: Tensor) -> Tensor:
    u, v = 1.3 * x, 1.3 * y + 0.1
    return (u**2 + v**2 - 1) ** 3 <= u**2 * v**3


def _dome(x: Tensor, y: Tensor) -> Tensor:
    return (x**2 + (y + 0.45) ** 2 <= 0.78) & (y >= -0.45)


def _angle(x: Tensor, y: Tensor) -> Tensor:
    upright = (x >= -0.64) & (x <= -0.22) & (y.abs() <= 0.74)
    return upright | ((x >= -0.64) & (x <= 0.62) & (y >= -0.74) & (y <= -0.31))


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"heart": _heart, "dome": _dome, "angle": _angle}
"""Each shape as an inequality in the unit disc, x to the right and y up. None is its own image under a rotation."""

FACTORS = {"shape": len(SHAPES), "scale": len(RADII), "rotation": ROTATIONS, "x": PLACES, "y": PLACES}
"""The factors, and how many values each takes."""


def factors() -> Source:
    """Draw every combination of shape × scale × rotation × x × y once: 9,216 images of 1×32×32, black and white.

    A pixel is white where its centre fulfils the shape's inequality. After dSprites (Matthey, Higgins, Hassabis &
    Lerchner 2017), which has 737,280 images of 64×64, and two shapes that are their own images under a rotation;
    here none is, so every factor can be told from the image.

    Returns:
        Images of 2 levels, labelled by their factors: `float32 (9216, 5)`, each the number of its value, from 0;
        rotations go counter-clockwise in steps of 30°, x to the right, y downwards.

    Example:
        >>> source = factors()
        >>> source.data.shape, source.classes, source.labels[-1].tolist()
        (torch.Size([9216, 1, 32, 32]), ('shape', 'scale', 'rotation', 'x', 'y'), [2.0, 3.0, 11.0, 7.0, 7.0])
    """
    centred = _centred()
    placed = [
        centred[..., _REACH - _STEP * j :, _REACH - _STEP * i :][..., :SIZE, :SIZE]
        for i in range(PLACES)
        for j in range(PLACES)
    ]
    images = torch.stack(placed, 3).reshape(-1, 1, SIZE, SIZE).to(torch.uint8)
    values = torch.cartesian_prod(*(torch.arange(count) for count in FACTORS.values()))
    return Source(images, 2, values.float(), tuple(FACTORS))


def _centred() -> Tensor:
    """Return every shape × scale × rotation in the middle of a field that holds all places, as a mask."""
    side = SIZE + _REACH
    line = torch.arange(side, dtype=torch.float64) - (side - 1) / 2
    right, up = line.expand(side, side), -line[:, None].expand(side, side)
    radius = torch.tensor(RADII, dtype=torch.float64)[:, None, None, None]
    turn = (torch.arange(ROTATIONS, dtype=torch.float64) * (2 * math.pi / ROTATIONS))[:, None, None]
    x = (right * turn.cos() + up * turn.sin()) / radius
    y = (up * turn.cos() - right * turn.sin()) / radius
    return torch.stack([shape(x, y) for shape in SHAPES.values()])
