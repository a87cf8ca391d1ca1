"""Wasserstein distances against POT, SciPy, closed forms and repeated draws."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import ot
import pytest
import torch
from scipy.stats import wasserstein_distance_nd
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.metrics.transport import MOST, Distance, sliced_wasserstein, wasserstein
from triptych.noise import Noise


def drawn(n: int, dims: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return shift + scale * torch.randn(n, dims, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m", "dims"), [(50, 50, 3), (60, 40, 5), (7, 1, 2), (33, 21, 1), (20, 20, 100)])
def test_both_are_those_of_pot_with_equal_and_unequal_numbers(n: int, m: int, dims: int) -> None:
    a, b = drawn(n, dims, 0), drawn(m, dims, 1, 0.3, 1.5)
    first, second = a.double().numpy(), b.double().numpy()
    assert wasserstein(a, b).value == pytest.approx(math.sqrt(ot.emd2([], [], ot.dist(first, second))), rel=1e-9)
    directions = Noise.of(3).normal((40, dims)).double()
    directions /= directions.norm(dim=1, keepdim=True)
    sliced = ot.sliced_wasserstein_distance(first, second, projections=directions.T.numpy())
    assert sliced_wasserstein(a, b, projections=40, seed=3).value == pytest.approx(sliced, rel=1e-9)


def test_projections_are_uniform_on_the_sphere() -> None:
    """Of a shift d of F dimensions W² along θ is (θᵀd)², |d|² / F in the mean."""
    a = drawn(1, 4, 0)
    found = sliced_wasserstein(a, a + torch.tensor([3.0, 0.0, 0.0, 4.0]), projections=20_000)
    assert found.value == pytest.approx(5 / math.sqrt(4), abs=4 * found.error)
    assert 0 < found.error < 0.03, "of one example each only the directions vary"


def test_on_a_line_both_are_the_distance_of_quantiles() -> None:
    """W² of N(0, 1) and N(m, s²) is m² + (1 - s)²; quantiles of many are near it."""
    levels = torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(1000) + 0.5) / 1000)[:, None]
    for found in (wasserstein(levels, 2 * levels + 3), sliced_wasserstein(levels, 2 * levels + 3, projections=3)):
        assert found.value == pytest.approx(math.sqrt(9 + 1), rel=2e-3)


def test_exact_transport_of_order_2_is_at_least_that_of_order_1() -> None:
    a, b = drawn(30, 3, 0), drawn(30, 3, 1)
    assert wasserstein(a, b).value > wasserstein_distance_nd(a.numpy(), b.numpy())


@pytest.mark.parametrize(
    ("shift", "scale", "low", "high"), [(0.0, 1.0, 0.9, 1.8), (1.0, 1.0, 0.8, 1.25), (0.0, 2.0, 0.75, 1.3)]
)
@pytest.mark.parametrize("dims", [1, 8])
@pytest.mark.parametrize("distance", [sliced_wasserstein, wasserstein])
def test_the_error_is_the_deviation_of_repeated_draws(
    distance: Callable[..., Distance], dims: int, shift: float, scale: float, low: float, high: float
) -> None:
    """Also where both sets are of one law, where it may be too large by half."""
    options = [{"projections": 32, "seed": k} if distance is sliced_wasserstein else {} for k in range(80)]
    found = [
        distance(drawn(60, dims, 2 * k), drawn(40, dims, 2 * k + 1, shift, scale), **options[k]) for k in range(80)
    ]
    values, errors = np.array(found).T
    assert low < errors.mean() / values.std(ddof=1) < high


def test_degenerate_sets_have_a_distance() -> None:
    a, constant = drawn(10, 3, 0), torch.ones(10, 3)
    for distance in (sliced_wasserstein, wasserstein):
        assert distance(a, a.flip(0)) == pytest.approx((0, 0), abs=1e-9)
        assert distance(constant, constant) == pytest.approx((0, 0), abs=1e-9)
        assert math.isfinite(distance(a[:1], constant[:1]).error)
    gap = (a[0] - 1).norm().item()
    assert wasserstein(a[:1], constant[:1]).value == pytest.approx(gap)


def test_memory_and_time_are_bounded() -> None:
    start = time.process_time()
    sliced_wasserstein(drawn(5000, 64, 0), drawn(4999, 64, 1), projections=64)
    assert time.process_time() - start < 10


def test_what_has_no_distance_is_refused() -> None:
    a = torch.zeros(4, 2)
    for distance in (sliced_wasserstein, wasserstein):
        for x, y in ((a, torch.zeros(4, 3)), (a, torch.zeros(0, 2)), (a[0], a)):
            with pytest.raises(DataError, match="expected"):
                distance(x, y)
        with pytest.raises(DataError, match="not finite"):
            distance(a, a / 0)
    with pytest.raises(DataError, match="1,001 to 1,001 examples: expected at most 1,000 of each; take fewer"):
        wasserstein(torch.zeros(MOST + 1, 2), torch.zeros(MOST + 1, 2))
    with pytest.raises(DataError, match="common multiple"):
        wasserstein(torch.zeros(101, 2), torch.zeros(100, 2))
    with pytest.raises(ConfigurationError, match="expected at least 1"):
        sliced_wasserstein(a, a, projections=0)
