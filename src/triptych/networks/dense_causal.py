"""Dense networks over a sequence of sites, in which the features of a site see only the sites before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True, eq=False)
class Wiring:
    """Which units of a `MaskedMLP` are connected: unit k to a unit j below it where `degree_k ≥ degree_j`.

    The degree of an input is its place in the order, counted from 1; of a hidden unit how many sites it may
    see; of an output how many come before it. Reference: Germain et al. 2015, *MADE*, eq. 12-13.

    Args:
        degrees: one `int64 (units,)` for the inputs, each hidden layer and the outputs.
    """

    degrees: list[Tensor]

    def mask(self, layer: int) -> Tensor:
        """Return the mask of a layer's weights, `bool (outputs, inputs)`."""
        return self.degrees[layer + 1][:, None] >= self.degrees[layer][None]

    @property
    def direct(self) -> Tensor:
        """The mask of direct connections from inputs to outputs."""
        return self.degrees[-1][:, None] >= self.degrees[0][None]


class MaskedLinear(nn.Module):
    """A linear map whose masked weights are zero, `(B, inputs) -> (B, outputs)`.

    Args:
        inputs: input units.
        outputs: output units.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        reach = math.sqrt(2 / inputs)  # torch's own for a linear map, of which a mask leaves about one half
        self.weight = nn.Parameter(torch.empty(outputs, inputs).uniform_(-reach, reach))
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-1, 1) / math.sqrt(inputs))

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return `W x + b` without the connections that the mask `(outputs, inputs)` forbids."""
        return F.linear(x, self.weight * mask, self.bias)


