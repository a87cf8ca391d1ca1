"""Anomaly detection: how unlike the training data an example is, to a model that has a density or reconstructs."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError, check_known
from triptych.models.base import Model
from triptych.models.questions import Bounded, Label, Reconstructor, Seed
from triptych.queries.codes import shades
from triptych.queries.complexity import compressed_length
from triptych.queries.reconstruction import squared_errors

MEASURES = {
    "bound": ("log_prob_bounds", "nats"),
    "density": ("log_prob", "nats"),
    "reconstruction": ("reconstruct", "mean squared error"),
    "typicality": ("log_prob_bounds", "nats"),
    "complexity": ("log_prob_bounds", "nats"),
    "ratio": ("log_prob_bounds", "nats"),
}
"""By what examples can be scored: the query that it takes, and the score's unit. Higher is more anomalous."""


def measure_of(model: Model, by: str = "auto") -> str:
    """Return by what a model scores examples.

    Args:
        model: any model.
        by: a name in `MEASURES`, or "auto": "bound" of a model that has one (exact or not), else "reconstruction".

    Raises:
        ConfigurationError: for an unknown name.
        UnsupportedQuery: for a model that does not answer what is asked.

    Example:
        >>> import triptych as tp
        >>> measure_of(tp.VAE(tp.Event((2,)), latent=1))
        'bound'
    """
    if by == "auto":
        by = "reconstruction" if isinstance(model, Reconstructor) and not isinstance(model, Bounded) else "bound"
    check_known("score by", by, ["auto", *MEASURES])
    query, _ = MEASURES[by]
    getattr(model, query)  # it says so if the model does not answer
    return by


def anomaly_scores(
    model: Model,
    x: Examples,
    *,
    by: str = "auto",
    label: Label = None,
    samples: int = 1,
    seed: Seed = 0,
    ordinary: Examples | None = None,
    background: Model | None = None,
) -> Tensor:
    """Return how anomalous each example is to a model: higher is more.

    By "bound" the score is the negative of the (importance-weighted) lower bound on log p(x), in nats; by "density"
    it is `-log p(x)`; by "reconstruction" `1/D Σ_i (x_i - x̂_i)²`, see `squared_errors`, x̂ not rounded to the data's
    levels. Reference: Bishop 1994,
    *Novelty Detection and Neural Network Validation*, §2; Japkowicz et al. 1995, *A Novelty Detection Approach to
    Classification*, §3, for the error of an autoencoder.

    Simple examples can be more probable than all that the model has learnt (Nalisnick et al. 2019, *Do Deep Generative
    Models Know What They Don't Know?*, §3). Three scores make up for it: by "typicality" `|-log p(x) - H|`, H the mean
    of `-log p` over ordinary examples (Nalisnick et al. 2019, *Detecting Out-of-Distribution Inputs … Using
    Typicality*, §3); by "complexity" `-log p(x) - L(x)`, see `compressed_length` (Serrà et al. 2020, *Input
    Complexity and Out-of-distribution Detection …*, eq. 1); by "ratio" `log p_background(x) - log p(x)` (Ren et al.
    2019, *Likelihood Ratios for Out-of-Distribution Detection*, eq. 3). All are of the bound where p is not exact.

    Args:
        model: bounds log p(x), or reconstructs.
        x: N examples of its event.
        by: see `measure_of`.
        label: of a conditional model, unless the examples carry their own.
        samples: K of an importance-weighted bound: more make it tighter and less random.
        seed: of the bound's draws.
        ordinary: examples that the typical log p is of; "typicality" needs them.
        background: a model of the same event that "ratio" needs, such as one of data with noise; see `mutated`.

    Returns:
        `(N,)`; infinite for an example that the model holds impossible.

    Raises:
        ConfigurationError: for another `by`, or one whose examples or background are missing.
        UnsupportedQuery: for a model that does not answer what is asked.
        DataError: for examples of another event, "complexity" of vectors, or answers that are not numbers.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> anomaly_scores(model, model.sample(3, seed=0), by="reconstruction").shape
        torch.Size([3])
    """
    measure = measure_of(model, by)
    if measure == "reconstruction":
        return _reconstruction_errors(model, x, label)
    if measure == "density":
        return numbers(-model.log_prob(x, label=label))
    surprise = partial(_surprise, samples=samples, seed=seed)
    if measure == "complexity":
        return surprise(model, x, label) - compressed_length(x)
    if measure == "typicality":
        if ordinary is None:
            raise ConfigurationError("typicality is judged by ordinary examples: expected ordinary=, such as train")
        return typicality(surprise(model, x, label), surprise(model, ordinary, _one_for_all(label)))
    if measure == "ratio":
        if background is None:
            raise ConfigurationError("a ratio is of two models: expected a background of the same event")
        return surprise(model, x, label) - surprise(background, x, label if background.conditional else None)
    return surprise(model, x, label)


