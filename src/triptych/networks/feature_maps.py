"""What DCGAN and residual networks of games share: their sizes, self-attention, and layers in a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import nn

from triptych.event import Event
from triptych.networks.attention import attention_at
from triptych.networks.blocks import Sizes
from triptych.networks.games import Canvas


def canvas_and_channels(network: str, event: Event, sizes: Sizes, channels: int) -> tuple[Canvas, int]:
    """Return the canvas of a network, and the channels that its widths are multiples of.

    Args:
        network: its name, for errors.
        event: what one image is.
        sizes: the user's.
        channels: the network's own option; 0 for those of `sizes`.

    Raises:
        ConfigurationError: for vectors, images below 8×8, or a size below 1.
    """
    channels = channels or sizes.channels
    sizes._replace(channels=channels).check()
    return Canvas.of(network, event), channels


def attentions(sides: Sequence[int], widths: Sequence[int], attention: int) -> nn.ModuleList:
    """Return a layer for each feature map: self-attention at the side `attention`, the identity elsewhere."""
    return nn.ModuleList(attention_at(side, attention, width) for side, width in zip(sides, widths, strict=True))


def in_a_row(layers: Iterable[nn.Module]) -> nn.Sequential:
    """Return layers one behind the other, without those that do nothing."""
    return nn.Sequential(*(layer for layer in layers if not isinstance(layer, nn.Identity)))
