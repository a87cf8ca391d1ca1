"""All measures of small models of each family, and of what is not one of ours."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import METRICS, Protocol, measure, reference, sampling_speed
from triptych.evaluation.cost import speed as speeds
from triptych.event import Event
from triptych.models.base import Player
from triptych.models.questions import Sampler
from triptych.noise import Noise

Split = tuple[Examples, Examples]
EVENT = Event((1, 8, 8), 17)


@pytest.fixture(scope="module")
def protocol(digits: Split, cache: Path) -> Protocol:
    return Protocol.prepare(*digits, data="digits", cache=cache)


class Replay(Sampler):
    """A "model" that draws from its training set, or returns what it is told to."""

    def __init__(self, event: Event, stored: Tensor, seconds: float = 0.0) -> None:
        super().__init__(event)
        self.stored, self.seconds = stored, seconds
        self.weight = torch.nn.Parameter(torch.zeros(3))

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        time.sleep(self.seconds * n)
        return self.stored[noise.integers(len(self.stored), (n,))]


def test_each_family(protocol: Protocol) -> None:
    models = {
        "pixelcnn": tp.build("pixelcnn", EVENT, channels=4, layers=2),
        "vae": tp.build("vae", EVENT, latent=4, hidden=16),
        "gan": tp.build("gan", EVENT, latent=4, hidden=16),
    }
    for name, model in models.items():
        found = measure(name, model, protocol, training_seconds=12.5)
        assert list(found.figures) == [name for name, metric in METRICS.items() if metric.compared]
        assert found.family == tp.catalogue.CATALOGUE[name].family
        assert found.figures["fid"].protocol == "fid-360@digits-net"
        assert (found.figures["fid"].value or 0) > 50  # untrained
        assert found.figures["near-copies"].value == 0
        assert found.figures["parameters"].value == sum(p.numel() for p in model.parameters())
        assert found.figures["training-time"].text == "12.5"
        assert found.samples is not None and len(found.samples) == 360
        assert found.neighbours is not None and len(found.neighbours) == len(found.distances) == 360
        assert json.loads(json.dumps(found.to_dict()))["figures"]["nats"]["kind"] == found.figures["nats"].kind
    assert found.figures["nats"].value is None


def test_a_model_that_replays_its_training_set_is_caught(protocol: Protocol) -> None:
    found = measure("replay", Replay(EVENT, protocol.train.data), protocol)
    assert found.figures["near-copies"].value == 100
    assert (found.figures["fid"].value or 0) < 30  # which alone would not have caught it
    assert found.family == "user's own" and found.answers == ("sample",)
    assert found.samples is not None and found.neighbours is not None
    assert torch.equal(found.samples.data, found.neighbours.data)


def test_what_only_reconstructs_is_measured_by_it(protocol: Protocol) -> None:
    """Against the error of a linear map and back, computed by hand; what it does not answer says why."""
    model = tp.build("linear-autoencoder", EVENT, latent=4)
    found = measure("linear-autoencoder", model, protocol)
    assert isinstance(model, tp.Autoencoder) and found.samples is None and found.neighbours is None
    x = protocol.scored.data.double() / 16
    with torch.no_grad():
        back = model.decoder(model.encoder(2 * x.float() - 1)).double()
    error = ((((back + 1) * 8).round().clamp(0, 16) / 16 - x) ** 2).mean((1, 2, 3))
    figure = found.figures["reconstruction"]
    assert figure.value == pytest.approx(float(error.mean()), rel=1e-4)
    assert figure.error == pytest.approx(float(error.std()) / len(error) ** 0.5, rel=1e-4)
    assert figure.protocol == f"mse-{len(x)}"
    for key in ("nats", "bits-per-dim", "fid", "near-copies", "speed"):
        assert found.figures[key].value is None and "does not" in found.figures[key].note
    assert measure("gan", tp.build("gan", EVENT, hidden=8), protocol).figures["reconstruction"].value is None


def test_same_seed_same_figures(protocol: Protocol) -> None:
    model = tp.build("vae", EVENT, latent=4, hidden=16)
    first, second = (measure("vae", model, protocol) for _ in range(2))
    for key in ("nats", "bits-per-dim", "fid", "near-copies", "parameters"):
        assert first.figures[key] == second.figures[key]
    assert first.samples is not None and second.samples is not None
    assert torch.equal(first.samples.data, second.samples.data)


def test_the_reference_is_the_floor(protocol: Protocol) -> None:
    found = reference(protocol)
    assert found.figures["near-copies"].value == 100
    assert found.figures["fid"].protocol == "fid-360@digits-net"
    assert 0 < (found.figures["fid"].value or 0) < 30
    assert protocol.held_out_copies.value == pytest.approx(1, abs=0.3)
    assert found.figures["nats"].value is None


def test_conditional_models_draw_the_labels_of_the_test_data(protocol: Protocol) -> None:
    found = measure("vae", tp.build("vae", EVENT, latent=4, hidden=16, classes=10), protocol)
    assert found.samples is not None and found.samples.labels is not None
    assert protocol.real.labels is not None
    assert torch.equal(found.samples.labels, protocol.real.labels)


def test_diverged_samples_have_no_distance() -> None:
    event = Event((2,))
    data = Examples(torch.randn(90, 2, generator=torch.Generator().manual_seed(0)), event)
    protocol = Protocol.prepare(data[:60], data[60:])
    found = measure("lost", Replay(event, torch.full((1, 2), torch.nan)), protocol)
    for key in ("fid", "near-copies"):
        assert found.figures[key].value is None
        assert "30 of 30 samples are not finite" in found.figures[key].note


def test_protocols_are_refused_where_they_cannot_hold(digits: Split) -> None:
    train, test = digits
    with pytest.raises(DataError, match="500 samples.*360 test.*expected 2 to 360"):
        Protocol.prepare(train, test, extractor="pixels", samples=500)
    with pytest.raises(DataError, match="1,437 training and 1 test examples: expected at least 2 of each"):
        Protocol.prepare(train, test[:1])
    with pytest.raises(DataError, match="test examples a vector of 2"):
        Protocol.prepare(train, Examples(torch.ones(5, 2), Event((2,))))
    protocol = Protocol.prepare(train, test, extractor="pixels", samples=100)
    assert len(protocol.real) == 100
    with pytest.raises(DataError, match="the data is a"):
        measure("vae", tp.build("vae", Event((2,))), protocol)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Time that passes when a model sleeps and else hardly, so that a busy machine changes nothing."""
    made = SimpleNamespace(now=0.0)

    def pass_by(seconds: float) -> float:
        made.now += seconds
        return made.now

    monkeypatch.setattr(time, "sleep", pass_by)
    monkeypatch.setattr(speeds, "time", SimpleNamespace(perf_counter=lambda: pass_by(1e-7)))
    return made