def _reconstruction_errors(model: Model, x: Examples, label: Label) -> Tensor:
    own = x.labels if label is None and model.conditional else label
    rebuilt = model.decode(model.encode(x, label=label), label=own, levels=shades(model.event))
    return numbers(squared_errors(x, rebuilt))


def _surprise(model: Model, x: Examples, label: Label, samples: int, seed: Seed) -> Tensor:
    """Return `-log p(x)`, or the bound on it, `(N,)` nats."""
    return numbers(-model.log_prob_bounds(x, label=label, samples=samples, seed=seed).lower)


def _one_for_all(label: Label) -> Label:
    """Return a label that was given for all examples; None where each has its own."""
    return label if isinstance(label, int) else None


def numbers(scores: Tensor) -> Tensor:
    """Return scores as they are.

    Raises:
        DataError: if some are not numbers.
    """
    bad = int(scores.isnan().sum())
    if bad:
        raise DataError(f"the model gave no number for {bad} of {len(scores)} examples: its training has diverged")
    return scores


def typicality(surprise: Tensor, ordinary: Tensor) -> Tensor:
    """Return how far each `-log p(x)` lies from the mean of ordinary examples', `(N,)` nats.

    Args:
        surprise: `(N,)` of examples.
        ordinary: `(M,)` of ordinary ones; those that the model holds impossible are left out of the mean.

    Example:
        >>> typicality(torch.tensor([1.0, 6.0]), torch.tensor([4.0, 6.0])).tolist()
        [4.0, 1.0]
    """
    return (surprise - ordinary[ordinary.isfinite()].mean()).abs()


def threshold(scores: Tensor, false_alarm: float) -> float:
    """Return the score above which an example is called an anomaly.

    It is the `⌈(1 - α)(N + 1)⌉`-th smallest of N scores of ordinary examples, so that another ordinary one lies
    above it with probability at most α, whatever the distribution of the scores. Reference: Vovk, Gammerman &
    Shafer 2005, *Algorithmic Learning in a Random World*, §2.2; Bates et al. 2023, *Testing for Outliers with
    Conformal p-values*, §1.

    Args:
        scores: `(N,)` of ordinary examples, that the model was not fitted to if the rate is to be exact.
        false_alarm: α, the share of ordinary examples that may be called anomalies.

    Raises:
        ConfigurationError: for a rate outside of 0 to 1, or too low for so few scores.

    Example:
        >>> threshold(torch.arange(1.0, 100.0), 0.05)
        95.0
    """
    if not 0 < false_alarm < 1:
        raise ConfigurationError(f"a false-alarm rate of {false_alarm:g}: expected a number between 0 and 1")
    n = len(scores)
    rank = math.ceil(round((1 - false_alarm) * (n + 1), 9))
    if rank > n:
        raise ConfigurationError(
            f"a false-alarm rate of {false_alarm:g} cannot be learnt from {n} examples: expected at least "
            f"{math.ceil(round(1 / false_alarm, 9)) - 1}, or a higher rate"
        )
    return float(scores.sort().values[rank - 1])


class Auroc(NamedTuple):
    """The area under a receiver operating characteristic."""

    value: float
    """From 0 to 1: the probability that an anomaly scores higher than an ordinary example."""
    error: float | None
    """Its standard error; None with a single example on either side."""


def auroc(normal: Tensor, anomalous: Tensor) -> Auroc:
    """Return the area under the receiver operating characteristic, with its standard error.

    `A = 1/(NM) Σ_ij [a_j > n_i] + ½ [a_j = n_i]`. With `V_j` the share of ordinary scores below anomaly j, and `V_i`
    that of anomalies above ordinary example i, its variance is `var(V_j) / M + var(V_i) / N`.
    Reference: DeLong, DeLong & Clarke-Pearson 1988, *Comparing the Areas under Two or More Correlated ROC Curves*,
    §2.

    Args:
        normal: `(N,)` scores of ordinary examples.
        anomalous: `(M,)` scores of anomalies.

    Raises:
        DataError: if either is empty.

    Example:
        >>> auroc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])).value
        0.875
    """
    if not len(normal) or not len(anomalous):
        raise DataError(
            f"{len(normal)} ordinary examples and {len(anomalous)} anomalies were given: expected some of both"
        )
    above = _shares_below(anomalous, normal)
    below = 1 - _shares_below(normal, anomalous)
    if min(len(normal), len(anomalous)) < 2:
        return Auroc(float(above.mean()), None)
    variance = above.var() / len(above) + below.var() / len(below)
    return Auroc(float(above.mean()), float(variance.sqrt()))


def _shares_below(scores: Tensor, others: Tensor) -> Tensor:
    """Return the share of `others` below each score, those that are equal counted half."""
    ordered = others.double().sort().values
    values = scores.double()
    lower, upper = (torch.searchsorted(ordered, values, right=right) for right in (False, True))
    return (lower + upper).double() / (2 * len(others))
