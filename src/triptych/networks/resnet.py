"""Residual networks of games.

Reference: Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, appendix B.4, tables 4-6;
the blocks are those of Gulrajani et al. 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.event import Event
from triptych.networks.attention import attention_at
from triptych.networks.blocks import Projection, Sizes
from triptych.networks.feature_maps import attentions, canvas_and_channels, in_a_row
from triptych.networks.games import GENERATORS, TRUNKS, Generator, Outfit, Trunk, cropped
from triptych.networks.norms import normed

EVEN = 3
"""Up to this many doublings, to 32×32, all blocks have the same channels (table 4); beyond, they double (table 6)."""


def initialise(layer: nn.Module) -> None:
    """Draw weights uniformly after Glorot & Bengio 2010, of √2 times the usual scale for 3×3 kernels; biases are 0.

    As in the authors' code; the paper says nothing of it.
    """
    if isinstance(layer, nn.Conv2d | nn.Linear | nn.Embedding):
        three = isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)
        nn.init.xavier_uniform_(layer.weight, gain=math.sqrt(2) if three else 1.0)
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        nn.init.zeros_(bias)


def halved(x: Tensor) -> Tensor:
    """Return the means of 2×2 pixels; at an odd edge, of those that there are."""
    return F.avg_pool2d(x, 2, ceil_mode=True)


class DoublingBlock(nn.Module):
    """Norm, rectifier, doubling, 3×3, norm, rectifier, 3×3; beside it doubling and 1×1.

    It maps `(B, C, H, W)` to `(B, C', 2H, 2W)`.

    Args:
        before: C.
        after: C'.
        outfit: norms and labels.
    """

    def __init__(self, before: int, after: int, outfit: Outfit) -> None:
        super().__init__()
        self.norms = nn.ModuleList([outfit.layer(before), outfit.layer(after)])
        self.one = nn.Conv2d(before, after, 3, padding=1, bias=not outfit.norm.shifts)
        self.two = nn.Conv2d(after, after, 3, padding=1)
        self.beside = nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Map features (and labels)."""
        first, second = self.norms
        h = self.one(_doubled(torch.relu(normed(first, x, label))))
        h = self.two(torch.relu(normed(second, h, label)))
        out: Tensor = h + _doubled(self.beside(x))  # 1×1 and nearest neighbours may change places
        return out


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class HalvingBlock(nn.Module):
    """Rectifier, 3×3, rectifier, 3×3, halving; beside it 1×1 and halving, `(B, C, H, W) -> (B, C', ⌈H/2⌉, ⌈W/2⌉)`.

    Args:
        before: C.
        after: C'.
        outfit: norms, one before each rectifier but those of the first block.
        halves: whether sides are halved.
        first: whether it sees the image itself, which no rectifier may cut.
    """

    def __init__(self, before: int, after: int, outfit: Outfit, halves: bool = True, first: bool = False) -> None:
        super().__init__()
        self.halves, self.first = halves, first
        self.norms = nn.ModuleList(nn.Identity() if first else outfit.layer(width) for width in (before, after))
        self.one = nn.Conv2d(before, after, 3, padding=1, bias=first or not outfit.norm.shifts)
        self.two = nn.Conv2d(after, after, 3, padding=1)
        self.beside = nn.Conv2d(before, after, 1) if halves or before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map features."""
        one, two = self.norms
        h = self.two(torch.relu(two(self.one(x if self.first else torch.relu(one(x))))))
        # 1×1 and means may change places
        out: Tensor = halved(h) + self.beside(halved(x)) if self.halves else h + self.beside(x)
        return out


@GENERATORS.register("resnet")
class ResNetGenerator(Generator):
    """A projection to a 4×4 grid, then blocks that double it, `(B, inputs) -> (B, C, H, W)`.

    Up to 32×32 all blocks have 4·channels (256 in table 4); for larger images the last has `channels`, and each one
    before it twice as many (64 to 1024 in table 6). Sizes as in `DCGANGenerator`.

    Args:
        event: what one image is.
        inputs: length of the code.
        sizes: its channels.
        outfit: norms and labels.
        channels: in place of those of `sizes`; 0 for these.
        attention: side of the feature map with self-attention; 0 for none.

    Raises:
        ConfigurationError: for vectors, images below 8×8, or attention at a side that there is not.

    Example:
        >>> from triptych.networks.critics import resolve_generator
        >>> sizes = Sizes(400, channels=2, classes=0)
        >>> net = resolve_generator("resnet:attention=8", Event((3, 32, 32), 256), 16, sizes, "auto", "concatenation")
        >>> net(torch.randn(2, 16)).shape
        torch.Size([2, 3, 32, 32])
    """

    usual_norm = "batch"

    def __init__(
        self, event: Event, inputs: int, sizes: Sizes, outfit: Outfit, *, channels: int = 0, attention: int = 0
    ) -> None:
        super().__init__()
        canvas, channels = canvas_and_channels("resnet", event, sizes, channels)
        canvas.check_attention(attention, canvas.sides[1:])
        self.outfit, self.size = outfit, event.shape[1:]
        steps = canvas.doublings
        widths = [4 * channels if steps <= EVEN else channels << step for step in reversed(range(steps))]
        self.first = Projection(inputs + outfit.appended, (widths[0], *canvas.grid))
        before = [widths[0], *widths[:-1]]
        self.blocks = nn.ModuleList(DoublingBlock(b, a, outfit) for b, a in zip(before, widths, strict=True))
        self.attentions = attentions(canvas.sides[1:], widths, attention)
        self.norm = outfit.layer(widths[-1])
        self.last = nn.Conv2d(widths[-1], event.shape[0], 3, padding=1)
        self.apply(initialise)
        nn.init.xavier_uniform_(self.last.weight)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map codes (and labels) to images."""
        x = self.first(self.outfit.joined(z, label))
        for block, attention in zip(self.blocks, self.attentions, strict=True):
            x = attention(block(x, label))
        return cropped(self.last(torch.relu(normed(self.norm, x, label))), *self.size)


