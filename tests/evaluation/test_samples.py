"""Measures of samples against data, asked of known things in a model's place: images, vectors, toys, without labels."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import METRICS, Extractor, Protocol, Subject
from triptych.evaluation.figures import samples as measures
from triptych.evaluation.studies.extrapolation import fid_bias
from triptych.metrics import Figure, moments
from triptych.metrics.influence import frechet_between_summaries, frechet_error, summary

Split = tuple[Examples, Examples]
COMPARED = ("fid", "kid", "precision", "recall", "density", "coverage")


@pytest.fixture(scope="module")
def protocol(digits: Split, cache: Path) -> Protocol:
    return Protocol.prepare(*digits, data="digits", cache=cache)


def value(found: Figure) -> float:
    assert found.value is not None, found.note
    return found.value


def figures(subject: Subject, *names: str) -> dict[str, float]:
    return {name: value(METRICS[name](subject)) for name in names}


def test_known_sets_of_digits_are_ordered_as_theory_says(protocol: Protocol) -> None:
    train, event = protocol.train, protocol.event
    labels = train.labels
    assert labels is not None
    noise = torch.randint(0, 17, (360, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    real = figures(Subject(None, protocol), *COMPARED, "inception-score")
    one_class = figures(Subject(train[labels == 3], protocol), *COMPARED, "inception-score")
    missing = figures(Subject(train[labels != 3][:360], protocol), *COMPARED, "inception-score")
    noisy = figures(Subject(Examples(noise, event), protocol), *COMPARED, "inception-score")
    for distance in ("fid", "kid"):
        assert real[distance] < missing[distance] < min(one_class[distance], noisy[distance])
    for share in ("recall", "coverage"):
        assert real[share] > missing[share] > max(one_class[share], noisy[share])
    for fidelity in ("precision", "density"):
        assert min(real[fidelity], missing[fidelity], one_class[fidelity]) > 4 * noisy[fidelity]
    assert one_class["precision"] > 4 * one_class["recall"]
    assert 9 < real["inception-score"] < 10 and one_class["inception-score"] < 1.2


def test_names_units_and_errors(protocol: Protocol) -> None:
    subject = Subject(None, protocol)
    for name in (*COMPARED, "inception-score", "fid-infinity"):
        found = METRICS[name](subject)
        assert found.protocol == f"{name}-360@digits-net" and (found.error or 0) > 0
        assert found.unit == ("%" if name in ("precision", "recall", "coverage") else "")
        assert METRICS[name](Subject(None, protocol)) == found  # the same seed, the same figure
        assert METRICS[name].compared == (name != "fid-infinity") and len(METRICS[name].short) <= 16


def test_the_score_is_the_labels_classifiers_on_any_features(protocol: Protocol, digits: Split, cache: Path) -> None:
    by_pixels = Protocol.prepare(*digits, data="digits", extractor="pixels", cache=cache)
    found = METRICS["inception-score"](Subject(digits[1][:100], by_pixels))
    assert found.protocol == "inception-score-100@digits-net"
    same = METRICS["inception-score"](Subject(digits[1][:100], protocol))
    assert (found.value, found.error) == pytest.approx((same.value, same.error), rel=1e-5), "in other batches"


@pytest.mark.parametrize("dims", [1, 2, 5])
def test_vectors_without_labels(dims: int) -> None:
    data = Examples(torch.randn(400, dims, generator=torch.Generator().manual_seed(0)), tp.Event((dims,)))
    protocol = Protocol.prepare(data[:200], data[200:])
    found = figures(Subject(None, protocol), *COMPARED, "fid-infinity")
    assert found["precision"] > 60 and found["recall"] > 60 and found["coverage"] > 85
    assert found["density"] == pytest.approx(1, abs=0.3)
    assert abs(found["fid-infinity"]) < found["fid"] + 0.1
    score = METRICS["inception-score"](Subject(None, protocol))
    assert score.value is None and "no labels of two classes" in score.note


def test_too_few_samples_say_so() -> None:
    data = Examples(torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), tp.Event((2,)))
    protocol = Protocol.prepare(data[:2], data[2:])
    subject = Subject(None, protocol)
    assert METRICS["fid"](subject).value is not None
    assert METRICS["kid"](subject).value is not None and METRICS["kid"](subject).error is None
    assert METRICS["precision"](subject).note == "2 examples have no 3 neighbours each: expected at least 4"
    assert "takes 20 samples to see the bias: there are 2" in METRICS["fid-infinity"](subject).note


def test_samples_far_out_have_no_kernel_distance_and_no_other_is_lost() -> None:
    data = Examples(torch.randn(80, 2, generator=torch.Generator().manual_seed(0)), tp.Event((2,)))
    protocol = Protocol.prepare(data[:40], data[40:])
    far = Subject(Examples(data.data[:40] * 1e30, data.event), protocol)
    assert "too large for a cubic kernel" in METRICS["kid"](far).note
    assert value(METRICS["fid"](far)) > 1e55 and value(METRICS["recall"](far)) >= 0


def test_features_that_are_no_numbers_are_one_line(digits: Split) -> None:
    broken = Extractor("broken", lambda x: x.float().flatten(1).log() / (x.float().mean((1, 2, 3)) > 5)[:, None])
    protocol = Protocol.prepare(*digits, extractor=broken)
    with pytest.raises(DataError, match=r"^broken: the features of \d+ of 360 examples are not finite$"):
        METRICS["fid"](Subject(None, protocol))


def test_the_study_of_the_bias(protocol: Protocol, digits: Split) -> None:
    table = fid_bias(Subject(digits[0][:360], protocol))
    assert list(table.rows) == ["n = 360", "n = 180", "n → ∞"]
    whole, fid = table.rows["n = 360"][0], METRICS["fid"](Subject(digits[0][:360], protocol))
    assert (whole.protocol, value(whole)) == (fid.protocol, pytest.approx(value(fid)))
    assert table.rows["n = 180"][0].protocol.endswith("|2-parts"), "fid-180 is of 180 samples, and not the same"
    first, half, limit = (value(row[0]) for row in table.rows.values())
    assert limit < first < half
    assert limit == value(METRICS["fid-infinity"](Subject(digits[0][:360], protocol)))


def test_large_sets_are_seen_once_and_give_the_same_distance(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = METRICS["fid"](Subject(None, protocol))
    passes = 0
    inner = protocol.extractor.stream

    def counted(examples: Examples | Tensor) -> Iterator[Tensor]:
        nonlocal passes
        passes += len(examples) == 360
        yield from inner(examples)

    fresh = protocol.changed(seed=protocol.seed)
    monkeypatch.setattr(measures, "STORED", 1000)
    monkeypatch.setattr(Extractor, "stream", lambda _, examples: counted(examples))
    subject = Subject(None, fresh)
    found = METRICS["fid"](subject)
    assert found.protocol == stored.protocol and passes == 2  # of samples, and of real examples
    assert found.value == pytest.approx(stored.value, rel=1e-6) and found.error == pytest.approx(stored.error, rel=1e-6)
    assert "features" not in vars(subject) and "real_features" not in vars(fresh)


def test_the_error_from_some_examples_is_near_that_from_all() -> None:
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(9000, 6, generator=generator), torch.randn(7000, 6, generator=generator) * 1.2 + 0.3
    found = frechet_between_summaries(summary(a.split(500), 9000), summary(b.split(333), 7000))
    assert found.error == pytest.approx(frechet_error(a, b), rel=0.08)


def test_what_a_pass_holds_does_not_grow_with_the_number_of_examples() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0

    def chunks(count: int) -> Iterator[Tensor]:
        nonlocal most
        for start in range(0, count, 500):
            chunk = torch.full((500, 8), float(start % 7))
            alive.add(chunk)
            most = max(most, len(alive))
            yield chunk

    for count in (10_000, 100_000):
        most = 0
        found = summary(chunks(count), count)
        gc.collect()
        assert found.moments.count == count and most <= 3  # the first, the last, and the one that is made
        assert 2000 <= len(found.kept) < 4000
        assert found.kept.untyped_storage().nbytes() == found.kept.numel() * 4


def test_moments_of_many_examples_are_in_float64() -> None:
    # In float32 the sum of 200,000 numbers near 1000 has 3 digits less than their mean.
    generator = torch.Generator().manual_seed(0)
    x = 1000 + 1e-2 * torch.randn(200_000, 2, generator=generator, dtype=torch.float64)
    found = moments(x.float().split(1000))
    truth = x.float().double()
    assert torch.allclose(found.mean, truth.mean(0), rtol=1e-13)
    assert torch.allclose(found.covariance, truth.T.cov(), rtol=1e-9)
    assert math.isclose(float(found.covariance[0, 0]), 1e-4, rel_tol=0.02)
