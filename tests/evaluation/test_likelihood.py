"""Test log-likelihood: the error against numpy, kinds and protocols by what a model answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import triptych as tp
from triptych.data import Examples
from triptych.evaluation.likelihood import log_likelihood
from triptych.event import Event
from triptych.metrics.figure import mean_and_error

EVENT = Event((1, 8, 8), 17)


def test_mean_and_error_against_numpy() -> None:
    values = torch.randn(57, generator=torch.Generator().manual_seed(0)) * 3 - 70
    mean, error = mean_and_error(values)
    assert mean == pytest.approx(values.double().numpy().mean(), rel=1e-12)
    assert error == pytest.approx(values.double().numpy().std(ddof=1) / np.sqrt(57), rel=1e-12)
    assert mean_and_error(values[:1])[1] is None


def test_exact(digits: tuple[Examples, Examples]) -> None:
    model = tp.build("pixelcnn", EVENT, channels=4, layers=2)
    test = digits[1][:50]
    nats, bits = log_likelihood(model, test)
    log_p = model.log_prob(test).double()
    assert nats.value == pytest.approx(float(log_p.mean()))
    assert nats.error == pytest.approx(float(log_p.std()) / 50**0.5)
    assert (nats.kind, nats.unit, nats.protocol) == ("=", "nats", "exact@test-50")
    assert bits.value == pytest.approx(-float(log_p.mean()) / (64 * np.log(2)))
    assert bits.error == pytest.approx((nats.error or 0) / (64 * np.log(2)))
    assert (bits.kind, bits.unit) == ("=", "bits/dim")


def test_bound(digits: tuple[Examples, Examples]) -> None:
    model = tp.build("vae", EVENT, latent=4, hidden=16)
    found = log_likelihood(model, digits[1][:50], samples=16, seed=3)
    assert (found.nats.kind, found.nats.protocol) == ("≥", "iwae-16@test-50")
    assert found.bits_per_dim.kind == "≤"  # the sign turns a lower bound into an upper one
    again = log_likelihood(model, digits[1][:50], samples=16, seed=3)
    assert found == again
    elbo = log_likelihood(model, digits[1][:50], samples=1, seed=3)
    assert (found.nats.value or 0) > (elbo.nats.value or 0)


def test_none_says_why(digits: tuple[Examples, Examples]) -> None:
    found = log_likelihood(tp.build("gan", EVENT, hidden=8), digits[1][:10])
    assert found.nats.value is None and found.bits_per_dim.value is None
    assert "GAN does not answer log_prob" in found.nats.note


def test_vectors_have_densities_without_bits() -> None:
    event = Event((2,))
    x = Examples(torch.randn(20, 2), event)
    found = log_likelihood(tp.build("pixelcnn", event, channels=4, layers=2), x)
    assert found.nats.value is not None
    assert found.bits_per_dim.value is None and "density" in found.bits_per_dim.note


def test_conditional_models_are_another_protocol(digits: tuple[Examples, Examples]) -> None:
    model = tp.build("pixelcnn", EVENT, channels=4, layers=2, classes=10)
    assert log_likelihood(model, digits[1][:10]).nats.protocol == "exact@test-10|label"


def test_impossible_examples_are_counted(digits: tuple[Examples, Examples], monkeypatch: pytest.MonkeyPatch) -> None:
    model = tp.build("pixelcnn", EVENT, channels=4, layers=2)
    spoilt = torch.tensor([-1.0] * 8 + [-torch.inf, torch.nan])
    monkeypatch.setattr(type(model), "_log_prob", lambda *_: spoilt)
    found = log_likelihood(model, digits[1][:10])
    assert found.nats.value is None
    assert "not finite for 2 of 10" in found.nats.note
