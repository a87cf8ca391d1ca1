"""Metrics of whole sets: by name, on samples whose modes are known by construction, and where there is no answer."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import triptych as tp
from triptych.data import Examples, load
from triptych.evaluation import METRICS, Extractor, Protocol, Subject
from triptych.evaluation.asked import read_asked
from triptych.evaluation.features.classifier import LabelsNet
from triptych.evaluation.figures.sets import walk_of
from triptych.evaluation.mode_counts import _of_triples
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.agreement import classifier_of
from triptych.metrics.transport import sliced_wasserstein, wasserstein
from triptych.noise import mix

Split = tuple[Examples, Examples]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRIPTYCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def protocol(digits: Split) -> Protocol:
    return Protocol.prepare(*digits, data="digits", extractor="pixels", samples=100)


@pytest.fixture(scope="module")
def ring() -> Protocol:
    return Protocol.prepare(*load("ring", count=2000), data="ring", extractor="pixels", samples=400)


@pytest.fixture(scope="module")
def stacks() -> Protocol:
    return Protocol.prepare(*load("digits", stack=3), data="stacked-digits", extractor="pixels", samples=3000)


def test_transport_is_that_of_the_protocols_features(protocol: Protocol) -> None:
    subject = Subject(None, protocol)
    sliced, exact = (METRICS[name](subject) for name in ("sliced-wasserstein", "wasserstein"))
    assert (sliced.value, sliced.error) == sliced_wasserstein(
        subject.features, protocol.real_features, seed=mix(0, Stream.SLICES)
    )
    assert (exact.value, exact.error) == wasserstein(subject.features, protocol.real_features)
    assert (sliced.protocol, exact.protocol) == ("sliced-wasserstein-100@pixels", "wasserstein-100@pixels")
    assert METRICS["sliced-wasserstein"](Subject(None, protocol)) == sliced, "the same seed gives the same figure"


def test_unequal_numbers_have_a_sliced_distance_and_too_many_no_exact_one(protocol: Protocol, digits: Split) -> None:
    others = Subject(digits[0][:77], protocol)
    assert METRICS["sliced-wasserstein"](others).protocol == "sliced-wasserstein-77@pixels"
    assert "common multiple" in METRICS["wasserstein"](others).note
    everything = Protocol.prepare(*load("ring", count=4200), extractor="pixels", samples=1001)
    assert "expected at most 1,000 of each" in METRICS["wasserstein"](Subject(None, everything)).note


@pytest.mark.parametrize("name", ["two-sample", "two-sample-neighbours"])
def test_real_data_are_not_told_from_real_data_and_noise_is(protocol: Protocol, digits: Split, name: str) -> None:
    real = METRICS[name](Subject(None, protocol))
    noise = torch.randint(0, 17, (100, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    told = METRICS[name](Subject(Examples(noise, digits[0].event), protocol))
    assert real.value is not None and real.error is not None and abs(real.value - 50) < 3.5 * real.error
    assert told.value is not None and told.value > 97 and told.note.endswith("p = 7.9e-31"), "2^-100"
    assert told.protocol == f"{name}-100@pixels" and told.unit == "%"
    assert "at least 4" in METRICS[name](Subject(digits[0][:3], protocol)).note


def test_modes_of_a_mixture_are_those_that_samples_were_put_in(ring: Protocol) -> None:
    centres, _ = tp.data.toy_modes("ring")
    points = torch.cat([centres[:3].repeat(100, 1), centres[4] / 2 + torch.zeros(100, 2)])
    made = Subject(Examples(points, ring.event), ring)
    modes, divergence = METRICS["modes"](made), METRICS["modes-kl"](made)
    assert (modes.text, modes.unit, modes.protocol) == ("3", "of 8", "modes-400@ring")
    assert "75.0 ± 2.2 % of samples lie in a mode" in modes.note
    assert divergence.value == pytest.approx(math.log(2)), "the points between are nearest to mode 4, and not in it"
    assert METRICS["modes"](Subject(None, ring)).value == 8
    assert "one sample" in METRICS["modes-kl"](Subject(made.samples[:1], ring)).note


def test_classes_of_labelled_data_are_told_by_the_classifier(protocol: Protocol, digits: Split) -> None:
    train = digits[0]
    assert train.labels is not None
    few = Subject(train[(train.labels < 3).nonzero()[:90, 0]], protocol)
    modes, divergence = METRICS["modes"](few), METRICS["modes-kl"](few)
    assert modes.value == 3 and modes.protocol == "modes-90@digits-net"
    assert "told by digits-net, which is right of 9" in modes.note
    assert divergence.value == pytest.approx(torch.tensor(10 / 3).log().item(), abs=0.06)
    assert METRICS["modes"](Subject(None, protocol)).value == 10


def test_modes_of_stacks_are_triples_of_classes(stacks: Protocol) -> None:
    """Real stacks, and those whose three colours are one image: ten modes of 1,000."""
    real = METRICS["modes"](Subject(None, stacks))
    assert real.value == pytest.approx(950, abs=20) and real.unit == "of 1,000"
    assert real.protocol == "modes-3000@stacked-digits-net" and "as many draws of the data reach 9" in real.note
    train = stacks.train
    alike = Subject(Examples(train.data[:1000, :1].expand(-1, 3, -1, -1), train.event), stacks)
    assert METRICS["modes"](alike).value == 10
    assert METRICS["modes-kl"](alike).value == pytest.approx(torch.tensor(100.0).log().item(), abs=0.05)
    assert METRICS["modes-kl"](Subject(None, stacks)).value == pytest.approx(999 / 6000, rel=0.2)


def test_the_classifier_of_stacks_tells_each_colour_by_the_same_weights(stacks: Protocol) -> None:
    extractor = classifier_of(Subject(None, stacks))
    net, images = extractor.function, stacks.test.data[:5]
    assert isinstance(net, LabelsNet)
    assert extractor.accuracy is not None and extractor.accuracy.value is not None and extractor.accuracy.value > 85
    features, swapped = net(images), net(images.flip(1))
    assert torch.allclose(features.reshape(5, 3, 64).flip(1), swapped.reshape(5, 3, 64), atol=1e-5)
    triples = net.logits(images).reshape(5, 10, 10, 10)
    assert torch.allclose(net.logits(images.flip(1)).reshape(5, 10, 10, 10), triples.permute(0, 3, 2, 1), atol=1e-4)
    assert torch.allclose(triples[:, 1:] - triples[:, :1], (triples[:, 1:] - triples[:, :1])[..., :1, :1], atol=1e-4)


def test_a_name_asks_for_as_many_stacks_as_the_literature(stacks: Protocol) -> None:
    assert read_asked("modes-25600").of(stacks).samples == 25_600
    assert read_asked("modes-kl-26k").of(stacks).samples == 26_000


def test_data_without_modes_say_who_has_some(digits: Split) -> None:
    bare = [replace(part, labels=None, classes=()) for part in digits]
    for name in ("modes", "modes-kl"):
        found = METRICS[name](Subject(None, Protocol.prepare(*bare, extractor="pixels", samples=50)))
        assert found.value is None and "ring, grid, labelled data and --stack 3 have" in found.note


def test_path_length_of_a_vae_is_that_of_its_unrounded_decodings(protocol: Protocol) -> None:
    model = tp.build("vae", protocol.event, latent=4, hidden=16)
    found = METRICS["path-length"](Subject(model, protocol))
    assert found.protocol == "path-length-100@pixels" and found.value is not None and found.value > 0
    assert found == METRICS["path-length"](Subject(model, protocol))
    labelled = tp.build("gan", protocol.event, hidden=8, classes=10)
    assert METRICS["path-length"](Subject(labelled, protocol)).value


def test_a_walk_keeps_to_the_prior(protocol: Protocol) -> None:
    event = protocol.event
    for model, path in (
        (tp.build("gan", event, hidden=8), "spherical"),
        (tp.build("gan", event, hidden=8, prior="uniform"), "linear"),
        (tp.build("vae", event, hidden=8, prior="mixture"), "linear"),
        (tp.build("vae", event, hidden=8), "spherical"),
        (tp.build("infogan", event, hidden=8), "linear"),
    ):
        assert walk_of(model, model.sample_codes(4, seed=0)) == path


def test_path_length_needs_codes_and_features_of_all_shades(protocol: Protocol) -> None:
    measure = METRICS["path-length"]
    assert "draws no codes" in measure(Subject(tp.PixelCNN(protocol.event), protocol)).note
    assert "real data" in measure(Subject(None, protocol)).note
    coarse = protocol.changed(extractor=Extractor("coarse", lambda x: x.round().float()))
    assert "rounds" in measure(Subject(tp.build("gan", protocol.event, hidden=8), coarse)).note


def test_stacks_of_a_file_are_told_by_a_classifier_of_its_images(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (40, 6, 6), generator=generator).to(torch.uint8).numpy()
    import numpy as np

    np.savez(tmp_path / "small.npz", x=images, y=np.arange(40) % 2)
    train, test = load(tmp_path / "small.npz", stack=3, count=200)
    found = METRICS["modes"](Subject(None, Protocol.prepare(train, test, extractor="pixels", samples=20)))
    assert found.protocol == "modes-20@data-net" and found.unit == "of 8"


def test_colours_have_shares_of_their_own() -> None:
    """Of pairs counted as 0.4, 0.1, 0.2 and 0.3 the first is 0 in half of the cases, the second in 0.6."""
    found = _of_triples(torch.tensor([0.4, 0.1, 0.2, 0.3]).double(), 2)
    assert found.tolist() == pytest.approx([0.3, 0.2, 0.3, 0.2])