class MaskedMLP(nn.Module):
    """Masked linear maps with ReLU between them, `(B, sites, inputs) -> (B, sites, outputs)`.

    Without hidden layers the features are linear in all sites before. Reference: Germain et al. 2015, §4.

    Args:
        sites: number of sites.
        inputs: numbers that a site is seen by.
        outputs: features of a site.
        widths: units of each hidden layer.
        direct: whether there are connections from inputs to outputs, too.
        classes: number of labels, each of which shifts every unit; 0 for none.
    """

    def __init__(
        self,
        sites: int,
        inputs: int,
        outputs: int,
        widths: Sequence[int] = (),
        direct: bool = False,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.sites, self.inputs, self.outputs, self.widths = sites, inputs, outputs, tuple(widths)
        units = [sites * inputs, *widths, sites * outputs]
        self.layers = nn.ModuleList(
            MaskedLinear(below, above) for below, above in zip(units[:-1], units[1:], strict=True)
        )
        self.direct = nn.Parameter(torch.zeros(units[-1], units[0])) if direct else None
        self.shifts = nn.ModuleList(_labels(classes, above) for above in units[1:] if classes)

    def wiring(self, generator: torch.Generator, place: Tensor | None = None) -> Wiring:
        """Draw which units are connected.

        A hidden unit may see from 1 to `sites - 1` sites, and no fewer than some unit below it, all equally
        likely. Reference: Germain et al. 2015, §4.1.

        Args:
            generator: of the hidden units' degrees; on the CPU, so that they are the same everywhere.
            place: `int64 (sites,)`: each site's place in the order; None if they come as they are numbered.
        """
        place = torch.arange(self.sites) if place is None else place.cpu()
        degrees = [(place + 1).repeat_interleave(self.inputs)]
        least, most = 1, max(1, self.sites - 1)
        for width in self.widths:
            degrees.append(torch.randint(least, most + 1, (width,), generator=generator))
            least = int(degrees[-1].min())
        degrees.append(place.repeat_interleave(self.outputs))
        device = next(self.parameters()).device
        return Wiring([d.to(device) for d in degrees])

    @property
    def linear(self) -> list[MaskedLinear]:
        """The masked maps, from the inputs to the outputs."""
        return [layer for layer in self.layers if isinstance(layer, MaskedLinear)]

    def forward(self, x: Tensor, label: Tensor | None, wiring: Wiring) -> Tensor:
        """Return the features of all sites."""
        x = x.flatten(1)
        h = x
        for number, layer in enumerate(self.linear):
            h = layer(torch.relu(h) if number else h, wiring.mask(number))
            if label is not None:
                h = h + self.shifts[number](label)
        if self.direct is not None:
            h = h + F.linear(x, self.direct * wiring.direct)
        return h.view(len(x), self.sites, self.outputs)

    def biases(self, label: Tensor | None) -> list[Tensor]:
        """Return what each layer's units have before any input, `(1 or B, units)`."""
        own = [layer.bias[None] for layer in self.linear]
        return own if label is None else [b + shift(label) for b, shift in zip(own, self.shifts, strict=True)]


class SharedHidden(nn.Module):
    """Hidden units of every site that share their weights, `(B, sites, inputs) -> (B, sites, outputs)`.

    `h_i = g(c + Σ_{j<i} W_j x_j)`, `features_i = b_i + V_i h_i`.
    Reference: Larochelle & Murray 2011, *The Neural Autoregressive Distribution Estimator*, eq. 3-4.

    All sites are computed at once, in blocks of `BLOCK` sites: within one by a product with its lower triangle,
    before it by a running sum. Of a large batch no more than a block's hidden units are kept, and those are
    computed again for the gradient.

    Args:
        sites: number of sites.
        inputs: numbers that a site is seen by.
        outputs: features of a site.
        hidden: units H.
        activation: g, which may overwrite its argument.
        classes: number of labels, each of which shifts `c` and `b`; 0 for none.
    """

    BLOCK = 16
    KEPT = 1 << 25
    """From so many hidden activations of a batch on (128 MiB) they are computed twice instead of kept."""

    def __init__(
        self,
        sites: int,
        inputs: int,
        outputs: int,
        hidden: int,
        activation: Callable[[Tensor], Tensor] = torch.relu_,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.sites, self.inputs, self.outputs, self.hidden = sites, inputs, outputs, hidden
        self.activation = activation
        self.weight_in = nn.Parameter(torch.empty(sites, inputs, hidden).uniform_(-1, 1) / math.sqrt(sites * inputs))
        self.weight_out = nn.Parameter(torch.empty(sites, outputs, hidden).uniform_(-1, 1) / math.sqrt(hidden))
        self.bias_in = nn.Parameter(torch.zeros(hidden))
        self.bias_out = nn.Parameter(torch.empty(sites, outputs).uniform_(-1, 1) / math.sqrt(hidden))
        self.shift_in = _labels(classes, hidden) if classes else None
        self.shift_out = _labels(classes, sites * outputs) if classes else None

    def start(self, n: int, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the activations `(n, H)` before any site, and `(1 or n, sites, outputs)` that features start from."""
        activation, base = self.bias_in.expand(n, -1), self.bias_out[None]
        if label is not None:
            assert self.shift_in is not None and self.shift_out is not None
            activation = activation + self.shift_in(label)
            base = base + self.shift_out(label).view(n, self.sites, self.outputs)
        return activation, base

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the features of all sites."""
        activation, base = self.start(len(x), label)
        twice = torch.is_grad_enabled() and len(x) * self.sites * self.hidden > self.KEPT
        found = []
        parts = (
            torch.split(each, self.BLOCK, dim) for each, dim in ((x, 1), (self.weight_in, 0), (self.weight_out, 0))
        )
        for block, weight_in, weight_out in zip(*parts, strict=True):
            given = (self.activation, activation, block, weight_in, weight_out)
            found.append(checkpoint(_within, *given, use_reentrant=False) if twice else _within(*given))
            activation = torch.addmm(activation, block.flatten(1), weight_in.flatten(0, 1))
        return torch.cat(found).transpose(0, 1) + base


def _within(
    function: Callable[[Tensor], Tensor], activation: Tensor, x: Tensor, weight_in: Tensor, weight_out: Tensor
) -> Tensor:
    """Return the features `(K, B, outputs)` of a block of K sites, less their bias.

    Args:
        function: of the hidden units.
        activation: `(B, H)`, of all sites before the block.
        x: `(B, K, inputs)`.
        weight_in: `(K, inputs, H)`.
        weight_out: `(K, outputs, H)`.
    """
    batch, sites, inputs = x.shape
    before = torch.ones(sites, sites, device=x.device, dtype=x.dtype).tril(-1)
    seen = (before[:, None, :, None] * x).reshape(sites * batch, sites * inputs)
    h = function((seen @ weight_in.flatten(0, 1)).view(sites, batch, -1).add_(activation))
    return h @ weight_out.transpose(1, 2)


def _labels(classes: int, units: int) -> nn.Embedding:
    """Return what each label adds to each unit: at first little beside what the units see."""
    table = nn.Embedding(classes, units)
    nn.init.normal_(table.weight, std=0.1)
    return table
