"""What the networks of games have in common: norms, labels, and the sizes of images."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.blocks import with_label
from triptych.networks.norms import Conditional, Norm
from triptych.specs import Registry

GENERATORS: Registry[type[Generator]] = Registry("generator")
"""Every generator by the name that a user can type."""
TRUNKS: Registry[type[Trunk]] = Registry("critic")
"""Every critic by the name that a user can type."""
SMALLEST = 8
"""Convolutional networks of games take images from this side on."""
GRID = 4
"""Sides of the smallest feature maps (Radford et al. 2016, fig. 1)."""


@dataclass(frozen=True)
class Outfit:
    """How the layers of a network are normalised, and how it sees labels.

    Args:
        norm: of its layers.
        classes: number of labels; 0 for none.
        labels: "concatenation", "batch-norm" or "projection".
    """

    norm: Norm
    classes: int = 0
    labels: str = "concatenation"

    @property
    def appended(self) -> int:
        """How many numbers the label adds to a network's input."""
        return self.classes if self.labels == "concatenation" else 0

    def joined(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Append the label's one-hot code to a network's input, if that is how labels are seen."""
        return with_label(x, label, self.classes) if self.appended else x

    def layer(self, features: int) -> nn.Module:
        """Return what normalises `features` channels; one with labels is called by `normed`."""
        if self.classes and self.labels == "batch-norm":
            return Conditional(self.norm.layer(features, affine=False), features, self.classes)
        return self.norm.layer(features)


class Generator(nn.Module):
    """From codes `(B, inputs)`, and labels, to scaled examples `(B, *event.shape)` before the final tanh.

    A subclass takes `(event, inputs, sizes, outfit)`; its keyword-only parameters are options, as in
    `--generator resnet:attention=16`. `@GENERATORS.register("resnet")` names it.
    """

    usual_norm: ClassVar[str]
    """What the norm "auto" stands for."""


class Trunk(nn.Module):
    """From scaled examples `(B, *event.shape)`, and labels, to features `(B, width)`.

    A subclass takes `(event, sizes, outfit)`; its keyword-only parameters are options. `@TRUNKS.register("resnet")`
    names it.
    """

    usual_norm: ClassVar[str]
    """What the norm "auto" stands for."""
    width: int
    """Features of an example."""

    @staticmethod
    def initialise(layer: nn.Module) -> None:
        """Set a layer, also one behind the trunk, to what training begins with; torch's own unless overridden."""


class Canvas(NamedTuple):
    """How an image grows from a small grid: `grid · 2^doublings`, of which the centre is the image."""

    doublings: int
    grid: tuple[int, int]

    @classmethod
    def of(cls, network: str, event: Event) -> Canvas:
        """Return that of an event: its shorter side is the next power of two, from a grid of 4.

        Args:
            network: its name, for errors.
            event: what one example is.

        Raises:
            ConfigurationError: for vectors, and for images below 8×8.

        Example:
            >>> Canvas.of("dcgan", Event((1, 28, 28), 256)), Canvas.of("dcgan", Event((3, 64, 128), 256))
            (Canvas(doublings=3, grid=(4, 4)), Canvas(doublings=4, grid=(4, 8)))
        """
        if not event.is_image or min(event.shape[1:]) < SMALLEST:
            raise ConfigurationError(f"{network!r} takes images of at least 8×8, the data is a {event}: try 'mlp'")
        doublings = ((min(event.shape[1:]) - 1) // GRID).bit_length()
        height, width = (max(GRID, math.ceil(side / (1 << doublings))) for side in event.shape[1:])
        return cls(doublings, (height, width))

    @property
    def sides(self) -> list[int]:
        """Shorter sides of the feature maps, from the grid to the image."""
        return [min(self.grid) << step for step in range(self.doublings + 1)]

    def check_attention(self, attention: int, sides: list[int]) -> None:
        """Raise `ConfigurationError` unless there is a feature map of the side at which attention is asked for."""
        if attention and attention not in sides:
            there = " or ".join(map(str, sorted(sides)))
            raise ConfigurationError(
                f"attention={attention}: expected the side of one of the feature maps, {there}, or 0 for none"
            )


def cropped(x: Tensor, height: int, width: int) -> Tensor:
    """Return the centre of images, `(B, C, H, W) -> (B, C, height, width)`.

    Example:
        >>> import torch
        >>> cropped(torch.arange(16.0).view(1, 1, 4, 4), 2, 2).flatten().tolist()
        [5.0, 6.0, 9.0, 10.0]
    """
    top, left = (x.shape[2] - height) // 2, (x.shape[3] - width) // 2
    return x[:, :, top : top + height, left : left + width]
