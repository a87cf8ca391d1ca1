"""The classifier two-sample test against Bayes' accuracy, the binomial law, and what it must and must not see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, norm
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.metrics.two_sample import CLASSIFIERS, two_sample


def drawn(n: int, seed: int, shift: float = 0.0) -> Tensor:
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(seed))
    x[:, 0] += shift
    return x


@pytest.mark.parametrize("classifier", CLASSIFIERS)
@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_two_gaussians_are_told_apart_as_well_as_they_can_be(classifier: str, shift: float) -> None:
    """Bayes' accuracy of a shift d is Φ(d / 2); the regression reaches it, neighbours come near it from below."""
    told = two_sample(drawn(2000, 0), drawn(2000, 1, shift), classifier=classifier)
    best, error = norm.cdf(shift / 2), 0.5 / told.of**0.5
    assert told.of == 2000
    assert best - (3 if classifier == "logistic" else 6) * error < told.correct / told.of < best + 3 * error


def test_the_p_value_is_the_binomial_one() -> None:
    told = two_sample(drawn(100, 0), drawn(100, 1, 0.5))
    assert told.p_value == pytest.approx(binomtest(told.correct, told.of, 0.5, alternative="greater").pvalue)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_draws_of_one_law_are_told_as_by_guessing(classifier: str) -> None:
    """The mean is ½, the deviation the binomial one, and p-values below 5 % come in about 5 % of all draws."""
    found = [two_sample(drawn(60, 2 * k), drawn(60, 2 * k + 1), classifier=classifier, seed=k) for k in range(100)]
    shares = np.array([told.correct / told.of for told in found])
    deviation = 0.5 / found[0].of ** 0.5
    assert abs(shares.mean() - 0.5) < 4 * deviation / 10
    assert 0.75 < shares.std(ddof=1) / deviation < 1.3
    assert sum(told.p_value < 0.05 for told in found) <= 15


def test_neighbours_see_what_no_line_separates() -> None:
    ring = torch.nn.functional.normalize(drawn(400, 0))
    far, near = 3 * ring[:200], ring[200:]
    assert two_sample(far, near, classifier="neighbours").p_value < 1e-30
    assert two_sample(far, near, classifier="logistic").p_value > 1e-3


def test_unequal_numbers_do_not_help_a_guess() -> None:
    told = two_sample(drawn(1000, 0), drawn(100, 1))
    assert told.of == 100 and told.p_value > 1e-3


def test_degenerate_sets() -> None:
    constant = torch.ones(20, 3)
    for classifier in CLASSIFIERS:
        told = two_sample(constant, constant, classifier=classifier)
        assert (told.correct, told.of) == (10, 20), "one answer for all is right half the time"
        x = drawn(300, 0)
        assert two_sample(x, x, classifier=classifier).p_value > 0.5, "nothing tells a set from itself"
        assert two_sample(x, x + 50, classifier=classifier).correct == 300


def test_one_seed_one_answer() -> None:
    first, again, other = (two_sample(drawn(100, 0), drawn(100, 1, 0.3), seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_what_cannot_be_tested_is_refused() -> None:
    x = torch.zeros(8, 2)
    with pytest.raises(DataError, match="3 and 8 examples: a two-sample test expects at least 4"):
        two_sample(x[:3], x)
    with pytest.raises(DataError, match="expected"):
        two_sample(x, torch.zeros(8, 3))
    with pytest.raises(DataError, match="not finite"):
        two_sample(x, x / 0)
    with pytest.raises(ConfigurationError, match="neighbours"):
        two_sample(x, x, classifier="neighbour")
