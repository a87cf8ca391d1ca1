"""Extractors that are networks or a user's own: the autoencoder's code, Inception's features, files and modules."""

from __future__ import annotations

import sys
import urllib.error
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation import Protocol, Subject, resolve_extractor
from triptych.evaluation.asked import read_asked
from triptych.evaluation.features import code_net
from triptych.evaluation.features.code_net import CodeNet
from triptych.evaluation.features.inception import inception
from triptych.evaluation.features.own_extractor import own_extractor
from triptych.event import Event
from triptych.metrics import frechet_distance

Split = tuple[Examples, Examples]
Monkey = pytest.MonkeyPatch
EVENT = Event((1, 8, 8), 17)


# The autoencoder's code.


def test_a_code_reconstructs_and_its_error_is_stated(digits: Split, cache: Path) -> None:
    extractor = resolve_extractor("autoencoder", *digits, data="digits", cache=cache)
    net, figure = extractor.function, extractor.reconstruction
    assert extractor.name == "digits-code" and isinstance(net, CodeNet) and figure is not None
    x = digits[1].data.double() / 16
    with torch.no_grad():
        back = (net.decoder(net.encoder(digits[1].data.float() / 8 - 1)).double() + 1) / 2
    errors = (back - x).square().mean((1, 2, 3))
    assert figure.value == pytest.approx(float(errors.mean()), rel=1e-4)
    assert figure.error == pytest.approx(float(errors.std()) / 360**0.5, rel=1e-4)
    mean = digits[0].data.double().mean(0) / 16
    assert (figure.value or 1) < 0.15 * float((x - mean).square().mean())
    assert figure.text in extractor.note and figure.protocol == "mse@test-360"


