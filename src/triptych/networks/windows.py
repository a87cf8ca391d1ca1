"""Convolutions in a pass: rows above by one convolution a row, pixels to the left by one matrix product a pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.networks.arrays import Operation
from triptych.networks.passes import Pass, Phase, Value


@dataclass(frozen=True)
class Window:
    """A convolution by the offsets of its taps: `out[r, c] = bias + Σ weight[dy, dx] · in[s r + dy, s c + dx]`.

    Args:
        weight: `(outputs, inputs, taps down, taps right)`, masked taps zero.
        bias: `(outputs,)`, or None.
        rows: offsets dy of the first and the last row of taps.
        columns: offsets dx of the first and the last column of taps.
        stride: s.
        sees_own: whether, at the tap (0, 0), a colour sees itself (mask B) or only the colours before it (mask A).
    """

    weight: Tensor
    bias: Tensor | None
    rows: tuple[int, int]
    columns: tuple[int, int]
    stride: int = 1
    sees_own: bool = True


def convolve(run: Pass, x: Value, window: Window) -> Value:
    """Lay out a convolution of a ROW, PIXEL or LATE value in a pass."""
    first, last = window.rows[0], min(window.rows[1], 0)
    outputs, scale = len(window.weight), x.scale * window.stride
    if x.phase is Phase.ROW or last < 0:
        out = run.value(outputs, scale, Phase.ROW)
        _rows(run, x, out, window, first, last)
        return out
    if first < 0:
        base = run.value(outputs, scale, Phase.ROW)
        _rows(run, x, base, window, first, -1)
    else:
        bias = torch.zeros(outputs, device=run.arrays.device) if window.bias is None else window.bias.detach()
        base = run.value(outputs, scale, Phase.STATIC, bias.view(1, -1, 1, 1))
    return _pixels(run, x, base, window)


def _rows(run: Pass, x: Value, out: Value, window: Window, first: int, last: int) -> None:
    """Compute `out` from rows `first` to `last` of the taps, once a row. The current row of a ROW value is row 0."""
    if first < 0:
        x.keep_above(-first)
    taps = window.weight[:, :, first - window.rows[0] : last - window.rows[0] + 1]
    taps = taps.detach().contiguous(memory_format=torch.channels_last)
    padding = (-window.columns[0], window.columns[1], 0, 0)
    even = window.columns[0] == -window.columns[1]

    def work(row: int) -> None:
        rows = x.above(-first) if first < 0 else None
        if rows is not None and last < -1:
            rows = rows[:, :, : last - first + 1]
        if last == 0:
            rows = x.at_row(row) if rows is None else torch.cat([rows, x.at_row(row)], 2)
        assert rows is not None
        given = rows if even else F.pad(rows, padding)
        aside = (0, window.columns[1]) if even else 0
        out.map = F.conv2d(given, taps, window.bias, stride=(1, window.stride), padding=aside)
        out.begin_row(row)

    run.at_row(out.scale, work)


def _pixels(run: Pass, x: Value, base: Value, window: Window) -> Value:
    """Add to `base` what the taps of the current row see, at every pixel."""
    base.keep_row()
    x.keep_row(max(0, -window.columns[0]))
    has_own = window.columns[1] >= 0
    late = x.phase is Phase.LATE and has_own and window.sees_own
    out = run.value(base.channels, base.scale, Phase.LATE if late else Phase.PIXEL)
    left = min(window.columns[1], -1) - window.columns[0] + 1  # columns of taps to the left of the pixel
    taps = window.weight[:, :, -window.rows[0]].detach()  # (outputs, inputs, columns)
    matrices, owns, spares = [], [], []
    for colour in range(run.colours):
        own = x.blocks[colour].stop if window.sees_own else x.blocks[colour].start
        own = own if has_own and (run.colours > 1 or window.sees_own) else 0
        mine = taps[out.blocks[colour]]
        parts = [mine[:, :, :left].permute(2, 1, 0).flatten(0, 1)]
        if own:
            parts.append(mine[:, :own, -window.columns[0]].t())
        matrices.append(run.arrays.of(torch.cat(parts).contiguous()))
        owns.append(own)
        spares.append(run.arrays.of(run.arrays.zeros(run.batch, len(mine))))

    def make(row: int, column: int, colour: int) -> list[Operation]:
        block, arrays = out.blocks[colour], run.arrays
        before, target = base.at(column, block), out.at(column, block)
        if not len(matrices[colour]):
            return [arrays.copy(before, target)]
        start = window.stride * column + window.columns[0]
        seen = x.window(start, start + left, owns[colour])
        return [
            arrays.matmul(seen, matrices[colour], spares[colour]),
            arrays.add(spares[colour], before, target),
        ]

    run.at_pixel(out, make)
    return out


def upsample(run: Pass, x: Value, window: Window) -> Value:
    """Lay out a transposed convolution of stride 2, two rows of taps from offset 0 on, of a ROW or PIXEL value.

    Raises:
        NotImplementedError: for other windows.
    """
    if window.rows != (0, 1) or (x.phase > Phase.ROW and window.columns != (0, 1)):
        raise NotImplementedError(
            f"a transposed convolution over {window.rows}, {window.columns} has no incremental form"
        )
    out = run.value(len(window.weight), x.scale // 2, x.phase)
    if x.phase is Phase.ROW:
        _upsampled_rows(run, x, out, window)
    else:
        _upsampled_pixels(run, x, out, window)
    return out


def _upsampled_rows(run: Pass, x: Value, out: Value, window: Window) -> None:
    taps = [window.weight[:, :, i : i + 1].detach().transpose(0, 1).contiguous() for i in (0, 1)]
    first = window.columns[0]

    def work(row: int) -> None:
        full = F.conv_transpose2d(x.at_row(row), taps[row // out.scale % 2], window.bias, stride=(1, 2))
        beside = full.shape[3] + first  # how many columns there are right of column 0
        out.map = full[:, :, :, -first : -first + out.width] if beside >= out.width else None
        if out.map is None:  # no tap reaches the last column: it is the bias alone
            assert window.bias is not None
            rest = window.bias.view(1, -1, 1, 1).expand(len(full), -1, 1, out.width - beside)
            out.map = torch.cat([full[:, :, :, -first:], rest], 3)
        out.begin_row(row)

    run.at_row(out.scale, work)


def _upsampled_pixels(run: Pass, x: Value, out: Value, window: Window) -> None:
    x.keep_row()
    arrays = run.arrays
    bias = arrays.zeros(len(window.weight)) if window.bias is None else window.bias.detach()
    weight = window.weight.detach().permute(2, 3, 1, 0)  # (2, 2, inputs, outputs)
    matrices: dict[tuple[int, int, int], Any] = {}
    for i, j, colour in product((0, 1), (0, 1), range(run.colours)):
        own = x.blocks[colour].stop if (i, j) == (0, 0) else x.channels
        matrices[i, j, colour] = arrays.of(weight[i, j, :own, out.blocks[colour]].contiguous())
    spares = [arrays.of(arrays.zeros(run.batch, b.stop - b.start)) for b in out.blocks]
    biases = [arrays.of(bias[b].expand(run.batch, -1).contiguous()) for b in out.blocks]

    def make(row: int, column: int, colour: int) -> list[Operation]:
        matrix = matrices[row // out.scale % 2, column % 2, colour]
        seen = x.at(column // 2, slice(0, len(matrix)))
        return [
            arrays.matmul(seen, matrix, spares[colour]),
            arrays.add(spares[colour], biases[colour], out.at(column, out.blocks[colour])),
        ]

    run.at_pixel(out, make)
