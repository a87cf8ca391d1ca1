"""Precision, recall, density and coverage against prdc, sets that tell them apart, and repeated draws."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.metrics import neighbourhoods
from triptych.metrics.distances import Estimate
from triptych.metrics.neighbourhoods import coverage, density, precision, recall

ALL = (precision, recall, density, coverage)
Formula = Callable[[Tensor, Tensor], Estimate]


def normal(n: int, dims: int, seed: int) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize(("n", "m", "dims"), [(60, 60, 2), (40, 90, 8), (30, 20, 64)])
def test_agree_with_prdc(n: int, m: int, dims: int, k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn.metrics
    from prdc import compute_prdc

    plain = sklearn.metrics.pairwise_distances
    monkeypatch.setattr(sklearn.metrics, "pairwise_distances", lambda x, y, **_: plain(x, y))  # one thread
    monkeypatch.setattr(neighbourhoods, "_BLOCK", 16)
    real, samples = normal(n, dims, 1) + 5, 1.2 * normal(m, dims, 2) + 5.3
    theirs = compute_prdc(real.numpy(), samples.numpy(), k)
    for formula in ALL:
        assert formula(real, samples, k).value == pytest.approx(theirs[formula.__name__], rel=1e-12)


def test_one_mode_of_two_has_high_precision_and_low_recall() -> None:
    # Programs are known that exchange the two.
    real = torch.cat([normal(100, 2, 1), normal(100, 2, 2) + 50])
    one_mode = normal(200, 2, 3)
    assert precision(real, one_mode).value > 0.9 and density(real, one_mode).value > 0.8
    assert recall(real, one_mode).value < 0.51 and coverage(real, one_mode).value < 0.51


def test_a_mode_too_many_has_low_precision_and_high_recall() -> None:
    real = normal(200, 2, 1)
    samples = torch.cat([normal(100, 2, 2), normal(100, 2, 3) + 50])
    assert precision(real, samples).value < 0.51 and density(real, samples).value < 0.6
    assert recall(real, samples).value > 0.85 and coverage(real, samples).value > 0.85


def test_an_outlier_deceives_precision_and_not_density() -> None:
    real = torch.cat([normal(99, 2, 1), torch.tensor([[200.0, 0.0]]).double()])
    samples = normal(100, 2, 2) + torch.tensor([100.0, 0.0]).double()
    assert precision(real, samples).value > 0.3
    assert density(real, samples).value < 0.25


def test_of_one_distribution_density_is_1_and_coverage_as_predicted() -> None:
    n, m, k = 200, 150, 5
    pairs = [(normal(n, 3, 2 * i), normal(m, 3, 2 * i + 1)) for i in range(20)]
    dense = torch.tensor([density(*pair).value for pair in pairs])
    covered = torch.tensor([coverage(*pair).value for pair in pairs])
    expected = 1 - math.prod((n - i) / (n + m - i) for i in range(1, k + 1))
    assert float(dense.mean()) == pytest.approx(1, abs=4 * float(dense.std()) / math.sqrt(20))
    assert float(covered.mean()) == pytest.approx(expected, abs=4 * float(covered.std()) / math.sqrt(20))


def test_identical_sets_hold_each_other_wholly() -> None:
    x = normal(50, 4, 0)
    for formula in (precision, recall, coverage):
        assert formula(x, x).value == 1 and (formula(x, x).error or 0) > 0
    assert density(x, x).value == pytest.approx(
        6 / 5
    )  # itself, and k others of whose ball it is the boundary, on average


def test_copies_and_constant_sets_count_as_ties() -> None:
    constant = torch.full((20, 3), 7.0)
    for formula in (precision, recall, coverage):
        assert formula(constant, constant).value == 1
        assert formula(constant, constant + 1).value == 0
    # 8 copies: the balls of all are points, which hold further copies alone.
    copies = torch.cat([normal(1, 4, 0).expand(8, 4), normal(40, 4, 1) + 30])
    assert precision(copies, copies[:2].clone()).value == 1
    assert precision(copies, copies[:2] + 1e-3).value == 0


def test_features_far_from_0_lose_no_digits() -> None:
    real, samples = normal(60, 4, 1), normal(60, 4, 2)
    for formula in ALL:
        assert formula(real + 1e5, samples + 1e5) == pytest.approx(formula(real, samples))


@pytest.mark.parametrize("formula", ALL)
@pytest.mark.parametrize(("n", "m", "dims", "shift"), [(100, 100, 2, 0.0), (150, 60, 8, 0.3)])
def test_the_error_is_the_deviation_of_repeated_draws(
    formula: Formula, n: int, m: int, dims: int, shift: float
) -> None:
    found = [formula(normal(n, dims, 2 * i), normal(m, dims, 2 * i + 1) + shift) for i in range(60)]
    truth = float(torch.tensor([f.value for f in found]).std())
    error = float(torch.tensor([f.error for f in found[:30]]).square().mean().sqrt())
    assert truth / 1.5 < error < truth * 1.5


def test_the_same_seed_gives_the_same_error_and_another_one_nearly_so() -> None:
    real, samples = normal(100, 4, 1), normal(100, 4, 2)
    one, again, other = (precision(real, samples, seed=seed) for seed in (1, 1, 2))
    assert one == again and one.value == other.value
    assert one.error != other.error and one.error == pytest.approx(other.error, rel=0.5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    real, samples = normal(300, 4, 1), normal(200, 4, 2)
    whole = [formula(real, samples) for formula in ALL]
    monkeypatch.setattr(neighbourhoods, "_BLOCK", 37)
    assert [formula(real, samples) for formula in ALL] == whole


def test_too_few_examples() -> None:
    x = normal(12, 2, 0)
    with pytest.raises(DataError, match="3 examples have no 3 neighbours each: expected at least 4"):
        precision(x[:3], x)
    assert precision(x[:4], x).error is None
    assert precision(x[:8], x[:2]).error is not None
    with pytest.raises(DataError, match="sets of 1 and 12"):
        precision(x, x[:1])
    with pytest.raises(DataError, match="not finite"):
        density(x, x / 0)
    with pytest.raises(DataError, match="one set has"):
        coverage(x, x[:, :1])


def test_what_all_halves_agree_on_has_the_binomial_error() -> None:
    """Of 30 samples that all lie on real examples, and 30 that all lie far away."""
    x = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    for samples, value in ((x, 1.0), (x + 1000, 0.0)):
        for formula in (precision, recall, coverage):
            found = formula(x, samples)
            assert (found.value, found.error) == (value, pytest.approx((31 / 32 * 1 / 32 / 30) ** 0.5))
