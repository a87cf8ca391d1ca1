"""What a spec names: the embedded sets, the split, binarisation, options, and names that do not exist."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data import Batches, Examples, describe, load, require_classes, toy_modes
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event


def test_digits_are_the_digits_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    train, test = load("digits")
    assert (len(train), len(test)) == (1348, 449)
    assert train.event == test.event == Event((1, 8, 8), 17)
    assert train.data.dtype == torch.uint8 and train.classes == tuple("0123456789")
    bunch = load_digits()
    pairs = zip(bunch.images, bunch.target, strict=True)
    truth = {(image.astype(np.uint8).tobytes(), label) for image, label in pairs}
    for part in (train, test):
        assert part.labels is not None
        found = {(x.numpy().tobytes(), int(y)) for x, y in zip(part.data, part.labels, strict=True)}
        assert found <= truth
    assert describe(train) == "1,348 examples, 1×8×8 image, 17 levels, 10 classes"


def test_the_split_is_disjoint_seeded_and_fair_to_every_class() -> None:
    train, test = load("ring", count=1000, seed=4)
    assert len({tuple(x) for part in (train, test) for x in part.data.tolist()}) == 1000
    for again, same in ((load("ring", count=1000, seed=4), True), (load("ring", count=1000, seed=5), False)):
        assert torch.equal(again[0].data, train.data) is same
    digits = load("digits", test_fraction=0.2)
    shares = [part.labels.bincount() for part in digits if part.labels is not None]
    assert (shares[1] / (shares[0] + shares[1]) - 0.2).abs().max() < 0.01
    assert len(digits[1]) == round(0.2 * 1797)
    first, second = (load("digits", seed=seed)[1].data for seed in (0, 1))
    assert not torch.equal(first, second)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_mixtures_lie_on_their_modes(name: str, modes: int) -> None:
    centres, spread = toy_modes(name)
    train, _ = load(name)
    assert centres.shape == (modes, 2) and len(train) == 7500 and train.labels is not None
    away = train.data - centres[train.labels]
    assert away.std().item() == pytest.approx(spread, rel=0.05)
    assert len(train.labels.unique()) == modes
    if name == "ring":
        assert torch.allclose(centres.norm(dim=1), torch.tensor(1.0))


@pytest.mark.parametrize(("name", "classes"), [("moons", 2), ("swiss-roll", 0)])
def test_curves(name: str, classes: int) -> None:
    train, test = load(name, count=400)
    assert (train.shape, test.shape) == ((300, 2), (100, 2)) and train.data.dtype == torch.float32
    assert len(train.classes) == classes and (train.labels is None) == (classes == 0)
    assert torch.equal(load(name, count=400)[0].data, train.data)
    assert not torch.equal(load(name, count=400, seed=1)[0].data, train.data)
    assert train.data.abs().max() < 5


def test_vectors_are_standardised_by_the_training_split() -> None:
    train, test = load("moons", count=400)
    scaled = train.event.scaled(train.data)
    assert scaled.mean(0).abs().max() < 1e-5
    assert torch.allclose(scaled.std(0, correction=0), torch.ones(2), atol=1e-5)
    assert test.event == train.event
    assert abs(test.event.scaled(test.data).mean(0)).max() > 1e-4


def test_a_constant_column_keeps_its_unit(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    table[:, 1] = 0.1
    np.save(tmp_path / "x.npy", table)
    event = load(str(tmp_path / "x.npy"))[0].event
    assert event.spread[1] == 1 and event.spread[0] != 1 and all(0 < s < math.inf for s in event.spread)


def test_threshold_binarisation() -> None:
    grey, binary = load("digits")[0], load("digits", binarize="threshold")[0]
    assert binary.event == Event((1, 8, 8), 2) and binary.intensities is None
    assert torch.equal(binary.data, (grey.data >= 8).to(torch.uint8))


def test_stochastic_binarisation_keeps_the_intensities_of_the_training_set() -> None:
    grey, (train, test) = load("digits"), load("digits", binarize="stochastic")
    assert train.event.levels == test.event.levels == 2
    assert train.intensities is not None and torch.equal(train.intensities, grey[0].data)
    assert train.intensity_levels == 17 and test.intensities is None
    for part, intensity in ((train, grey[0].data), (test, grey[1].data)):
        assert part.data.max() == 1
        assert (part.data[intensity == 16] == 1).all() and (part.data[intensity == 0] == 0).all()
        half = part.data[intensity == 8].float()
        assert half.mean().item() == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(len(half)))
    again = load("digits", binarize="stochastic")
    assert torch.equal(again[1].data, test.data) and torch.equal(again[0].data, train.data)
    epochs = [next(Batches(train, 1348).since(k)).x.sum() for k in (0, 1)]
    assert epochs[0] != epochs[1]


def test_vectors_cannot_be_binarised() -> None:
    with pytest.raises(DataError, match="^ring holds vectors, which cannot be binarised"):
        load("ring", binarize="threshold")


def test_images_that_are_not_files_take_another_size_and_channels() -> None:
    plain, _ = load("digits")
    train, _ = load("digits", image_size=16, colours=3)
    assert train.event == Event((3, 16, 16), 17) and torch.equal(train.data[:, 0], train.data[:, 2])
    assert train.data.max() <= 16
    back = torch.nn.functional.avg_pool2d(train.data[:, :1].float(), 2)
    assert (back - plain.data).abs().mean() < 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"binarize": "treshold"}, "binarize 'treshold': did you mean threshold?"),
        ({"test_fraction": 1.5}, "a test fraction of 1.5: expected a number between 0 and 1"),
        ({"image_size": 0}, "image size 0: expected"),
        ({"colours": 2}, "2 colours: expected 1"),
        ({"column": "photo"}, "--column is for parquet files"),
        ({"label_column": "y"}, "--label-column is for tables"),
        ({"count": 100}, "a count of examples is for toys only"),
    ],
)
def test_options_out_of_range(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load("digits", **options)  # type: ignore[arg-type]
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_options_of_images_are_refused_for_vectors() -> None:
    with pytest.raises(ConfigurationError, match="^--image-size is for images, ring holds vectors"):
        load("ring", image_size=8)


def test_fewer_levels_than_the_images_have() -> None:
    with pytest.raises(DataError, match="^digits has values up to 16: expected fewer than 8"):
        load("digits", levels=8)
    assert load("digits", levels=32)[0].event.levels == 32


def test_a_name_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faces").mkdir()
    for given, hint in (("digit", "did you mean digits?"), ("facse", "did you mean faces")):
        with pytest.raises(DataError) as caught:
            load(given)
        assert str(caught.value).startswith(f"{given!r} does not exist") and hint in str(caught.value)
    with pytest.raises(DataError, match="did you mean faces"):
        load(str(tmp_path / "face" / "train"))
    with pytest.raises(DataError, match="there is: digits, factors, grid, moons, ring, swiss-roll"):
        load("zzzzzz")


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"notes\.txt is no data set: expected a folder, or a \.npz"):
        load(str(tmp_path / "notes.txt"))


def test_a_split_needs_examples_on_both_sides(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 2), np.float32))
    with pytest.raises(DataError, match="^no test example in .*: 3 in all, 0 of them for the test"):
        load(str(tmp_path / "x.npy"), test_fraction=0.1)
    with pytest.raises(DataError, match="^no training example in .*: 3 in all, 3 of them"):
        load(str(tmp_path / "x.npy"), test_fraction=0.99)
    np.save(tmp_path / "x.npy", np.zeros((0, 4, 4), np.uint8))
    with pytest.raises(DataError, match="holds no example"):
        load(str(tmp_path / "x.npy"))


def test_require_classes() -> None:
    train, _ = load("digits")
    require_classes(train, "a classifier")
    assert train.labels is not None
    unlabelled = Examples(train.data, train.event)
    for one_class in (unlabelled, train[train.labels == 3]):
        with pytest.raises(DataError, match="^one class only: a classifier needs labels of two classes"):
            require_classes(one_class, "a classifier")
