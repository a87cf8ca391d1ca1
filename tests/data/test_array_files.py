"""Arrays and tables: which shapes and values are images, which vectors, and which neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data import Examples, load
from triptych.errors import DataError
from triptych.event import Event

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (20, 5, 6), dtype=np.uint8)
COLOUR = RANDOM.integers(0, 256, (20, 5, 6, 3), dtype=np.uint8)


def loaded(path: Path, **options: object) -> tuple[Examples, Examples]:
    """Load a file."""
    return load(str(path), **options)  # type: ignore[arg-type]


def message_of(path: Path, **options: object) -> str:
    """Return the one line with which loading a file fails."""
    with pytest.raises(DataError) as caught:
        loaded(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def saved(folder: Path, array: object) -> Path:
    """Save one array."""
    np.save(folder / "x.npy", np.asarray(array), allow_pickle=True)
    return folder / "x.npy"


def rows(parts: tuple[Examples, Examples]) -> list[bytes]:
    """Return all examples of both parts, in an order that does not depend on the split."""
    return sorted(x.numpy().tobytes() for part in parts for x in part.data)


@pytest.mark.parametrize("layout", ["NHW", "NCHW1", "NCHW3", "NHWC1", "NHWC3"])
def test_layouts(tmp_path: Path, layout: str) -> None:
    array = {
        "NHW": GREY,
        "NCHW1": GREY[:, None],
        "NHWC1": GREY[..., None],
        "NCHW3": COLOUR.transpose(0, 3, 1, 2),
        "NHWC3": COLOUR,
    }[layout]
    parts = loaded(saved(tmp_path, array))
    truth = COLOUR.transpose(0, 3, 1, 2) if layout.endswith("3") else GREY[:, None]
    assert parts[0].event == Event(truth.shape[1:], 256) and parts[0].data.is_contiguous()
    assert rows(parts) == sorted(np.ascontiguousarray(x).tobytes() for x in truth)


def test_alpha_shows_white(tmp_path: Path) -> None:
    array = np.concatenate((COLOUR, np.zeros((20, 5, 6, 1), np.uint8)), axis=3)
    array[0, ..., 3] = 255
    parts = loaded(saved(tmp_path, array))
    white = [bool((x == 255).all()) for part in parts for x in part.data]
    assert sum(white) == 19 and parts[0].event.shape == (3, 5, 6)


@pytest.mark.parametrize(
    ("values", "levels", "found", "top"),
    [
        (GREY, None, 256, 255),
        (GREY.astype(np.int64), None, 256, 255),
        (GREY.astype(np.float64), None, 256, 255),
        (GREY / 255, None, 256, 255),
        (GREY.astype(np.float32) / np.float32(255), None, 256, 255),
        (GREY / 255, 8, 8, 7),
        (GREY > 127, None, 2, 1),
        (GREY // 128, None, 2, 1),
        ((GREY > 127).astype(np.float32), None, 2, 1),
        (GREY // 32, None, 256, 7),
        (GREY // 32, 8, 8, 7),
    ],
)
def test_values_of_images(tmp_path: Path, values: np.ndarray, levels: int | None, found: int, top: int) -> None:
    parts = loaded(saved(tmp_path, values), levels=levels)
    assert parts[0].event.levels == found and parts[0].data.dtype == torch.uint8
    assert max(int(part.data.max()) for part in parts) == top
    if top == 255:
        assert rows(parts) == sorted(x.tobytes() for x in GREY)


@pytest.mark.parametrize("values", [GREY * 1000.0, GREY - 1.5, np.full((20, 4, 4), np.nan)])
def test_other_values_of_images(tmp_path: Path, values: np.ndarray) -> None:
    assert "expected whole numbers 0 to 255, or numbers in [0, 1]" in message_of(saved(tmp_path, values))


def test_vectors(tmp_path: Path) -> None:
    table = RANDOM.normal(size=(40, 3))
    parts = loaded(saved(tmp_path, table))
    assert parts[0].shape == (30, 3) and parts[0].labels is None
    assert rows(parts) == sorted(x.tobytes() for x in table.astype(np.float32))
    assert loaded(saved(tmp_path, np.arange(40).reshape(20, 2)))[0].data.dtype == torch.float32
    assert loaded(saved(tmp_path, np.arange(40.0)))[0].shape == (30, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_vectors_that_are_not_finite(tmp_path: Path, bad: float) -> None:
    table = np.zeros((40, 3))
    table[17, 2] = bad
    assert f"has {bad} in row 17, column 2 (counted from 0)" in message_of(saved(tmp_path, table))


def test_other_shapes_and_types(tmp_path: Path) -> None:
    assert "has shape (2, 5, 6, 7): expected (N, H, W)" in message_of(saved(tmp_path, np.ones((2, 5, 6, 7))))
    assert "expected (N, D) vectors or (N, H, W) images" in message_of(saved(tmp_path, np.ones((2,) * 5)))
    assert "holds complex128 values: expected numbers" in message_of(saved(tmp_path, np.ones((4, 2)) * 1j))
    assert "not what its ending says" in message_of(saved(tmp_path, [{"a": 1}, None]))


def test_files_that_are_not_what_their_ending_says(tmp_path: Path) -> None:
    for ending in (".npy", ".npz"):
        for content in (b"", b"hello world, this is text", b"PK\x03\x04 broken"):
            path = tmp_path / f"x{ending}"
            path.write_bytes(content)
            assert f"{path} is not what its ending says" in message_of(path)
    np.savez(tmp_path / "y.npz", x=GREY)
    (tmp_path / "y.npz").rename(tmp_path / "y.npy")
    assert "rename it to .npz" in message_of(tmp_path / "y.npy")
    saved(tmp_path, GREY).rename(tmp_path / "z.npz")
    assert "rename it to .npy" in message_of(tmp_path / "z.npz")


@pytest.mark.parametrize("name", ["data", "x", "images", "X", "x_train"])
@pytest.mark.parametrize("owner", ["labels", "y"])
def test_npz(tmp_path: Path, name: str, owner: str) -> None:
    labels = GREY[:, 0, 0] % 2 + 3
    np.savez(tmp_path / "x.npz", **{name: GREY, owner: labels})  # type: ignore[arg-type]
    train, test = loaded(tmp_path / "x.npz")
    assert train.classes == ("3", "4") and (len(train), len(test)) == (15, 5)
    for part in (train, test):
        assert part.labels is not None and torch.equal(part.data[:, 0, 0, 0] % 2, part.labels.to(torch.uint8))


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_npz_with_given_splits(tmp_path: Path, names: tuple[str, str, str, str]) -> None:
    parts = (GREY[:15], np.array(["b", "a", "c"] * 5), GREY[15:], np.array(["c"] * 5))
    np.savez(tmp_path / "x.npz", **dict(zip(names, parts, strict=True)))  # type: ignore[arg-type]
    train, test = loaded(tmp_path / "x.npz")
    assert (train.data[:, 0].numpy() == GREY[:15]).all() and (test.data[:, 0].numpy() == GREY[15:]).all()
    assert train.classes == ("a", "b", "c")
    assert train.labels is not None and train.labels.tolist() == [1, 0, 2] * 5
    assert test.labels is not None and test.labels.tolist() == [2] * 5


def test_npz_that_does_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, pictures=GREY, kind=GREY)
    assert "has the arrays pictures, kind: expected data, x, images or x_train" in message_of(path)
    np.savez(path, x=GREY, y=np.zeros(7, int))
    assert "has 20 examples and 7 labels: expected one each" in message_of(path)
    np.savez(path, x=GREY, y=np.zeros((7, 3)))
    assert "has 20 examples and 7 labels: expected one each" in message_of(path)
    np.savez(path, x=GREY, y=np.full((20, 3), np.nan))
    assert "has a label vector that is not finite" in message_of(path)
    np.savez(path, x=GREY, y=np.full(20, 0.5))
    assert "has float64 labels: expected whole numbers or names" in message_of(path)
    np.savez(path, x_train=GREY, x_test=COLOUR)
    assert "an example of x_train has shape (5, 6), one of x_test (5, 6, 3)" in message_of(path)
    np.savez(path, x=np.array([None, 1], dtype=object), allow_pickle=True)
    assert "the array x cannot be read: expected numbers, not objects" in message_of(path)


def test_an_npy_file_larger_than_memory_is_mapped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path, COLOUR)
    held = loaded(path)
    monkeypatch.setenv("TRIPTYCH_MEMORY", "100")
    mapped = loaded(path)
    for a, b in zip(held, mapped, strict=True):
        assert a.resident and not b.resident and torch.equal(a.data, b.data)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("named", [False, True])
def test_csv(tmp_path: Path, mark: str, named: bool) -> None:
    table = RANDOM.normal(size=(40, 3)).round(3)
    lines = [mark.join(map(str, line)) for line in table]
    (tmp_path / "x.csv").write_text("\n".join(([mark.join(("a", '"b"', "c"))] if named else []) + lines))
    assert rows(loaded(tmp_path / "x.csv")) == sorted(x.tobytes() for x in table.astype(np.float32))


def test_csv_with_labels(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,label,kind\n" + "\n".join(f"{i},{i % 2},{i % 4}" for i in range(40)))
    for options, column, classes in (({}, 1, ("0", "1")), ({"label_column": "kind"}, 2, ("0", "1", "2", "3"))):
        train, _ = loaded(path, **options)
        assert train.shape == (30, 2) and train.classes == classes and train.labels is not None
        assert torch.equal(train.data[:, 0].long() % len(classes), train.labels)
        assert column == 1 or (train.data[:, 1] < 2).all()
    assert "has no column 'knd': did you mean kind?" in message_of(path, label_column="knd")
    path.write_text("a,b\n1,2\n3,cat\n")
    assert "x.csv is not a table of numbers: could not convert string 'cat'" in message_of(path)


@pytest.mark.parametrize("text", ["", "\n\n", "a,b,c\n", "a,b,label\n\n"])
def test_a_csv_without_numbers(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert message_of(path) == f"{path} has no line of numbers: expected one for each example"
