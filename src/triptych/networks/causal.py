"""Layers of causal networks: convolutions over a window of earlier rows and columns, and what goes between them.

They are leaves: a network is written as layers of these kinds joined by sums, products, pointwise functions and
concatenations, so that a sampler which computes every hidden unit once can be derived from it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.errors import ConfigurationError
from triptych.networks.arrays import Arrays, Operation
from triptych.networks.incremental import pointwise
from triptych.networks.masked import colour_mask
from triptych.networks.passes import CausalLayer, Pass, Phase, Value
from triptych.networks.windows import Window, convolve, upsample

Span = tuple[int, int]
"""First and last offset of a window, both included."""


class _Windowed(CausalLayer):
    """A linear map over a window of offsets, its tap (0, 0) masked between colours."""

    mask: Tensor | None
    stride: int

    def __init__(self, inputs: int, outputs: int, rows: Span, columns: Span, colours: int, own: bool) -> None:
        super().__init__()
        if rows[0] > rows[1] or columns[0] > columns[1]:
            raise ConfigurationError(f"rows {rows}, columns {columns}: expected the first offset, then the last")
        self.inputs, self.outputs, self.rows, self.columns = inputs, outputs, rows, columns
        self.colours, self.own = colours, own
        kernel = (rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)
        weight = torch.empty(outputs, inputs, *kernel)
        nn.init.kaiming_uniform_(weight, a=5**0.5)
        mask = None
        if (colours > 1 or not own) and rows[0] <= 0 <= rows[1] and columns[0] <= 0 <= columns[1]:
            mask = torch.ones_like(weight)
            mask[:, :, -rows[0], -columns[0]] = colour_mask(outputs, inputs, colours, own)
            # Fewer taps are seen than the initialisation counts on: keep the variance of the outputs.
            weight *= mask / mask.mean().clamp(min=1e-6).sqrt()
        self.weight = nn.Parameter(weight)
        bound = (inputs * kernel[0] * kernel[1]) ** -0.5
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-bound, bound))
        self.register_buffer("mask", mask, persistent=False)

    def effective_weight(self) -> Tensor:
        """Return the weight with what is not seen at zero, `(outputs, inputs, height, width)`."""
        return self.weight if self.mask is None else self.weight * self.mask

    @property
    def window(self) -> Window:
        """The convolution by its taps."""
        return Window(self.effective_weight(), self.bias, self.rows, self.columns, self.stride, self.own)

    def extra_repr(self) -> str:
        """Describe the window."""
        return f"{self.inputs}, {self.outputs}, rows={self.rows}, columns={self.columns}, colours={self.colours}"


class CausalConv2d(_Windowed):
    """A convolution over a window of offsets, none of them below the position.

    `out[r, c] = b + Σ_{dy ∈ rows, dx ∈ columns} W[dy, dx] · in[stride·r + dy, stride·c + dx]`, with zeros outside
    the image. `rows=(-k, -1)` is a vertical stack's first layer; `rows=(0, 0), columns=(-k, 0)` a horizontal
    stack's. Columns to the right in the own row (`dy = 0`, `dx > 0`) are for inputs that do not know their own
    row. Reference: van den Oord et al. 2016, *Conditional Image Generation with PixelCNN Decoders*, §2.2.

    Args:
        inputs: input channels.
        outputs: output channels.
        rows: first and last row offset; the last at most 0.
        columns: first and last column offset.
        stride: rows and columns from one output to the next, in inputs.
        colours: into how many ordered colours the channels are divided, in equal blocks. The tap (0, 0), if it
            is in the window, sees only the colours before (and its own).
        own: whether a colour sees itself at the tap (0, 0) (mask B) or not (mask A).

    Raises:
        ConfigurationError: for a window that reaches below, or is empty.

    Example:
        >>> left = CausalConv2d(1, 1, rows=(0, 0), columns=(-1, -1))
        >>> _ = left.weight.data.fill_(1), left.bias.data.fill_(0)
        >>> left(torch.tensor([[[[1.0, 2.0, 3.0]]]])).tolist()
        [[[[0.0, 1.0, 2.0]]]]
    """

    def __init__(
        self, inputs: int, outputs: int, rows: Span, columns: Span, stride: int = 1, colours: int = 1, own: bool = True
    ) -> None:
        if rows[1] > 0:
            raise ConfigurationError(f"rows {rows}: expected a window that ends at row offset 0 or above")
        super().__init__(inputs, outputs, rows, columns, colours, own)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to `(B, outputs, ⌈H/stride⌉, ⌈W/stride⌉)`."""
        pads: list[int] = []
        window: list[slice] = []
        for size, (first, last) in zip(x.shape[:1:-1], (self.columns, self.rows), strict=True):
            end = (size - 1) // self.stride * self.stride + last  # the last input that is looked at
            before, after = max(-first, 0), max(end - size + 1, 0)
            pads += [before, after]
            window.insert(0, slice(first + before, end + before + 1))
        padded = F.pad(x, pads)[:, :, window[0], window[1]]
        return F.conv2d(padded, self.effective_weight(), self.bias, stride=self.stride)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass.

        Raises:
            ValueError: if it looks to the right in a row that the input knows of itself.
        """
        if x.phase > Phase.ROW and self.rows[1] == 0 and self.columns[1] > 0:
            raise ValueError(f"the network is not causal: {self} sees pixels to the right in its own row")
        return convolve(run, x, self.window)


class CausalUpsample2d(_Windowed):
    """A transposed convolution of stride 2 over a window of offsets, none of them above the position.

    `out[r, c] = b + Σ W[r - 2R, c - 2C] · in[R, C]` over all `(R, C)` with `r - 2R ∈ rows` and `c - 2C ∈ columns`:
    position `(R, C)` of the input knows as much of the image as `(2R, 2C)` of the output may. Reference: Salimans
    et al. 2017, *PixelCNN++*, §2.3 and fig. 2.

    Args:
        inputs: input channels.
        outputs: output channels.
        height: rows of the output, `2H` or `2H - 1`.
        width: columns of the output.
        rows: first and last row offset; the first at least 0.
        columns: first and last column offset; below 0 for inputs that do not know their own row.
        colours: as in `CausalConv2d`.
        own: as in `CausalConv2d`.

    Raises:
        ConfigurationError: for a window that reaches above, or is empty.

    Example:
        >>> CausalUpsample2d(4, 6, height=7, width=8)(torch.zeros(2, 4, 4, 4)).shape
        torch.Size([2, 6, 7, 8])
    """

    stride = 2

    def __init__(
        self,
        inputs: int,
        outputs: int,
        height: int,
        width: int,
        rows: Span = (0, 1),
        columns: Span = (0, 1),
        colours: int = 1,
        own: bool = True,
    ) -> None:
        if rows[0] < 0:
            raise ConfigurationError(f"rows {rows}: expected a window that begins at row offset 0 or below")
        super().__init__(inputs, outputs, rows, columns, colours, own)
        self.height, self.width = height, width

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to `(B, outputs, height, width)`."""
        full = F.conv_transpose2d(x, self.effective_weight().transpose(0, 1), stride=2)  # offsets from 0 on
        sides: list[int] = []
        for size, wanted, (first, _) in zip(
            full.shape[:1:-1], (self.width, self.height), (self.columns, self.rows), strict=True
        ):
            sides += [first, wanted - first - size]  # negative ones crop
        return F.pad(full, sides) + self.bias[:, None, None]

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""
        return upsample(run, x, self.window)


