"""Modes covered, and in what shares: by hand, of the mixtures themselves, and over repeated draws."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.stats import entropy

from triptych.data import load, toy_modes
from triptych.errors import DataError
from triptych.metrics.modes import covered, expected_covered, modes_covered, reverse_divergence


def test_by_hand() -> None:
    """Three modes: one has a sample at 2.9 σ, one has none but at 3.1 σ, one has two samples."""
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    samples = torch.tensor([[0.029, 0.0], [1.0, 0.031], [0.0, 1.0], [0.01, 1.0]])
    assert modes_covered(samples, centres, 0.01) == pytest.approx((2, 3, 0.75))


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_of_the_data_themselves(name: str, modes: int) -> None:
    """The share within 3 σ of a round Gaussian in the plane is 1 - e^(-9/2)."""
    centres, spread = toy_modes(name)
    test = load(name, progress=False)[1]
    covered, of, good = modes_covered(test.data, centres, spread)
    share = 1 - math.exp(-4.5)
    assert covered == of == modes
    assert abs(good - share) < 4 * math.sqrt(share * (1 - share) / len(test))


def test_one_mode_is_one_mode() -> None:
    """However many samples there are."""
    centres, spread = toy_modes("grid")
    assert modes_covered(centres[:1].expand(100, 2), centres, spread) == (1, 25, 1)


def test_nothing_to_count() -> None:
    """Refused in one line."""
    centres, spread = toy_modes("ring")
    for samples in (torch.zeros(0, 2), torch.zeros(5, 3)):
        with pytest.raises(DataError, match="expected"):
            modes_covered(samples, centres, spread)


def test_coverage_is_counted_and_expected_as_by_brute_force() -> None:
    share = torch.tensor([0.7, 0.2, 0.1, 0.0])
    assert covered(torch.tensor([5, 0, 2, 1]), 8)[0] == 3
    brute = sum(
        math.prod(share[k].item() for k in draw) * len(set(draw)) for draw in itertools.product(range(4), repeat=5)
    )
    assert expected_covered(share, 5) == pytest.approx(brute)


def repeated(share: torch.Tensor, n: int, times: int = 200) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    rows = torch.multinomial(share, n * times, replacement=True, generator=generator).reshape(times, n)
    return [torch.bincount(row, minlength=len(share)) for row in rows]


@pytest.mark.parametrize("n", [100, 300, 1000])
@pytest.mark.parametrize("uneven", [0.0, 1.0])
def test_the_error_of_coverage_is_the_deviation_of_repeated_draws(n: int, uneven: float) -> None:
    noise = torch.randn(300, generator=torch.Generator().manual_seed(1))
    share = torch.softmax(uneven * noise, 0).double()
    values, errors = torch.tensor([covered(counts, n) for counts in repeated(share, n)], dtype=torch.double).T
    assert values.mean().item() == pytest.approx(expected_covered(share, n), abs=4 * values.std().item() / 200**0.5)
    assert 0.8 < errors.square().mean().sqrt() / values.std() < 1.25


def test_modes_with_many_samples_are_covered_for_sure() -> None:
    assert covered(torch.full((8,), 20), 160) == (8, 0)
    assert covered(torch.zeros(8, dtype=torch.long), 160) == (0, 0)


def test_reverse_divergence_is_scipys_and_that_of_one_mode_is_log_k() -> None:
    counts, share = torch.tensor([3, 5, 0, 12]), torch.tensor([0.1, 0.2, 0.3, 0.4]).double()
    value, _ = reverse_divergence(counts, share)
    assert value == pytest.approx(entropy(counts.numpy(), share.numpy()))
    assert reverse_divergence(torch.tensor([9] + [0] * 7), torch.full((8,), 1 / 8))[0] == pytest.approx(math.log(8))


@pytest.mark.parametrize(("uneven", "high"), [(0.0, 1.75), (1.0, 1.35)])
def test_the_error_of_the_divergence_is_the_deviation_of_repeated_draws(uneven: float, high: float) -> None:
    """And its mean exceeds the true divergence by about (K - 1) / 2n."""
    uniform = torch.full((50,), 0.02).double()
    share = torch.softmax(uneven * torch.randn(50, generator=torch.Generator().manual_seed(1)), 0).double()
    found = [reverse_divergence(counts, uniform) for counts in repeated(share, 500)]
    values, errors = torch.tensor(found, dtype=torch.double).T
    assert 0.85 < errors.mean() / values.std() < high
    truth = entropy(share.numpy(), uniform.numpy())
    assert values.mean().item() - truth == pytest.approx(49 / 1000, rel=0.25)


def test_the_jackknife_is_the_one_that_leaves_out_each_sample() -> None:
    counts, share = torch.tensor([1, 4, 2]), torch.tensor([0.5, 0.25, 0.25]).double()
    left = []
    for k in (0, 1, 1, 1, 1, 2, 2):
        fewer = counts.clone()
        fewer[k] -= 1
        left.append(reverse_divergence(fewer, share)[0])
    deviation = torch.tensor(left).double().var(correction=0).item() * 6
    assert reverse_divergence(counts, share)[1] == pytest.approx(math.sqrt(deviation), rel=1e-6)


def test_samples_where_the_data_have_none_are_refused() -> None:
    for counts in (torch.tensor([1, 1]), torch.tensor([0, 0])):
        with pytest.raises(
            DataError, match="samples of 2 modes: a divergence expects 2 or more, where the data have some"
        ):
            reverse_divergence(counts, torch.tensor([1.0, 0.0]))
