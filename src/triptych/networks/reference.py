"""Virtual batch normalisation, and the fixed batch that goes through a network for its sake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
        >>> torch.allclose(both[:5], alone, atol=1e-5)
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
        takes_all: whether every input in training may fill the fixed batch, as codes may; else only what is given
            within `filling`, as real examples are.

    Raises:
        ConfigurationError: in training, for a batch of 1.
    """

    filled: Tensor
    fixed: Tensor
    labels: Tensor | None

    def __init__(
        self, network: nn.Module, shape: tuple[int, ...], reference: int, classes: int, takes_all: bool
    ) -> None:
        super().__init__()
        self.network, self.takes, self.reference = network, takes_all, reference
        self.register_buffer("fixed", torch.randn(reference, *shape))
        self.register_buffer("labels", torch.arange(reference) % classes if classes else None)
        self.register_buffer("filled", torch.zeros((), dtype=torch.long))
        self.full = False

    @torch.no_grad()
    def _fill(self, x: Tensor, label: Tensor | None) -> None:
        """Take the inputs of a minibatch, on all processes, into the fixed batch."""
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
        if self.training and len(x) * sharing() < 2:
            raise ConfigurationError(
                "virtual batch normalisation was given a batch of 1: expected 2 or more; try --batch-size 64"
            )
        if self.training and self.takes and not self.full:
            self._fill(x, label)
        both = torch.cat([self.fixed.to(x.dtype), x])
        if label is not None and self.labels is not None:
            label = torch.cat([self.labels, label])
        return conditioned(self.network, both, label)[self.reference :]


@contextmanager
def filling(network: nn.Module) -> Iterator[None]:
    """Within, what a network is given in training fills the fixed batches of its virtual batch normalisations.

    Args:
        network: any, such as a critic that is shown real examples.

    Example:
        >>> critic = Referring(VirtualBatchNorm(3, 4), (3,), reference=4, classes=0, takes_all=False)
        >>> with filling(critic):
        ...     said = critic(torch.zeros(2, 3))
        >>> int(critic.filled), bool((critic.fixed == 0).all())
        (2, True)
    """
    parts = [part for part in network.modules() if isinstance(part, Referring) and not part.takes]
    for part in parts:
        part.takes = True
    try:
        yield
    finally:
        for part in parts:
            part.takes = False