@pytest.mark.usefixtures("clock")
def test_speed_is_that_of_the_sampler(digits: Split) -> None:
    speed = sampling_speed(Replay(EVENT, digits[0].data, seconds=0.001), repeats=3)
    assert speed.value == pytest.approx(1000, rel=1e-3)
    assert speed.unit == "images/s" and speed.protocol.startswith("batch-64@cpu-")
    assert speed.error is not None


def test_a_slow_sampler_takes_no_longer_than_it_may(digits: Split, clock: SimpleNamespace) -> None:
    speed = sampling_speed(Replay(EVENT, digits[0].data, seconds=0.05), seconds=0.6)
    assert clock.now < 1.2, "twice what it may, of which the first calls tell what can be afforded"
    assert speed.value == pytest.approx(20, rel=1e-3)
    assert not speed.protocol.startswith("batch-64@")


def test_a_model_whose_training_diverged_has_no_figures_and_stops_nothing(protocol: Protocol) -> None:
    model = tp.build("pixelcnn", EVENT, channels=4, layers=2)
    with torch.no_grad():
        next(model.parameters()).fill_(torch.nan)
    found = measure("lost", model, protocol)
    assert found.samples is None
    for key in ("nats", "bits-per-dim", "fid", "near-copies", "speed"):
        assert found.figures[key].value is None and "diverged" in found.figures[key].note
