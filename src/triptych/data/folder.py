"""A folder of images, decoded once."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from triptych.data import cache
from triptych.data.decode import Decoding, decode_all, decoded
from triptych.data.source import Source
from triptych.errors import DataError

_ENDINGS = frozenset({"png", "jpg", "jpeg", "tif", "tiff", "bmp", "webp"})
# In this order: where several exist, the first is the test split and the others are left unread.
HELD_OUT = ("test", "validation", "valid", "val")


def load_folder(root: Path, how: Decoding) -> Source:
    """Return the images of a folder, from the cache if the folder is as it was when they were decoded.

    The subfolders of the first level are the classes; deeper ones are searched too. `train/` beside
    `test/` (or `validation/`, `valid/`, `val/`) are given splits, and the classes are sought inside them.
    A single class is no label.

    Args:
        root: the folder.
        how: the options of decoding.

    Raises:
        DataError: if there is no image, some cannot be read, or their shapes differ.
    """
    entries = listing(root)
    if not entries:
        raise DataError(f"no image in {root}: expected PNG, JPEG, TIFF, BMP or WebP files, or .parquet files")
    key = cache.key_of("folder", entries, how.image_size, how.colours)
    stored = decoded(key, how)
    if stored is not None:
        return stored
    train, test, level = _splits([name for name, _, _ in entries])
    names = train + test
    labels, classes = _labels(root, names, level)
    paths = [os.path.join(root, name) for name in names]
    given = len(train) if test else None
    return decode_all(key, paths, len(paths), paths.__getitem__, how, labels, classes, given)


def listing(root: Path) -> list[tuple[str, int, int]]:
    """Return the image files below a folder in the order of their names; hidden ones are left out.

    Args:
        root: the folder.

    Returns:
        For each its path from the folder (with forward slashes), its size in bytes, and the time of its last
        change in nanoseconds.

    Raises:
        DataError: if a folder cannot be read.
    """
    found: list[tuple[str, int, int]] = []
    pending = [(str(root), "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise DataError(f"cannot list {folder}: {error.strerror}") from error
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                continue
            if name.rpartition(".")[2].lower() in _ENDINGS and entry.is_file():
                status = entry.stat()
                found.append((prefix + name, status.st_size, status.st_mtime_ns))
            elif entry.is_dir():
                pending.append((entry.path, f"{prefix}{name}/"))
    found.sort()
    return found


def _splits(names: list[str]) -> tuple[list[str], list[str], int]:
    """Return the names of the training and test splits (none if not given), and the level of the classes."""
    tops = {name.partition("/")[0].lower(): name.partition("/")[0] for name in names if "/" in name}
    held_out = next((tops[top] for top in HELD_OUT if top in tops), None)
    # Beside other folders and without a test split, `train` is a class, as `plane` may be.
    if "train" not in tops or (held_out is None and len(tops) > 1):
        return names, [], 0
    train = [name for name in names if name.startswith(tops["train"] + "/")]
    test = [name for name in names if held_out is not None and name.startswith(held_out + "/")]
    return train, test, 1


def _labels(root: Path, names: Sequence[str], level: int) -> tuple[list[int] | None, list[str]]:
    """Return each name's class, as an index into the classes; None if there are fewer than two."""
    owners = [name.split("/")[level] if name.count("/") > level else "" for name in names]
    classes = sorted(set(owners))
    if len(classes) > 1 and not classes[0]:
        raise DataError(
            f"{root / names[owners.index('')]} is in no class folder, others are (such as {classes[1]}/): "
            f"move it into one, or out of the folder"
        )
    if len(classes) < 2:
        return None, []
    if all(name.isdecimal() for name in classes):
        classes.sort(key=int)
    index = {name: i for i, name in enumerate(classes)}
    return [index[owner] for owner in owners], classes
