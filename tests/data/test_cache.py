"""Decoded once: hits, changes, damage, and folders that cannot be written."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from triptych.data import decode, load
from triptych.errors import DataError

MakeFolder = Callable[..., Path]


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record which files are decoded."""
    seen: list[str] = []
    original = decode.decode_image

    def recorded(encoded: str, *args: int | None) -> decode.Pixels:
        seen.append(os.path.basename(encoded))
        return original(encoded, *args)

    monkeypatch.setattr(decode, "decode_image", recorded)
    return seen


def test_a_second_start_decodes_nothing(make_folder: MakeFolder, decodings: list[str]) -> None:
    root = str(make_folder(*(f"{c}/{i}.png" for c in "ab" for i in range(6))))
    first = load(root)
    assert len(decodings) == 12
    second = load(root)
    assert len(decodings) == 12
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.data, b.data) and a.event == b.event and a.classes == b.classes
        assert a.labels is not None and b.labels is not None and torch.equal(a.labels, b.labels)


def test_what_changes_is_decoded_again(make_folder: MakeFolder, decodings: list[str]) -> None:
    root = make_folder("a.png", "b.png")
    load(str(root))
    image = root / "a.png"
    changes: list[Callable[[], object]] = [
        lambda: os.utime(image, ns=(1, 1)),
        lambda: Image.fromarray(np.full((5, 6), 99, np.uint8)).save(image),
        lambda: image.rename(root / "c.png"),
        lambda: Image.new("L", (6, 5)).save(root / "d.png"),
        lambda: (root / "d.png").unlink(),
    ]
    for change, decoded_now in zip(changes, (2, 2, 2, 3, 0), strict=True):
        decodings.clear()
        change()
        parts = load(str(root))
        # The last change restores a listing that is known.
        assert len(decodings) == decoded_now
        assert sum(map(len, parts)) == len(list(root.iterdir()))
    assert 99 in torch.cat([part.data for part in parts])
    for options in ({"image_size": 4}, {"colours": 3}):
        decodings.clear()
        load(str(root), **options)  # type: ignore[arg-type]
        assert len(decodings) == 2


@pytest.mark.parametrize("damage", ["cut", "header", "pixel", "empty"])
def test_a_damaged_file_is_made_again(
    make_folder: MakeFolder, cache_folder: Path, decodings: list[str], damage: str
) -> None:
    root = str(make_folder(*(f"{i}.png" for i in range(8))))
    first = load(root)
    (stored,) = cache_folder.iterdir()
    content = bytearray(stored.read_bytes())
    if damage == "cut":
        del content[-10:]
    elif damage == "empty":
        content.clear()
    else:
        content[20 if damage == "header" else 1030] ^= 255
    stored.write_bytes(content)
    again = load(root)
    assert len(decodings) == 16
    assert all(torch.equal(a.data, b.data) for a, b in zip(first, again, strict=True))
    load(root)
    assert len(decodings) == 16


def test_the_file_is_plain_safetensors(make_folder: MakeFolder, cache_folder: Path) -> None:
    load(str(make_folder("train/0.png", "train/1.png", "test/2.png")))
    (stored,) = cache_folder.iterdir()
    assert stored.suffix == ".safetensors"
    assert load_file(stored)["data"][:, 0, 0, 0].tolist() == [0, 10, 20]


def test_nothing_is_left_of_a_failure(make_folder: MakeFolder, cache_folder: Path) -> None:
    root = make_folder("a.png", "b.png")
    (root / "b.png").write_bytes(b"")
    with pytest.raises(DataError):
        load(str(root))
    assert list(cache_folder.iterdir()) == []


def test_a_cache_that_cannot_be_written(
    make_folder: MakeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_folder("a.png", "b.png")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match="^cannot keep decoded examples in .*: Not a directory; set TRIPTYCH"):
        load(str(root))
