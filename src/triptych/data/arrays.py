"""Arrays of numbers: `.npz`, `.npy` and `.csv` files."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from triptych.data import cache
from triptych.data.source import Source
from triptych.errors import DataError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]

_DATA = ("data", "x", "images", "X")
_LABELS = ("labels", "label", "y", "Y", "target")
# The names of Keras's and of MedMNIST's files.
_SPLITS = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
)


def load_npz(path: Path, levels: int | None = None) -> Source:
    """Read the examples of an `.npz` file.

    Args:
        path: a file with `data`, `x`, `images` or `X`, and perhaps `labels` or `y`; or with `x_train` and
            `x_test`, and perhaps `y_train` and `y_test`. Labels `(N, E)` of floats are vectors to condition on.
        levels: see `images`.

    Raises:
        DataError: if it is no such file, or holds no such array.
    """
    import numpy as np

    file = _opened(path)
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise DataError(f"{path} is not what its ending says: expected an .npz archive; rename it to .npy")
    with file:
        held = list(file.files)
        for names in _SPLITS:
            if names[0] in held and names[2] in held:
                return _given_splits(path, file, names, levels)
        data = next((name for name in (*_DATA, *(names[0] for names in _SPLITS)) if name in held), None)
        if data is None:
            found = ", ".join(held) or "(none)"
            raise DataError(f"{path} has the arrays {found}: expected data, x, images or x_train")
        owner = next((name for name in (*_LABELS, *(names[1] for names in _SPLITS)) if name in held), None)
        labels = None if owner is None else _member(path, file, owner)
        return _source(path, _member(path, file, data), labels, levels)


def _given_splits(path: Path, file: Any, names: tuple[str, ...], levels: int | None) -> Source:
    import numpy as np

    x, y, x_test, y_test = names
    parts = [_member(path, file, name) for name in (x, x_test)]
    shapes = [part.shape[1:] for part in parts]
    if shapes[0] != shapes[1]:
        raise DataError(f"{path}: an example of {x} has shape {shapes[0]}, one of {x_test} {shapes[1]}")
    owners = [_member(path, file, name) for name in (y, y_test) if name in file.files]
    owners = [owner if _is_vectors(owner) else owner.reshape(-1) for owner in owners]
    labels = np.concatenate(owners) if len(owners) == 2 else None
    return _source(path, np.concatenate(parts), labels, levels, len(parts[0]))


def load_npy(path: Path, levels: int | None = None) -> Source:
    """Read the examples of an `.npy` file; uint8 images too many for memory are mapped.

    Args:
        path: a file with one array.
        levels: see `images`.

    Raises:
        DataError: if it is no such file, or its array is neither images nor vectors.
    """
    import numpy as np

    array = _opened(path)
    if isinstance(array, np.lib.npyio.NpzFile):
        raise DataError(f"{path} is not what its ending says: expected one array; rename it to .npz")
    if array.dtype == np.uint8 and array.ndim > 2 and not cache.fits(array.nbytes):
        mapped = np.load(path, mmap_mode="c", allow_pickle=False)
        pixels, levels = images(mapped, levels, str(path))
        status = path.stat()
        key = cache.key_of("npy", str(path.resolve()), status.st_size, status.st_mtime_ns)
        return Source(torch.from_numpy(pixels), levels, resident=False, key=key)
    return _source(path, np.array(array), None, levels)


def load_csv(path: Path, label: str | None = None) -> Source:
    """Read the vectors of a table of numbers, separated by commas, semicolons or tabs.

    Args:
        path: the table, with or without a line of column names.
        label: name of the column of whole numbers that labels the rows; None for `label`, `labels`, `y`
            or `target` if there is one.

    Raises:
        DataError: if a field is not a number, or there is no line of them or no such column.
    """
    import numpy as np

    try:
        with path.open(encoding="utf-8-sig") as lines:
            first = lines.readline().strip()
            below = any(line.strip() for line in lines)
        separator = next((mark for mark in ",;\t" if mark in first), ",")
        fields = [field.strip().strip('"') for field in first.split(separator)]
        names = [] if all(_is_number(field) for field in fields) else fields
        skip = 1 if names else 0
        found = below or not names
        values = np.loadtxt(path, delimiter=separator, skiprows=skip, ndmin=2, encoding="utf-8-sig") if found else None
    except ValueError as error:
        reason = str(error).split(";")[0].rstrip(".")
        raise DataError(f"{path} is not a table of numbers: {reason}; leave out columns of text") from error
    if values is None:
        raise DataError(f"{path} has no line of numbers: expected one for each example")
    if label is not None and label not in names:
        raise DataError(f"{path} has no column {label!r}: {did_you_mean(label, names)}")
    owner = label or next((name for name in _LABELS if name in names), None)
    if owner is None:
        return replace(_source(path, values, None, None), columns=tuple(names))
    column = names.index(owner)
    table = _source(path, np.delete(values, column, axis=1), values[:, column], None)
    return replace(table, columns=tuple(name for name in names if name != owner))


def images(values: Array, levels: int | None, where: str) -> tuple[Array, int]:
    """Return an array of images as `uint8 (N, C, H, W)`, and its number of levels.

    Whole numbers 0 … 255 are levels already. Other numbers in [0, 1] are quantised to the nearest level.

    Args:
        values: `(N, H, W)`, `(N, C, H, W)` or `(N, H, W, C)` with 1, 3 or (with alpha) 4 channels.
        levels: number of levels; None for 2 if all values are 0 or 1, else 256.
        where: names the array in an error.

    Raises:
        DataError: for another shape, or values that are neither.
    """
    import numpy as np

    values = _channels_first(values, where)
    if not values.size:
        return values.astype(np.uint8), levels or 256
    low, high = values.min(), values.max()
    whole = values.dtype.kind in "bui" or bool((values == np.floor(values)).all())
    if not whole and low >= 0 and high <= 1:
        values = np.rint(values * ((levels or 256) - 1))
        levels = levels or 256
    elif not (whole and low >= 0 and high <= 255):
        raise DataError(
            f"{where} holds images with values {low:g} to {high:g}: "
            f"expected whole numbers 0 to 255, or numbers in [0, 1]; rescale them"
        )
    values = values.astype(np.uint8, copy=False)
    if values.shape[1] == 4:
        values = _on_white(values)
    return values, levels or (2 if high < 2 else 256)


def _channels_first(values: Array, where: str) -> Array:
    import numpy as np

    if values.ndim == 3:
        return values[:, None]
    if values.shape[1] in (1, 3):
        return values
    if values.shape[3] in (1, 3, 4):
        return np.moveaxis(values, 3, 1)
    if values.shape[1] == 4:
        return values
    raise DataError(
        f"{where} has shape {values.shape}: expected (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or 3"
    )


def _on_white(values: Array) -> Array:
    import numpy as np

    colour, alpha = values[:, :3].astype(np.float32), values[:, 3:].astype(np.float32) / 255
    mixed: Array = np.rint(colour * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return mixed


def _source(path: Path, values: Array, labels: Array | None, levels: int | None, given: int | None = None) -> Source:
    import numpy as np

    if values.dtype.kind not in "buif":
        raise DataError(f"{path} holds {values.dtype} values: expected numbers")
    codes, classes = (None, ()) if labels is None else _coded(path, labels, len(values))
    if values.ndim in (3, 4):
        pixels, levels = images(values, levels, str(path))
        return Source(torch.from_numpy(np.ascontiguousarray(pixels)), levels, codes, classes, given)
    if values.ndim not in (1, 2):
        raise DataError(f"{path} has shape {values.shape}: expected (N, D) vectors or (N, H, W) images")
    vectors = values.reshape(len(values), -1).astype(np.float32)
    return Source(torch.from_numpy(vectors), None, codes, classes, given)


def _coded(path: Path, labels: Array, count: int) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """Return labels of any whole numbers or names as indices into their sorted names; float vectors as they are."""
    import numpy as np

    if _is_vectors(labels) and len(labels) == count:
        vectors = torch.from_numpy(labels.astype(np.float32))
        if not vectors.isfinite().all():
            raise DataError(f"{path} has a label vector that is not finite: expected real numbers")
        return vectors, ()
    labels = labels if _is_vectors(labels) else labels.reshape(-1)
    if len(labels) != count:
        raise DataError(f"{path} has {count:,} examples and {len(labels):,} labels: expected one each")
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "buiU":
        raise DataError(f"{path} has {labels.dtype} labels: expected whole numbers or names")
    names, codes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return None, ()
    return torch.from_numpy(codes.astype(np.int64)), tuple(map(str, names))


def _is_vectors(labels: Array) -> bool:
    return labels.ndim == 2 and labels.shape[1] > 1 and labels.dtype.kind == "f"


def _opened(path: Path) -> Any:
    import pickle

    import numpy as np

    try:
        return np.load(path, mmap_mode="r" if path.suffix.lower() == ".npy" else None, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile, pickle.UnpicklingError, OSError) as error:
        raise DataError(
            f"{path} is not what its ending says: expected numbers that numpy.save or numpy.savez wrote"
        ) from error


def _member(path: Path, file: Any, name: str) -> Array:
    try:
        array: Array = file[name]
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: the array {name} cannot be read: expected numbers, not objects") from error
    return array


def _is_number(field: str) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True
