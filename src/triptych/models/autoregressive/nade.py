"""NADE: one hidden layer for every site, all sharing their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from triptych.distributions import Law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.base import Steps
from triptych.models.autoregressive.dense import Dense
from triptych.networks.dense_causal import SharedHidden
from triptych.specs import Registry

ACTIVATIONS: Registry[Callable[[Tensor], Tensor]] = Registry("activation", relu=torch.relu_, sigmoid=torch.sigmoid_)
"""Functions of the hidden units."""


class NADE(Dense):
    """The neural autoregressive distribution estimator, `p(x) = ∏_i p(x_i | b_i + V_i g(c + Σ_{j<i} W_j x_j))`.

    A site's activation is that of the site before and one more term, so that an example costs O(sites · hidden).
    Over vectors, with mixtures of Gaussians, it is RNADE. Beyond 32 levels "auto" means a discretised Gaussian,
    whose two numbers a sub-pixel keep the weights few. References: Larochelle & Murray 2011, *The Neural
    Autoregressive Distribution Estimator*, eq. 3-4 and alg. 1; Uria et al. 2013, *RNADE*; Uria et al. 2016,
    *Neural Autoregressive Distribution Estimation*, §2-3.

    Args:
        event: what one example is.
        hidden: hidden units of each site.
        activation: g: "relu", with which training is faster, or "sigmoid" as in the paper of 2011.
        pixels: law of a site given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", "reverse", "random" or a permutation of the pixels (or coordinates).
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for fewer than 1 hidden unit, an unknown activation or ordering, or a law over others.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("nade", tp.Event((1, 8, 8), levels=17), hidden=32)
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        hidden: int = 500,
        activation: str = "relu",
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes)
        if hidden < 1:
            raise ConfigurationError(f"hidden={hidden}: expected at least 1 unit")
        function = ACTIVATIONS.find(activation)
        sizes = (self.sites, self.site.dims, self.site_features, hidden)
        self.network = SharedHidden(*sizes, function, classes)

    def of_sites(self, values: Tensor, label: Tensor | None) -> Tensor:
        """Return the features `(B, sites, P)` of all sites, from their scaled values `(B, sites, V)`."""
        out: Tensor = self.network(values, label)
        return out

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass that updates one activation from site to site."""
        return SharedSteps(self.network, n, label)


class SharedSteps(Steps):
    """A pass over a `SharedHidden`: one activation, to which each site that is told adds its term.

    Reference: Larochelle & Murray 2011, algorithm 1.

    Args:
        network: whose features.
        n: how many examples.
        label: `(n,)`, or None.
    """

    def __init__(self, network: SharedHidden, n: int, label: Tensor | None) -> None:
        activation, base = network.start(n, label)
        self.function = network.activation
        self.activation = activation.clone()
        self.hidden = torch.empty_like(self.activation)
        self.found = self.activation.new_empty(n, network.outputs)
        self.base = base.unbind(1)
        self.weight_in = network.weight_in.unbind()
        self.weight_out = network.weight_out.transpose(1, 2).unbind()

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it."""
        hidden = self.function(self.hidden.copy_(self.activation))
        return torch.addmm(self.base[site], hidden, self.weight_out[site], out=self.found)

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site."""
        self.activation.addmm_(value, self.weight_in[site])
