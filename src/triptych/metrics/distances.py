"""Distances between two sets of features. Nothing here knows where the features come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import DataError


class Estimate(NamedTuple):
    """A value and its standard error, None where there are too few examples to tell."""

    value: float
    error: float | None


@dataclass(frozen=True)
class Moments:
    """Mean and unbiased covariance of a set of features, in float64.

    Args:
        count: number of examples N.
        mean: `(F,)`.
        covariance: `(F, F)`, divided by N - 1.
    """

    count: int
    mean: Tensor
    covariance: Tensor


def moments(features: Tensor | Iterable[Tensor]) -> Moments:
    """Return the moments of features `(N, F)`, given at once or in chunks, in one pass.

    Sums are taken about the first chunk's mean, in float64, so that no digits are lost to a large mean;
    memory does not depend on N.

    Raises:
        DataError: for fewer than 2 examples, or features that are not finite.

    Example:
        >>> x = torch.tensor([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]])
        >>> torch.allclose(moments(x).covariance, moments([x[:1], x[1:]]).covariance)
        True
    """
    chunks = iter([features] if isinstance(features, Tensor) else features)
    first = next(chunks, torch.empty(0, 0)).double()
    origin = first.mean(0) if len(first) else first.sum(0)
    count, total, products = 0, torch.zeros_like(origin), torch.zeros(len(origin), len(origin)).double()
    for chunk in chain([first], chunks):
        _check(chunk)
        centred = chunk.double() - origin
        count += len(chunk)
        total += centred.sum(0)
        products += centred.T @ centred
    if count < 2:
        raise DataError(f"moments of {count} examples were asked for: expected at least 2")
    covariance = (products - torch.outer(total, total) / count) / (count - 1)
    return Moments(count, origin + total / count, covariance)


def _check(features: Tensor) -> None:
    if features.dim() != 2:
        raise DataError(f"features have shape {tuple(features.shape)}: expected (N, F)")
    if not bool(torch.isfinite(features).all()):
        bad = int((~torch.isfinite(features)).any(1).sum())
        raise DataError(f"the features of {bad} of {len(features)} examples are not finite")


def check_pair(a: Tensor, b: Tensor) -> None:
    """Refuse two sets of features that cannot be compared.

    Raises:
        DataError: for fewer than 2 examples, other shapes than `(N, F)`, or features that are not finite.
    """
    for features in (a, b):
        _check(features)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"one set has {a.shape[1]} features, the other {b.shape[1]}: expected as many")
    if min(len(a), len(b)) < 2:
        raise DataError(f"sets of {len(a)} and {len(b)} examples cannot be compared: expected at least 2 in each")


def frechet_between(a: Moments, b: Moments) -> float:
    """Return the Fréchet distance between two Gaussians, never complex and never negative.

    `|μ1 - μ2|² + tr(C1 + C2 - 2 (C1 C2)^½)`. With any factor `C1 = L Lᵀ`, `C1 C2` has the eigenvalues of
    the symmetric `Lᵀ C2 L`, so the last trace is the sum of their square roots. L is the Cholesky factor,
    or comes from the eigenvectors where C1 is singular (fewer examples than features). A feature that is
    constant in either set adds nothing to that trace and is left out of it.

    Reference: Fréchet 1957; Dowson & Landau 1982, eq. 4; for features of images Heusel et al. 2017, §A1.

    Args:
        a: moments of one set.
        b: moments of the other; as many features.

    Returns:
        The squared distance, in squared units of the features, as FID is always given.

    Raises:
        DataError: for different numbers of features.

    Example:
        >>> one = Moments(9, torch.zeros(1).double(), torch.ones(1, 1).double())
        >>> two = Moments(9, torch.ones(1).double(), 4 * torch.ones(1, 1).double())
        >>> round(frechet_between(one, two), 6)    # 1² + 1 + 4 - 2·2
        2.0
    """
    if a.mean.shape != b.mean.shape:
        raise DataError(f"one set has {len(a.mean)} features, the other {len(b.mean)}: expected as many")
    varies = (a.covariance.diagonal() > 0) & (b.covariance.diagonal() > 0)
    factor, other = factored(a.covariance[varies][:, varies]), b.covariance[varies][:, varies]
    product = factor.T @ other @ factor
    eigenvalues = torch.linalg.eigvalsh((product + product.T) / 2)
    cross = eigenvalues.clamp(min=0).sqrt().sum()  # below 0 only by rounding
    return _distance(a.mean - b.mean, a.covariance.trace() + b.covariance.trace(), cross)


def factored(covariance: Tensor) -> Tensor:
    """Return L with `L Lᵀ` = the covariance: Cholesky's factor, or from eigenvectors where it is singular."""
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if not int(failed):
        return factor
    eigenvalues, vectors = torch.linalg.eigh(covariance)
    factor = vectors * eigenvalues.clamp(min=0).sqrt()
    return factor


def _distance(gap: Tensor, variance: Tensor, cross: Tensor) -> float:
    return max(0.0, float(gap @ gap + variance - 2 * cross))


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the Fréchet distance between two sets of features, by the cheaper of two equal formulas.

    With fewer examples than features, no covariance is formed: for centred features X1, X2,
    `tr (C1 C2)^½` is the sum of the singular values of `X1 X2ᵀ`, over `√((N1 - 1)(N2 - 1))`. Otherwise see
    `frechet_between`. The estimate is biased upwards by an amount that falls with N: compare at equal N only
    (Bińkowski et al. 2018, §D.2).

    Args:
        a: `(N1, F)` features.
        b: `(N2, F)` features.

    Returns:
        The squared distance, in squared units of the features.

    Raises:
        DataError: for fewer than 2 examples, other shapes, or features that are not finite.

    Example:
        >>> x = torch.randn(50, 8, generator=torch.Generator().manual_seed(0))
        >>> round(frechet_distance(x, x + 1), 6)
        8.0
    """
    check_pair(a, b)
    if max(len(a), len(b)) > a.shape[-1]:
        return frechet_between(moments(a), moments(b))
    means, centred = [], []
    for features in (a.double(), b.double()):
        means.append(features.mean(0))
        centred.append((features - means[-1]) / (len(features) - 1) ** 0.5)
    variance = centred[0].square().sum() + centred[1].square().sum()
    cross = torch.linalg.svdvals(centred[0] @ centred[1].T).sum()
    return _distance(means[0] - means[1], variance, cross)
