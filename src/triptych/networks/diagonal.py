"""LSTMs over the diagonals of an image: a diagonal's pixels wait for nothing but the diagonal before."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from triptych.networks.incremental import POINTWISE, pointwise
from triptych.networks.passes import CausalLayer, Pass, Phase, Value
from triptych.networks.recurrent import SpatialLSTM, cell


class DiagonalLSTM(SpatialLSTM):
    """An LSTM from the upper left to the lower right, whole diagonals at a time: H + W - 1 sequential steps.

    A pixel's gates take the states to its left and above it, its memory is that of the pixel to its left:
    everything to the upper left is seen. The input-to-state convolution is 1×1.
    Reference: van den Oord et al. 2016, §3.2 and fig. 3.

    Args:
        inputs: input channels.
        channels: features h of the state; a multiple of `colours`.
        colours: into how many ordered colours the channels are divided.
    """

    def __init__(self, inputs: int, channels: int, colours: int = 1) -> None:
        super().__init__(inputs, channels, 1, 2, colours)

    def kernel(self) -> Tensor:
        """Return what an input is multiplied by, `(4h, inputs)`."""
        return (self.input.weight * self.input.mask).flatten(1)

    def beside(self) -> Tensor:
        """Return what the state to the left is multiplied by, `(h, 4h)`."""
        assert self.state is not None
        return self.state[: self.channels]

    def above(self, state: Tensor) -> Tensor:
        """Return what states above, `(..., h)`, add to the gates below them, `(..., 4h)`."""
        assert self.state is not None
        return state @ self.state[self.channels :]

    def row(self, x: Tensor, above: Tensor) -> Tensor:
        """Return the states of one row, `(B, W, h)`, pixel after pixel.

        Args:
            x: the row's inputs, `(B, W, inputs)`.
            above: states of the row above, `(B, W, h)`; zeros for the first row.
        """
        left = memory = None
        states = []
        for pre in (F.linear(x, self.kernel(), self.input.bias) + self.above(above)).unbind(1):
            left, memory = self.cell(pre if left is None else pre + left @ self.beside(), memory)
            states.append(left)
        return torch.stack(states, 1)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""
        return self.cells(run, x, run.arrays.zeros(run.batch, 1, self.channels), self.beside())

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to states `(B, h, H, W)`; a position sees what is not below or right of it."""
        return _scan([self], x)[0]


class DiagonalBiLSTM(CausalLayer):
    """Two diagonal LSTMs, from the upper left and from the upper right: all that comes before is seen.

    The second runs from right to left; its states enter one row further down, so that none of a pixel's own row
    is seen from the right. Both advance in the same steps.
    Reference: van den Oord et al. 2016, §3.2.

    Args:
        inputs: input channels.
        channels: features h of each direction; a multiple of `colours`.
        colours: into how many ordered colours the channels are divided.
    """

    def __init__(self, inputs: int, channels: int, colours: int = 1) -> None:
        super().__init__()
        self.left = DiagonalLSTM(inputs, channels, colours)
        self.right = DiagonalLSTM(inputs, channels, colours)

    def right_row(self, x: Tensor, above: Tensor) -> Tensor:
        """Return the right-to-left states of one row, `(B, W, h)`: to be added to the states of the row below.

        Args:
            x: the inputs of the whole row, `(B, W, inputs)`.
            above: right-to-left states of the row above, `(B, W, h)`; zeros for the first row.
        """
        return self.right.row(x.flip(1), above.flip(1)).flip(1)

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass: from the left pixel by pixel, from the right once a row is finished."""
        left = self.left.incremental(run, x)
        right = run.value(left.channels, x.scale, Phase.ROW)
        finished = torch.zeros(run.batch, x.width, left.channels, device=run.arrays.device)
        x.keep_row()

        def begin(row: int) -> None:
            right.map = finished.transpose(1, 2).unsqueeze(2)  # (B, h, 1, W), of the row above
            right.begin_row(row)

        def end(row: int) -> None:
            given = x.at_row(row)[:, :, 0].transpose(1, 2) if x.phase < Phase.PIXEL else x.memory
            finished.copy_(self.right_row(given, finished).detach())

        run.at_row(x.scale, begin)
        run.after_row(x.scale, end)
        return pointwise(run, [left, right], left.channels, torch.add, POINTWISE[operator.add])

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to states `(B, h, H, W)`; position i sees inputs at and before i."""
        left, right = _scan([self.left, self.right], x)
        out: Tensor = left + F.pad(right[:, :, :-1], (0, 0, 1, 0))
        return out


