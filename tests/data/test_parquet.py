"""Parquet files in the layout of Hugging Face datasets, and the hub."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.data import load
from triptych.errors import DataError

datasets = pytest.importorskip("datasets", reason="the hub extra is not installed")


def png(level: int) -> Image.Image:
    """Return a constant grey image."""
    return Image.fromarray(np.full((4, 4), level, np.uint8))


def table(levels: Sequence[int], labels: bool = True, images: Sequence[str] = ("image",)) -> object:
    """Return a set of constant grey images, of which the bright ones are `light`."""
    features: dict[str, object] = {name: datasets.Image() for name in images}
    columns: dict[str, list[object]] = {name: [png(level) for level in levels] for name in images}
    if labels:
        features["label"] = datasets.ClassLabel(names=["dark", "light"])
        columns["label"] = [int(level > 99) for level in levels]
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def written(folder: Path, **splits: object) -> str:
    """Write one parquet file per split."""
    folder.mkdir()
    for name, part in splits.items():
        part.to_parquet(folder / f"{name}-00000-of-00001.parquet")  # type: ignore[attr-defined]
    return str(folder)


def message_of(spec: str, **options: object) -> str:
    """Return the one line with which loading fails."""
    with pytest.raises(DataError) as caught:
        load(spec, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_given_splits_and_classes_are_kept(tmp_path: Path) -> None:
    root = written(tmp_path / "set", train=table([10, 120, 30]), test=table([200, 5]))
    for _ in ("decoded", "from the cache"):
        train, test = load(root)
        assert train.data[:, 0, 0, 0].tolist() == [10, 120, 30] and test.data[:, 0, 0, 0].tolist() == [200, 5]
        assert train.classes == ("dark", "light")
        assert train.labels is not None and train.labels.tolist() == [0, 1, 0]
        assert test.labels is not None and test.labels.tolist() == [1, 0]


def test_a_second_start_needs_no_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = written(tmp_path / "set", train=table(range(8)))
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert message_of(root).endswith("needs pip install 'triptych[hub]'")
    assert message_of("hub:owner/name") == "hub:owner/name needs pip install 'triptych[hub]'"
    monkeypatch.undo()
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))
    first = load(root)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert torch.equal(load(root)[0].data, first[0].data)


def test_one_file_is_split(tmp_path: Path) -> None:
    root = written(tmp_path / "set", everything=table(range(100, 108), labels=False))
    for spec in (root, f"{root}/everything-00000-of-00001.parquet"):
        train, test = load(spec)
        assert (len(train), len(test)) == (6, 2) and train.labels is None
        assert sorted(torch.cat((train.data, test.data))[:, 0, 0, 0].tolist()) == list(range(100, 108))


def test_several_columns_of_images(tmp_path: Path) -> None:
    root = written(tmp_path / "set", train=table(range(8), labels=False, images=("labels", "photo")))
    several = "has several columns of images (labels, photo): choose one, such as --column photo"
    assert several in message_of(root)
    assert "has no column of images 'foto': did you mean photo?" in message_of(root, column="foto")
    assert len(load(root, column="photo")[0]) == 6


def test_no_column_of_images(tmp_path: Path) -> None:
    root = written(tmp_path / "set", train=datasets.Dataset.from_dict({"text": ["a"], "label": [1]}))
    assert "has no column of images: its columns are text, label" in message_of(root)


def test_labels_without_names(tmp_path: Path) -> None:
    part: Any = table(range(8), labels=False)
    part = part.add_column("fine", [0, 1, 2, 0, 1, 2, 0, 1]).add_column("label", [-1] * 8)
    root = written(tmp_path / "set", train=part)
    assert load(root)[0].labels is None
    train, _ = load(root, label_column="fine")
    assert train.classes == ("0", "1", "2") and train.labels is not None
    assert torch.equal(train.labels, train.data[:, 0, 0, 0].long() % 3)
    assert "has no column of labels 'fin': did you mean fine?" in message_of(root, label_column="fin")


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    good = io.BytesIO()
    png(3).save(good, format="PNG")
    rows = [{"bytes": good.getvalue(), "path": None} for _ in range(8)]
    rows[5] = {"bytes": b"broken", "path": None}
    features = datasets.Features({"image": datasets.Image()})
    part = datasets.Dataset.from_dict({"image": rows}, features=features)
    root = written(tmp_path / "set", train=part)
    assert f"cannot read 1 of 8 images, the first {root} row 5: not an image" in message_of(root)
    with pytest.warns(UserWarning, match="skipped 1 of 8"):
        assert len(load(root, skip_bad=True)[0]) == 5


def test_a_file_that_is_no_parquet(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("hello")
    assert "x.parquet is not what its ending says: expected a parquet file" in message_of(str(path))


def test_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def load_dataset(path: str, name: str | None, revision: str | None) -> dict[str, object]:
        asked.append((path, name, revision))
        return {"test": table([200, 5]), "train": table([10, 120, 30])}

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    for _ in ("downloaded", "from the cache"):
        train, test = load("hub:owner/name/small@v1")
        assert train.data[:, 0, 0, 0].tolist() == [10, 120, 30] and test.data[:, 0, 0, 0].tolist() == [200, 5]
        assert train.classes == ("dark", "light")
    assert asked == [("owner/name", "small", "v1")]


def test_the_hub_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*args: object, **options: object) -> None:
        raise ConnectionError("Couldn't reach 'owner/name' on the Hub\nMaxRetryError")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    message = message_of("hub:owner/name")
    assert message.startswith("cannot get hub:owner/name: Couldn't reach 'owner/name' on the Hub; check the")


def test_mnist(tmp_path: Path) -> None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("TRIPTYCH_DATA") or beside) / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no MNIST at {folder}: set TRIPTYCH_DATA to the folder that holds mnist/")
    (tmp_path / "mnist").mkdir()
    for file in folder.glob("test-*.parquet"):
        (tmp_path / "mnist" / file.name).symlink_to(file)
    train, test = load(str(tmp_path / "mnist"))
    assert (len(train), len(test)) == (7500, 2500) and train.event.shape == (1, 28, 28)
    assert train.classes == tuple("0123456789") and train.labels is not None and test.labels is not None
    # The counts of the published test set.
    counts = (train.labels.bincount() + test.labels.bincount()).tolist()
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    mean = torch.cat((train.data, test.data)).float().mean() / 255
    assert mean.item() == pytest.approx(0.1325, abs=1e-3)
