"""Distributions: laws of examples given features, and of codes."""

from __future__ import annotations

from triptych.distributions.flows import FlowPrior
from triptych.distributions.latents import DiagonalNormal
from triptych.distributions.law import LAWS, Law
from triptych.distributions.mixtures import LearnedMixture, MixedPrior, VampPrior
from triptych.distributions.pixels import (
    Bernoulli,
    Categorical,
    DiscretizedGaussian,
    DiscretizedLogisticMixture,
)
from triptych.distributions.priors import (
    PRIORS,
    DistributionPrior,
    NamedPrior,
    Prior,
    PriorSetting,
    StandardNormal,
    kl_divergence,
    resolve_prior,
)
from triptych.distributions.vectors import Gaussian, GaussianMixture
from triptych.event import Event

__all__ = [
    "LAWS",
    "PRIORS",
    "Bernoulli",
    "Categorical",
    "DiagonalNormal",
    "DiscretizedGaussian",
    "DiscretizedLogisticMixture",
    "DistributionPrior",
    "FlowPrior",
    "Gaussian",
    "GaussianMixture",
    "Law",
    "LearnedMixture",
    "MixedPrior",
    "NamedPrior",
    "Prior",
    "PriorSetting",
    "StandardNormal",
    "VampPrior",
    "kl_divergence",
    "resolve_law",
    "resolve_prior",
]

MOST_FREE_LEVELS = 32
"""Up to this many levels "auto" gives each its own probability; beyond it, a mixture of logistics."""


def resolve_law(pixels: str | type[Law], event: Event, vectors: str = "gaussian") -> type[Law]:
    """Return the law that a constructor argument names.

    Args:
        pixels: a name in `LAWS`, "auto" (Bernoulli for 2 levels, categorical up to 32, else a mixture of
            logistics; `vectors` for vectors), or a user's own `Law` class.
        event: the sample space, against which the law is checked.
        vectors: what "auto" means for vectors.

    Raises:
        ConfigurationError: for an unknown name, or a law over other events.

    Example:
        >>> resolve_law("auto", Event((1, 8, 8), 17)).__name__
        'Categorical'
    """
    if pixels == "auto":
        if event.levels is None:
            pixels = vectors
        elif event.levels == 2:
            pixels = "bernoulli"
        else:
            pixels = "categorical" if event.levels <= MOST_FREE_LEVELS else "logistic-mixture"
    if isinstance(pixels, str):
        pixels = LAWS.find(pixels, "auto")
    pixels.check(event)
    return pixels
