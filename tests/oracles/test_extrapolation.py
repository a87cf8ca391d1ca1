"""The extrapolated Fréchet distance against Gaussians whose distance is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from triptych.evaluation.studies.extrapolation import Bias, frechet_bias
from triptych.evaluation.subject import Unanswered
from triptych.metrics.distances import frechet_distance


def normal(n: int, dims: int, seed: int) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def repeated(n: int, dims: int, shift: float, times: int) -> list[Bias]:
    return [frechet_bias(normal(n, dims, 2 * i), normal(n, dims, 2 * i + 1) + shift, seed=i) for i in range(times)]


@pytest.mark.parametrize(("n", "dims", "shift"), [(300, 4, 0.0), (250, 16, 0.3)])
def test_the_limit_is_the_distance_of_the_gaussians(n: int, dims: int, shift: float) -> None:
    truth, found = dims * shift**2, repeated(n, dims, shift, 30)
    limits = torch.tensor([bias.infinite.value for bias in found])
    deviation = float(limits.std())
    assert float(limits.mean()) == pytest.approx(truth, abs=4 * deviation / math.sqrt(30) + 0.01)
    finite = torch.tensor([[d.value for d in bias.distances] for bias in found]).mean(0)
    assert finite.diff().min() > 0 and finite[0] > truth  # the fewer the further
    error = sum(bias.infinite.error or 0 for bias in found) / 30
    assert deviation / 1.3 < error < deviation * 1.8


def test_errors_at_each_n_are_those_of_repeated_draws() -> None:
    found = repeated(240, 6, 0.4, 35)
    for index in range(len(found[0].sizes)):
        deviation = float(torch.tensor([bias.distances[index].value for bias in found]).std())
        error = sum(bias.distances[index].error or 0 for bias in found) / 35
        assert deviation / 1.4 < error < deviation * 1.7


def test_the_first_distance_is_that_of_all_examples() -> None:
    a, b = normal(100, 3, 1), normal(120, 3, 2) + 1
    found = frechet_bias(a, b[:100])
    assert found.sizes[0] == 100
    assert found.distances[0].value == pytest.approx(frechet_distance(a, b[:100]), rel=1e-9)
    assert frechet_bias(a, b).sizes == found.sizes


def test_as_many_sizes_as_there_are_examples_for() -> None:
    assert frechet_bias(normal(40, 10, 1), normal(40, 10, 2)).sizes == (40, 20)
    with pytest.raises(Unanswered, match="on 10 features it takes 40 samples to see the bias: there are 39"):
        frechet_bias(normal(39, 10, 1), normal(50, 10, 2))


def test_constant_features_are_at_no_distance() -> None:
    same = torch.ones(60, 3)
    assert frechet_bias(same, same).infinite == pytest.approx((0.0, 0.0), abs=1e-9)
