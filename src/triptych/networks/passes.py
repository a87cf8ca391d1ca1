"""One pass of a causal network over the pixels of a batch, in which every hidden unit is computed once.

Each value of the network has the earliest *phase* in which it can be known: before the first pixel (`STATIC`: of a
label), before a row's first pixel (`ROW`: of the rows above alone), at a pixel (`PIXEL`), or once the pixel has
been drawn (`LATE`: the image itself). Row work is done by torch on whole rows. Pixel work is a list of operations
on memory that was laid out beforehand: nothing is allocated, and masked taps are not multiplied. The idea of
keeping what was computed is that of Ramachandran et al. 2017, *Fast Generation for Convolutional Autoregressive
Models*.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor, nn

from triptych.networks.arrays import Arrays, Operation


class Phase(IntEnum):
    """When a value can be known."""

    STATIC = 0
    ROW = 1
    PIXEL = 2
    LATE = 3


class CausalLayer(nn.Module, ABC):
    """A layer that brings its incremental form with it."""

    @abstractmethod
    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer's work in a pass, and return what it gives.

        Args:
            run: takes the work: `at_row`, `after_row`, `at_pixel`.
            x: what the layer is applied to; never STATIC, for which `forward` is called.
        """


class Value:
    """One value of a network, in a pass: `channels` numbers at each position.

    Args:
        run: the pass.
        channels: how many, in as many equal blocks as the pass has colours.
        scale: its resolution: one position for `scale × scale` pixels.
        phase: when it is known.
    """

    def __init__(self, run: Pass, channels: int, scale: int, phase: Phase) -> None:
        self.run, self.channels, self.scale, self.phase = run, channels, scale, phase
        self.width = -(-run.width // scale)
        self.map: Tensor | None = None
        """STATIC: `(B, C, H, W)`; ROW: its current row, `(B, C, 1, W)`; or what broadcasts to it."""
        self.left = -1
        self.rows = 0
        bounds = [-(-colour * channels // run.colours) for colour in range(run.colours + 1)]
        self.blocks = [slice(*ends) for ends in zip(bounds[:-1], bounds[1:], strict=True)]
        """The channels that belong to each colour."""

    def keep_row(self, left: int = 0) -> None:
        """Ask for the current row by columns, behind `left` columns of zeros.

        Pixel work that reads a STATIC or ROW value asks for it, too.
        """
        self.left = max(self.left, left)

    def keep_above(self, rows: int) -> None:
        """Ask for the last rows."""
        if self.phase >= Phase.PIXEL:
            self.keep_row()
        self.rows = max(self.rows, rows)

    def lay_out(self) -> None:
        """Take the memory that was asked for."""
        batch, zeros = self.run.batch, self.run.arrays.zeros
        if self.phase < Phase.PIXEL:
            self.columns = zeros(self.width if self.left >= 0 else 0, batch, self.channels)
            self.memory = self.columns.transpose(0, 1)
        else:
            self.current = zeros(batch, self.left + self.width if self.left >= 0 else 1, self.channels)
            self.memory = self.current[:, max(self.left, 0) :]
        past = zeros(batch, self.rows, self.width, self.channels)
        self.past = past.unbind(1)
        """The last finished rows, `(B, W, C)` each, the newest last."""
        self.stacked = past.permute(0, 3, 1, 2)
        self.array = self.run.arrays.of(self.memory)
        self.flat = self.run.arrays.of(self.current.flatten(1)) if self.phase >= Phase.PIXEL else None

    def tensor(self, column: int) -> Tensor:
        """Return the memory of one column of the current row, `(B, C)`."""
        return self.memory[:, column if self.left >= 0 else 0]

    def at(self, column: int, channels: slice = slice(None)) -> Any:
        """Return the array of some channels of one column of the current row."""
        return self.array[:, column if self.left >= 0 else 0, channels]

    def window(self, start: int, stop: int, own: int = 0) -> Any:
        """Return the array `(B, K)` of columns `start` to `stop`, then the first `own` channels of column `stop`."""
        assert self.flat is not None
        return self.flat[:, (self.left + start) * self.channels : (self.left + stop) * self.channels + own]

    def at_row(self, row: int) -> Tensor:
        """Return a STATIC or ROW value's part of an image's row, `(B, C, 1, W)` or what broadcasts to it."""
        assert self.map is not None
        if self.phase is Phase.STATIC and self.map.shape[2] > 1:
            return self.map[:, :, row // self.scale].unsqueeze(2)
        return self.map

    def begin_row(self, row: int) -> None:
        """Spread a STATIC or ROW value over its columns."""
        if len(self.columns):
            self.columns.copy_(self.at_row(row)[:, :, 0].permute(2, 0, 1))

    def end_row(self) -> None:
        """Move the finished row to those above."""
        for older, newer in zip(self.past[:-1], self.past[1:], strict=True):
            older.copy_(newer)
        if self.phase < Phase.PIXEL:
            assert self.map is not None
            self.past[-1].copy_(self.map[:, :, 0].transpose(1, 2))
        else:
            self.past[-1].copy_(self.memory)

    def above(self, rows: int) -> Tensor:
        """Return the last finished rows, `(B, C, rows, W)`."""
        return self.stacked if rows == self.rows else self.stacked[:, :, self.rows - rows :]


Work = Callable[[int], None]
"""Done once a row, with the image's row."""
Make = Callable[[int, int, int], list[Operation]]
"""From (row, column at the value's resolution, colour) to operations; rows repeat after the coarsest scale."""


class Pass:
    """One pass over the pixels of a batch: first the layout, by whoever follows the network; then the sites.

    Args:
        batch: number of examples.
        size: height and width.
        inputs: numbers of the example at a position.
        colours: how many of them are drawn one after the other.
        device: where.
    """

    def __init__(self, batch: int, size: tuple[int, int], inputs: int, colours: int, device: torch.device) -> None:
        self.batch, self.colours = batch, colours
        self.height, self.width = size
        self.arrays = Arrays(device)
        self.values: list[Value] = []
        self.row_work: list[tuple[int, Work]] = []
        self.row_ends: list[tuple[int, Work]] = []
        self.pixel_work: list[tuple[Value, Make]] = []
        self.image = self.value(inputs, 1, Phase.LATE)
        self.image.keep_row()

    # -- the layout

    def value(self, channels: int, scale: int, phase: Phase, static: Tensor | None = None) -> Value:
        """Return a new value."""
        value = Value(self, channels, scale, phase)
        value.map = static
        self.values.append(value)
        return value

    def at_row(self, scale: int, work: Work) -> None:
        """Have something done before the first pixel of each row of a resolution."""
        self.row_work.append((scale, work))

    def after_row(self, scale: int, work: Work) -> None:
        """Have something done after the last pixel of each row of a resolution."""
        self.row_ends.append((scale, work))

    def at_pixel(self, value: Value, make: Make) -> None:
        """Have a value computed at each of its pixels, one colour's block after the other."""
        self.pixel_work.append((value, make))

    def finish(self, output: Value) -> None:
        """Take the memory, and make the operations of every column.

        Raises:
            ValueError: if the network's features of a pixel depend on the pixel itself.
        """
        if output.phase is Phase.LATE:
            raise ValueError("the network is not causal: a pixel's features see the pixel itself")
        if output.phase < Phase.PIXEL:
            output.keep_row()
        for value in self.values:
            value.lay_out()
        self.spread = [v for v in self.values if v.phase is Phase.STATIC and len(v.columns)]
        period = min(self.height, max(value.scale for value in self.values))
        self.before = [self._program(row, late=False) for row in range(period)]
        self.after = [self._program(row, late=True) for row in range(period)]
        sites = [(column, colour) for column in range(self.width) for colour in range(self.colours)]
        self.features_of = [output.tensor(column)[:, output.blocks[colour]] for column, colour in sites]
        self.value_of = [self.image.tensor(column)[:, self.image.blocks[colour]] for column, colour in sites]
        self.reached, self.row = -1, -1

    def _program(self, row: int, late: bool) -> list[list[Operation]]:
        """Return the operations of every (column, colour) of a row."""
        program: list[list[Operation]] = []
        for column in range(self.width):
            for colour in range(self.colours):
                program.append([])
                for value, make in self.pixel_work:
                    active = row % value.scale == 0 and column % value.scale == 0
                    if active and (value.phase is Phase.LATE) == late:
                        program[-1] += make(row, column // value.scale, colour)
        return [self.arrays.fused(operations) for operations in program]

    # -- the sites

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it: `(B, P)`, in memory that is used again."""
        self._reach(site)
        return self.features_of[site % len(self.features_of)]

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site, `(B, V)`."""
        self._reach(site)
        at = site % len(self.value_of)
        self.value_of[at].copy_(value)
        for operation in self.after[self.row % len(self.after)][at]:
            operation()
        if at == len(self.value_of) - 1:
            self._end_row()

    def _reach(self, site: int) -> None:
        if site == self.reached:
            return
        at = site % len(self.features_of)
        if at == 0:
            self._begin_row(site // len(self.features_of))
        for operation in self.before[self.row % len(self.before)][at]:
            operation()
        self.reached = site

    def _begin_row(self, row: int) -> None:
        self.row = row
        for value in self.spread:
            assert value.map is not None
            if row == 0 or (row % value.scale == 0 and value.map.shape[2] > 1):
                value.begin_row(row)
        for scale, work in self.row_work:
            if row % scale == 0:
                work(row)

    def _end_row(self) -> None:
        for value in self.values:
            if value.rows and self.row % value.scale == 0:
                value.end_row()
        for scale, work in self.row_ends:
            if self.row % scale == 0:
                work(self.row)
