"""Near-copies: replayed training data is caught, unseen data sets the yardstick, noise copies nothing."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import METRICS, Protocol, Subject
from triptych.evaluation.asked import read_asked
from triptych.event import Event
from triptych.metrics import novelty
from triptych.metrics.novelty import copies, nearest, share, threshold

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


def test_neighbours_of_features_are_scikit_learns() -> None:
    from sklearn.neighbors import NearestNeighbors

    generator = torch.Generator().manual_seed(0)
    features, queries = (torch.randn(n, 7, generator=generator) for n in (300, 40))
    found = nearest(queries, features, Event((7,)))
    distance, index = NearestNeighbors(n_neighbors=50).fit(features).kneighbors(queries)
    assert found.index.tolist() == index[:, 0].tolist()
    assert torch.allclose(found.around.double(), torch.tensor(distance), rtol=1e-4)
    assert torch.allclose(found.relative.double(), torch.tensor(distance[:, 0] / distance.mean(1)), rtol=1e-4)
    assert found.closest(5).tolist() == found.relative.argsort()[:5].tolist()
    # An example among its own kind: the nearest other.
    own = torch.arange(40, 90)
    among = nearest(features[own], features, Event((7,)), own)
    distance, index = NearestNeighbors(n_neighbors=51).fit(features).kneighbors(features[own])
    assert among.index.tolist() == index[:, 1].tolist()
    assert torch.allclose(among.around.double(), torch.tensor(distance[:, 1:]), rtol=1e-4)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_examples_have_their_others(n: int) -> None:
    x = torch.arange(float(n))[:, None]
    if n == 1:
        with pytest.raises(DataError, match="no reference"):
            nearest(x, x, Event((1,)), torch.arange(1))
        return
    found = nearest(x, x, Event((1,)), torch.arange(n))
    assert found.distance.tolist() == pytest.approx([1] * n) and found.around.shape == (n, n - 1)


@pytest.mark.parametrize(("n", "unseen", "power"), [(360, 360, 1), (1000, 100, 1), (300, 300, 2)])
def test_the_error_of_a_share_is_its_spread_over_repeats(n: int, unseen: int, power: int) -> None:
    """Of samples like unseen data (power 1), or of which more lie near to training data; both sets are drawn anew."""
    generator = torch.Generator().manual_seed(n)
    drawn = [
        copies(torch.rand(n, generator=generator) ** power, torch.rand(unseen, generator=generator)) for _ in range(400)
    ]
    spread = torch.tensor([figure.value for figure in drawn]).double().std()
    told = torch.tensor([figure.error for figure in drawn]).double().square().mean().sqrt()
    assert 1.0 <= told / spread <= 1.6


def altered(train: Examples) -> dict[str, Examples]:
    """Return 300 training digits, replayed in several ways."""
    x = train.data[:300].float()
    noise = 16 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    ways = {
        "as they are": x,
        "noise": x + 0.05 * noise,
        "shift": x.roll(1, -1),
        "brighter": 1.2 * x,
        "darker": 0.6 * x,
        "mixed": (x + x.roll(1, 0)) / 2,
        "noise alone": (16 * torch.rand(x.shape, generator=torch.Generator().manual_seed(1))),
    }
    return {way: Examples(y.round().clamp(0, 16).to(torch.uint8), train.event) for way, y in ways.items()}


@pytest.mark.parametrize(
    ("metric", "caught", "not_caught"),
    [
        ("near-copies", ("as they are", "noise", "brighter"), ("shift", "darker")),
        ("feature-copies", ("as they are", "noise"), ("shift", "darker")),
        ("altered-copies", ("as they are", "noise", "brighter", "shift", "darker"), ()),
    ],
)
def test_which_metric_catches_which_replay(
    metric: str, caught: tuple[str, ...], not_caught: tuple[str, ...], digits: Split, cache: Path
) -> None:
    protocol = Protocol.prepare(*digits, data="digits", extractor="auto", cache=cache, samples=300)
    subjects = {way: Subject(samples, protocol) for way, samples in altered(digits[0]).items()}
    figures = {way: METRICS[metric](subject) for way, subject in subjects.items()}
    shares = {way: figure.value or 0.0 for way, figure in figures.items()}
    assert all(shares[way] > 75 for way in caught), shares
    assert all(shares[way] < 5 for way in (*not_caught, "mixed", "noise alone")), shares
    assert (METRICS[metric](Subject(protocol.real, protocol)).value or 0) < 3
    told = figures["noise"].protocol
    again = read_asked(told).of(protocol, cache)
    assert METRICS[metric](subjects["noise"].under(again)) == figures["noise"]


def test_worst_offenders_by_features_are_those_that_were_planted(digits: Split) -> None:
    train, test = digits
    samples = Examples(test.data[:100].clone(), test.event)
    samples.data[[7, 42, 99]] = train.data[[500, 600, 700]]
    found = Subject(samples, Protocol.prepare(train, test, extractor="pixels")).nearest_by_features
    assert found.closest(3).tolist() == [7, 42, 99] and found.index[[7, 42, 99]].tolist() == [500, 600, 700]
    assert found.distance[[7, 42, 99]].tolist() == [0] * 3


def test_where_unseen_data_lie_on_training_data_copies_cannot_be_told() -> None:
    event = Event((1, 8, 8), 17)
    constant = Examples(torch.full((50, 1, 8, 8), 3, dtype=torch.uint8), event)
    protocol = Protocol.prepare(constant, constant, extractor="pixels")
    for name in ("near-copies", "feature-copies", "altered-copies"):
        figure = METRICS[name](Subject(None, protocol))
        assert figure.value is None and "100 % of unseen test examples lie on a training example" in figure.note
    assert protocol.held_out_copies.value is None, "where copies cannot be told, the yardstick tells nothing either"


def test_vectors_have_no_shifts_and_copies_all_the_same() -> None:
    drawn = Examples(torch.randn(400, 3, generator=torch.Generator().manual_seed(0)), Event((3,)))
    protocol = Protocol.prepare(drawn[:300], drawn[300:])
    assert METRICS["feature-copies"](Subject(None, protocol)).value == 100
    assert METRICS["near-copies"](Subject(drawn[300:], protocol)).value == pytest.approx(1)
    assert "images from 8×8 on, not of a vector of 3" in METRICS["altered-copies"](Subject(None, protocol)).note


@pytest.mark.parametrize("shape", [(3, 40, 36), (1, 8, 9)])
def test_shifts_of_larger_and_coloured_images(shape: tuple[int, ...]) -> None:
    data = torch.randint(256, (60, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    data = torch.nn.functional.avg_pool2d(data.float(), 3, 1, 1).to(torch.uint8)
    train, test = Examples(data[:40], Event(shape, 256)), Examples(data[40:], Event(shape, 256))
    protocol = Protocol.prepare(train, test, extractor="pixels")
    dimmed = Examples((train.data[:20].roll((1, -1), (-1, -2)) * 0.7 + 20).to(torch.uint8), train.event)
    assert METRICS["altered-copies"](Subject(dimmed, protocol)).value == 100
