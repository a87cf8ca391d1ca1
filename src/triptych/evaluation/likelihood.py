"""Test log-likelihood of any model: exact, a bound, or the reason why there is none."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, UnsupportedQuery
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.base import Model
from triptych.models.questions import ImportanceWeighted
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound
from triptych.queries import bits_per_dim, likelihood_kind
from triptych.running.progress import slices

IMPORTANCE_SAMPLES = 100
"""K of the importance-weighted bound, where log p(x) is not exact."""
_CODES = 1 << 17  # weighed between two steps of the progress bar, whose weights are in memory together


class Likelihood(NamedTuple):
    """A model's test log-likelihood in two units."""

    nats: Figure
    bits_per_dim: Figure


class NestedBounds(NamedTuple):
    """Importance-weighted bounds of several sizes on log p(x) of N examples, all from the same codes, in nats."""

    samples: tuple[int, ...]
    """Each k, ascending; the last is K."""
    bounds: Tensor
    """`(N, len(samples))`, float64: L_k of each example."""
    distortion: Tensor
    """`(N,)`: the mean of -log p(x | z)."""
    rate: Tensor
    """`(N,)`: the mean of log q(z | x) - log p(z)."""


def nested_sizes(samples: int) -> tuple[int, ...]:
    """Return 1, 10, 100, … as far as each divides `samples`, then that.

    >>> nested_sizes(5000), nested_sizes(64)
    ((1, 10, 100, 1000, 5000), (1, 64))
    """
    powers = (10**i for i in range(len(str(samples))))
    return (*(k for k in powers if k < samples and samples % k == 0), samples)


def nested_bounds(
    model: ImportanceWeighted,
    test: Examples,
    *,
    samples: int = IMPORTANCE_SAMPLES,
    seed: int = 0,
) -> NestedBounds:
    """Return the bounds of every size in `nested_sizes(samples)` from one set of codes.

    With the weights `w_1 … w_K` of an example cut into K/k groups G, `L_k = k/K Σ_G log (1/k Σ_{i in G} w_i)`. Each is
    an unbiased estimate of the bound of size k; `L_1 = -(distortion + rate)` is the ELBO. As groups are nested,
    Jensen's inequality holds for the estimates themselves: L_k never falls with k. Reference: Burda et al. 2016,
    *Importance Weighted Autoencoders*, eq. 8 and theorem 1.

    Args:
        model: weighs codes.
        test: N examples, with labels if the model is conditioned on them.
        samples: K.
        seed: of the draws.

    Raises:
        ConfigurationError: for samples < 1.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=2), latent=2)
        >>> found = nested_bounds(model, model.sample(3, seed=0), samples=100)
        >>> found.samples, found.bounds.shape
        ((1, 10, 100), torch.Size([3, 3]))
        >>> bool((found.bounds.diff(dim=1) >= 0).all())
        True
    """
    if samples < 1:
        raise ConfigurationError(f"importance={samples}: expected at least 1 code of each example")
    sizes, generator = nested_sizes(samples), Noise.of(seed, model.device).generator
    parts = []
    size = max(1, _CODES // samples)
    for x in slices(test, size, "weighing codes"):
        weights = model.weights(x, samples=samples, seed=generator)
        log_weights = weights.log_weights.double()
        bounds = [importance_bound(log_weights.view(len(x), -1, k).permute(2, 0, 1)).mean(1) for k in sizes]
        parts.append(
            (torch.stack(bounds, 1), -weights.log_likelihood.double().mean(1), -weights.log_ratio.double().mean(1))
        )
    return NestedBounds(sizes, *(torch.cat(side) for side in zip(*parts, strict=True)))


def log_likelihood(model: Model, test: Examples, *, samples: int = IMPORTANCE_SAMPLES, seed: int = 0) -> Likelihood:
    """Return the mean log-likelihood of test examples, with its standard error over examples.

    Models with exact log p(x) give `=`; models with a lower bound give `≥` in nats, by the
    importance-weighted bound of K samples (Burda et al. 2016, eq. 8), and so `≤` in bits/dim,
    `-log p / (D ln 2)`. Images have probabilities, vectors have densities: the latter have no bits/dim.

    Args:
        model: any model; what it answers is read from its declaration.
        test: N examples, with labels if the model is conditioned on them: then log p(x | label).
        samples: K.
        seed: of the bound's draws.

    Example:
        >>> import triptych as tp
        >>> model = tp.PixelCNN(tp.Event((1, 8, 8), levels=2), channels=4, layers=2)
        >>> found = log_likelihood(model, model.sample(8, seed=0))
        >>> found.nats.kind, found.nats.protocol, found.bits_per_dim.unit
        ('=', 'exact@test-8', 'bits/dim')
    """
    try:
        lower = model.log_prob_bounds(test, samples=samples, seed=seed).lower
    except UnsupportedQuery as unanswered:
        return _none(str(unanswered))
    return likelihood_figures(model, lower, samples)


def likelihood_figures(model: Model, lower: Tensor, samples: int) -> Likelihood:
    """Return the figures of log p(x), or of lower bounds on it, `(N,)` nats.

    Args:
        model: what they are of.
        lower: of each of N test examples.
        samples: K of the bound, if it is one.
    """
    kind = likelihood_kind(model)
    protocol = likelihood_protocol(model, len(lower), "exact" if kind == "exact" else f"iwae-{samples}")
    if not bool(torch.isfinite(lower).all()):
        bad = int((~torch.isfinite(lower)).sum())
        return _none(f"log p(x) is not finite for {bad} of {len(lower)} test examples", protocol)
    mark, converse = ("=", "=") if kind == "exact" else ("≥", "≤")
    nats = Figure(*mean_and_error(lower), "nats", protocol, mark)
    if not model.event.is_image:
        note = "log p(x) of a vector is a density: it depends on the data's unit, and has no bits/dim"
        return Likelihood(nats, Figure(None, unit="bits/dim", protocol=protocol, note=note))
    bits = Figure(*mean_and_error(bits_per_dim(lower, model.event.dims)), "bits/dim", protocol, converse)
    return Likelihood(nats, bits)


def likelihood_protocol(model: Model, count: int, name: str) -> str:
    """Return the name of how something of log p(x) was measured, such as `iwae-5000@test-1000`."""
    return f"{name}@test-{count}" + ("|label" if model.conditional else "")


def _none(note: str, protocol: str = "") -> Likelihood:
    return Likelihood(
        Figure(None, unit="nats", protocol=protocol, note=note),
        Figure(None, unit="bits/dim", protocol=protocol, note=note),
    )
