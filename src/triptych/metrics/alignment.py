"""How the numbers of codes align with factors of the data: the formulas of MIG, SAP and DCI."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from triptych.errors import DataError
from triptych.noise import mix

BINS = 20
"""Bins of equal width that a number of a code is divided into (Locatello et al. 2019, app. C)."""
GROUPS = 10
"""Groups of examples of which the jackknife leaves out one at a time."""
TREES = 30
"""Trees of a forest."""


Array = NDArray[Any]


class Embedding(NamedTuple):
    """Examples of both splits as points: codes, principal components, or pixels."""

    train: Array
    """`(N, F)`"""
    test: Array
    """`(M, F)`"""


def mutual_information(codes: Array, factors: Array, bins: int = BINS) -> Array:
    """Return the mutual information of each number of a code with each factor, `(Z, E)` nats.

    `I(z; v) = H(z) + H(v) - H(z, v)`, of the shares of `bins` of equal width between a number's least and greatest.

    Args:
        codes: `(N, Z)`.
        factors: `(N, E)`, the number of each value, from 0.
        bins: of each number of a code.

    Example:
        >>> v = np.arange(8) % 2
        >>> nats = mutual_information(np.stack([v, np.arange(8)], 1), v[:, None], bins=2)
        >>> abs(nats).round(4)[:, 0].tolist()   # ln 2, 0
        [0.6931, 0.0]
    """
    low, extent = codes.min(0), np.ptp(codes, axis=0)
    place = (codes - low) / np.where(extent > 0, extent, 1.0) * bins
    binned = np.minimum(place.astype(int), bins - 1)
    z, v = _indicators(binned, bins), _indicators(factors, int(factors.max()) + 1)
    joint = np.einsum("nzb,nek->zebk", z, v, optimize=True) / len(codes)
    return _entropy(z.mean(0))[:, None] + _entropy(v.mean(0))[None] - _entropy(joint.reshape(*joint.shape[:2], -1))


def _indicators(values: Array, count: int) -> Array:
    return np.asarray(values[..., None] == np.arange(count), np.float64)


def _entropy(shares: Array) -> Array:
    """Return `-Σ p ln p` over the last axis, in nats."""
    return np.asarray(torch.special.entr(torch.from_numpy(shares)).sum(-1))


def mig(codes: Array, factors: Array, bins: int = BINS) -> Array:
    """Return the mutual information gap of each factor, `(E,)`, from 0 to 1; the MIG is their mean.

    `(I(z_1; v) - I(z_2; v)) / H(v)`, z_1 and z_2 the two numbers of the code that know most of the factor v.
    Reference: Chen, Li, Grosse & Duvenaud 2018, *Isolating Sources of Disentanglement in VAEs*, eq. 6.

    Args:
        codes: `(N, Z)`.
        factors: `(N, E)`, the number of each value, from 0.
        bins: of each number of a code.

    Raises:
        DataError: for a factor of one value: there is nothing to know of it.

    Example:
        >>> v = np.random.default_rng(0).integers(4, size=(500, 2))
        >>> mig(v, v).round(1).tolist(), abs(mig(np.repeat(v, 2, 1), v)).round(6).tolist()   # one each; each twice
        ([1.0, 1.0], [0.0, 0.0])
    """
    known = mutual_information(codes, factors, bins)
    entropy = _entropy(_indicators(factors, int(factors.max()) + 1).mean(0))
    if not (entropy > 0).all():
        raise DataError(f"factor {int((entropy > 0).argmin())} has one value only: expected factors that vary")
    return _gap(known) / entropy


def _gap(scores: Array) -> Array:
    """Return by how much the highest of each column `(Z, E)` exceeds the second; of one row, itself."""
    ranked = np.sort(np.vstack([scores, np.zeros_like(scores[:1])]), axis=0)
    return np.asarray(ranked[-1] - ranked[-2])


def threshold_hits(space: Embedding, factors: tuple[Array, Array]) -> Array:
    """Return whether each factor of each test example is told from one number of its code alone, `(M, Z, E)`.

    By thresholds on that number, one fewer than the factor has values, which a decision tree chooses on the training
    examples, all values weighing the same.
    """
    from sklearn.tree import DecisionTreeClassifier  # type: ignore[import-untyped]

    train, test = factors
    hits = np.zeros((len(test), space.test.shape[1], test.shape[1]))
    for k in range(test.shape[1]):
        leaves = max(2, len(np.unique(train[:, k])))
        for j in range(space.test.shape[1]):
            tree = DecisionTreeClassifier(max_leaf_nodes=leaves, class_weight="balanced", random_state=0)
            told = tree.fit(space.train[:, [j]], train[:, k]).predict(space.test[:, [j]])
            hits[:, j, k] = told == test[:, k]
    return hits


def sap(hits: Array, factors: Array) -> Array:
    """Return the separated attribute predictability of each factor, `(E,)`, from 0 to 1; the SAP is their mean.

    The share of a factor's values that thresholds on one number of the code tell right, each value weighing the same:
    by how much the best number exceeds the second. Reference: Kumar, Sattigeri & Balakrishnan 2018, *Variational
    Inference of Disentangled Latent Concepts from Unlabeled Observations*, §3.

    Args:
        hits: `(M, Z, E)`, as `threshold_hits` returns them.
        factors: `(M, E)`, the number of each value, from 0.

    Example:
        >>> v = np.random.default_rng(0).integers(2, size=(400, 2))
        >>> sap(threshold_hits(Embedding(v, v), (v, v)), v).round(1).tolist()    # the other tells what guessing does
        [0.5, 0.5]
    """
    value = _indicators(factors, int(factors.max()) + 1)
    count = value.sum(0)
    told = np.einsum("nze,nek->zek", hits, value) / np.maximum(count, 1)
    return _gap(told.sum(-1) / (count > 0).sum(-1))


class DCI(NamedTuple):
    """What a forest finds that tells factors from codes."""

    disentanglement: float
    """From 0 to 1: how far each number of the code matters for one factor only."""
    completeness: Array
    """`(E,)`, from 0 to 1: how far one number only matters for each factor."""
    informativeness: Array
    """`(E,)`: the share of test examples whose factor is told right by the whole code."""


def dci(space: Embedding, factors: tuple[Array, Array], seed: int = 0) -> DCI:
    """Return disentanglement, completeness and informativeness by a random forest for each factor.

    Reference: Eastwood & Williams 2018, *A Framework for the Quantitative Evaluation of Disentangled
    Representations*, §2, with the Gini importance of every number of the code.

    Args:
        space: codes of both splits.
        factors: `(N, E)` and `(M, E)`, the number of each value, from 0.
        seed: of the forests.

    Example:
        >>> v = np.random.default_rng(0).integers(3, size=(300, 2))
        >>> found = dci(Embedding(v, v), (v, v))
        >>> round(found.disentanglement, 1), found.informativeness.tolist()
        (1.0, [1.0, 1.0])
    """
    from sklearn.ensemble import RandomForestClassifier  # type: ignore[import-untyped]

    importance, told = [], []
    for k in range(factors[0].shape[1]):
        forest = RandomForestClassifier(TREES, max_features=None, random_state=mix(seed, k) % (1 << 32))
        forest.fit(space.train, factors[0][:, k])
        importance.append(forest.feature_importances_)
        told.append(forest.score(space.test, factors[1][:, k]))
    return DCI(*concentration(np.stack(importance, 1)), np.array(told))


def concentration(importance: Array) -> tuple[float, Array]:
    """Return disentanglement and each factor's completeness, of the importance of code numbers for factors.

    `D = Σ_j ρ_j (1 - H_E(R_j·))`, `C_k = 1 - H_Z(R_·k)`: entropies of the shares of a row to the base of the number of
    factors, and of a column to the base of the code's length; ρ_j the share of row j in all importance.

    Args:
        importance: `(Z, E)`, from 0.

    Example:
        >>> round(concentration(np.eye(3))[0], 6), round(abs(concentration(np.ones((2, 2)))[0]), 6)
        (1.0, 0.0)
    """

    def focus(rows: Array) -> Array:
        total = rows.sum(1, keepdims=True)
        shares = rows / np.where(total > 0, total, 1.0)
        return np.asarray(1 - _entropy(shares) / math.log(max(2, rows.shape[1])))

    weight = importance.sum(1)
    total = float(weight.sum())
    by_code = float(weight @ focus(importance)) / total if total > 0 else 0.0
    return by_code, np.where(importance.sum(0) > 0, focus(importance.T), 0.0)


def jackknife(statistic: Callable[[Array], Array], n: int, seed: int) -> Array:
    """Return the standard errors of a statistic of rows, by leaving out one of ten random groups at a time.

    `√((G - 1)/G Σ_g (θ_g - mean)²)`. Reference: Efron & Tibshirani 1993, *An Introduction to the Bootstrap*, ch. 11.

    Args:
        statistic: from the numbers of the rows that are kept to some figures.
        n: how many rows there are.
        seed: of the groups.

    Example:
        >>> x = np.random.default_rng(0).normal(size=5000)
        >>> error = jackknife(lambda rows: x[rows].mean(keepdims=True), 5000, seed=0)
        >>> bool(0.005 < error[0] < 0.03)    # 1/√5000 = 0.014, by ten groups
        True
    """
    order = np.random.default_rng(seed).permutation(n)
    left = np.stack([statistic(np.delete(order, slice(g, None, GROUPS))) for g in range(GROUPS)])
    return np.asarray(np.sqrt((GROUPS - 1) * left.var(0)))
