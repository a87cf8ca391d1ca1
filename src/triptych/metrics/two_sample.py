"""The classifier two-sample test: can a classifier, trained on half of two sets, tell the other halves apart?"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from triptych.errors import DataError, check_known
from triptych.noise import Noise

CLASSIFIERS = ("logistic", "neighbours")
FEWEST = 4
"""Examples of each set that there must be, so that each half has two of both."""


class Told(NamedTuple):
    """What a classifier told of examples that it was not trained on."""

    correct: int
    """Examples told right."""
    of: int
    """Examples asked, half of each set."""
    p_value: float
    """How probable so many or more are, if nothing can be told."""


def two_sample(a: Tensor, b: Tensor, *, classifier: str = "logistic", seed: int = 0) -> Told:
    """Train a classifier to tell two sets apart, on half of each, and ask it for the other halves.

    If both are draws of one law, each answer is right with probability ½ whatever was learned, so that the number of
    right ones is binomial, and the p-value is `P(Bin(n, ½) ≥ correct)`. A set that is the larger is cut to the other's
    size by draw, so that guessing one set is right half the time. Examples that are in both sets break the assumption:
    a classifier that learned one of a pair is then wrong of the other, and fewer than half of its answers are right.
    Reference: Lopez-Paz & Oquab 2017, *Revisiting Classifier Two-Sample Tests*, §3.

    Args:
        a: `(N, F)` features.
        b: `(M, F)` features.
        classifier: "logistic" (regression on standardised features, which sees what shifts them), or "neighbours" (the
            majority of the √n nearest in a training set of n, as the reference has it; it sees any difference, but in
            many dimensions less of it).
        seed: of the halves.

    Raises:
        DataError: for other shapes, fewer than 4 examples of either, or features that are not finite.
        ConfigurationError: for another classifier.

    Example:
        >>> x = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
        >>> told = two_sample(x, 9 - x)
        >>> told.correct, told.of, told.p_value < 1e-50
        (200, 200, True)
    """
    from scipy.stats import binom  # type: ignore[import-untyped]

    check_known("classifier", classifier, CLASSIFIERS)
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1]:
        raise DataError(f"features {tuple(a.shape)} and {tuple(b.shape)}: expected (N, F), equal F")
    n = min(len(a), len(b))
    if n < FEWEST:
        raise DataError(f"{len(a)} and {len(b)} examples: a two-sample test expects at least {FEWEST} of each")
    if not bool(torch.isfinite(a).all() and torch.isfinite(b).all()):
        raise DataError("features that are not finite cannot be told apart")
    noise = Noise.of(seed)
    first, second = (x[noise.uniform((len(x),)).argsort()[:n]].double() for x in (a, b))
    half = n // 2
    seen, asked = torch.cat([first[:half], second[:half]]), torch.cat([first[half:], second[half:]])
    said = _fitted(classifier, seen.numpy()).predict(asked.numpy())
    correct = int((said == np.repeat([0, 1], n - half)).sum())
    return Told(correct, len(asked), float(binom.sf(correct - 1, len(asked), 0.5)))


def _fitted(classifier: str, seen: Any) -> Any:
    """Return a classifier of as many examples of the first set as of the second."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.neighbors import KNeighborsClassifier  # type: ignore[import-untyped]
    from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    if classifier == "neighbours":
        nearest = math.isqrt(len(seen))
        found = KNeighborsClassifier(nearest - (nearest + 1) % 2, algorithm="brute")  # an odd number has a majority
    else:
        found = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return found.fit(seen, np.repeat([0, 1], len(seen) // 2))
