"""The Inception score against torchmetrics, its definition, a plain jackknife, and repeated draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from triptych.errors import DataError
from triptych.metrics.score import inception_score


def logits(n: int, classes: int, seed: int, scale: float = 2.0) -> Tensor:
    return scale * torch.randn(n, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_agrees_with_torchmetrics_on_one_set() -> None:
    from torchmetrics.image.inception import InceptionScore

    x = logits(80, 7, 0).float()
    theirs = InceptionScore(nn.Identity(), splits=1)
    theirs.update(x)
    with pytest.warns(UserWarning, match="degrees of freedom"):  # of the deviation over one split
        assert inception_score(x).value == pytest.approx(float(theirs.compute()[0]), rel=1e-5)


def test_is_the_mutual_information_of_class_and_sample() -> None:
    x = logits(50, 5, 1)
    p = x.softmax(1)
    gain = (p * (p / p.mean(0)).log()).sum(1).mean()
    assert inception_score(x).value == pytest.approx(math.exp(gain), rel=1e-12)


def test_known_scores() -> None:
    sure = 1e4 * torch.eye(10).repeat(6, 1)
    assert inception_score(sure).value == pytest.approx(10)
    assert inception_score(sure[:10].repeat_interleave(2, 0)[:8]).value == pytest.approx(4)
    assert inception_score(torch.zeros(9, 4)) == pytest.approx((1.0, 0.0))  # unsure of all
    assert inception_score(sure[:1].expand(30, 10)) == pytest.approx((1.0, 0.0))  # sure of one class


def test_the_error_is_the_jackknife() -> None:
    x = logits(25, 4, 2)
    without = torch.tensor([inception_score(torch.cat([x[:i], x[i + 1 :]])).value for i in range(25)])
    expected = math.sqrt(24 * float(without.var(correction=0)))
    assert inception_score(x).error == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_the_error_is_the_deviation_of_repeated_draws(scale: float) -> None:
    found = [inception_score(logits(200, 6, i, scale)) for i in range(200)]
    truth = float(torch.tensor([f.value for f in found]).std())
    error = float(torch.tensor([f.error for f in found]).mean())
    assert truth / 1.2 < error < truth * 1.25


def test_bad_logits_are_refused() -> None:
    assert inception_score(logits(1, 3, 0)).error is None
    for bad in (torch.zeros(0, 3), torch.zeros(3), torch.full((2, 2), math.inf)):
        with pytest.raises(DataError, match="expected finite ones"):
            inception_score(bad)
