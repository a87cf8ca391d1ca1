"""Extractors: the classifier that is trained on the user's labels, pixels, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation import Extractor, pixels, resolve_extractor
from triptych.evaluation.features import classifier, code_net
from triptych.evaluation.features.net_cache import key
from triptych.event import Event
from triptych.metrics import frechet_distance

Split = tuple[Examples, Examples]
Monkey = pytest.MonkeyPatch


def test_the_digits_classifier_classifies(digits: Split, cache: Path) -> None:
    extractor = resolve_extractor("auto", *digits, data="digits", cache=cache)
    assert extractor.name == "digits-net"
    assert extractor.accuracy is not None and (extractor.accuracy.value or 0) >= 97
    assert f"test accuracy {extractor.accuracy.text} % on 360 examples" in extractor.note
    # The record's accuracy is what the network does now.
    net = extractor.function
    assert isinstance(net, classifier.LabelsNet)
    with torch.no_grad():
        said = net.logits(digits[1].data).argmax(1)
    assert float((said == digits[1].labels).double().mean() * 100) == pytest.approx(extractor.accuracy.value)


def test_is_read_from_the_cache_and_mended(digits: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = resolve_extractor("labels-net", *digits, cache=tmp_path)(digits[1])
    trained = []
    train = classifier._train
    monkeypatch.setattr(classifier, "_train", lambda *given: (trained.append(1), train(*given)))
    assert torch.equal(resolve_extractor("labels-net", *digits, cache=tmp_path)(digits[1]), first)
    assert not trained
    (file,) = (tmp_path / "extractors").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:1000])
    again = resolve_extractor("labels-net", *digits, cache=tmp_path)(digits[1])
    assert len(trained) == 1
    assert torch.equal(again, first)  # the same seed gives the same features
    assert not list((tmp_path / "extractors").glob("*.tmp"))


def test_other_data_is_not_read_from_the_cache(digits: Split) -> None:
    train, test = digits
    other = Examples(train.data, train.event, (train.labels + 1) % 10 if train.labels is not None else None)
    keys = {
        key("a", train, test, 0),
        key("a", train, test, 1),
        key("b", train, test, 0),
        key("a", train[1:], test, 0),
        key("a", train, test[1:], 0),
        key("a", other, test, 0),
    }
    assert len(keys) == 6 and key("a", train, test, 0) in keys


def test_leaves_the_global_random_state_alone(digits: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS", 5)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    resolve_extractor("labels-net", *digits, cache=tmp_path)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("shape", [(3, 28, 20), (1, 100, 64), (2, 4, 4), (5,)])
def test_any_shape_has_a_classifier(shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS", 3)
    monkeypatch.setattr(classifier, "BATCH", 8)
    event = Event(shape, 256) if len(shape) == 3 else Event(shape)
    data = torch.randint(256, (40, *shape)).to(event.dtype)
    examples = Examples(data, event, torch.arange(40) % 3)
    features = resolve_extractor("auto", examples[:30], examples[30:], cache=tmp_path)(examples)
    assert features.shape == (40, 64)


def test_auto_is_what_the_data_allow(digits: Split, cache: Path) -> None:
    images = [Examples(part.data, part.event) for part in digits]
    of_one = [Examples(part.data, part.event, torch.zeros(len(part), dtype=torch.long)) for part in digits]
    vectors = [Examples(torch.randn(30, 3), Event((3,)))] * 2
    assert resolve_extractor("auto", *digits, data="digits", cache=cache).name == "digits-net"
    assert resolve_extractor("auto", *images, data="digits", cache=cache).name == "digits-code"
    assert resolve_extractor("auto", *of_one, data="digits", cache=cache).name == "digits-code"
    assert resolve_extractor("auto", vectors[0], vectors[1]).name == "coordinates"
    for given in (images, of_one, vectors):
        with pytest.raises(DataError, match="2 labelled classes: try 'autoencoder'"):
            resolve_extractor("labels-net", given[0], given[1])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 64, 48), (5,)])
def test_every_name_in_a_protocol_can_be_asked_for(shape: tuple[int, ...], tmp_path: Path, monkeypatch: Monkey) -> None:
    for module in (classifier, code_net):
        monkeypatch.setattr(module, "STEPS", 2)
        monkeypatch.setattr(module, "BATCH", 8)
    event = Event(shape, 256) if len(shape) == 3 else Event(shape)
    data = torch.randint(256, (30, *shape), generator=torch.Generator().manual_seed(0)).to(event.dtype)
    examples = Examples(data, event, torch.arange(30) % 2)
    for name in ("auto", "pixels", "labels-net", "autoencoder"):
        told = resolve_extractor(name, examples, examples, data="mine", cache=tmp_path).name
        again = resolve_extractor(told, examples, examples, data="mine", cache=tmp_path)
        assert again.name == told and len(again(examples)) == 30
    with pytest.raises(ConfigurationError, match="no feature extractor 'mine-cod'; did you mean mine-code"):
        resolve_extractor("mine-cod", examples, examples, data="mine")
    with pytest.raises(ConfigurationError, match="did you mean pixels"):
        resolve_extractor("pixel", examples, examples)


def test_pixels_are_the_scaled_examples(digits: Split) -> None:
    _, test = digits
    assert torch.equal(pixels(test.event)(test), test.event.scaled(test.data).flatten(1))
    large = Event((3, 64, 48), 256)
    flat = torch.full((2, 3, 64, 48), 255, dtype=torch.uint8)
    assert torch.equal(pixels(large)(flat), torch.ones(2, 3 * 32 * 32))


def test_a_users_module_or_function_plugs_in(digits: Split) -> None:
    class Ink(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.float().mean((1, 2, 3))

    assert resolve_extractor(Ink(), *digits).name == "Ink"
    assert resolve_extractor(Ink(), *digits)(digits[1]).shape == (360, 1)
    named = Extractor("corner", lambda x: x[:, :, :2, :2].float())
    assert resolve_extractor(named, *digits)(digits[1]).shape == (360, 4)
    wrong = Extractor("wrong", lambda x: x.float().sum())
    with pytest.raises(DataError, match="wrong gave"):
        wrong(digits[1])
    with pytest.raises(DataError, match="nan: the features of 360 of 360"):
        Extractor("nan", lambda x: x.float() / 0 * 0)(digits[1])
    with pytest.raises(DataError, match="gram gave 437 and 500 features"):
        Extractor("gram", lambda x: torch.ones(len(x), len(x)))(digits[0])


def test_orders_what_theory_orders(digits: Split, cache: Path) -> None:
    train, test = digits
    extractor = resolve_extractor("auto", train, test, cache=cache)
    real, noise = extractor(test), torch.randint(17, (360, 1, 8, 8)).to(torch.uint8)
    missing = train[train.labels != 3][:360] if train.labels is not None else train
    distances = [frechet_distance(extractor(x), real) for x in (train[:360], missing, noise)]
    assert distances[0] < distances[1] < distances[2]
