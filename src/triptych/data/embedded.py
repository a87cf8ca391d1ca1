"""Data sets that need no download: scikit-learn's digits, images of known factors, the 2-D toys of the literature."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from triptych.data.factors import factors
from triptych.data.source import Source
from triptych.errors import ConfigurationError, did_you_mean
from triptych.noise import mix
from triptych.specs import Registry

SETS: Registry[Callable[[], Source]] = Registry("data set", factors=factors)
"""Every data set that is always the same, by name."""
TOYS: Registry[Callable[[int, int], Source]] = Registry("toy")
"""Every 2-D toy by name: from a number of examples and a seed to a draw, whose labels are the modes, if it has any."""
_TOY_COUNT = 10_000

MIXTURES = {"ring": 0.01, "grid": 0.05}
"""Toys whose modes are known: the standard deviation of each mode."""


def names() -> tuple[str, ...]:
    """Return the names in `SETS` and `TOYS`."""
    return (*SETS, *TOYS)


def named(name: str, count: int | None, seed: int) -> Source:
    """Return the data set of one of the `names`.

    Args:
        name: one of them.
        count: number of examples of a toy; None for 10,000.
        seed: of a toy's draw.

    Example:
        >>> named("grid", 1000, seed=0).data.shape
        torch.Size([1000, 2])
    """
    return TOYS[name](count or _TOY_COUNT, seed) if name in TOYS else SETS[name]()


@SETS.register("digits")
def digits() -> Source:
    """Return scikit-learn's 1,797 handwritten digits: 8×8 images of 17 levels, in ten classes."""
    table = torch.from_numpy(_digits_table())
    images = table[:, :-1].reshape(-1, 1, 8, 8).to(torch.uint8)
    return Source(images, 17, table[:, -1].to(torch.int64), tuple(map(str, range(10))))


def _digits_table() -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the 64 pixels of each digit and its class, from scikit-learn's file: to import all of it takes seconds."""
    package = importlib.util.find_spec("sklearn")
    file = Path(package.origin if package and package.origin else "").parent / "datasets/data/digits.csv.gz"
    if file.exists():
        return np.loadtxt(file, delimiter=",")
    from sklearn.datasets import load_digits  # type: ignore[import-untyped]

    found = load_digits()
    return np.concatenate([found.data, found.target[:, None]], 1)


def toy_modes(name: str) -> tuple[Tensor, float]:
    """Return the centres of a toy mixture of Gaussians and the standard deviation of each of them.

    Args:
        name: `ring` or `grid`.

    Returns:
        `float32 (modes, 2)` and a number, both in the units of the data.

    Raises:
        ConfigurationError: for a toy that is no mixture of Gaussians.

    Example:
        >>> centres, spread = toy_modes("ring")
        >>> centres.shape, spread
        (torch.Size([8, 2]), 0.01)
    """
    if name == "ring":
        angles = torch.arange(8) * (2 * math.pi / 8)
        centres = torch.stack((angles.cos(), angles.sin()), dim=1)
    elif name == "grid":
        line = torch.arange(-4.0, 5.0, 2.0)
        centres = torch.cartesian_prod(line, line)
    else:
        raise ConfigurationError(f"{name!r} has no modes: {did_you_mean(name, MIXTURES)}")
    return centres, MIXTURES[name]


@TOYS.register("ring")
def ring(count: int, seed: int) -> Source:
    """Draw 8 Gaussians of standard deviation 0.01, evenly on the unit circle.

    Reference: Srivastava, Valkov, Russell, Gutmann & Sutton 2017; Lin, Khetan, Fanti & Oh 2018.
    """
    return _mixture("ring", count, seed)


@TOYS.register("grid")
def grid(count: int, seed: int) -> Source:
    """Draw 25 Gaussians of standard deviation 0.05 on {-4, -2, 0, 2, 4}². Reference: that of `ring`."""
    return _mixture("grid", count, seed)


@TOYS.register("moons")
def moons(count: int, seed: int) -> Source:
    """Draw two half circles with noise 0.1 (`sklearn.datasets.make_moons`)."""
    from sklearn.datasets import make_moons

    points, moon = make_moons(count, noise=0.1, random_state=mix(seed) % (1 << 32))
    return Source(torch.from_numpy(points).float(), None, torch.from_numpy(moon).long(), ("0", "1"))


@TOYS.register("swiss-roll")
def swiss_roll(count: int, seed: int) -> Source:
    """Draw a spiral with noise 1, divided by 5. Reference: Grathwohl, Chen, Bettencourt, Sutskever & Duvenaud 2019."""
    from sklearn.datasets import make_swiss_roll

    points, _ = make_swiss_roll(count, noise=1.0, random_state=mix(seed) % (1 << 32))
    return Source(torch.from_numpy(points[:, [0, 2]] / 5).float(), None)


def _mixture(name: str, count: int, seed: int) -> Source:
    centres, spread = toy_modes(name)
    generator = torch.Generator().manual_seed(mix(seed, len(centres)))
    labels = torch.randint(len(centres), (count,), generator=generator)
    data = centres[labels] + spread * torch.randn(count, 2, generator=generator)
    return Source(data, None, labels, tuple(map(str, range(len(centres)))))
