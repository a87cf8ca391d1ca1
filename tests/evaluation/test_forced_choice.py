"""The fooling rate: its interval against SciPy's, and how often it covers the truth where answers go together."""

import pytest
import torch
from scipy.stats import binomtest

from triptych.errors import DataError
from triptych.metrics.forced_choice import fooling_rate


def one_person(fooled):
    return fooling_rate(fooled, ["a"] * len(fooled), [str(i) for i in range(len(fooled))], "2afc-50")


@pytest.mark.parametrize(("count", "n"), [(0, 50), (1, 50), (25, 50), (49, 50), (50, 50), (0, 1), (3, 7)])
def test_of_independent_answers_the_interval_is_clopper_and_pearsons(count, n):
    found = one_person(torch.arange(n) < count)
    exact = binomtest(count, n).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((100 * exact.low, 100 * exact.high), abs=1e-9)
    assert found.figure.value == pytest.approx(100 * count / n) and found.figure.protocol == "2afc-50"
    assert (found.answers, found.people, found.pairs) == (n, 1, n)


def test_the_error_is_the_spread_over_repeats():
    draws = torch.rand(2000, 50, generator=torch.Generator().manual_seed(0)) < 0.3
    found = [one_person(row).figure for row in draws]
    spread = torch.tensor([figure.value for figure in found]).std()
    mean = sum(figure.error for figure in found) / len(found)
    assert mean == pytest.approx(float(spread), rel=0.05)


@pytest.mark.parametrize(("person_spread", "pair_spread"), [(1.5, 0.0), (0.0, 1.5), (1.0, 1.0), (0.0, 0.0)])
def test_the_interval_covers_the_truth_where_people_and_pairs_differ(person_spread, pair_spread):
    """The truth is of all people and pairs; counted as independent, answers of 12 people on 40 pairs seem too sure."""
    generator = torch.Generator().manual_seed(1)

    def chances(people, pairs):
        person = person_spread * torch.randn(people, 1, generator=generator)
        return torch.sigmoid(person + pair_spread * torch.randn(1, pairs, generator=generator))

    truth = 100 * float(chances(3000, 3000).mean())
    people, pairs = [str(i // 40) for i in range(480)], [str(i % 40) for i in range(480)]
    covered = naive = 0
    for _ in range(150):
        p = chances(12, 40)
        fooled = (torch.rand(p.shape, generator=generator) < p).flatten()
        found = fooling_rate(fooled, people, pairs)
        covered += found.low <= truth <= found.high
        alone = binomtest(int(fooled.sum()), 480).proportion_ci(0.95, "exact")
        naive += 100 * alone.low <= truth <= 100 * alone.high
    assert covered >= 0.88 * 150
    assert naive < 0.75 * 150 or person_spread == pair_spread == 0


def test_where_all_answers_agree_each_pair_counts_once():
    found = fooling_rate(torch.zeros(200, dtype=torch.bool), list("abcd") * 50, [str(i // 4) for i in range(200)])
    assert found.high == pytest.approx(100 * binomtest(0, 50).proportion_ci(0.95, "exact").high)
    assert found.low == 0 and found.figure.value == 0 and found.figure.error > 0


@pytest.mark.parametrize(("count", "said"), [(5, "below 50 %"), (25, "50 % is inside"), (45, "above 50 %")])
def test_it_says_what_the_interval_says_of_chance(count, said):
    assert one_person(torch.arange(50) < count).said.startswith(said)


def test_answers_are_needed_and_as_many_of_each():
    with pytest.raises(DataError, match="expected one of each"):
        fooling_rate(torch.zeros(0, dtype=torch.bool), [], [])
    with pytest.raises(DataError, match="2 answers of 1 people on 2 pairs"):
        fooling_rate(torch.tensor([True, False]), ["a"], ["1", "2"])


def test_what_two_people_share_is_by_hand() -> None:
    """Of e = ±½ both sums over a person's four answers are ±1: d = 2/1 · (1 + 1) / (8 · ¼) = 2, and 8 count as 4."""
    fooled = torch.tensor([True, True, True, False, False, False, False, True])
    found = fooling_rate(fooled, ["a"] * 4 + ["b"] * 4, list("12345678"))
    assert found.figure.error == pytest.approx(100 * (0.25 / 4) ** 0.5)