@lru_cache(maxsize=32)
def _skew(height: int, width: int) -> tuple[Tensor, Tensor, list[tuple[int, int]]]:
    """Return positions diagonal by diagonal, the same read from the right, and each diagonal's first row and length."""
    place = torch.arange(height * width)
    order = (place // width + place % width).argsort(stable=True)
    first = [max(0, step - width + 1) for step in range(height + width - 1)]
    spans = [(row, min(height - 1, step) - row + 1) for step, row in enumerate(first)]
    return order, order + width - 1 - 2 * (order % width), spans


class _Reordered(torch.autograd.Function):
    """A permutation of the third-last dimension: its gradient is the inverse, which torch's own indexing adds up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor) -> Tensor:
        ctx.back = back
        return x.index_select(-3, order)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return grads[0].index_select(-3, ctx.back), None, None


def _scan(layers: list[DiagonalLSTM], x: Tensor) -> Tensor:
    """Run one diagonal LSTM from the left, and a second one, if there is one, from the right.

    Positions are gathered diagonal by diagonal (the paper's skewed map, without its padding), so that a step is
    one matrix product over a diagonal of both directions.

    Returns:
        States `(D, B, h, H, W)`, D directions, each in place.
    """
    batch, _, height, width = x.shape
    order, mirrored, spans = _skew(height, width)
    ways = [(way.to(x.device), way.argsort().to(x.device)) for way in (order, mirrored)[: len(layers)]]
    pixels = x.flatten(2).permute(2, 0, 1)
    skewed = torch.stack([_Reordered.apply(pixels, *way) for way in ways]).flatten(1, 2)  # type: ignore[no-untyped-call]
    kernels = torch.stack([layer.kernel().t() for layer in layers])
    biases = torch.stack([layer.input.bias for layer in layers if layer.input.bias is not None])
    weight = torch.stack([layer.state for layer in layers if layer.state is not None])
    gates = torch.unflatten(torch.baddbmm(biases.unsqueeze(1), skewed, kernels), 1, (-1, batch))
    with torch.autocast(x.device.type, enabled=False):  # the recurrence has the precision of its parameters
        own = layers[0].channels // layers[0].colours
        states = _Diagonals.apply(gates.to(weight.dtype), weight, spans, own)  # type: ignore[no-untyped-call]
    placed = torch.stack(
        [_Reordered.apply(one, back, way) for one, (way, back) in zip(states, ways, strict=True)]  # type: ignore[no-untyped-call]
    )
    return torch.unflatten(placed.permute(0, 2, 3, 1), -1, (height, width))


def _handed_on(last: tuple[int, int], following: tuple[int, int]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return which pixels of a diagonal are left of which of the following one, and which are above which."""
    (row, rows), (next_row, next_rows) = last, following
    shift = next_row - row  # 1 where the following diagonal has left the first row behind
    left, above = min(rows - shift, next_rows), min(rows, next_rows - 1 + shift)
    return (
        (slice(shift, shift + left), slice(0, left)),
        (slice(0, above), slice(1 - shift, 1 - shift + above)),
    )


class _Diagonals(torch.autograd.Function):
    """The recurrence over diagonals: gates `(D, H W, B, 4h)` and weights `(D, 2h, 4h)` to states `(D, H W, B, h)`.

    Written with its derivative because torch's own record of so many small steps takes longer than they do. The
    states that a pixel sees are kept side by side, so that the weights' gradient is one product at the end.
    """

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, spans: list[tuple[int, int]], own: int) -> Tensor:
        directions, places, batch, four = gates.shape
        h = four // 4
        states = gates.new_empty(directions, places, batch, h)
        near = gates.new_zeros(directions, places, batch, 2 * h)  # states to the left and above; 0 outside
        ctx.cells, ctx.memories = [], []
        memory = gates.new_zeros(directions, 1, batch, h)
        start = 0
        for step, (_, rows) in enumerate(spans):
            end = start + rows
            seen = near[:, start:end].flatten(1, 2)
            pre = torch.baddbmm(gates[:, start:end].flatten(1, 2), seen, weight)
            now = cell(torch.unflatten(pre, 1, (rows, batch)), memory, own)
            states[:, start:end] = now.state
            ctx.cells.append(now[2:])
            ctx.memories.append(memory)
            if step + 1 < len(spans):
                following = spans[step + 1]
                beside, below = _handed_on(spans[step], following)
                ahead = near[:, end : end + following[1]]
                ahead[:, beside[1], :, :h] = now.state[:, beside[0]]
                ahead[:, below[1], :, h:] = now.state[:, below[0]]
                memory = gates.new_zeros(directions, following[1], batch, h)
                memory[:, beside[1]] = now.memory[:, beside[0]]
            start = end
        ctx.save_for_backward(near, weight)
        ctx.spans = spans
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        near, weight = ctx.saved_tensors
        directions, places, batch, double = near.shape
        h = double // 2
        of_states = grads[0].clone(memory_format=torch.contiguous_format)
        of_gates = near.new_empty(directions, places, batch, 2 * double)
        transposed = weight.transpose(1, 2)
        of_memory = torch.zeros_like(of_states[:, -1:])
        end = places
        for step in range(len(ctx.spans) - 1, -1, -1):
            start = end - ctx.spans[step][1]
            of_pre = of_gates[:, start:end]
            kept = _through_cell(of_pre, of_states[:, start:end], of_memory, ctx.memories[step], *ctx.cells[step])
            if step:
                before = ctx.spans[step - 1]
                beside, below = _handed_on(before, ctx.spans[step])
                of_near = torch.unflatten(torch.bmm(of_pre.flatten(1, 2), transposed), 1, (-1, batch))
                earlier = of_states[:, start - before[1] : start]
                earlier[:, beside[0]] += of_near[:, beside[1], :, :h]
                earlier[:, below[0]] += of_near[:, below[1], :, h:]
                of_memory = near.new_zeros(directions, before[1], batch, h)
                of_memory[:, beside[0]] = kept[:, beside[1]]
            end = start
        of_weight = torch.bmm(near.flatten(1, 2).transpose(1, 2), of_gates.flatten(1, 2))
        return of_gates, of_weight, None, None


def _through_cell(
    of_gates: Tensor,
    of_state: Tensor,
    of_memory: Tensor,
    memory: Tensor,
    squashed: Tensor,
    content: Tensor,
    shown: Tensor,
) -> Tensor:
    """Write the gradient of a `cell`'s pre-activations into `of_gates`; return that of the memory before.

    Args:
        of_gates: `(..., 4h)`, to be written.
        of_state: gradient of h.
        of_memory: gradient of c, as it comes from later steps.
        memory: c before.
        squashed: as in `Cell`.
        content: as in `Cell`.
        shown: as in `Cell`.
    """
    colours, _, own = squashed.shape[-3:]
    of_state, of_memory, memory = (torch.unflatten(t, -1, (colours, own)) for t in (of_state, of_memory, memory))
    let_in, keep, let_out = squashed.unbind(-2)
    of_new = of_memory + torch.ops.aten.tanh_backward(of_state * let_out, shown)
    out = torch.unflatten(of_gates, -1, (colours, 4, own))
    torch.mul(of_new, content, out=out[..., 0, :])
    torch.mul(of_new, memory, out=out[..., 1, :])
    torch.mul(of_state, shown, out=out[..., 2, :])
    three = out[..., :3, :]
    torch.ops.aten.sigmoid_backward.grad_input(three, squashed, grad_input=three)
    out[..., 3, :] = torch.ops.aten.tanh_backward(of_new * let_in, content)
    before: Tensor = of_new * keep
    return before.flatten(-2)
