"""What one example weighs in the Fréchet distance: its standard error, from all features or from one pass over them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.metrics.distances import Estimate, Moments, factored, frechet_between, moments

_KEPT = 2000


def frechet_error(a: Tensor, b: Tensor) -> float:
    """Return the standard error of the Fréchet distance, by the infinitesimal jackknife.

    `SE² = Σ_sets Var[ψ(x)] / N`, with the influence ψ of one example on the distance; see `frechet_influences`.
    Against repeated draws it is 1 to 1.2 times the true deviation, and 1.4 to 1.5 times for sets of one law, of which
    all that the distance shows is chance; there a bootstrap gives 2 times: its resampled sets have fewer distinct
    examples.

    Reference: Jaeckel 1972; Efron 1982, *The Jackknife, the Bootstrap and Other Resampling Plans*, §6.3.

    Args:
        a: `(N1, F)` features.
        b: `(N2, F)` features.

    Returns:
        The error, in the distance's unit.

    Example:
        >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
        >>> 0.1 < frechet_error(x, x + 1) < 0.5
        True
    """
    return math.sqrt(sum(float(of.var()) / len(of) for of in frechet_influences(a, b)))


def frechet_influences(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the influence of each example on the Fréchet distance, up to a constant in each set.

    With x in the first set, `ψ(x) = 2 (x - μ1)ᵀ(μ1 - μ2) + (x - μ1)ᵀ(I - T)(x - μ1)`, T the optimal transport map
    `C2^½ (C2^½ C1 C2^½)^-½ C2^½` from the first Gaussian to the second, for `∂ tr (C1 C2)^½ / ∂C1 = ½ T`.

    Args:
        a: `(N1, F)` features.
        b: `(N2, F)` features.

    Returns:
        `(N1,)` and `(N2,)`, in the distance's unit.
    """
    if max(len(a), len(b)) > a.shape[1]:
        of_a, of_b = moments(a), moments(b)
        return _influence(a, of_a, of_b), _influence(b, of_b, of_a)
    x, y = (features.double() - features.double().mean(0) for features in (a, b))
    gap = a.double().mean(0) - b.double().mean(0)
    forms = _by_examples(x, y)
    return 2 * x @ gap + x.square().sum(1) - forms[0], -2 * y @ gap + y.square().sum(1) - forms[1]


def _influence(features: Tensor, own: Moments, other: Moments) -> Tensor:
    x = features.double() - own.mean
    moved = x @ _transport(own.covariance, other.covariance)
    return 2 * x @ (own.mean - other.mean) + x.square().sum(1) - (moved * x).sum(1)


def _by_examples(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return `xᵀ T x` of each centred example, and the same the other way, without a covariance.

    With `M = Y Xᵀ / √((N1 - 1)(N2 - 1)) = U S Vᵀ`, the forms are the diagonals of `V S Vᵀ` and `U S Uᵀ`,
    times N1 - 1 and N2 - 1. It is cheaper where there are fewer examples than features.
    """
    product = y @ x.T / math.sqrt((len(x) - 1) * (len(y) - 1))
    u, s, vt = torch.linalg.svd(product, full_matrices=False)
    return (len(x) - 1) * (vt.T.square() @ s), (len(y) - 1) * (u.square() @ s)


def _transport(source: Tensor, target: Tensor) -> Tensor:
    """Return the linear map that takes N(0, source) to N(0, target) at the least cost.

    Any factor, `L Lᵀ` = target, gives the same `L (Lᵀ source L)^-½ Lᵀ` as the symmetric root.
    """
    root = factored(target)
    inner = root.T @ source @ root
    eigenvalues, vectors = torch.linalg.eigh((inner + inner.T) / 2)
    seen = eigenvalues > eigenvalues.amax() * 1e-10  # directions in which the source does not vary have no map
    inverse = torch.where(seen, eigenvalues.clamp(min=torch.finfo(torch.float64).tiny).rsqrt(), 0.0)
    moved = root @ vectors
    transport: Tensor = (moved * inverse) @ moved.T
    return transport


class Summary(NamedTuple):
    """What one pass over the features of a set leaves: their moments, and some of them."""

    moments: Moments
    kept: Tensor


def summary(chunks: Iterable[Tensor], count: int) -> Summary:
    """Return the moments of features given in chunks, and the features of 2,000 to 4,000 examples, evenly spaced.

    Memory does not depend on the number of examples.

    Args:
        chunks: `(B, F)` each.
        count: how many examples there are in all.

    Raises:
        DataError: for fewer than 2 examples, or features that are not finite.

    Example:
        >>> x = torch.randn(9000, 2, generator=torch.Generator().manual_seed(0))
        >>> summary(x.split(500), 9000).kept.shape
        torch.Size([2250, 2])
    """
    every = max(1, count // _KEPT)
    kept: list[Tensor] = []

    def watched() -> Iterator[Tensor]:
        start = 0
        for chunk in chunks:
            kept.append(chunk[-start % every :: every].clone())  # a view would hold on to the whole chunk
            start += len(chunk)
            yield chunk

    found = moments(watched())
    return Summary(found, torch.cat(kept))


def frechet_between_summaries(a: Summary, b: Summary) -> Estimate:
    """Return the Fréchet distance of two sets that were seen once, a chunk after another, and its standard error.

    The distance is that of all examples. The error is `frechet_error`'s, with the variance of the influence taken over
    those examples whose features were kept: of 2,000 this is known to a few percent.

    Args:
        a: of one set.
        b: of the other; as many features.

    Raises:
        DataError: for different numbers of features.

    Example:
        >>> x = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
        >>> found = frechet_between_summaries(summary(x.split(50), 200), summary([x + 1], 200))
        >>> round(found.value, 6), abs(found.error - frechet_error(x, x + 1)) < 1e-6
        (2.0, True)
    """
    value = frechet_between(a.moments, b.moments)
    variance = 0.0
    for one, other in ((a, b), (b, a)):
        variance += float(_influence(one.kept, one.moments, other.moments).var()) / one.moments.count
    return Estimate(value, math.sqrt(variance))
