"""Autoregressive models whose network maps images to images of features, each position seeing those before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from triptych.distributions import Law, resolve_law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Steps
from triptych.networks.incremental import incremental_pass


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
        coupled = 1 if self.law.joint else colours
        self.frame = Frame(colours, self.site_features * coupled, height, width, coupled)

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the network's features of all positions, in the law's layout."""
        out: Tensor = self.network(x.view(len(x), -1, self.frame.height, self.frame.width), label)
        return out if self.event.is_image else out.squeeze(2).transpose(1, 2).flatten(1)  # (B, P, 1, D) -> (B, D P)

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass in which the network's every hidden unit is computed once."""
        frame = self.frame
        size = (frame.height, frame.width)
        return incremental_pass(self.network, n, size, frame.inputs, frame.colours, self.device, label=label)
