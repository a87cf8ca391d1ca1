"""Networks from a scaled example to a vector: encoders of autoencoders, critics of games."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from triptych.errors import ConfigurationError, check_known
from triptych.event import Event
from triptych.networks.blocks import LeakyReLU, Perceptron, Sizes, conditioned, with_label

SMALLEST = 4
"""Convolutional networks halve an image until its shorter side would fall below this."""


def halvings(event: Event) -> int:
    """Return how often a convolutional network halves an image.

    >>> [halvings(Event((1, side, side), 256)) for side in (8, 28, 32, 64)]
    [1, 2, 3, 4]
    """
    return max(1, int(math.log2(min(event.shape[1:]) / SMALLEST)))


class ConvEncoder(nn.Module):
    """Strided convolutions, then one linear layer, `(B, C, H, W) -> (B, outputs)`, for any size from 8×8.

    Each 4×4 convolution of stride 2 halves the sides and doubles the channels (Radford et al. 2016, §3).

    Args:
        event: what one (scaled) image is.
        outputs: length of the result.
        sizes: its channels after the first convolution, and the number of labels.
        spectral: divide each weight by its spectral norm (Miyato et al. 2018).
    """

    def __init__(self, event: Event, outputs: int, sizes: Sizes, spectral: bool = False) -> None:
        super().__init__()
        self.classes = sizes.classes
        colours, height, width = event.shape
        steps = halvings(event)
        layers: list[nn.Module] = []
        before = colours + sizes.classes
        for step in range(steps):
            after = sizes.channels << step
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), LeakyReLU()]
            before = after
        flat = before * (height >> steps) * (width >> steps)
        layers += [nn.Flatten(), nn.Linear(flat, outputs)]
        if spectral:
            layers = [spectral_norm(m) if isinstance(m, nn.Conv2d | nn.Linear) else m for m in layers]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled images (and labels) to `(B, outputs)`."""
        out: Tensor = self.layers(with_label(x, label, self.classes))
        return out


def resolve_encoder(
    name: str | nn.Module, event: Event, outputs: int, sizes: Sizes, spectral: bool = False
) -> nn.Module:
    """Return the network that a constructor argument names, or the user's own module as it is.

    Args:
        name: "mlp", "conv", "auto" (see `auto_network`), or a module mapping `(B, *event.shape)` scaled
            examples (and labels, if `classes`) to `(B, outputs)`.
        event: what one example is.
        outputs: length of the result.
        sizes: of a network chosen by name.
        spectral: divide the weights of convolutions by their spectral norms.

    Raises:
        ConfigurationError: for an unknown name, or convolutions on vectors or images below 8×8.
    """
    if isinstance(name, nn.Module):
        return name
    sizes.check()
    if auto_network(name, event) == "conv":
        return ConvEncoder(event, outputs, sizes, spectral)
    return Perceptron(event.shape, (outputs,), sizes)


def encoded(network: nn.Module, x: Tensor, label: Tensor | None, outputs: int) -> Tensor:
    """Return what an encoder says of each example, float32 `(B, outputs)`.

    Args:
        network: the encoder, which may be a user's own.
        x: scaled examples.
        label: `(B,)` of a conditional model.
        outputs: how many numbers are expected.

    Raises:
        ConfigurationError: for more or fewer numbers.

    Example:
        >>> import torch
        >>> encoded(nn.Linear(3, 2), torch.zeros(5, 3), None, 2).shape
        torch.Size([5, 2])
    """
    said = conditioned(network, x, label).float()
    if said.shape[1:] != (outputs,):
        raise ConfigurationError(f"the encoder gave {tuple(said.shape[1:])} numbers an example: expected ({outputs},)")
    return said


def auto_network(name: str, event: Event) -> str:
    """Return "conv" or "mlp": "auto" is convolutional for images of 8×8 and more.

    Raises:
        ConfigurationError: for an unknown name, or convolutions on vectors or images below 8×8.

    Example:
        >>> auto_network("auto", Event((2,))), auto_network("auto", Event((3, 32, 32), 256))
        ('mlp', 'conv')
    """
    fits = event.is_image and min(event.shape[1:]) >= 8
    if name == "auto":
        return "conv" if fits else "mlp"
    if not isinstance(name, str):
        raise ConfigurationError(f"{name!r} was given as a network: expected 'auto', 'mlp', 'conv', or an nn.Module")
    check_known("network", name, ["auto", "conv", "mlp"])
    if name == "conv" and not fits:
        raise ConfigurationError(f"'conv' takes images of at least 8×8, the data is a {event}: try 'mlp'")
    return name
