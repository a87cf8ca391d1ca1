"""The fully visible belief network: each site's features are linear in all sites before it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.distributions import Law
from triptych.event import Event
from triptych.models.autoregressive.base import Steps
from triptych.models.autoregressive.dense import Dense, MaskedSteps
from triptych.networks.dense_causal import MaskedMLP


class FVBN(Dense):
    """A generalised linear model of each site given all before it, `p(x) = ∏_i p(x_i | b_i + Σ_{j<i} W_ij x_j)`.

    Of binary pixels it is the fully visible sigmoid belief network: a logistic regression for each, in their
    order. Other laws take the linear features as theirs: a softmax over levels, mean and log-scale of a Gaussian.
    Beyond 32 levels "auto" means a discretised Gaussian, whose two numbers a sub-pixel keep the weights few.
    References: Frey 1998, *Graphical Models for Machine Learning and Digital Communication*; Bengio & Bengio 2000,
    *Modeling High-Dimensional Discrete Data with Multi-Layer Neural Networks*, §2.

    Args:
        event: what one example is.
        pixels: law of a site given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", "reverse", "random" or a permutation of the pixels (or coordinates).
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for an ordering that is none, or a law over other events.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("fvbn", tp.Event((1, 8, 8), levels=2))
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes)
        self.network = MaskedMLP(self.sites, self.site.dims, self.site_features, classes=classes)
        # A step of Adam moves a feature by up to the rate times the number of inputs, whose signs agree in
        # bright and dark images: by no more than 1, or images of thousands of numbers diverge.
        self.rate = min(5e-3, 1 / event.dims)

    def of_sites(self, values: Tensor, label: Tensor | None) -> Tensor:
        """Return the features `(B, sites, P)` of all sites, from their scaled values `(B, sites, V)`."""
        out: Tensor = self.network(values, label, self.network.wiring(torch.Generator()))
        return out

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass in which only weights of sites before are multiplied."""
        return MaskedSteps(self.network, self.network.wiring(torch.Generator()), n, label)
