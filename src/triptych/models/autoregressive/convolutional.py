"""Autoregressive models whose network maps images to images of features, each position seeing those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from triptych.distributions import Law, resolve_law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Steps
from triptych.networks.incremental import incremental_pass
from triptych.networks.passes import Pass


class Frame(NamedTuple):
    """What a causal network over a grid is built for."""

    inputs: int
    """Numbers of the (scaled) example at a position."""
    outputs: int
    """Features that the law takes at a position."""
    height: int
    width: int
    colours: int
    """How many of its numbers are drawn one after the other: channels are divided into as many equal blocks."""

    def shared(self, channels: int) -> int:
        """Round channels up to a multiple of the colours, which share them equally."""
        return -(-channels // self.colours) * self.colours

    def reach(self, layers: int) -> int:
        """Return how far each of some layers must see, so that the last column sees the first."""
        return -(-(self.width - 1) // layers)

    def steps(self, network: nn.Module, n: int, device: torch.device, **statics: Tensor | None) -> Pass:
        """Return a pass of a network over this grid, in which its every hidden unit is computed once."""
        size = (self.height, self.width)
        return incremental_pass(network, n, size, self.inputs, self.colours, device, **statics)


def check_sizes(kernel_size: int, layers: int, channels: int) -> None:
    """Raise `ConfigurationError` for an even kernel, or fewer than 1 layer or channel."""
    if kernel_size < 3 or kernel_size % 2 == 0:
        raise ConfigurationError(f"kernel_size={kernel_size}: expected an odd number from 3")
    if layers < 1 or channels < 1:
        raise ConfigurationError(f"layers={layers}, channels={channels}: expected at least 1 of each")


class Convolutional(Autoregressive):
    """A model of one network over the grid of an image, `(B, C, H, W) -> (B, outputs, H, W)`.

    Vectors are one row of real-valued pixels. A subclass sets `network`, called as `network(x, label)`.

    Args:
        event: what one example is.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        ordering: "raster" or "reverse"; for vectors also "random" or a permutation.
        classes: number of labels to condition on; 0 for none.
        embedding: length of the vectors to condition on instead; 0 for none.
    """

    network: nn.Module

    def __init__(
        self,
        event: Event,
        pixels: str | type[Law],
        ordering: str | Sequence[int],
        classes: int,
        embedding: int = 0,
    ) -> None:
        super().__init__(event, resolve_law(pixels, event, vectors="gaussian-mixture"), ordering, classes, embedding)
        if event.is_image and not self.order.keeps_neighbours:
            raise ConfigurationError(
                "a convolution needs neighbours to stay neighbours: for images the ordering is raster or reverse"
            )
        colours, height, width = event.shape if event.is_image else (1, 1, event.dims)
        self.frame = Frame(colours, self.site_features * self.pixel_sites, height, width, self.pixel_sites)

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the network's features of all positions, in the law's layout."""
        out: Tensor = self.network(x.view(len(x), -1, self.frame.height, self.frame.width), label)
        return out if self.event.is_image else out.squeeze(2).transpose(1, 2).flatten(1)  # (B, P, 1, D) -> (B, D P)

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass in which the network's every hidden unit is computed once."""
        return self.frame.steps(self.network, n, self.device, label=label)
