"""Test log-likelihood of any model: exact, a bound, or the reason why there is none."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import UnsupportedQuery
from triptych.evaluation.figure import Figure
from triptych.models.base import Model
from triptych.queries import bits_per_dim, likelihood_kind

IMPORTANCE_SAMPLES = 64
"""K of the importance-weighted bound, where log p(x) is not exact."""


class Likelihood(NamedTuple):
    """A model's test log-likelihood in two units."""

    nats: Figure
    bits_per_dim: Figure


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Return the mean of `(N,)` values and its standard error `sd / √N` (sd with N - 1; None for one value).

    >>> mean, error = mean_and_error(torch.tensor([1.0, 2.0, 3.0]))
    >>> mean, round(error, 4)
    (2.0, 0.5774)
    """
    values = values.double()
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(values.mean()), error


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
    kind = likelihood_kind(model)
    given = "|label" if model.conditional else ""
    name = "exact" if kind == "exact" else f"iwae-{samples}"
    protocol = f"{name}@test-{len(test)}{given}"
    try:
        lower = model.log_prob_bounds(test, samples=samples, seed=seed).lower
    except UnsupportedQuery as unanswered:
        return _none(str(unanswered))
    if not bool(torch.isfinite(lower).all()):
        bad = int((~torch.isfinite(lower)).sum())
        return _none(f"log p(x) is not finite for {bad} of {len(test)} test examples", protocol)
    mark, converse = ("=", "=") if kind == "exact" else ("≥", "≤")
    nats = Figure(*mean_and_error(lower), "nats", protocol, mark)
    if not model.event.is_image:
        note = "log p(x) of a vector is a density: it depends on the data's unit, and has no bits/dim"
        return Likelihood(nats, Figure(None, unit="bits/dim", protocol=protocol, note=note))
    bits = Figure(*mean_and_error(bits_per_dim(lower, model.event.dims)), "bits/dim", protocol, converse)
    return Likelihood(nats, bits)


def _none(note: str, protocol: str = "") -> Likelihood:
    return Likelihood(
        Figure(None, unit="nats", protocol=protocol, note=note),
        Figure(None, unit="bits/dim", protocol=protocol, note=note),
    )
