"""Networks from a code to the features of an example: decoders of autoencoders, generators of games."""

from __future__ import annotations

from torch import Tensor, nn

from triptych.event import Event
from triptych.networks.blocks import BatchNorm, Perceptron, Projection, Sizes, with_label
from triptych.networks.encoders import auto_network, halvings


class ConvDecoder(nn.Module):
    """One linear layer, then convolutions that double an image, `(B, inputs) -> (B, outputs, H, W)`, from 8×8 on.

    The mirror of `ConvEncoder`: batch normalisation and rectifiers everywhere but at the output
    (Radford et al. 2016, §3). Each doubling is a transposed 4×4 convolution of stride 2; or nearest neighbours and
    a 3×3 convolution, which leaves no checkerboard (Odena et al. 2016, *Deconvolution and Checkerboard Artifacts*).

    Args:
        event: what one image is.
        inputs: length of the code.
        outputs: numbers at each position of the image.
        sizes: its channels before the last convolution, its upsampling, and the number of labels.
    """

    def __init__(self, event: Event, inputs: int, outputs: int, sizes: Sizes) -> None:
        super().__init__()
        self.classes = sizes.classes
        _, height, width = event.shape
        steps = halvings(event)
        before = sizes.channels << (steps - 1)
        self.first = Projection(inputs + sizes.classes, (before, height >> steps, width >> steps), bias=False)
        layers: list[nn.Module] = [BatchNorm(before), nn.ReLU()]
        for step in reversed(range(steps)):
            after = sizes.channels << (step - 1) if step else outputs
            size = (height >> step, width >> step)
            layers += _doubled(before, after, size, bias=step == 0, upsampling=sizes.upsampling)
            if step:
                layers += [BatchNorm(after), nn.ReLU()]
            before = after
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map codes (and labels) to features."""
        out: Tensor = self.layers(self.first(with_label(z, label, self.classes)))
        return out


def _doubled(before: int, after: int, size: tuple[int, int], bias: bool, upsampling: str) -> list[nn.Module]:
    """Return the layers that double an image to `size` (H, W), which may be odd: what halving rounded away."""
    if upsampling == "resize":
        return [nn.Upsample(size=size, mode="nearest"), nn.Conv2d(before, after, 3, padding=1, bias=bias)]
    odd = (size[0] % 2, size[1] % 2)
    return [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, output_padding=odd, bias=bias)]


def resolve_decoder(name: str | nn.Module, event: Event, inputs: int, outputs: int, sizes: Sizes) -> nn.Module:
    """Return the network that a constructor argument names, or the user's own module as it is.

    Args:
        name: "mlp", "conv", "auto" (see `auto_network`), or a module mapping codes `(B, inputs)` (and labels,
            if `classes`) to features `(B, outputs, *event.shape[1:])`.
        event: what one example is.
        inputs: length of the code.
        outputs: numbers at each position.
        sizes: of a network chosen by name.

    Raises:
        ConfigurationError: for an unknown name, or convolutions on vectors or images below 8×8.
    """
    if isinstance(name, nn.Module):
        return name
    sizes.check()
    if auto_network(name, event) == "conv":
        return ConvDecoder(event, inputs, outputs, sizes)
    return Perceptron((inputs,), (outputs, *event.shape[1:]), sizes)
