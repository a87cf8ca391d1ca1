"""Layers that several networks are built from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError, check_known
from triptych.processes import sharing, summed
from triptych.specs import Registry

ACTIVATIONS: Registry[type[nn.Module]] = Registry(
    "activation", elu=nn.ELU, relu=nn.ReLU, sigmoid=nn.Sigmoid, silu=nn.SiLU, tanh=nn.Tanh
)
"""Every activation of an MLP by the name that a user can type."""


class Sizes(NamedTuple):
    """How large a network that is chosen by name becomes, and what it is conditioned on."""

    hidden: int
    """Units of an MLP's hidden layers."""
    channels: int
    """Channels next to the image in a convolutional network."""
    classes: int
    """Number of labels that it is conditioned on; 0 for none."""
    layers: int = 1
    """Hidden layers of MLPs; 0 makes them linear."""
    activation: str = "relu"
    """Of MLPs: a name in `ACTIVATIONS`."""
    upsampling: str = "transposed"
    """Of convolutional decoders: a name in `UPSAMPLING`."""

    def check(self) -> None:
        """Raise `ConfigurationError` for a size below 1, or an unknown activation or upsampling."""
        if self.hidden < 1 or self.channels < 1:
            raise ConfigurationError(f"hidden={self.hidden}, channels={self.channels}: expected at least 1 of each")
        if self.layers < 0:
            raise ConfigurationError(f"layers={self.layers}: expected the number of hidden layers, 0 for a linear map")
        ACTIVATIONS.find(self.activation)
        check_known("upsampling", self.upsampling, UPSAMPLING)


@dataclass(frozen=True)
class CoderConfig:
    """Sizes of an encoder and a decoder that are chosen by name.

    Args:
        hidden: units of an MLP's hidden layers.
        layers: hidden layers of an MLP; 0 makes it linear.
        activation: of an MLP: relu, leaky-relu, silu, sigmoid or tanh.
        channels: channels next to the image in a convolutional network.

    Example:
        >>> CoderConfig(hidden=8).sizes(classes=10)
        Sizes(hidden=8, channels=32, classes=10, layers=1, activation='relu', upsampling='transposed')
    """

    hidden: int = 400
    layers: int = 1
    activation: str = "relu"
    channels: int = 32

    def sizes(self, classes: int, upsampling: str = "transposed") -> Sizes:
        """Return them for networks that see so many labels."""
        return Sizes(self.hidden, self.channels, classes, self.layers, self.activation, upsampling)


@ACTIVATIONS.register("leaky-relu")
class LeakyReLU(nn.LeakyReLU):
    """The leaky rectifier with the slope 0.2 of DCGAN (Radford et al. 2016, §3)."""

    def __init__(self) -> None:
        super().__init__(0.2)


UPSAMPLING = ("transposed", "resize")
"""How a convolutional decoder doubles an image: a transposed convolution, or nearest neighbours and a convolution."""


def mlp(inputs: int, hidden: Sequence[int], outputs: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return a multi-layer perceptron `(B, inputs) -> (B, outputs)`, linear at its end.

    Example:
        >>> mlp(784, [400], 64)(torch.zeros(2, 784)).shape
        torch.Size([2, 64])
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for narrow, wide in zip(widths[:-1], widths[1:], strict=True):
        layers += [nn.Linear(narrow, wide), activation()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs))


class Perceptron(nn.Module):
    """A multi-layer perceptron that may see labels, `(B, *taken) -> (B, *shape)`.

    Args:
        taken: shape of what it takes, which is flattened.
        shape: of what it gives.
        sizes: its hidden layers, their activation, and the number of labels.
    """

    def __init__(self, taken: Sequence[int], shape: Sequence[int], sizes: Sizes) -> None:
        super().__init__()
        self.classes, self.shape = sizes.classes, tuple(shape)
        hidden = [sizes.hidden] * sizes.layers
        self.layers = mlp(math.prod(taken) + sizes.classes, hidden, math.prod(shape), ACTIVATIONS[sizes.activation])

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled examples or codes, and labels."""
        out: Tensor = self.layers(with_label(x.flatten(1), label, self.classes))
        return out.view(len(x), *self.shape)


class Projection(nn.Linear):
    """A linear map from codes to a grid of features, `(B, inputs) -> (B, C, H, W)`.

    Args:
        inputs: length of the code.
        grid: C, H, W.
        bias: whether it has biases.
    """

    def __init__(self, inputs: int, grid: tuple[int, int, int], bias: bool = True) -> None:
        super().__init__(inputs, math.prod(grid), bias)
        self.grid = grid

    def forward(self, z: Tensor) -> Tensor:
        """Map codes."""
        return super().forward(z).view(len(z), *self.grid)


def with_label(x: Tensor, label: Tensor | None, classes: int) -> Tensor:
    """Append the label's one-hot code to a vector, or as constant planes to an image (Mirza & Osindero 2014)."""
    if label is None:
        return x
    code = torch.zeros(len(x), classes, dtype=x.dtype, device=x.device).scatter_(1, label.view(-1, 1), 1.0)
    if x.dim() == 4:
        code = code.view(len(x), classes, 1, 1).expand(-1, -1, *x.shape[2:])
    return torch.cat([x, code], 1)


def conditioned(network: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
    """Call a network, which takes labels only where the model is conditioned on them."""
    out: Tensor = network(x) if label is None else network(x, label)
    return out


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation of vectors or images whose statistics are those of the whole batch, on all processes.

    `y = γ (x - E[x]) / √(Var[x] + ε) + β`. Reference: Ioffe & Szegedy 2015, Algorithm 1. With one process
    it is torch's own; with several, sums are exchanged, so that data-parallel training computes what one
    process would compute.

    Raises:
        ConfigurationError: in training, for a batch of one number a channel, which has no variance.

    Example:
        >>> BatchNorm(3)(torch.randn(8, 3)).shape, BatchNorm(3)(torch.randn(8, 3, 4, 4)).shape
        (torch.Size([8, 3]), torch.Size([8, 3, 4, 4]))
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() not in (2, 4):
            raise ValueError(f"a batch of shape {tuple(input.shape)}: expected (B, F) or (B, C, H, W)")

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(B, F)` or `(B, C, H, W)`."""
        count = x.numel() // x.shape[1] * sharing()
        if self.training and count < 2:
            raise ConfigurationError(
                "batch normalisation was given a batch of 1: expected 2 or more; try --batch-size 64"
            )
        if not self.training or sharing() == 1:
            return super().forward(x)
        given, x = x.dtype, x.float()
        over, each = [0, *range(2, x.dim())], (1, -1, *[1] * (x.dim() - 2))
        mean = summed(x.sum(over)) / count
        centred = x - mean.view(each)
        variance = summed((centred**2).sum(over)) / count
        assert self.running_mean is not None and self.running_var is not None
        assert self.num_batches_tracked is not None and self.momentum is not None
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        normed = centred * torch.rsqrt(variance + self.eps).view(each)
        if self.affine:
            normed = normed * self.weight.view(each) + self.bias.view(each)
        return normed.to(given)
