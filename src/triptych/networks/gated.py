"""Gated convolutions in two stacks: one sees the rows above, the other what is left of it; there is no blind spot."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from triptych.networks.causal import CausalConv2d, Gate

HERE = (0, 0)
"""The span of a 1×1 convolution."""


class Given(NamedTuple):
    """What a causal network is conditioned on besides the pixels before."""

    classes: int = 0
    """Number of labels; 0 for none."""
    embedding: int = 0
    """Length of a vector that is given instead of a label; 0 for none."""
    condition: int = 0
    """Channels of a map of the image's size, seen at every pixel; 0 for none."""

    def shift(self, channels: int) -> nn.Module | None:
        """Return the map from a label, or from a vector, to a number for each channel; None without either."""
        if self.classes:
            return nn.Embedding(self.classes, channels)
        return nn.Linear(self.embedding, channels, bias=False) if self.embedding else None

    def projection(self, channels: int) -> nn.Module | None:
        """Return the map from the condition to a number for each channel and pixel; None without."""
        return nn.Conv2d(self.condition, channels, 1) if self.condition else None


class GatedLayer(nn.Module):
    """One layer of both stacks: `(v, h) -> (v', h')`.

    Args:
        inputs: input channels of both stacks.
        channels: output channels of both stacks, a multiple of `colours`.
        reach: how many rows up, and columns to either side, its kernels see.
        colours: into how many ordered colours the channels are divided.
        first: whether its input is the image, of which a pixel must not see itself.
        last: whether no layer follows: the vertical stack then ends in the horizontal one.
        vertical: whether there are rows above at all.
        given: what it is conditioned on.
    """

    def __init__(
        self,
        inputs: int,
        channels: int,
        reach: int,
        colours: int,
        first: bool,
        last: bool,
        vertical: bool,
        given: Given,
    ) -> None:
        super().__init__()
        both, own = 2 * channels, not first
        self.first = first
        self.left = CausalConv2d(
            inputs, both, HERE, (-reach, 0 if own or colours > 1 else -1), colours=colours, own=own
        )
        self.gate = Gate(colours)
        self.out = CausalConv2d(channels, channels, HERE, HERE, colours=colours)
        self.shift_left, self.project = given.shift(both), given.projection(both)
        self.above: CausalConv2d | None = None
        if vertical:
            self.above = CausalConv2d(inputs, both, (-reach, 0 if own else -1), (-reach, reach))
            self.shift_above = given.shift(both)
            self.gate_above = None if last else Gate()
            self.across = CausalConv2d(both, both, HERE, HERE)

    def forward(
        self, v: Tensor | None, h: Tensor, label: Tensor | None, condition: Tensor | None
    ) -> tuple[Tensor | None, Tensor]:
        """Map `(B, inputs, H, W)` of each stack to `(B, channels, H, W)`."""
        left = self.left(h)
        if self.shift_left is not None:
            left = left + self.shift_left(label)[:, :, None, None]
        if self.project is not None:
            left = left + self.project(condition)
        if self.above is not None:
            rows = self.above(v)
            if self.shift_above is not None:
                rows = rows + self.shift_above(label)[:, :, None, None]
            left = left + self.across(rows)
            v = None if self.gate_above is None else self.gate_above(rows)
        out = self.out(self.gate(left))
        return v, out if self.first else h + out


class GatedConvNet(nn.Module):
    """A vertical and a horizontal stack of gated convolutions, `(B, C, H, W) -> (B, outputs, H, W)`.

    In every layer `v' = gate(conv(v))` sees the rows above, and `h' = h + out(gate(conv(h) + across(conv(v))))` all
    that comes before; `gate(a, b) = tanh(a) · σ(b)`. A label, a user's vector, or a map of conditions is projected
    into every gate (eq. 4-5). Reference: van den Oord et al. 2016, *Conditional Image Generation with PixelCNN
    Decoders*, §2 and fig. 2.

    Args:
        inputs: input channels C.
        outputs: output channels.
        channels: channels of each stack; a multiple of `colours`.
        layers: number of layers.
        reach: how many rows up, and columns to either side, a kernel sees.
        colours: into how many ordered colours the channels are divided.
        vertical: whether images have rows above at all.
        given: what it is conditioned on.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: int,
        layers: int,
        reach: int,
        colours: int = 1,
        vertical: bool = True,
        given: Given = Given(),  # noqa: B008 - a constant
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            GatedLayer(channels if i else inputs, channels, reach, colours, i == 0, i == layers - 1, vertical, given)
            for i in range(layers)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            CausalConv2d(channels, channels, HERE, HERE, colours=colours),
            nn.ReLU(),
            CausalConv2d(channels, outputs, HERE, HERE, colours=colours),
        )

    def forward(self, x: Tensor, label: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Map scaled images to features, in which position i sees only what comes before i.

        Args:
            x: `(B, C, H, W)`.
            label: `int64 (B,)`, or float `(B, embedding)`; None without.
            condition: `(B, K, H, W)`, seen at every position; None without.
        """
        v, h = x, x
        for layer in self.layers:
            v, h = layer(v, h, label, condition)
        features: Tensor = self.head(h)
        return features
