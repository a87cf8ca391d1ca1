"""The Parzen estimate against scikit-learn, quadrature and a known entropy."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import logsumexp  # type: ignore[import-untyped]
from sklearn.neighbors import KernelDensity  # type: ignore[import-untyped]
from torch import Tensor

import triptych as tp
from tests.program import refused, well
from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.studies.parzen import parzen, parzen_sklearn, points_of, units_of
from triptych.event import Event
from triptych.metrics import kernel_density
from triptych.metrics.kernel_density import BANDWIDTHS, kernel_log_density, parzen_estimate
from triptych.models.questions import Sampler
from triptych.noise import Noise


class Replayed(Sampler):
    """Draws from fixed examples."""

    def __init__(self, event: Event, x: Tensor) -> None:
        super().__init__(event)
        self.x, self.unused = x, torch.nn.Parameter(torch.zeros(1))

    @property
    def players(self) -> tuple[()]:
        return ()

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        return self.x[noise.integers(len(self.x), (n,))]


def test_the_density_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_density, "_ROWS", 7)
    monkeypatch.setattr(kernel_density, "_CENTRES", 13)
    chance = np.random.default_rng(0)
    for dims in (1, 5, 784):
        centres, x = 3 + chance.random((50, dims)), 3 + chance.random((20, dims))
        found = kernel_log_density(torch.tensor(x), torch.tensor(centres), [0.05, 0.3, 2.0])
        for j, bandwidth in enumerate((0.05, 0.3, 2.0)):
            one_leaf = KernelDensity(bandwidth=bandwidth, leaf_size=50).fit(centres)  # its bounds are wrong for more
            expected = one_leaf.score_samples(x)
            assert found[:, j].numpy() == pytest.approx(expected, rel=1e-9)


def test_it_is_a_density_in_the_datas_own_units() -> None:
    """Vectors are standardised for their kernels; what is reported integrates to one in their own units."""
    event = Event((1,), None, (10.0,), (4.0,))
    x = Examples(10 + 4 * Noise.of(0).normal((200, 1)), event)
    grid = torch.linspace(-20, 40, 6001)[:, None]
    density = kernel_log_density(points_of(Examples(grid, event)), points_of(x), [0.3])[:, 0]
    mass = torch.trapezoid((density - units_of(event).log_volume).exp(), grid[:, 0])
    assert float(mass) == pytest.approx(1, abs=1e-4)
    image = Examples(torch.tensor([[[[0, 16]]]], dtype=torch.uint8), Event((1, 1, 2), 17))
    assert points_of(image).tolist() == [[0, 1]] and units_of(image.event).log_volume == 0


def test_what_is_reported_of_vectors_is_in_their_own_units() -> None:
    """Minus the entropy of N(10, 4²), ½ log 2πe 16; of standardised coordinates it would be log 4 more."""
    event = Event((1,), None, (10.0,), (4.0,))
    train, test = (Examples(10 + 4 * Noise.of(i).normal((n, 1)), event) for i, n in enumerate((2000, 500)))
    subject = Subject(Replayed(event, train.data), Protocol.prepare(train, test, kernels=1000, extractor="pixels"))
    for told, *_ in parzen(subject).rows.values():
        assert told.value == pytest.approx(-0.5 * math.log(2 * math.pi * math.e * 16), abs=0.15)


def test_the_bandwidth_is_the_best_of_the_validation_points_and_no_other() -> None:
    draws = Noise.of(1).normal((3000, 2)) * 0.2
    samples, valid, test = draws[:1500], draws[1500:2000], draws[2000:]
    found = parzen_estimate(samples, valid, test)
    leaf = len(samples)
    by_hand = [KernelDensity(bandwidth=b, leaf_size=leaf).fit(samples).score(valid) for b in BANDWIDTHS]
    assert found.bandwidth == BANDWIDTHS[int(np.argmax(by_hand))] and not found.at_edge
    entropy = -math.log(2 * math.pi * math.e * 0.04)
    assert float(found.log_density.mean()) == pytest.approx(entropy, abs=0.1)
    assert parzen_estimate(samples, samples, test).at_edge, "a validation point that is a sample wants no width"


def test_real_data_in_the_models_place_are_no_validation_data() -> None:
    """Were they, the bandwidth would be the least, and the figure far too low."""
    train, test = tp.data.load("digits", binarize=None)
    table = parzen(Subject(Replayed(train.event, train.data), Protocol.prepare(train, test, kernels=1000)))
    (_, width, n), (of_data, real_width, real_n) = table.rows["samples"], table.rows["training data"]
    assert n.value == 1000 and real_n.value == 1000 and width.protocol == f"kde-1000@test-{len(test)}"
    assert real_width.value is not None and 0.1 < real_width.value < 0.3 and real_width.note == ""
    assert of_data.value is not None and of_data.error is not None and of_data.kind == "≈"
    centres, points = (x.data.flatten(1).numpy() / 16 for x in (train[:1000], test))
    squares = ((points[:, None] - centres) ** 2).sum(2) / real_width.value**2
    normal = 64 * math.log(real_width.value * math.sqrt(2 * math.pi)) + math.log(1000)
    assert of_data.value == pytest.approx((logsumexp(-squares / 2, axis=1) - normal).mean(), abs=1)
    noise = torch.randint(0, 17, train.data.shape, dtype=torch.uint8)
    worse = parzen(Subject(Replayed(train.event, noise), Protocol.prepare(train, test, kernels=1000)))
    assert (worse.rows["samples"][0].value or 0) < of_data.value - 20
    assert worse.rows["training data"][0] == of_data, "the yardstick is not the model's"


def test_what_has_no_estimate_says_why(tmp_path: Path) -> None:
    train, test = tp.data.load("ring", count=200)
    with pytest.raises(Unanswered, match="does not sample"):
        parzen(Subject(tp.build("autoencoder", train.event), Protocol.prepare(train, test)))
    with pytest.raises(DataError, match="expected at least one, all above 0"):
        kernel_log_density(torch.zeros(1, 2), torch.zeros(1, 2), [0.0])
    with pytest.raises(DataError, match="n at least 1"):
        kernel_log_density(torch.zeros(1, 2), torch.zeros(0, 2), [1.0])
    tp.save(tp.build("gan", train.event, hidden=8), tmp_path / "gan")
    asked = ["evaluate", tmp_path / "gan", "--data", "ring", "--count", 200, "--metrics", "parzen"]
    assert "kernels=0: expected at least 1" in refused(*asked, "--kernels", 0)
    found = json.loads(well(*asked, "--kernels", 16384, "--json"))
    assert found["parzen"]["gan"]["rows"]["samples"]["log-likelihood, nats"]["protocol"].startswith("kde-16k@test-")


def test_scikit_learns_trees_overestimate_in_many_dimensions() -> None:
    """Their bounds do not hold: why papers that used them have figures that exact sums do not reach."""
    train, test = tp.data.load("digits")
    subject = Subject(Replayed(train.event, train.data), Protocol.prepare(train, test, kernels=1000))
    exact, trees = (study(subject).rows["training data"] for study in (parzen, parzen_sklearn))
    assert trees[0].protocol == f"kde-sklearn-1000@test-{len(test)}" and exact[0].error is not None
    by_hand = KernelDensity(bandwidth=trees[1].value).fit(points_of(train).double()[:1000])
    points = points_of(test).double()
    assert trees[0].value == pytest.approx(by_hand.score_samples(points).mean(), abs=5)
    assert (trees[0].value or 0) > (exact[0].value or 0) + 1
    vectors = tp.data.load("ring", count=200)
    with pytest.raises(Unanswered, match="ask for parzen, which is exact"):
        parzen_sklearn(Subject(tp.build("gan", vectors[0].event), Protocol.prepare(*vectors)))
