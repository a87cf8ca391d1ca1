"""What the tests of the data package share: an empty cache, and folders of images made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakeFolder = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep decoded examples apart for each test."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TRIPTYCH_CACHE", str(folder))
    monkeypatch.delenv("TRIPTYCH_MEMORY", raising=False)
    return folder


@pytest.fixture
def make_folder(tmp_path: Path) -> MakeFolder:
    """Return a function that writes one constant grey 6×5 image per name, image i of level `10·i`."""

    def make(*names: str, root: str = "images") -> Path:
        for i, name in enumerate(names):
            path = tmp_path / root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((5, 6), 10 * i % 256, np.uint8)).save(path)
        return tmp_path / root

    return make
