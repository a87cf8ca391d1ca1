"""The kernel distance against brute force, torchmetrics, and repeated draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics import kernel
from triptych.metrics.kernel import kernel_distance


def normal(n: int, dims: int, seed: int) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_hand(a: Tensor, b: Tensor) -> float:
    """Equation 4 of the paper, pair by pair."""

    def k(x: Tensor, y: Tensor) -> float:
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(a), len(b)
    within = sum(k(a[i], a[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(k(b[i], b[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return within + other - 2 * sum(k(x, y) for x in a for y in b) / (n * m)


@pytest.mark.parametrize(("n", "m", "dims"), [(7, 5, 3), (2, 2, 1), (4, 9, 20)])
def test_is_the_mean_over_pairs(n: int, m: int, dims: int) -> None:
    a, b = normal(n, dims, 1), 2 * normal(m, dims, 2) + 0.5
    assert kernel_distance(a, b).value == pytest.approx(by_hand(a, b), rel=1e-10)


def test_agrees_with_torchmetrics_on_one_subset_of_all() -> None:
    from torchmetrics.image.kid import poly_mmd

    a, b = normal(60, 12, 1), normal(60, 12, 2) * 1.2 + 0.1
    theirs = float(poly_mmd(a, b, degree=3, gamma=None, coef=1.0))
    assert kernel_distance(a, b).value == pytest.approx(theirs, rel=1e-9)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = normal(50, 6, 1), normal(33, 6, 2) + 0.3
    whole = kernel_distance(a, b)
    monkeypatch.setattr(kernel, "_BLOCK", 8)
    assert kernel_distance(a, b) == pytest.approx(whole, rel=1e-10)


def test_is_symmetric() -> None:
    a, b = normal(40, 4, 1), normal(25, 4, 2) + 1
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(b, a), rel=1e-9)


def test_the_expectation_of_shifted_normals() -> None:
    # With F = 1, k(x, y) = (xy + 1)³ sees the first three moments: MMD² = Σ_i binom(3, i) (E xⁱ - E yⁱ)².
    # Of N(0, 1) and N(1, 1) they are 0, 1, 0 and 1, 2, 4: 3·1 + 3·1 + 16.
    draws = torch.tensor([kernel_distance(normal(200, 1, i), normal(200, 1, 1000 + i) + 1).value for i in range(200)])
    assert float(draws.mean()) == pytest.approx(22, abs=4 * float(draws.std()) / math.sqrt(200))


def test_of_equal_distributions_it_is_0_on_average_and_below_as_often_as_above() -> None:
    draws = torch.tensor([kernel_distance(normal(30, 5, i), normal(30, 5, 5000 + i)).value for i in range(400)])
    assert abs(float(draws.mean())) < 4 * float(draws.std()) / 20
    assert 0.3 < float((draws < 0).double().mean()) < 0.7


@pytest.mark.parametrize(
    ("n", "m", "dims", "shift"), [(100, 100, 8, 0.0), (100, 100, 8, 0.5), (80, 300, 16, 0.2), (150, 150, 2, 1.0)]
)
def test_the_error_is_the_deviation_of_repeated_draws(n: int, m: int, dims: int, shift: float) -> None:
    found = [kernel_distance(normal(n, dims, 2 * i), normal(m, dims, 2 * i + 1) + shift) for i in range(300)]
    truth = float(torch.tensor([f.value for f in found]).std())
    error = float(torch.tensor([f.error for f in found]).square().mean().sqrt())
    assert truth / 1.2 < error < truth * 1.3


def test_degenerate_sets_have_finite_answers() -> None:
    same = torch.ones(10, 3)
    assert kernel_distance(same, same) == pytest.approx((0.0, 0.0), abs=1e-12)
    # Constant sets: (1 + 1)³ + 1 - 2.
    assert kernel_distance(same, torch.zeros(6, 3)) == pytest.approx((7.0, 0.0), abs=1e-6)
    x = normal(20, 4, 0)
    assert kernel_distance(x, x) == kernel_distance(x, x.clone())
    assert kernel_distance(x, x).value < 0  # pairs of an example with its own copy are near, and counted only between
    assert kernel_distance(x[:2], x[2:4]).error is None
    assert kernel_distance(x[:4], x[4:8]).error is not None


def test_bad_features_are_refused() -> None:
    x = normal(5, 2, 0)
    with pytest.raises(DataError, match="1 of 5 examples are not finite"):
        kernel_distance(x.index_fill(0, torch.tensor([3]), math.nan), x)
    with pytest.raises(DataError, match="one set has 3 features, the other 2"):
        kernel_distance(torch.ones(5, 3), x)
    with pytest.raises(DataError, match="sets of 1 and 5 examples"):
        kernel_distance(x[:1], x)
    with pytest.raises(DataError, match=r"features up to 1e\+36 are too large"):
        kernel_distance(torch.full((5, 2), 1e36), x.float())


def test_the_error_is_hoeffdings_by_whole_matrices() -> None:
    generator = torch.Generator().manual_seed(4)
    x, y = torch.randn(12, 3, generator=generator).double(), torch.randn(9, 3, generator=generator).double() + 1

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return (a @ b.T / 3 + 1) ** 3

    def centred_within(a: Tensor) -> float:
        n, k = len(a), kernel(a, a).fill_diagonal_(0)
        rows = k.sum(1)
        u = k - rows[:, None] / (n - 2) - rows / (n - 2) + k.sum() / ((n - 1) * (n - 2))
        return float(u.fill_diagonal_(0).square().sum()) / (n * (n - 3))

    xy = kernel(x, y)
    centred = xy - xy.mean(0) - xy.mean(1, keepdim=True) + xy.mean()
    both = float(centred.square().sum()) / ((len(x) - 1) * (len(y) - 1))
    variance = 4 * both / (len(x) * len(y))
    for a, across in ((x, xy.mean(1)), (y, xy.mean(0))):
        n, own = len(a), centred_within(a)
        influence = kernel(a, a).fill_diagonal_(0).sum(1) / (n - 1) - across
        spread = float(influence.var()) - own / (n - 1) - both / (len(x) + len(y) - n)
        assert spread > 0, "no part is cut off here"
        variance += 4 * spread / n + 2 * own / (n * (n - 1))
    assert kernel_distance(x, y).error == pytest.approx(variance**0.5)
