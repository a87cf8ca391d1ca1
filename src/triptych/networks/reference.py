"""Virtual batch normalisation, and the fixed batch that goes through a network for its sake."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.networks.blocks import conditioned
from triptych.processes import gathered, sharing


class VirtualBatchNorm(nn.Module):
    """Normalises each example by the statistics of a fixed batch of R examples and of itself, one more among them.

    `m = (R m_ref + m_x) / (R + 1)` for the means of x and of x², and `y = γ (x - m) / √(v + ε) + β` with
    `v = m(x²) - m(x)²`; an example of the fixed batch by m_ref alone. So no example is changed by the others of its
    minibatch. Reference: Salimans et al. 2016, *Improved Techniques for Training GANs*, §3.4.

    Args:
        features: channels.
        reference: R; the first R rows of what the layer is given are the fixed batch.
        affine: whether there are γ and β.

    Example:
        >>> layer, fixed, x = VirtualBatchNorm(3, 4), torch.randn(4, 3), torch.randn(2, 3)
        >>> both, alone = layer(torch.cat([fixed, x])), layer(torch.cat([fixed, x[:1]]))
        >>> torch.allclose(both[:5], alone)
        True
    """

    eps = 1e-5

    def __init__(self, features: int, reference: int, affine: bool = True) -> None:
        super().__init__()
        self.reference = reference
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None

    def forward(self, x: Tensor) -> Tensor:
        """Normalise `(R + B, F)` or `(R + B, C, H, W)`."""
        given, x = x.dtype, x.float()
        each = (1, -1, *[1] * (x.dim() - 2))
        centre = x[: self.reference].mean([0, *range(2, x.dim())]).view(each)
        x = x - centre  # nothing but rounding depends on it: the difference of two squares is taken near 0
        mean = x if x.dim() == 2 else x.mean((2, 3), keepdim=True)
        square = x**2 if x.dim() == 2 else (x**2).mean((2, 3), keepdim=True)
        known = square[: self.reference].mean(0, keepdim=True)
        share = torch.full((len(x), *[1] * (x.dim() - 1)), 1 / (self.reference + 1), device=x.device)
        share[: self.reference] = 0.0
        mean = share * mean  # that of the fixed batch is 0 here
        variance = (1 - share) * known + share * square - mean**2
        out = (x - mean) * torch.rsqrt(variance.clamp(min=0.0) + self.eps)
        if self.weight is not None and self.bias is not None:
            out = out * self.weight.view(each) + self.bias.view(each)
        return out.to(given)

    def extra_repr(self) -> str:
        """Describe the layer."""
        return f"reference={self.reference}"


class Referring(nn.Module):
    """A network through which a fixed batch goes with every minibatch, in front of it.

    The fixed batch is a buffer, filled from the first minibatches of training and kept from then on: until R examples
    have been seen it repeats those that have. Before training it is noise, so that a network can be asked at any time.

    Args:
        network: from `(B, *shape)` (and labels) to `(B, …)`.
        shape: of one input.
        reference: R.
        classes: number of labels; 0 for none.
        takes_all: whether every input in training may fill the fixed batch, as codes may; else only what `refer` is
            given, as real examples are.
    """

    filled: Tensor
    fixed: Tensor
    labels: Tensor | None

    def __init__(
        self, network: nn.Module, shape: tuple[int, ...], reference: int, classes: int, takes_all: bool
    ) -> None:
        super().__init__()
        self.network, self.takes_all, self.reference = network, takes_all, reference
        self.register_buffer("fixed", torch.randn(reference, *shape))
        self.register_buffer("labels", torch.arange(reference) % classes if classes else None)
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.full = False

    @torch.no_grad()
    def refer(self, x: Tensor, label: Tensor | None) -> None:
        """Take the inputs of a minibatch into the fixed batch, if that is not full.

        Raises:
            ConfigurationError: for a batch of 1.
        """
        if self.full:
            return
        if len(x) * sharing() < 2:
            raise ConfigurationError(
                "virtual batch normalisation was given a batch of 1: expected 2 or more; try --batch-size 64"
            )
        known = int(self.filled)
        if known < self.reference:
            rows = torch.cat([self.fixed[:known], gathered(x.detach().float())])[: self.reference]
            order = torch.arange(self.reference, device=rows.device) % len(rows)
            self.fixed.copy_(rows[order])
            if self.labels is not None and label is not None:
                labels = torch.cat([self.labels[:known], gathered(label)])[: self.reference]
                self.labels.copy_(labels[order])
            self.filled.fill_(len(rows))
        self.full = int(self.filled) == self.reference

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map inputs (and labels)."""
        if self.training and self.takes_all:
            self.refer(x, label)
        both = torch.cat([self.fixed.to(x.dtype), x])
        if label is not None and self.labels is not None:
            label = torch.cat([self.labels, label])
        return conditioned(self.network, both, label)[self.reference :]


def refer(network: nn.Module, x: Tensor, label: Tensor | None) -> None:
    """Show a network real examples, for the fixed batches of its virtual batch normalisations, if it has any.

    Args:
        network: any, such as a critic.
        x: scaled real examples of a minibatch.
        label: `(B,)` of a conditional model.

    Raises:
        ConfigurationError: for a batch of 1.

    Example:
        >>> refer(nn.Linear(3, 1), torch.zeros(5, 3), None)   # it has none
    """
    for part in network.modules():
        if isinstance(part, Referring):
            part.refer(x, label)
