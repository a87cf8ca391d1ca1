"""Two-dimensional LSTMs over an image: what they share, and the one over rows. `diagonal` has those over diagonals.

Each layer maps `(B, inputs, H, W)` to states `(B, h, H, W)`, all positions in as few sequential steps as its
recurrence allows. Its smaller methods, on channels-last tensors, are one step each: a pass over pixels is made of them.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.errors import ConfigurationError
from triptych.networks.arrays import Operation
from triptych.networks.masked import MaskedConv2d
from triptych.networks.passes import CausalLayer, Pass, Phase, Value


class Cell(NamedTuple):
    """One step of the memory cell, and what its derivative needs."""

    state: Tensor
    """h, `(..., h)`."""
    memory: Tensor
    """c, `(..., h)`."""
    squashed: Tensor
    """σ of the gates i, f and o, `(..., colours, 3, h / colours)`."""
    content: Tensor
    """tanh g, `(..., colours, h / colours)`."""
    shown: Tensor
    """tanh c, `(..., colours, h / colours)`."""


def cell(gates: Tensor, memory: Tensor | None, own: int) -> Cell:
    """Return what pre-activations `(..., 4h)` and the memory before, `(..., h)` or None, lead to.

    Args:
        gates: colour by colour, gate by gate: i, f, o, g.
        memory: c of the pixel before; None where there is none.
        own: features of a colour.
    """
    squashed, content = torch.unflatten(gates, -1, (-1, 4, own)).split_with_sizes((3, 1), -2)
    squashed, content = torch.sigmoid(squashed), torch.tanh(content.squeeze(-2))
    let_in, keep, let_out = squashed.unbind(-2)
    new = let_in * content
    if memory is not None:
        new = torch.addcmul(new, keep, torch.unflatten(memory, -1, (-1, own)))
    shown = torch.tanh(new)
    return Cell((let_out * shown).flatten(-2), new.flatten(-2), squashed, content, shown)


class SpatialLSTM(CausalLayer):
    """What the LSTMs over an image share: gates from the input, and the memory cell.

    `[i, f, o, g] = K_is * x + (what other pixels' states add)`, `c = σ(f) c' + σ(i) tanh(g)`,
    `h = σ(o) tanh(c)`. Channels are colour-major: the block of a colour among the 4h pre-activations holds the
    four gates of its features, so that a colour's state sees no later colour of its own pixel. States of other
    pixels are known as a whole, and enter unmasked.
    Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, eq. 3 and §3.4.

    Args:
        inputs: input channels.
        channels: features h of the state; a multiple of `colours`.
        width: of the input-to-state kernel, which lies along the row; odd.
        neighbours: how many other pixels' states enter the gates; 0 for none.
        colours: into how many ordered colours the channels are divided.

    Raises:
        ConfigurationError: for channels that cannot be shared equally between the colours.
    """

    def __init__(self, inputs: int, channels: int, width: int, neighbours: int, colours: int) -> None:
        super().__init__()
        if channels < 1 or channels % colours:
            near = max(colours, channels - channels % colours)
            raise ConfigurationError(
                f"channels={channels}: expected a multiple of the {colours} colours, which share them equally, "
                f"such as {near}"
            )
        self.channels, self.colours = channels, colours
        self.input = MaskedConv2d(inputs, 4 * channels, (1, width), own=True, colours=colours)
        self.state = nn.Parameter(torch.empty(neighbours * channels, 4 * channels)) if neighbours else None
        if self.state is not None:
            nn.init.uniform_(self.state, -(channels**-0.5), channels**-0.5)
        assert self.input.bias is not None
        with torch.no_grad():  # what is remembered at first is remembered long (Gers et al. 2000)
            self.input.bias.view(colours, 4, -1)[:, 1] = 1.0

    def cell(self, gates: Tensor, memory: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the state h and the memory c of a pixel, `(..., h)` each; of some colours alone, if given those.

        Args:
            gates: pre-activations, `(..., 4h)`.
            memory: c of the pixel before, `(..., h)`; None where there is none.
        """
        return cell(gates, memory, self.channels // self.colours)[:2]

    @abstractmethod
    def above(self, state: Tensor) -> Tensor:
        """Return what the states of the row above, `(B, W, h)`, add to the gates of a row, `(B, W, 4h)`."""

    def cells(self, run: Pass, x: Value, memory: Tensor, weight: Tensor | None) -> Value:
        """Lay out the gates and the cell of every pixel in a pass; what the row above adds is found once a row.

        Args:
            run: the pass.
            x: the layer's input.
            memory: c, `(B, W, h)` if it comes from the pixel above, `(B, 1, h)` if from the left.
            weight: what the state to the left is multiplied by, `(h, 4h)`; None if it does not enter.
        """
        gates = self.input.incremental(run, x)
        out = run.value(self.channels, x.scale, max(gates.phase, Phase.PIXEL))
        gates.keep_row()
        out.keep_row(1)
        out.keep_above(1)
        upper = run.arrays.zeros(run.batch, out.width, 4 * self.channels)

        def begin(row: int) -> None:
            if self.state is not None:
                upper.copy_(self.above(out.past[-1]).detach())
            if weight is not None or row == 0:
                memory.zero_()

        def make(row: int, column: int, colour: int) -> list[Operation]:
            four, one = gates.blocks[colour], out.blocks[colour]
            own, base, target = gates.tensor(column)[:, four], upper[:, column, four], out.tensor(column)[:, one]
            left = out.current[:, out.left + column - 1]  # all colours of it: zeros at the left edge
            beside = None if weight is None else weight[:, four].detach()
            kept = memory[:, column if weight is None else 0, one]

            def step() -> None:
                pre = base + own
                state, new = self.cell(pre if beside is None else torch.addmm(pre, left, beside), kept)
                target.copy_(state)
                kept.copy_(new)

            return [step]

        run.at_row(x.scale, begin)
        run.at_pixel(out, make)
        return out


class RowLSTM(SpatialLSTM):
    """An LSTM from row to row, whole rows at a time: H sequential steps.

    A pixel's gates take the `kernel` states nearest to it in the row above, and its memory is that of the pixel
    above: the rows above are seen in a triangle that widens by `kernel // 2` a row.
    Reference: van den Oord et al. 2016, §3.1 and fig. 4.

    Args:
        inputs: input channels.
        channels: features h of the state; a multiple of `colours`.
        colours: into how many ordered colours the channels are divided.
        kernel: width of both convolutions; odd.
        single: whether there is but one row, and so no state above.
    """

    def __init__(self, inputs: int, channels: int, colours: int = 1, kernel: int = 3, single: bool = False) -> None:
        super().__init__(inputs, channels, kernel, 0 if single else kernel, colours)
        self.kernel = kernel

    def gates(self, x: Tensor) -> Tensor:
        """Return what an input `(B, inputs, H, W)` adds to the gates, `(B, H, W, 4h)`."""
        out: Tensor = self.input(x)
        return out.permute(0, 2, 3, 1)

    def above(self, state: Tensor) -> Tensor:
        """Return what the states of the row above, `(B, W, h)`, add to the gates of a row, `(B, W, 4h)`."""
        assert self.state is not None, "there is one row only"
        width, reach = state.shape[1], self.kernel // 2
        padded = F.pad(state, (0, 0, reach, reach))
        return torch.cat([padded[:, shift : shift + width] for shift in range(self.kernel)], -1) @ self.state

    def incremental(self, run: Pass, x: Value) -> Value:
        """Lay out this layer in a pass."""
        return self.cells(run, x, run.arrays.zeros(run.batch, x.width, self.channels), None)

    def forward(self, x: Tensor) -> Tensor:
        """Map `(B, inputs, H, W)` to states `(B, h, H, W)`; a position's own row enters through the input alone."""
        state = memory = None
        states = []
        for gates in self.gates(x).unbind(1):
            state, memory = self.cell(gates if state is None else gates + self.above(state), memory)
            states.append(state)
        return torch.stack(states, 1).permute(0, 3, 1, 2)
