"""The network of PixelCNN++: two streams of gated residual blocks, down to coarser resolutions and up again."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.networks.causal import CausalConv2d, CausalUpsample2d, ConcatELU, Gate, WithOnes
from triptych.networks.gated import HERE, Given

ROWS = (-1, 0)
"""The rows that a kernel sees."""
ABOVE, LEFT = (-1, 1), (-1, 0)
"""The columns that it sees: of the stream of rows above, and of that to the left."""
BRANCH = 0.1
"""The initial scale of what a block adds to its input."""


class GatedResidual(nn.Module):
    """A block of one stream, `x' = x + a · σ(b)` with `(a, b) = conv(dropout(celu(conv(celu(x)) + Σ across))) + V h`.

    `celu(x) = [elu(x), elu(-x)]`. Reference: Salimans et al. 2017, *PixelCNN++*, §2.3, and its published code.

    Args:
        channels: of the stream.
        columns: `ABOVE` or `LEFT`.
        colours: into how many ordered colours this stream's channels are divided.
        skip: whether it takes a short-cut from the same stream.
        beside: whether it sees the stream of the rows above.
        dropout: share of hidden units that are dropped in training.
        given: what it is conditioned on.
    """

    def __init__(
        self,
        channels: int,
        columns: tuple[int, int],
        colours: int,
        skip: bool,
        beside: bool,
        dropout: float,
        given: Given,
    ) -> None:
        super().__init__()
        wide = 2 * channels
        self.elu, self.elu_beside = ConcatELU(colours), ConcatELU()
        self.first = CausalConv2d(wide, channels, ROWS, columns, colours=colours)
        self.skip = CausalConv2d(wide, channels, HERE, HERE, colours=colours) if skip else None
        self.beside = CausalConv2d(wide, channels, HERE, HERE) if beside else None
        self.dropout = nn.Dropout(dropout)
        self.second = CausalConv2d(wide, wide, ROWS, columns, colours=colours)
        self.shift = given.shift(wide)
        self.gate = Gate(colours, bounded=False)
        with torch.no_grad():
            self.second.weight.mul_(BRANCH)

    def forward(self, x: Tensor, label: Tensor | None, skip: Tensor | None, beside: Tensor | None) -> Tensor:
        """Map `(B, channels, H, W)` to the same."""
        h = self.first(self.elu(x))
        if self.skip is not None:
            h = h + self.skip(self.elu(skip))
        if self.beside is not None:
            h = h + self.beside(self.elu_beside(beside))
        h = self.second(self.dropout(self.elu(h)))
        if self.shift is not None:
            h = h + self.shift(label)[:, :, None, None]
        out: Tensor = x + self.gate(h)
        return out


class Block(nn.Module):
    """A block of both streams, of which that to the left sees the other."""

    def __init__(self, channels: int, colours: int, skip: bool, dropout: float, given: Given) -> None:
        super().__init__()
        self.above = GatedResidual(channels, ABOVE, 1, skip, False, dropout, given)
        self.left = GatedResidual(channels, LEFT, colours, skip, True, dropout, given)

    def forward(
        self, u: Tensor, ul: Tensor, label: Tensor | None, skips: tuple[Tensor | None, Tensor | None] = (None, None)
    ) -> tuple[Tensor, Tensor]:
        """Map both streams, given their short-cuts."""
        u = self.above(u, label, skips[0], None)
        return u, self.left(ul, label, skips[1], u)


class Resample(nn.Module):
    """Half the resolution of both streams, or twice."""

    def __init__(self, channels: int, colours: int, to: tuple[int, int] | None = None) -> None:
        super().__init__()
        both: list[nn.Module] = []
        for columns, blocks in ((ABOVE, 1), (LEFT, colours)):
            if to is None:
                both.append(CausalConv2d(channels, channels, ROWS, columns, stride=2, colours=blocks))
            else:  # the kernel of a transposed convolution is the mirrored window
                mirrored = (-columns[1], -columns[0])
                both.append(CausalUpsample2d(channels, channels, *to, columns=mirrored, colours=blocks))
        self.above, self.left = both

    def forward(self, u: Tensor, ul: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map both streams."""
        return self.above(u), self.left(ul)


class TwoStreamNet(nn.Module):
    """Two streams over several resolutions with short-cuts, `(B, C, H, W) -> (B, outputs, H, W)`.

    One stream sees the rows above, the other also what is to the left. Both go down `scales - 1` times to half
    the resolution and up again; each block on the way up sees the one on the way down across from it.
    Reference: Salimans et al. 2017, *PixelCNN++*, §2.3-2.5 and fig. 2.

    Args:
        inputs: input channels C.
        outputs: output channels.
        size: height and width of the images.
        channels: of each stream; a multiple of `colours`.
        blocks: residual blocks at each resolution, down and up.
        scales: number of resolutions.
        dropout: share of hidden units that are dropped in training.
        colours: into how many ordered colours the channels are divided.
        given: what it is conditioned on.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int],
        channels: int,
        blocks: int,
        scales: int,
        dropout: float = 0.5,
        colours: int = 1,
        given: Given = Given(),  # noqa: B008 - a constant
    ) -> None:
        super().__init__()
        marked = inputs + colours
        self.ones = WithOnes(colours)
        self.first_above = CausalConv2d(marked, channels, (-2, -1), (-1, 1))
        self.first_right = CausalConv2d(marked, channels, (-1, -1), (-1, 1))
        self.first_left = CausalConv2d(
            marked, channels, ROWS, (-1, 0 if colours > 1 else -1), colours=colours, own=False
        )
        sizes = [(-(-size[0] // 2**s), -(-size[1] // 2**s)) for s in range(scales)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for scale in range(scales):
            self.down.extend([Resample(channels, colours)] if scale else [])
            self.down.extend(Block(channels, colours, False, dropout, given) for _ in range(blocks))
        for scale in reversed(range(scales)):
            lowest = scale == scales - 1
            self.up.extend([] if lowest else [Resample(channels, colours, sizes[scale])])
            self.up.extend(Block(channels, colours, True, dropout, given) for _ in range(blocks + (not lowest)))
        self.head = CausalConv2d(channels, outputs, HERE, HERE, colours=colours)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled images to features, in which position i sees only what comes before i.

        Args:
            x: `(B, C, H, W)`.
            label: `int64 (B,)`, or float `(B, embedding)`; None without.
        """
        x = self.ones(x)
        u, ul = self.first_above(x), self.first_right(x) + self.first_left(x)
        passed = [(u, ul)]
        for step in self.down:
            u, ul = step(u, ul, label)
            passed.append((u, ul))
        passed.pop()
        for step in self.up:
            u, ul = step(u, ul, label, passed.pop()) if isinstance(step, Block) else step(u, ul, label)
        out: Tensor = self.head(F.elu(ul))
        return out
