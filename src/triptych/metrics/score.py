"""The Inception score of class probabilities: whether each sample is of a clear class, and all of many classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics.distances import Estimate


def inception_score(logits: Tensor) -> Estimate:
    """Return `exp(E_x KL(p(y | x) ‖ p(y)))`, p(y) the mean of p(y | x) over the samples.

    It is 1 where all samples look alike to the classifier, and C where each is surely of one of C classes that are
    equally frequent. All samples are one set: the mean over ten parts, as it is often given, is biased downwards, the
    more so the smaller the parts. The score knows nothing of real data but their classes: C examples, one of each
    class, that a model repeats score best.

    The error is the delete-one jackknife's.

    Reference: Salimans et al. 2016, *Improved Techniques for Training GANs*, §4; Barratt & Sharma 2018, *A Note on the
    Inception Score*, §4; for the error Efron & Stein 1981, *The Jackknife Estimate of Variance*.

    Args:
        logits: `(N, C)`, unnormalised log-probabilities of the classes.

    Returns:
        The score and its error, None for one sample.

    Raises:
        DataError: for no samples, other shapes, or logits that are not finite.

    Example:
        >>> sure = 100 * torch.eye(4)
        >>> round(inception_score(sure).value, 6), round(inception_score(sure[:1]).value, 6)
        (4.0, 1.0)
    """
    if logits.dim() != 2 or not len(logits) or not bool(torch.isfinite(logits).all()):
        raise DataError(f"logits of shape {tuple(logits.shape)}: expected finite ones, (N, classes)")
    log_p = logits.double().log_softmax(1)
    p = log_p.exp()
    gains = (p * log_p).sum(1)  # minus the entropy of each p(y | x)
    total, mean, n = p.sum(0), float(gains.mean()), len(p)
    value = math.exp(mean + float(_entropy(total / n)))
    if n == 1:
        return Estimate(value, None)
    without = ((gains.sum() - gains) / (n - 1) + _entropy((total - p) / (n - 1))).exp()
    return Estimate(value, math.sqrt((n - 1) / n * float((without - without.mean()).square().sum())))


def _entropy(p: Tensor) -> Tensor:
    p = p.clamp(min=0)  # below 0 only by rounding
    entropy: Tensor = -torch.special.xlogy(p, p).sum(-1)
    return entropy
