"""Autoregressive models whose network sees an example as one sequence of sites."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.distributions import MOST_FREE_LEVELS, Law, resolve_law
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Steps
from triptych.networks.dense_causal import MaskedMLP, Wiring


class Dense(Autoregressive):
    """A model of one network over the sequence of sites, `(B, sites, V) -> (B, sites, P)`.

    It has weights for every site, and P of them for each of its hidden units: beyond 32 levels "auto" means a
    discretised Gaussian, of 2 features a sub-pixel. A mixture of ten logistics has 30, and 314 million weights
    between the sub-pixels of CIFAR-10 alone.

    Args:
        event: what one example is.
        pixels: law of a site given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", "reverse", "random" or a permutation of the pixels (or coordinates).
        classes: number of labels to condition on; 0 for none.
    """

    def __init__(self, event: Event, pixels: str | type[Law], ordering: str | Sequence[int], classes: int) -> None:
        if pixels == "auto" and event.levels is not None and event.levels > MOST_FREE_LEVELS:
            pixels = "discretized-gaussian"
        super().__init__(event, resolve_law(pixels, event, vectors="gaussian-mixture"), ordering, classes)

    @abstractmethod
    def of_sites(self, values: Tensor, label: Tensor | None) -> Tensor:
        """Return the features `(B, sites, P)` of all sites, from their scaled values `(B, sites, V)`."""

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the network's features of all sites, in the law's layout."""
        found = self.of_sites(self.order.by_site(x, self.law.joint), label)
        if not self.event.is_image:
            return found.flatten(1)
        split = found.reshape(len(x), self.order.pixels, self.pixel_sites, -1)
        return split.permute(0, 2, 3, 1).reshape(len(x), -1, *self.event.shape[1:])


class MaskedSteps(Steps):
    """A pass over a `MaskedMLP`: each unit is computed once, when the last site that it may see has been told.

    With every layer's units sorted by degree, what a unit sees is the first units below it: masked weights are
    skipped, not multiplied.

    Args:
        network: whose features.
        wiring: which of its units are connected.
        n: how many examples.
        label: `(n,)`, or None.
    """

    def __init__(self, network: MaskedMLP, wiring: Wiring, n: int, label: Tensor | None) -> None:
        sorts = [_sorting(degrees) for degrees in wiring.degrees]
        bounds = torch.arange(network.sites + 1, device=wiring.degrees[0].device)
        self.upto = [torch.searchsorted(d.sort().values, bounds, right=True).tolist() for d in wiring.degrees]
        """Of each layer, how many units have no higher degree than this."""
        self.shifts = [_picked(shift, sort, 1) for shift, sort in zip(network.biases(label), sorts[1:], strict=True)]
        self.weights = [
            _picked(_picked(layer.weight, above, 0), below, 1).t()
            for layer, below, above in zip(network.linear, sorts[:-1], sorts[1:], strict=True)
        ]
        direct = network.direct
        self.direct = None if direct is None else _picked(_picked(direct, sorts[-1], 0), sorts[0], 1).t()
        like = self.shifts[0]
        self.units = [like.new_zeros(n, len(degrees)) for degrees in wiring.degrees[:-1]]
        self.found = like.new_empty(n, network.outputs)
        self.per_input, self.per_output = network.inputs, network.outputs

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it."""
        own = slice(site * self.per_output, (site + 1) * self.per_output)
        seen = self.upto[-2][site]
        torch.addmm(self.shifts[-1][:, own], self.units[-1][:, :seen], self.weights[-1][:seen, own], out=self.found)
        if self.direct is not None:
            seen = site * self.per_input
            self.found.addmm_(self.units[0][:, :seen], self.direct[:seen, own])
        return self.found

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site, and compute the hidden units that waited for it alone."""
        self.units[0][:, site * self.per_input : (site + 1) * self.per_input] = value
        degree = site + 1
        for layer in range(1, len(self.units)):
            own = slice(self.upto[layer][site], self.upto[layer][degree])
            if own.start < own.stop:
                seen, unit = self.upto[layer - 1][degree], self.units[layer][:, own]
                below, weight = self.units[layer - 1][:, :seen], self.weights[layer - 1][:seen, own]
                torch.addmm(self.shifts[layer - 1][:, own], below, weight, out=unit)
                unit.relu_()


def _sorting(degrees: Tensor) -> Tensor | None:
    """Return the units in ascending degree; None if they are."""
    return None if bool((degrees[1:] >= degrees[:-1]).all()) else torch.argsort(degrees, stable=True)


def _picked(x: Tensor, which: Tensor | None, dim: int) -> Tensor:
    return x if which is None else x.index_select(dim, which)
