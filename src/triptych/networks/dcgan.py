"""The networks of DCGAN: convolutions that double an image or halve it, and nothing between them but norms.

Reference: Radford et al. 2016, *Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks*, §3 and fig. 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from triptych.event import Event
from triptych.networks.attention import attention_at
from triptych.networks.blocks import BatchNorm, LeakyReLU, Projection, Sizes
from triptych.networks.feature_maps import attentions, canvas_and_channels, in_a_row
from triptych.networks.games import GENERATORS, TRUNKS, Generator, Outfit, Trunk, cropped
from triptych.networks.norms import normed

CUT = 0.5 - 0.5 / math.pi
"""The variance of what a rectifier leaves of a standard normal number."""
STD = 0.02
"""Of the normal law that weights are drawn from at first (§4)."""


def initialise(layer: nn.Module) -> None:
    """Draw a layer's weights from N(0, 0.02²), and set its biases to 0; scales of batch norm are N(1, 0.02²).

    The paper says the first (§4), the authors' code the others.
    """
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
        nn.init.normal_(layer.weight, 0.0, STD)
    elif isinstance(layer, BatchNorm) and layer.affine:
        nn.init.normal_(layer.weight, 1.0, STD)
    if isinstance(bias := getattr(layer, "bias", None), Tensor):
        nn.init.zeros_(bias)


def _expect(norm: nn.Module, variance: float) -> None:
    """Let the running variances of a norm begin with what weights of such a scale lead to.

    With torch's, which are 1, all that an untrained generator is asked for would be one grey.
    """
    for part in norm.modules():
        if isinstance(part, BatchNorm) and part.running_var is not None:
            part.running_var.fill_(variance)


@GENERATORS.register("dcgan")
class DCGANGenerator(Generator):
    """A projection to a 4×4 grid, then transposed 4×4 convolutions of stride 2, `(B, inputs) -> (B, C, H, W)`.

    Norms and rectifiers are behind all layers but the last, and channels halve as sides double. An image whose sides
    are no powers of two is the centre of one whose are; the longer side of an oblong one grows from a longer grid.

    Args:
        event: what one image is.
        inputs: length of the code.
        sizes: its channels are those before the last convolution.
        outfit: norms and labels.
        channels: before the last convolution; 0 for those of `sizes`.
        attention: side of the feature map with self-attention; 0 for none.

    Raises:
        ConfigurationError: for vectors, images below 8×8, or attention at a side that there is not.

    Example:
        >>> from triptych.networks.critics import resolve_generator
        >>> net = resolve_generator("dcgan", Event((1, 28, 28), 256), 100, Sizes(400, 8, 0), "auto", "concatenation")
        >>> net(torch.randn(2, 100)).shape
        torch.Size([2, 1, 28, 28])
    """

    usual_norm = "batch"

    def __init__(
        self, event: Event, inputs: int, sizes: Sizes, outfit: Outfit, *, channels: int = 0, attention: int = 0
    ) -> None:
        super().__init__()
        canvas, channels = canvas_and_channels("dcgan", event, sizes, channels)
        canvas.check_attention(attention, canvas.sides[:-1])
        self.outfit, self.size = outfit, event.shape[1:]
        widths = [channels << step for step in reversed(range(canvas.doublings))]
        bias = not outfit.norm.shifts
        self.first = Projection(inputs + outfit.appended, (widths[0], *canvas.grid), bias)
        self.norms = nn.ModuleList(outfit.layer(width) for width in widths)
        self.attentions = attentions(canvas.sides[:-1], widths, attention)
        after = [*widths[1:], event.shape[0]]
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(widths[i], after[i], 4, stride=2, padding=1, bias=bias or i == len(widths) - 1)
            for i in range(len(widths))
        )
        self.apply(initialise)
        fans = [inputs + outfit.appended, *(4 * CUT * width for width in widths[:-1])]  # 4 taps a pixel
        for norm, fan in zip(self.norms, fans, strict=True):
            _expect(norm, fan * STD**2)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map codes (and labels) to images."""
        x = self.first(self.outfit.joined(z, label))
        for norm, attention, doubled in zip(self.norms, self.attentions, self.doublings, strict=True):
            x = doubled(attention(torch.relu(normed(norm, x, label))))
        return cropped(x, *self.size)


@TRUNKS.register("dcgan")
class DCGANTrunk(Trunk):
    """4×4 convolutions of stride 2 with leaky rectifiers, flattened, `(B, C, H, W) -> (B, width)`.

    Norms are behind all convolutions but the first. It halves an image as often as the generator doubles its grid, and
    takes it as it is, 28×28 to 3×3: padded to 32×32 it would see a frame that no example has anything in, at 1.3 times
    the work, and every pixel is seen without.

    Args:
        event: what one image is.
        sizes: its channels are those after the first convolution.
        outfit: norms and labels.
        channels: after the first convolution; 0 for those of `sizes`.
        attention: side of the feature map with self-attention, by the power of two that the generator makes; 0 for
            none.

    Raises:
        ConfigurationError: for vectors, images below 8×8, or attention at a side that there is not.
    """

    usual_norm = "spectral"
    initialise = staticmethod(initialise)

    def __init__(self, event: Event, sizes: Sizes, outfit: Outfit, *, channels: int = 0, attention: int = 0) -> None:
        super().__init__()
        canvas, channels = canvas_and_channels("dcgan", event, sizes, channels)
        sides = canvas.sides[-2::-1]
        canvas.check_attention(attention, sides)
        self.outfit = outfit
        layers: list[nn.Module] = []
        before = event.shape[0] + outfit.appended
        for step, side in enumerate(sides):
            after = channels << step
            bias = step == 0 or not outfit.norm.shifts
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1, bias=bias)]
            layers += [outfit.layer(after)] if step else []
            layers += [LeakyReLU(), attention_at(side, attention, after)]
            before = after
        self.layers = in_a_row([*layers, nn.Flatten()])
        self.width = before * (event.shape[1] >> canvas.doublings) * (event.shape[2] >> canvas.doublings)
        self.apply(initialise)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled images (and labels) to features."""
        seen: Tensor = self.layers(self.outfit.joined(x, label))
        return seen
