"""Duplicates inside the data: planted ones are found, where there are none none are, and a leak is told."""

from __future__ import annotations

import re

import pytest
import torch

from triptych.data import Examples
from triptych.evaluation import Protocol, Subject
from triptych.evaluation.studies import duplicates as module
from triptych.evaluation.studies.duplicates import between, duplicates, first_equal, leak, within
from triptych.evaluation.studies.registry import find_study
from triptych.event import Event

Split = tuple[Examples, Examples]


def normal(n: int, dims: int, seed: int = 0) -> Examples:
    return Examples(torch.randn(n, dims, generator=torch.Generator().manual_seed(seed)), Event((dims,)))


@pytest.mark.parametrize("dims", [1, 2, 10, 40])
def test_independent_draws_have_no_duplicates(dims: int) -> None:
    found = within(normal(1500, dims))
    assert len(found.exact) == len(found.near) == 0 and found.looked_for == found.queries == 1500
    assert len(between(normal(500, dims, 1), normal(1500, dims)).near) == 0


@pytest.mark.parametrize(("dims", "noise"), [(3, 1e-4), (10, 0.02), (40, 0.1)])
def test_planted_duplicates_are_found(dims: int, noise: float) -> None:
    examples = normal(1000, dims)
    moved = noise * torch.randn(30, dims, generator=torch.Generator().manual_seed(1))
    examples.data[500:530] = examples.data[:30] + moved
    examples.data[600:607] = examples.data[100:107]
    found = within(examples)
    assert found.exact.tolist() == [[600 + k, 100 + k] for k in range(7)]
    assert len(found.near) >= 28 and all(a - b == 500 for a, b in found.near.tolist())


def test_many_copies_of_one_example_do_not_hide_each_other() -> None:
    examples = normal(1000, 10)
    examples.data[:12] = examples.data[0] + 0.01 * torch.randn(12, 10, generator=torch.Generator().manual_seed(1))
    touched = set(within(examples).near.flatten().tolist())
    assert touched == set(range(12))


def test_digits_have_none_and_a_leak_is_found(digits: Split) -> None:
    train, test = digits
    assert len(within(train).near) == len(within(train).exact) == 0
    clean = Protocol.prepare(train, test, extractor="pixels")
    assert leak(clean) is None
    leaked = Examples(test.data.clone(), test.event)
    leaked.data[:40] = train.data[50:90]
    leaked.data[40:60] = train.data[200:220]
    leaked.data[40:60, :, 0, 0] = 1  # nearly
    found = between(leaked, train)
    assert found.exact.tolist() == [[k, 50 + k] for k in range(40)]
    near = len(found.near)  # one level in one pixel is found where the neighbourhood is not of few dimensions
    assert near >= 16 and all(b - a == 160 for a, b in found.near.tolist())
    told = leak(Protocol.prepare(Examples(train.data, train.event), leaked, extractor="pixels"))
    assert told is not None and told.startswith("the splits leak: 16.")
    assert "of 360 test examples" in told and re.search(r"\(40 exactly, (1[6-9]|20) nearly\)", told)


def test_one_in_a_hundred_is_not_yet_a_leak(digits: Split) -> None:
    train, test = digits
    leaked = Examples(test.data.clone(), test.event)
    leaked.data[:3] = train.data[:3]  # 0.8 %
    assert leak(Protocol.prepare(Examples(train.data, train.event), leaked, extractor="pixels")) is None
    leaked.data[3:23] = train.data[200:220]
    leaked.data[3:23, :, 0, 0] = 1
    told = leak(Protocol.prepare(Examples(train.data, train.event), leaked, extractor="pixels"))
    assert told is not None and "(3 exactly," in told, "near ones count as well"


def test_the_study_counts(digits: Split) -> None:
    train, test = digits
    doubled = Examples(torch.cat([train.data, train.data[:144]]), train.event)
    table = find_study("duplicates")(Subject(None, Protocol.prepare(doubled, test, extractor="pixels")))
    counted, share = table.rows["training, exact"]
    assert (counted.value, share.protocol) == (144, "exact-duplicates@train-1581")
    assert share.value == pytest.approx(100 * 144 / 1581)
    assert [row[0].value for row in table.rows.values()] == [144, 0, 0, 0]
    assert "train 1437 equals train 0" in table.note
    assert table.columns == ("examples", "share, %") and duplicates.__name__ == "duplicates"


def test_binary_images_whose_distances_tie_are_no_duplicates() -> None:
    drawn = torch.rand(1500, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    examples = Examples((drawn < 0.5).to(torch.uint8), Event((1, 5, 5), 2))
    found = within(examples)
    assert len(found.near) == 0
    assert len(found.exact) == len(examples) - len(torch.unique(examples.data.flatten(1), dim=0))


@pytest.mark.parametrize("n", [1, 2, 5, 60])
def test_constant_and_few_examples_are_finite(n: int) -> None:
    constant = Examples(torch.full((n, 1, 8, 8), 3, dtype=torch.uint8), Event((1, 8, 8), 17))
    found = within(constant)
    assert len(found.exact) == n - 1 and len(found.near) == 0
    assert len(between(constant, constant).exact) == n
    assert len(within(normal(n, 3)).near) == 0


def test_minus_zero_is_zero() -> None:
    assert first_equal(torch.tensor([[0.0, 1.0], [-0.0, 1.0]])).tolist() == [-1, 0]


def test_the_same_in_any_chunks_and_of_drawn_queries(digits: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    train, _ = digits
    planted = Examples(torch.cat([train.data, train.data[:100]]), train.event)
    planted.data[-100:, :, 0, 0] = 1
    whole = within(planted)
    assert 75 <= len(whole.near) <= 100
    for name, value in {"_AT_ONCE": 100, "_CHUNK": 7}.items():
        monkeypatch.setattr(module, name, value)
    assert torch.equal(within(planted).near, whole.near)
    monkeypatch.setattr(module, "_WORK", 300 * len(planted) * 64)
    drawn = within(planted)
    assert drawn.looked_for == 300 and 0 < len(drawn.near) < len(whole.near)
    assert torch.equal(within(planted).near, drawn.near) and not torch.equal(within(planted, seed=1).near, drawn.near)
