"""Masked convolutions: networks in which no output sees its own or a later sub-pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.networks.passes import CausalLayer, Pass, Value
from triptych.networks.windows import Window, convolve


def colour_mask(outputs: int, inputs: int, colours: int, own: bool) -> Tensor:
    """Return which inputs of its own pixel each output sees, `(outputs, inputs)`.

    Channels belong to colours in equal blocks; an output of colour c sees the colours before c, and c itself
    if `own` (mask B; else mask A). Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, §3.4.

    Example:
        >>> colour_mask(3, 3, colours=3, own=False).int().tolist()
        [[0, 0, 0], [1, 0, 0], [1, 1, 0]]
    """
    of_output = (torch.arange(outputs) * colours // outputs)[:, None]
    of_input = (torch.arange(inputs) * colours // inputs)[None]
    return (of_output >= of_input if own else of_output > of_input).float()


def causal_mask(outputs: int, inputs: int, height: int, width: int, own: bool, colours: int = 1) -> Tensor:
    """Return the mask `(outputs, inputs, height, width)` of a convolution in raster order.

    All rows above and all columns to the left of the centre are seen. At the centre, output channels of
    colour c see input channels of the colours before c, and of c itself if `own` (mask B; else mask A).
    Channels belong to colours in equal blocks. Reference: van den Oord et al. 2016, §3.4 and fig. 4.

    Example:
        >>> causal_mask(1, 1, 3, 3, own=False)[0, 0].int().tolist()
        [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    """
    mask = torch.zeros(outputs, inputs, height, width)
    row, column = height // 2, width // 2
    mask[:, :, :row] = 1
    mask[:, :, row, :column] = 1
    mask[:, :, row, column] = colour_mask(outputs, inputs, colours, own)
    return mask


class MaskedConv2d(nn.Conv2d, CausalLayer):
    """A convolution that keeps raster order and the size of the image.

    Args:
        inputs: input channels.
        outputs: output channels.
        kernel_size: height and width, odd.
        own: whether a colour sees itself at the centre (mask B) or not (mask A).
        colours: into how many colours the channels are divided.
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, kernel_size: tuple[int, int], own: bool, colours: int = 1) -> None:
        padding = (kernel_size[0] // 2, kernel_size[1] // 2)
        super().__init__(inputs, outputs, kernel_size, padding=padding)
        self.own = own
        mask = causal_mask(outputs, inputs, *kernel_size, own=own, colours=colours)
        self.register_buffer("mask", mask, persistent=False)
        with torch.no_grad():
            # Fewer taps are seen than torch's initialisation counts on: keep the variance of its outputs.
            self.weight *= mask / mask.mean().clamp(min=1e-6).sqrt()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve `(B, inputs, H, W)` to `(B, outputs, H, W)`."""
        return F.conv2d(x, self.weight * self.mask, self.bias, padding=self.padding)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""
        height, width = self.kernel_size[0] // 2, self.kernel_size[1] // 2
        weight = self.weight[:, :, : height + 1] * self.mask[:, :, : height + 1]  # the rows below are masked
        return convolve(run, x, Window(weight, self.bias, (-height, 0), (-width, width), sees_own=self.own))


class CausalConvNet(nn.Module):
    """A stack of masked convolutions with residual connections, `(B, C, H, W) -> (B, outputs, H, W)`.

    The first layer has mask A, the others mask B. A label, or a map of conditions, shifts every layer.

    Args:
        inputs: input channels C.
        outputs: output channels.
        channels: channels of the hidden layers; a multiple of `colours`.
        layers: number of k×k masked convolutions.
        kernel_size: height and width of their kernels.
        colours: into how many ordered colours the channels are divided.
        classes: number of labels that it is conditioned on; 0 for none.
        condition: channels of a map that it is conditioned on; 0 for none.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        channels: int,
        layers: int,
        kernel_size: tuple[int, int],
        colours: int = 1,
        classes: int = 0,
        condition: int = 0,
    ) -> None:
        super().__init__()
        self.first = MaskedConv2d(inputs, channels, kernel_size, own=False, colours=colours)
        self.hidden = nn.ModuleList(
            MaskedConv2d(channels, channels, kernel_size, own=True, colours=colours) for _ in range(layers - 1)
        )
        self.shifts = nn.ModuleList(nn.Embedding(classes, channels) for _ in range(layers if classes else 0))
        self.projections = nn.ModuleList(nn.Conv2d(condition, channels, 1) for _ in range(layers if condition else 0))
        self.head = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d(channels, channels, (1, 1), own=True, colours=colours),
            nn.ReLU(),
            MaskedConv2d(channels, outputs, (1, 1), own=True, colours=colours),
        )

    def forward(self, x: Tensor, label: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Map scaled images to features, in which position i sees only what comes before i.

        Args:
            x: `(B, C, H, W)`.
            label: `(B,)`; None without.
            condition: `(B, K, H, W)`, seen at every position; None without.
        """
        h = self._shifted(self.first(x), 0, label, condition)
        for layer, conv in enumerate(self.hidden):
            h = h + conv(torch.relu(h))
            h = self._shifted(h, layer + 1, label, condition)
        out: Tensor = self.head(h)
        return out

    def _shifted(self, h: Tensor, layer: int, label: Tensor | None, condition: Tensor | None) -> Tensor:
        if label is not None and len(self.shifts):
            h = h + self.shifts[layer](label)[:, :, None, None]
        if condition is not None:
            h = h + self.projections[layer](condition)
        return h
