"""Normalisations of the layers of a network, by the name that a user can type."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from triptych.errors import ConfigurationError, did_you_mean
from triptych.networks.blocks import BatchNorm
from triptych.networks.reference import VirtualBatchNorm
from triptych.specs import Registry

GENERATOR_NORMS: Registry[type[Norm]] = Registry("generator_norm")
"""Every normalisation of a generator by its name."""
CRITIC_NORMS: Registry[type[Norm]] = Registry("critic_norm")
"""Every normalisation of a critic by its name."""


class Norm:
    """One way to normalise: a layer behind each convolution or linear map, or something that is done to its weight.

    `@CRITIC_NORMS.register("batch")` names a subclass; the keyword-only parameters of its constructor are options:
    `--critic-norm virtual:reference=32`.
    """

    shifts: ClassVar[bool] = True
    """Whether its layer shifts what it is given, so that a bias before it is left out."""
    reference: int = 0
    """Examples of the fixed batch that goes through the network with every minibatch; 0 for none."""

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return the layer for `(B, features)` or `(B, features, H, W)`, with a scale and a shift or without."""
        raise NotImplementedError


@GENERATOR_NORMS.register("none")
@CRITIC_NORMS.register("none")
class NoNorm(Norm):
    """Leaves everything as it is."""

    shifts = False

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return the identity."""
        return nn.Identity()


@CRITIC_NORMS.register("spectral")
class Spectral(Norm):
    """Divides the weight of every convolution and linear map by its spectral norm, which bounds the slope of each.

    That of a convolution is of its kernel as a matrix, outputs × (inputs · taps): a linear map is then 1-Lipschitz, a
    convolution at most √(taps that see a pixel)-Lipschitz. One step of the power method a pass in training. Reference:
    Miyato et al. 2018, *Spectral Normalization for Generative Adversarial Networks*, Algorithm 1.
    """

    shifts = False

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return the identity: the weights are normalised, by `spectrally_normed`."""
        return nn.Identity()


@GENERATOR_NORMS.register("batch")
@CRITIC_NORMS.register("batch")
class Batch(Norm):
    """Statistics of the minibatch, on all processes; of a critic, of the real and of the made examples apart.

    Reference: Ioffe & Szegedy 2015, Algorithm 1; in GANs Radford et al. 2016, §3.
    """

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return a `BatchNorm`."""
        return BatchNorm(features, affine=affine)


@GENERATOR_NORMS.register("layer")
@CRITIC_NORMS.register("layer")
class Layer(Norm):
    """Statistics of all features of one example; a scale and a shift for each channel.

    Reference: Ba et al. 2016, *Layer Normalization*, eq. 4; in critics Gulrajani et al. 2017, §4.
    """

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return torch's layer, which is a group normalisation of one group."""
        return nn.GroupNorm(1, features, affine=affine)


@GENERATOR_NORMS.register("instance")
@CRITIC_NORMS.register("instance")
class Instance(Norm):
    """Statistics of each plane of one image. Reference: Ulyanov et al. 2016, *Instance Normalization*, eq. 5."""

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return torch's layer."""
        return nn.InstanceNorm2d(features, affine=affine)


@GENERATOR_NORMS.register("virtual")
@CRITIC_NORMS.register("virtual")
class Virtual(Norm):
    """Statistics of a fixed batch and of the example itself: see `VirtualBatchNorm`.

    Args:
        reference: examples of the fixed batch.

    Raises:
        ConfigurationError: for a reference below 2.
    """

    def __init__(self, *, reference: int = 64) -> None:
        if reference < 2:
            raise ConfigurationError(
                f"virtual:reference={reference}: expected at least 2 examples, whose variance is taken; try 64"
            )
        self.reference = reference

    def layer(self, features: int, affine: bool = True) -> nn.Module:
        """Return a `VirtualBatchNorm`."""
        return VirtualBatchNorm(features, self.reference, affine)


def resolve_norm(spec: str, usual: str, known: Registry[type[Norm]]) -> Norm:
    """Return the normalisation that an option names.

    Args:
        spec: "auto", or a name with its options.
        usual: what "auto" stands for.
        known: those that there are to choose from.

    Raises:
        ConfigurationError: for an unknown name or option.

    Example:
        >>> resolve_norm("virtual:reference=32", "batch", GENERATOR_NORMS).reference
        32
        >>> resolve_norm("spectral", "batch", GENERATOR_NORMS)
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: no generator_norm 'spectral'; there is: auto, batch, instance, ...
    """
    if not isinstance(spec, str):
        raise ConfigurationError(f"{known.kind}={spec!r}: expected a name; {did_you_mean('', ['auto', *known])}")
    if spec == "auto":
        spec = usual
    if spec.partition(":")[0] == "auto":
        raise ConfigurationError(f"{known.kind}={spec!r}: 'auto' takes no options")
    norm: Norm = known.chosen(spec, "auto")()
    return norm


class Conditional(nn.Module):
    """A normalisation whose scale and shift are the label's: `γ_y (x - E[x]) / √(Var[x] + ε) + β_y`.

    At first γ is 1 and β is 0 for every label. Reference: Dumoulin et al. 2017, *A Learned Representation for Artistic
    Style*, eq. 5; de Vries et al. 2017, *Modulating Early Visual Processing by Language*, §3; in GANs Miyato & Koyama
    2018.

    Args:
        norm: without scale and shift of its own.
        features: channels.
        classes: number of labels.
    """

    def __init__(self, norm: nn.Module, features: int, classes: int) -> None:
        super().__init__()
        self.norm = norm
        self.scale = nn.Parameter(torch.ones(classes, features))
        self.shift = nn.Parameter(torch.zeros(classes, features))

    def forward(self, x: Tensor, label: Tensor) -> Tensor:
        """Normalise `(B, F)` or `(B, C, H, W)` of labels `(B,)`."""
        shape = (*x.shape[:2], *[1] * (x.dim() - 2))
        scale, shift = F.embedding(label, self.scale).view(shape), F.embedding(label, self.shift).view(shape)
        normed: Tensor = self.norm(x)
        return normed * scale + shift


def normed(norm: nn.Module, x: Tensor, label: Tensor | None) -> Tensor:
    """Call a layer of normalisation, which takes the labels if it is conditional."""
    out: Tensor = norm(x, label) if isinstance(norm, Conditional) else norm(x)
    return out


def spectrally_normed(network: nn.Module) -> nn.Module:
    """Divide the weight of every convolution, linear map and embedding in a network by its spectral norm, in place.

    Example:
        >>> layer = spectrally_normed(nn.Linear(8, 8))
        >>> bool(torch.linalg.matrix_norm(layer.weight, 2) < 1.1)
        True
    """
    for part in list(network.modules()):
        if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear | nn.Embedding):
            spectral_norm(part)
    return network
