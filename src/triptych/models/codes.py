"""Codes: how they are drawn, and their density."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from triptych.distributions import StandardNormal
from triptych.errors import ConfigurationError, check_known
from triptych.models.latent_variable import CodeSpace, normal_space, uniform_space
from triptych.noise import Noise

PRIORS = ("normal", "uniform")
"""Priors of codes of any length."""


class Codes(Protocol):
    """How codes are drawn, and their density."""

    @property
    def space(self) -> CodeSpace:
        """Their coordinates, and the density of these."""
        ...

    def draw(self, n: int, noise: Noise, label: Tensor | None = None) -> Tensor:
        """Draw codes of examples, `(n, latent)`, of labels `(n,)` if their prior depends on them."""
        ...

    def draw_views(self, n: int, noise: Noise) -> Tensor:
        """Draw codes of the views that an adversary scores, `(n, latent)`, or `(n, m, latent)` of m examples each."""
        ...


@dataclass(frozen=True)
class PlainCodes:
    """Codes under N(0, I), or uniform on [-1, 1].

    Args:
        prior: "normal" or "uniform".
        latent: their dimensions.

    Raises:
        ConfigurationError: for latent < 1, or an unknown prior.
    """

    prior: str
    latent: int

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        if self.latent < 1:
            raise ConfigurationError(f"latent={self.latent}: expected at least 1")
        check_known("prior", self.prior, PRIORS)

    @property
    def space(self) -> CodeSpace:
        """Normal numbers."""
        return normal_space(self.latent) if self.prior == "normal" else uniform_space(self.latent)

    def draw(self, n: int, noise: Noise, label: Tensor | None = None) -> Tensor:
        """Draw codes, `(n, latent)`, whatever their label."""
        return noise.normal((n, self.latent)) if self.prior == "normal" else 2 * noise.uniform((n, self.latent)) - 1

    def draw_views(self, n: int, noise: Noise) -> Tensor:
        """Draw codes, `(n, latent)`: one example is one view."""
        return self.draw(n, noise)


def petals(q: Tensor, v: Tensor, pieces: int) -> Tensor:
    """Return points of a mixture of Gaussians in a circle, longer towards its centre, `(n, 2)`.

    Their centres are at distance 4 from the origin; the standard deviations are 1 along the radius and 0.3 across.

    Args:
        q: `(n,)` in [0, 1), chooses the Gaussian.
        v: `(n, 2)` normal numbers.
        pieces: how many Gaussians there are.

    Example:
        >>> petals(torch.tensor([0.0, 0.5]), torch.zeros(2, 2), 2)[:, 0].round(decimals=3).tolist()
        [4.0, -4.0]
    """
    angle = 2 * math.pi * (q.detach() * pieces).floor().clamp(0, pieces - 1) / pieces
    along, across = 4 + v[:, 0], 0.3 * v[:, 1]
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * along - sin * across, sin * along + cos * across], 1)


def swiss_roll(q: Tensor, v: Tensor, pieces: int) -> Tensor:
    """Return points of a spiral of two turns, uniform along it, with noise of standard deviation 0.1, `(n, 2)`.

    Args:
        q: `(n,)` in [0, 1), the place along the spiral.
        v: `(n, 2)` normal numbers.
        pieces: of equal length, one for each label; of no effect here.

    Example:
        >>> swiss_roll(torch.tensor([0.0, 0.25]), torch.zeros(2, 2), 10)[:, 0].round(decimals=3).tolist()
        [0.0, 2.0]
    """
    turns = 2 * q.clamp(min=1e-12).sqrt()  # the length of a spiral grows with the square of its angle
    angle, radius = 2 * math.pi * turns, 2 * turns
    return torch.stack([radius * angle.cos(), radius * angle.sin()], 1) + 0.1 * v


SHAPES: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {"mixture": petals, "swiss-roll": swiss_roll}
"""Priors of codes in a plane, by name; a label has a piece of its own."""


@dataclass(frozen=True)
class ShapedCodes:
    """Codes in a plane that lie as a shape, of which each label has a piece.

    Args:
        prior: a name in `SHAPES`.
        pieces: how many pieces it has, such as the Gaussians of a mixture.

    Raises:
        ConfigurationError: for less than one piece, or an unknown shape.

    Example:
        >>> ShapedCodes("mixture", 10).draw(5, Noise.of(0), torch.arange(5)).shape
        torch.Size([5, 2])
    """

    prior: str
    pieces: int

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_known("prior", self.prior, SHAPES)
        if self.pieces < 1:
            raise ConfigurationError(f"components={self.pieces}: expected at least 1")

    def at(self, u: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the codes `(n, 2)` that normal numbers `(n, 3)` stand for, on the labels' pieces if there are any."""
        q = torch.special.ndtr(u[:, 0])
        return SHAPES[self.prior](q if label is None else (label + q) / self.pieces, u[:, 1:], self.pieces)

    @property
    def space(self) -> CodeSpace:
        """Three normal numbers: the place on the shape, and two of noise."""
        return CodeSpace(StandardNormal(3), self.at)

    def draw(self, n: int, noise: Noise, label: Tensor | None = None) -> Tensor:
        """Draw codes, `(n, 2)`."""
        return self.at(noise.normal((n, 3)), label)

    def draw_views(self, n: int, noise: Noise) -> Tensor:
        """Draw codes, `(n, 2)`: one example is one view."""
        return self.draw(n, noise)