@TRUNKS.register("resnet")
class ResNetTrunk(Trunk):
    """Blocks that halve an image, then blocks that do not, and the sum over positions, `(B, C, H, W) -> (B, width)`.

    Up to 32×32: halving blocks of 2·channels to a side of 8, and two that do not halve (table 4). For larger images:
    halving blocks to a side of 4, the first of `channels`, each next of twice as many, and one that does not halve
    (table 6). Images are taken as they are: where a side is odd, the last mean is of one pixel instead of two.

    Args:
        event: what one image is.
        sizes: its channels.
        outfit: norms and labels.
        channels: in place of those of `sizes`; 0 for these.
        attention: side of the feature map with self-attention, by the power of two that the generator makes; 0 for
            none.

    Raises:
        ConfigurationError: for vectors, images below 8×8, or attention at a side that there is not.
    """

    usual_norm = "spectral"
    initialise = staticmethod(initialise)

    def __init__(self, event: Event, sizes: Sizes, outfit: Outfit, *, channels: int = 0, attention: int = 0) -> None:
        super().__init__()
        canvas, channels = canvas_and_channels("resnet", event, sizes, channels)
        even = canvas.doublings <= EVEN
        halvings = max(1, canvas.doublings - 1) if even else canvas.doublings
        sides = canvas.sides[-2::-1][:halvings]
        canvas.check_attention(attention, sides)
        self.outfit = outfit
        layers: list[nn.Module] = []
        before = event.shape[0] + outfit.appended
        for step, side in enumerate(sides):
            after = 2 * channels if even else channels << step
            layers += [HalvingBlock(before, after, outfit, first=step == 0), attention_at(side, attention, after)]
            before = after
        layers += [HalvingBlock(before, before, outfit, halves=False) for _ in range(2 if even else 1)]
        self.layers = in_a_row([*layers, nn.ReLU()])
        self.width = before
        self.apply(initialise)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled images (and labels) to features."""
        seen: Tensor = self.layers(self.outfit.joined(x, label))
        return seen.sum((2, 3))
