"""Near-copies: replayed training data is caught, unseen data sets the yardstick, noise copies nothing."""

from __future__ import annotations

import math

import pytest
import torch

from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import novelty
from triptych.evaluation.novelty import nearest, share, threshold
from triptych.event import Event

Split = tuple[Examples, Examples]


@pytest.fixture
def limit(digits: Split) -> float:
    train, test = digits
    return threshold(nearest(test.data, train.data, train.event).relative)


def test_replayed_training_data_is_all_copies(digits: Split, limit: float) -> None:
    train, _ = digits
    found = nearest(train.data[100:300], train.data, train.event)
    assert found.distance.max() == 0
    assert bool((train.data[found.index] == train.data[100:300]).all())
    assert share(found.relative, limit).value == 100


def test_slightly_changed_training_data_is_caught(digits: Split, limit: float) -> None:
    train, _ = digits
    changed = train.data[:200].clone()
    changed[:, :, 0, 0] = 1  # one level in one pixel
    assert share(nearest(changed, train.data, train.event).relative, limit).value == 100


def test_unseen_data_is_about_one_percent(digits: Split, limit: float) -> None:
    train, test = digits
    assert share(nearest(test.data, train.data, train.event).relative, limit).value == pytest.approx(1, abs=0.3)
    # And data that the threshold was not made from: another split of what is left.
    rest = nearest(train.data[:400], train.data[400:], train.event).relative
    assert (share(rest, limit).value or 0) < 3


def test_noise_copies_nothing(digits: Split, limit: float) -> None:
    train, _ = digits
    noise = torch.randint(17, (300, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    figure = share(nearest(noise, train.data, train.event).relative, limit)
    assert figure.value == 0
    assert figure.error and 0 < figure.error < 1


def test_blurred_and_empty_samples_are_no_copies(digits: Split, limit: float) -> None:
    # They may lie near to training data, but to no example in particular.
    train, _ = digits
    groups = train.data[:1000].view(50, 20, 1, 8, 8).float().mean(1).round().to(torch.uint8)
    found = nearest(groups, train.data, train.event)
    assert share(found.relative, limit).value == 0
    assert share(nearest(torch.zeros_like(groups), train.data, train.event).relative, limit).value == 0


def test_duplicates_between_the_splits_leave_exact_copies_only(digits: Split) -> None:
    train, test = digits
    polluted = torch.cat([test.data[:300], train.data[:60]])
    held_out = nearest(polluted, train.data, train.event).relative
    assert threshold(held_out) == 0
    assert share(held_out, 0.0).value == pytest.approx(100 * 60 / 360, abs=0.5)
    assert share(nearest(train.data[:50], train.data, train.event).relative, 0.0).value == 100
    changed = train.data[:50].clone()
    changed[:, :, 0, 0] = 1
    assert share(nearest(changed, train.data, train.event).relative, 0.0).value == 0


def test_agrees_with_brute_force_in_any_chunks(digits: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = digits
    scaled = [train.event.scaled(part.data).flatten(1).double() for part in (test, train)]
    distance = (scaled[0][:, None] - scaled[1][None]).square().sum(2).sqrt().min(1).values
    for chunk in (1 << 24, 5000):
        monkeypatch.setattr(novelty, "_CHUNK", chunk)
        assert torch.allclose(nearest(test.data, train.data, train.event).distance.double(), distance, rtol=1e-6)


def test_a_tie_goes_to_the_first_example() -> None:
    reference = torch.tensor([[5.0], [1.0], [1.0], [3.0]])
    assert nearest(torch.tensor([[1.0], [2.0]]), reference, Event((1,))).index.tolist() == [1, 1]


def test_share_has_the_binomial_error() -> None:
    figure = share(torch.tensor([0.0] * 30 + [1.0] * 70), 0.5)
    q = 31 / 102
    assert figure.value == 30
    assert figure.error == pytest.approx(100 * math.sqrt(q * (1 - q) / 100))


def test_bad_input() -> None:
    event = Event((1,))
    with pytest.raises(DataError, match="no reference"):
        nearest(torch.ones(2, 1), torch.ones(0, 1), event)
    with pytest.raises(DataError, match="not finite"):
        nearest(torch.tensor([[math.nan]]), torch.ones(3, 1), event)
