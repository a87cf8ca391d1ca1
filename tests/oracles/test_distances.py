"""The Fréchet distance against SciPy's matrix square root, closed forms, and degenerate sets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics.distances import Moments, frechet_between, frechet_distance, moments
from triptych.metrics.influence import frechet_error, frechet_influences


def normal(n: int, dims: int, seed: int) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_scipy(a: Tensor, b: Tensor) -> float:
    """The textbook's formula, by a general matrix square root."""
    import numpy as np
    from scipy.linalg import sqrtm

    first, second = a.double().numpy(), b.double().numpy()
    c1, c2 = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    gap = first.mean(0) - second.mean(0)
    root = sqrtm(c1 @ c2)
    return float(gap @ gap + np.trace(c1) + np.trace(c2) - 2 * np.trace(root).real)


@pytest.mark.parametrize(("n", "dims"), [(50, 3), (300, 40), (500, 64)])
def test_agrees_with_scipy(n: int, dims: int) -> None:
    mixing = normal(dims, dims, 1)
    a, b = normal(n, dims, 2) @ mixing, normal(n + 10, dims, 3) * 1.3 + 0.2
    assert frechet_distance(a, b) == pytest.approx(by_scipy(a, b), rel=1e-6)
    assert frechet_between(moments(a), moments(b)) == pytest.approx(by_scipy(a, b), rel=1e-6)


def test_closed_form_of_aligned_gaussians() -> None:
    # For diagonal covariances: Σ (μ1 - μ2)² + (σ1 - σ2)².
    means = torch.tensor([[0.0, 1.0, -2.0], [0.5, 1.0, 3.0]], dtype=torch.float64)
    scales = torch.tensor([[1.0, 2.0, 0.1], [3.0, 2.0, 0.4]], dtype=torch.float64)
    sets = [Moments(100, mean, torch.diag(scale**2)) for mean, scale in zip(means, scales, strict=True)]
    truth = float(((means[0] - means[1]) ** 2 + (scales[0] - scales[1]) ** 2).sum())
    assert frechet_between(*sets) == pytest.approx(truth, rel=1e-12)


def test_closed_form_of_scaling() -> None:
    # Of X and cX + m with one covariance C: |(c - 1) μ + m|² + (c - 1)² tr C.
    x = normal(400, 10, 5)
    m = moments(x)
    truth = float(((m.mean * 1.5 + 1) ** 2).sum() + 1.5**2 * m.covariance.trace())
    assert frechet_distance(x, 2.5 * x + 1) == pytest.approx(truth, rel=1e-9)


def test_fewer_examples_than_features_agree_with_the_covariances() -> None:
    a, b = normal(12, 30, 1), normal(15, 30, 2) + 0.5
    assert frechet_distance(a, b) == pytest.approx(frechet_between(moments(a), moments(b)), rel=1e-6)


def test_is_symmetric() -> None:
    a, b = normal(60, 8, 1), 2 * normal(90, 8, 2)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-9)


@pytest.mark.parametrize(("n", "dims"), [(100, 5), (20, 50), (2, 3), (64, 64)])
def test_identical_sets_are_at_zero(n: int, dims: int) -> None:
    x = 100 * normal(n, dims, 0)
    assert 0 <= frechet_distance(x, x) < 1e-6 * float(x.var(0).sum())


def test_constant_features_are_counted_by_their_means_alone() -> None:
    a, b = normal(80, 6, 1), normal(80, 6, 2)
    without = frechet_distance(a[:, 1:], b[:, 1:])
    a[:, 0], b[:, 0] = 3.0, 5.0
    assert frechet_distance(a, b) == pytest.approx(without + 4, rel=1e-9)


def test_constant_sets_are_finite() -> None:
    assert frechet_distance(torch.ones(10, 4), torch.zeros(10, 4)) == pytest.approx(4)


def test_repeated_features_are_finite_and_right() -> None:
    a, b = normal(200, 3, 1), normal(200, 3, 2) + 1
    twice = frechet_distance(a.repeat(1, 2), b.repeat(1, 2))
    assert twice == pytest.approx(2 * frechet_distance(a, b), rel=1e-5)


def test_large_means_in_float32_lose_nothing() -> None:
    # float32 sums of squares about 0 would be wrong in the first digit here.
    x = (normal(500, 4, 1) + 1000).float()
    assert frechet_distance(x, x + 1) == pytest.approx(4, rel=1e-4)


def test_moments_in_chunks_are_those_of_the_whole() -> None:
    x = normal(101, 7, 3) + 5
    whole, streamed = moments(x), moments(x.split(10))
    assert torch.allclose(whole.mean, streamed.mean, rtol=1e-12)
    assert torch.allclose(whole.covariance, streamed.covariance, rtol=1e-10)
    assert torch.allclose(whole.covariance, x.T.cov(), rtol=1e-10)


@pytest.mark.parametrize(
    ("first", "second", "features", "shift"),
    [
        (200, 200, 4, 1.0),
        (360, 360, 64, 0.0),
        (100, 100, 64, 0.3),
        (60, 2000, 8, 0.5),
        (2000, 60, 8, 0.5),
        (40, 40, 64, 0.5),
    ],
)
def test_the_error_is_the_deviation_of_repeated_draws(first: int, second: int, features: int, shift: float) -> None:
    spread = torch.linspace(0.2, 2, features).double()
    pairs = [
        (normal(first, features, 2 * i) * spread, normal(second, features, 2 * i + 1) * spread + shift)
        for i in range(80)
    ]
    truth = float(torch.tensor([frechet_distance(a, b) for a, b in pairs]).std())
    error = sum(frechet_error(a, b) for a, b in pairs[:10]) / 10
    assert truth / 1.25 < error < truth * 1.45


def test_both_formulas_of_the_influence_agree() -> None:
    # More examples than features, and the same set without covariances: features that do not vary change nothing.
    x, y = (normal(n, 6, seed) * torch.linspace(0.5, 2, 6).double() for n, seed in ((40, 1), (30, 2)))
    none = torch.zeros(40, 34).double()
    wide = frechet_influences(torch.cat([x, none], 1), torch.cat([y, none[:30]], 1))
    for one, other in zip(frechet_influences(x, y), wide, strict=True):
        assert torch.allclose(one - one.mean(), other - other.mean(), rtol=1e-8)


def test_the_error_of_degenerate_sets_is_finite() -> None:
    x = normal(5, 20, 0)
    assert 0 <= frechet_error(x, x + 1) < 1e3
    assert frechet_error(torch.ones(5, 3), torch.ones(5, 3)) == 0


def test_bad_features_are_refused() -> None:
    x = torch.ones(5, 2)
    with pytest.raises(DataError, match="1 of 5 examples are not finite"):
        frechet_distance(torch.tensor([[math.nan, 0.0]] + [[0.0, 0.0]] * 4), x)
    with pytest.raises(DataError, match="3 features, the other 2"):
        frechet_distance(torch.ones(5, 3), x)
    with pytest.raises(DataError, match="at least 2"):
        moments(x[:1])