class Gate(CausalLayer):
    """The gated activation unit, `tanh(a) · σ(b)`: `(B, 2N, …) -> (B, N, …)`.

    In every colour's block of channels the first half is a, the second b. Reference: van den Oord et al. 2016,
    *Conditional Image Generation with PixelCNN Decoders*, eq. 2; without the tanh, Salimans et al. 2017's.

    Args:
        colours: into how many equal blocks the channels are divided.
        bounded: whether a goes through a tanh.

    Example:
        >>> Gate()(torch.tensor([[0.5, 0.0]]))
        tensor([[0.2311]])
    """

    def __init__(self, colours: int = 1, bounded: bool = True) -> None:
        super().__init__()
        self.colours, self.bounded = colours, bounded

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, 2N, …)` to `(B, N, …)`."""
        a, b = torch.unflatten(x, 1, (self.colours, 2, -1)).unbind(2)
        return ((torch.tanh(a) if self.bounded else a) * torch.sigmoid(b)).flatten(1, 2)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""

        def rule(arrays: Arrays, out: Any, given: Any) -> list[Operation]:
            n = out.shape[1]
            spare = arrays.spare(given, "gate")
            a, b = spare[:, :n], spare[:, n:]
            half = arrays.constant(out, 0.5)
            if self.bounded:  # one tanh for both, since σ(b) = ½ (1 + tanh ½b)
                scales = arrays.constant(given, 1.0, 0.5)
                first = [arrays.multiply(given, scales, spare), arrays.tanh(spare, spare)]
            else:
                a = given[:, :n]
                first = [arrays.multiply(given[:, n:], half, b), arrays.tanh(b, b)]
            return [*first, arrays.multiply(b, half, b), arrays.add(b, half, b), arrays.multiply(a, b, out)]

        return pointwise(run, [x], x.channels // 2, self, rule)


class ConcatELU(CausalLayer):
    """`[elu(x), elu(-x)]` within every colour's block of channels: `(B, N, …) -> (B, 2N, …)`.

    Reference: Salimans et al. 2017, *PixelCNN++*, whose published code has it; after Shang et al. 2016.

    Args:
        colours: into how many equal blocks the channels are divided.

    Example:
        >>> ConcatELU()(torch.tensor([[1.0, 2.0]]))
        tensor([[ 1.0000,  2.0000, -0.6321, -0.8647]])
    """

    def __init__(self, colours: int = 1) -> None:
        super().__init__()
        self.colours = colours

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, N, …)` to `(B, 2N, …)`."""
        split = torch.unflatten(x, 1, (self.colours, -1))
        return F.elu(torch.cat([split, -split], 2)).flatten(1, 2)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""

        def rule(arrays: Arrays, out: Any, given: Any) -> list[Operation]:
            n = given.shape[1]
            both = arrays.spare(out, "both signs")
            signs = [arrays.copy(given, both[:, :n]), arrays.multiply(given, arrays.constant(given, -1.0), both[:, n:])]
            return signs + arrays.elu(both, out)

        return pointwise(run, [x], 2 * x.channels, self, rule)


class WithOnes(CausalLayer):
    """Appends a channel of ones to every colour's block: they mark the inside of the image against its padding.

    Args:
        colours: into how many equal blocks the channels are divided.

    Example:
        >>> WithOnes(colours=2)(torch.tensor([[5.0, 6.0]]))
        tensor([[5., 1., 6., 1.]])
    """

    def __init__(self, colours: int = 1) -> None:
        super().__init__()
        self.colours = colours

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, C, …)` to `(B, C + colours, …)`."""
        split = torch.unflatten(x, 1, (self.colours, -1))
        return torch.cat([split, torch.ones_like(split[:, :, :1])], 2).flatten(1, 2)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""

        def rule(arrays: Arrays, out: Any, given: Any) -> list[Operation]:
            n = given.shape[1]
            one = out[:, n:]
            return [arrays.copy(given, out[:, :n]), arrays.copy(arrays.constant(one, 1.0), one)]

        return pointwise(run, [x], x.channels + self.colours, self, rule)
