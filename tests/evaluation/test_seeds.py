"""Figures over trainings: a mean whose error holds, whatever part of it the trainings share."""

from __future__ import annotations

import math

import pytest
import torch

from triptych.metrics import Figure
from triptych.metrics.seeds import over_seeds


def test_the_error_covers_the_truth() -> None:
    """Trainings differ, and all are measured on one test set: both must be in the error, and no more than both."""
    generator = torch.Generator().manual_seed(0)
    seeds, examples, spread, noise = 4, 50, 1.0, 6.0
    scores = []
    for _ in range(2000):
        trained = spread * torch.randn(seeds, generator=generator)
        test = noise * torch.randn(examples, generator=generator)  # the same for all trainings
        error = float(test.std()) / examples**0.5
        figure = over_seeds([Figure(float(one + test.mean()), error, "nats", "exact") for one in trained])
        assert figure.value is not None and figure.error is not None
        scores.append(figure.value / figure.error)
    assert float(torch.tensor(scores).std()) == pytest.approx(1.0, abs=0.1)


def test_of_what_trainings_do_not_share_the_square_is_too_large_by_that_of_one_error() -> None:
    """Equal trainings, each measured anew: the mean's variance is ē² / S, and ē² / S + ē² is said."""
    generator = torch.Generator().manual_seed(1)
    values, squares = [], []
    for _ in range(1000):
        figure = over_seeds([Figure(float(x), 1.0) for x in torch.randn(4, generator=generator)])
        assert figure.value is not None and figure.error is not None
        values.append(figure.value)
        squares.append(figure.error**2)
    assert float(torch.tensor(values).var()) == pytest.approx(1 / 4, rel=0.15)
    assert float(torch.tensor(squares).mean()) == pytest.approx(1 / 4 + 1, rel=0.05)


def test_the_protocol_says_how_many_trainings() -> None:
    pair = [Figure(1.0, 0.3, "%", "fid-9"), Figure(3.0, 0.4, "%", "fid-9")]
    found = over_seeds(pair)
    assert (found.value, found.unit, found.protocol) == (pytest.approx(2), "%", "fid-9|2-seeds")
    assert found.error == pytest.approx(math.sqrt(2 / 2 + (0.09 + 0.16) / 2))
    lost = Figure(None, note="diverged")
    assert over_seeds([*pair, lost]).protocol == "fid-9|2-of-3-seeds"
    assert over_seeds([lost, *pair]).value == pytest.approx(2)
    assert over_seeds([lost, lost]) == lost
    assert over_seeds(pair[:1]) == pair[0]


def test_figures_of_other_protocols_are_not_averaged() -> None:
    found = over_seeds([Figure(10.0, 1.0, protocol="batch-64"), Figure(90.0, 1.0, protocol="batch-16")])
    assert (found.value, found.error, found.protocol) == (10, pytest.approx(1), "batch-64|1-of-2-seeds")


def test_what_does_not_vary_has_no_error() -> None:
    assert over_seeds([Figure(58_545), Figure(58_545)]) == Figure(58_545)
