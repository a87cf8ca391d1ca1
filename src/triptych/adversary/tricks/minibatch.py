"""Layers by which a critic sees how varied a minibatch is, so that a collapsed one gives itself away."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triptych.adversary.tricks.base import TRICKS, Trick
from triptych.errors import ConfigurationError
from triptych.processes import gathered


class Closeness(nn.Module):
    """Appends how close an example is to the others of its minibatch, `(B, F) -> (B, F + kernels)`.

    `o_b(x_i) = 1/n Σ_j exp(-‖M_b f(x_i) - M_b f(x_j)‖₁)`, M_b learned, `kernel_size × F`.

    Args:
        inputs: F.
        kernels: how many b there are.
        kernel_size: rows of each M_b.
    """

    def __init__(self, inputs: int, kernels: int, kernel_size: int) -> None:
        super().__init__()
        self.width = inputs + kernels
        self.weight = nn.Parameter(0.05 * torch.randn(inputs, kernels, kernel_size))

    def forward(self, x: Tensor) -> Tensor:
        """Return the features and the closeness."""
        seen = torch.einsum("bf,fkc->kbc", x, self.weight.to(x.dtype)).float()
        everyone = compared(gathered(seen.transpose(0, 1)), self.training).transpose(0, 1)
        close = torch.exp(-torch.cdist(seen.contiguous(), everyone.contiguous(), p=1)).mean(2)
        return torch.cat([x, close.T.to(x.dtype)], 1)


def compared(everyone: Tensor, training: bool) -> Tensor:
    """Return the features of a minibatch, whose examples are to be compared.

    Raises:
        ConfigurationError: in training, for a minibatch of one example, beside which there is nothing.
    """
    if training and len(everyone) == 1:
        raise ConfigurationError(
            "a minibatch of 1 has nothing to compare: give --batch-size 2 or more, or leave the trick"
        )
    return everyone


@TRICKS.register("minibatch-discrimination")
class MinibatchDiscrimination(Trick):
    """Shows the critic how close each example is to the others, by learned kernels.

    The mean over the minibatch is taken in place of the published sum, so that what a verdict is does not depend on
    how many examples are judged together. Reference: Salimans et al. 2016, *Improved Techniques for Training GANs*,
    §3.2; the sizes are those of its code.

    Args:
        kernels: how many numbers are appended to the critic's features.
        kernel_size: dimensions that each compares examples in.

    Raises:
        ConfigurationError: for less than 1 of either.
    """

    mixes_examples = True

    def __init__(self, *, kernels: int = 100, kernel_size: int = 5) -> None:
        super().__init__()
        if kernels < 1 or kernel_size < 1:
            given = f"minibatch-discrimination:kernels={kernels},kernel_size={kernel_size}"
            raise ConfigurationError(f"{given}: expected at least 1 of each")
        self.kernels, self.kernel_size = kernels, kernel_size

    def layer(self, width: int) -> nn.Module:
        """Return the layer."""
        return Closeness(width, self.kernels, self.kernel_size)


class Spread(nn.Module):
    """Appends the mean standard deviation of the minibatch's features, `(B, F) -> (B, F + 1)`.

    Args:
        inputs: F.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.width = inputs + 1

    def forward(self, x: Tensor) -> Tensor:
        """Return the features and the one number."""
        everyone = compared(gathered(x.float()), self.training)
        spread = (everyone.var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([x, spread.to(x.dtype).expand(len(x), 1)], 1)


@TRICKS.register("minibatch-stddev")
class MinibatchStddev(Trick):
    """Shows the critic one number of the whole minibatch: the standard deviation of its features, averaged over them.

    Nothing is learned in it. Reference: Karras et al. 2018, *Progressive Growing of GANs*, §3; here the features are
    those behind the trunk, and have no location.
    """

    mixes_examples = True

    def layer(self, width: int) -> nn.Module:
        """Return the layer."""
        return Spread(width)