def test_codes_are_centred_and_of_one_scale_and_order_what_theory_orders(digits: Split, cache: Path) -> None:
    train, test = digits
    extractor = resolve_extractor("autoencoder", train, test, data="digits", cache=cache)
    codes = extractor(train)
    assert codes.shape == (1437, 32)
    assert codes.mean(0).abs().max() < 1e-4
    assert float(codes.var(0, unbiased=False).mean()) == pytest.approx(1, abs=1e-3)
    assert float(codes.var(0).max() / codes.var(0).min()) > 1.1  # one scale for all, not one each
    noise = torch.randint(17, (360, 1, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    assert train.labels is not None
    missing = train[train.labels != 3][:360]
    real = extractor(test)
    distances = [frechet_distance(extractor(x), real) for x in (train[:360], missing, noise)]
    assert distances[0] < distances[1] < distances[2]


def test_the_same_images_with_other_labels_have_one_code(digits: Split, tmp_path: Path, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(code_net, "STEPS", 3)
    codes = []
    for parts in (digits, [Examples(part.data, part.event) for part in digits]):
        codes.append(resolve_extractor("autoencoder", parts[0], parts[1], cache=tmp_path)(parts[1]))
    assert torch.equal(*codes) and len(list(tmp_path.glob("extractors/*.safetensors"))) == 1
    other = resolve_extractor("autoencoder", *digits, seed=1, cache=tmp_path)(digits[1])
    assert not torch.equal(other, codes[0])


@pytest.mark.parametrize("n", [1, 2, 40])
def test_constant_images_have_finite_codes(n: int, tmp_path: Path, monkeypatch: Monkey) -> None:
    monkeypatch.setattr(code_net, "STEPS", 20)
    constant = Examples(torch.full((n, 3, 9, 11), 200, dtype=torch.uint8), Event((3, 9, 11), 256))
    extractor = resolve_extractor("auto", constant, constant, cache=tmp_path)
    assert extractor.name == "data-code"
    codes = extractor(constant)
    assert bool(torch.isfinite(codes).all()) and float((codes - codes[0]).abs().max()) < 1e-3


# The standard Inception network, by a stand-in of torch-fidelity.


class StandIn(nn.Module):
    """Takes what FeatureExtractorInceptionV3 takes, refuses what it refuses, and returns colours' means, repeated."""

    made: list[tuple[str, list[str]]] = []
    fails: Exception | None = None

    def __init__(self, name: str, features_list: list[str]) -> None:
        super().__init__()
        if StandIn.fails is not None:
            raise StandIn.fails
        self.made.append((name, features_list))
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        assert x.dtype == torch.uint8 and x.dim() == 4 and x.shape[1] == 3
        means = x.float().mean((2, 3))
        return (torch.cat([means, torch.zeros(len(x), 2045)], 1) * self.weight,)


@pytest.fixture
def fidelity(monkeypatch: Monkey) -> type[StandIn]:
    package, module = ModuleType("torch_fidelity"), ModuleType("torch_fidelity.feature_extractor_inceptionv3")
    module.FeatureExtractorInceptionV3 = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(StandIn, "fails", None)
    return StandIn


def test_images_come_to_inception_as_it_takes_them(fidelity: type[StandIn]) -> None:
    grey = Examples(torch.tensor([0, 8, 16], dtype=torch.uint8).view(3, 1, 1, 1).expand(3, 1, 8, 8), EVENT)
    extractor = resolve_extractor("inception", grey, grey)
    assert extractor.name == "inception" and "2,048 features" in extractor.note
    assert fidelity.made[-1] == ("inception", ["2048"])
    features = extractor(grey)
    assert features.shape == (3, 2048) and not features.requires_grad
    assert features[:, :3].tolist() == [[0] * 3, [128] * 3, [255] * 3]  # 17 levels stretched, grey repeated
    colours = torch.tensor([10, 20, 30], dtype=torch.uint8).view(1, 3, 1, 1).expand(120, 3, 9, 7)
    assert inception(Event((3, 9, 7), 256))(colours)[:, :3].unique(dim=0).tolist() == [[10, 20, 30]]
    for event in (Event((2, 8, 8), 256), Event((5,))):
        with pytest.raises(DataError, match="images of 1 or 3 colours"):
            inception(event)


def missing(name: str) -> Exception:
    return ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (missing("torch_fidelity"), r"torch-fidelity is not installed: pip install 'triptych\[inception\]'"),
        (missing("torchvision"), "torch-fidelity is there, but torchvision, which it imports, is not"),
        (missing("tqdm"), "cannot be imported without tqdm"),
        (RuntimeError("operator torchvision::nms does not exist\nmore"), r"nms does not exist\): install the torchvis"),
        (OSError("libcudart.so: cannot open"), "libcudart.so"),
    ],
)
def test_what_is_absent_is_told_apart(raised: Exception, told: str, monkeypatch: Monkey) -> None:
    def fails(name: str) -> ModuleType:
        raise raised

    monkeypatch.setattr("triptych.evaluation.features.inception.import_module", fails)
    with pytest.raises(ConfigurationError, match=told) as error:
        inception(EVENT)
    assert "\n" not in str(error.value) and str(error.value).startswith("inception: ")


@pytest.mark.parametrize(
    ("raised", "there", "told"),
    [
        (urllib.error.URLError("no route to host"), False, r"cannot be fetched \(no route to host\): put weights-inc"),
        (PermissionError(13, "Permission denied"), False, r"cannot be fetched \(Permission denied\)"),
        (RuntimeError("PytorchStreamReader failed"), True, "are damaged: remove that file"),
        (OSError(22, "Invalid argument"), True, "are damaged: remove that file"),
        (EOFError(), True, "are damaged: remove that file"),
    ],
)
def test_weights_that_are_absent_or_damaged_are_told_apart(
    raised: Exception, there: bool, told: str, fidelity: type[StandIn], monkeypatch: Monkey, tmp_path: Path
) -> None:
    monkeypatch.setattr(fidelity, "fails", raised)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = tmp_path / "hub" / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    if there:
        weights.parent.mkdir(parents=True)
        weights.write_bytes(b"half")
    with pytest.raises(ConfigurationError, match=told) as error:
        inception(EVENT)
    assert str(weights) in str(error.value) and "\n" not in str(error.value)


# A user's own.

OWN = """
from beside import SCALE
import torch
from dataclasses import dataclass

@dataclass
class Settings:
    scale: float = SCALE

def ink(x):
    return x.float().mean((1, 2, 3)) * Settings().scale

class Rows(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.drop = torch.nn.Dropout(0.5)
    def forward(self, x):
        return self.drop(x.float()).sum((1, 3))

rows = Rows()
number = 3

def total(x):
    return x.float().sum()

def lost(x):
    return x.float() * float("nan")

def broken(x):
    return x @ torch.ones(3, 3)

def leaves(x):
    raise SystemExit(0)

def nothing(x):
    return torch.ones(len(x), 0)

def complex(x):
    return torch.fft.fft(x.float())

def rude(x):
    return x.zero_().float()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: Monkey) -> Path:
    (tmp_path / "beside.py").write_text("SCALE = 2.0\n")
    (tmp_path / "my_features.py").write_text(OWN)
    (tmp_path / "wrong.py").write_text("1 / 0\n")
    (tmp_path / "leaves.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "needs.py").write_text("import nothing_of_this_name\n")
    for name in ("beside", "my_features"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


def test_functions_and_modules_in_a_users_file(digits: Split, own: Path) -> None:
    name = f"{own}/my_features.py:ink"
    before = list(sys.path)
    extractor = resolve_extractor(name, *digits)
    assert extractor.name == name and sys.path == before
    assert torch.allclose(extractor(digits[1])[:, 0], 2 * digits[1].data.float().mean((1, 2, 3)))
    rows = resolve_extractor(f"{own}/my_features.py:rows", *digits)
    assert torch.equal(rows(digits[1]), digits[1].data.float().sum((1, 3)))  # evaluation mode: nothing is dropped


def test_a_module_is_found_from_the_current_directory(digits: Split, own: Path, monkeypatch: Monkey) -> None:
    monkeypatch.chdir(own)
    features = {}
    for name in ("my_features:ink", "my_features.py:ink"):
        asked = read_asked(f"fid-100@{name}")
        protocol = asked.of(Protocol.prepare(*digits, extractor="pixels"))
        assert asked.metric is not None
        figure = asked.metric(Subject(None, protocol))
        assert figure.protocol == f"fid-100@{name}"
        features[name] = figure.value
    assert len(set(features.values())) == 1 and features["my_features:ink"] is not None


def in_the(folder: Path) -> Callable[[str], str]:
    return lambda name: name if name.startswith("nothing_") else f"{folder}/{name}"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("absent.py:ink", "there is no file .*absent.py"),
        ("my_features.py:inc", "there is no inc in .*; did you mean ink"),
        ("my_features.py:", "expected file.py:function or package.module:name"),
        ("my_features.py:number", "is number, of type int: expected a function"),
        ("my_features.py:Rows", "is the class Rows: expected a function"),
        ("wrong.py:ink", "fails when it is run: ZeroDivisionError: division by zero"),
        ("leaves.py:ink", "fails when it is run: SystemExit: 3"),
        ("needs.py:ink", "fails when it is run: ModuleNotFoundError: No module named 'nothing_of"),
        ("nothing_here.at_all:ink", "there is no module nothing_here.at_all"),
    ],
)
def test_what_a_user_can_name_wrongly_is_one_line(name: str, told: str, own: Path) -> None:
    before = list(sys.path)
    with pytest.raises(ConfigurationError, match=told) as error:
        own_extractor(in_the(own)(name))
    assert "\n" not in str(error.value) and sys.path == before


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("total", r"gave \(\) for 360 examples: expected \(360, features\)"),
        ("lost", "the features of 360 of 360 examples are not finite"),
        ("broken", r"failed on examples uint8 \(360, 1, 8, 8\): RuntimeError: "),
        ("leaves", r"failed on examples uint8 \(360, 1, 8, 8\): SystemExit: 0"),
        ("nothing", "gave no features: expected one real number or more of each example"),
        ("complex", "gave complex numbers: expected one real number or more of each example"),
    ],
)
def test_what_a_users_function_gives_wrongly_is_one_line(name: str, told: str, own: Path, digits: Split) -> None:
    with pytest.raises(DataError, match=told) as error:
        own_extractor(f"{own}/my_features.py:{name}")(digits[1])
    assert "\n" not in str(error.value)


def test_a_users_function_cannot_change_the_data(digits: Split, own: Path) -> None:
    kept = digits[1].data.clone()
    assert not own_extractor(f"{own}/my_features.py:rude")(digits[1]).any()
    assert torch.equal(digits[1].data, kept)
