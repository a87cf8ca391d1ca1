"""Parquet files in the layout of Hugging Face `datasets`, in a folder or on the hub."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from triptych.data import cache
from triptych.data.decode import Decoding, decode_all, decoded
from triptych.data.folder import HELD_OUT
from triptych.data.source import Source
from triptych.errors import DataError, did_you_mean

_LABELS = ("label", "labels", "fine_label")
_ROWS = 256
_SPLIT = re.compile(rf"({'|'.join(('train', *HELD_OUT))})(?=[-_.])")


def parquet_files(path: Path) -> list[Path]:
    """Return the parquet files of a folder (or of its `data/`) in the order of their names.

    Args:
        path: a folder, or one such file.
    """
    if path.suffix == ".parquet":
        return [path]
    return sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet"))


def load_parquet(files: Sequence[Path], how: Decoding, column: str | None, label: str | None) -> Source:
    """Return the images of parquet files; those called `train-…` and `test-…` are given splits.

    Args:
        files: the files.
        how: the options of decoding.
        column: name of the column of images; None if there is only one.
        label: name of the column of labels; None for the one that the file declares, or calls `label`.

    Raises:
        DataError: if a file cannot be read, or the columns do not fit.
    """
    listing = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = cache.key_of("parquet", listing, column, label, how.image_size, how.colours)
    stored = decoded(key, how)
    if stored is not None:
        return stored
    _require_extra(str(files[0]))
    splits: dict[str, list[Path]] = {}
    for file in files:
        match = _SPLIT.match(file.name)
        splits.setdefault(match[1] if match else "train", []).append(file)
    names = _train_and_test(list(splits), str(files[0].parent))
    tables = [_FileTable(splits[name]) for name in names]
    return _decode(key, tables, how, column, label, str(files[0].parent))


def load_hub(name: str, how: Decoding, column: str | None, label: str | None) -> Source:
    """Return the images of a data set on the hub, downloaded and decoded once.

    Args:
        name: `owner/name`, `owner/name/configuration`, and perhaps `@revision`.
        how: the options of decoding.
        column: name of the column of images; None if there is only one.
        label: name of the column of labels; None for the one that the set declares, or calls `label`.

    Raises:
        DataError: without the `hub` extra or the network, for an unknown set, or columns that do not fit.
    """
    key = cache.key_of("hub", name, column, label, how.image_size, how.colours)
    stored = decoded(key, how)
    if stored is not None:
        return stored
    where = f"hub:{name}"
    datasets = _require_extra(where)
    path, _, revision = name.partition("@")
    repository, configuration = "/".join(path.split("/")[:2]), "/".join(path.split("/")[2:])
    try:
        with _without_warnings("huggingface_hub"):
            found = datasets.load_dataset(repository, configuration or None, revision=revision or None)
    except Exception as error:  # the hub's client raises its own errors, and those of several network layers
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"cannot get {where}: {reason}; check the name (hub:owner/name) and the network, or give a folder"
        ) from error
    names = _train_and_test(list(found), where)
    return _decode(key, [_HubTable(found[split]) for split in names], how, column, label, where)


class _FileTable:
    """The rows of parquet files."""

    def __init__(self, files: Sequence[Path]) -> None:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]
        from datasets import Features  # type: ignore[import-untyped]

        try:
            self._files = [pq.ParquetFile(file) for file in files]
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{files[0]} is not what its ending says: expected a parquet file") from error
        self.features: dict[str, Any] = Features.from_arrow_schema(self._files[0].schema_arrow)
        self.count = sum(file.metadata.num_rows for file in self._files)

    def rows(self, column: str) -> Iterator[Any]:
        """Yield the values of a column."""
        for file in self._files:
            for batch in file.iter_batches(_ROWS, columns=[column]):
                yield from batch.column(0).to_pylist()


class _HubTable:
    """The rows of one split of a data set of the hub."""

    def __init__(self, split: Any) -> None:
        self._split = split
        self.features: dict[str, Any] = split.features
        self.count = len(split)

    def rows(self, column: str) -> Iterator[Any]:
        """Yield the values of a column."""
        for table in self._split.select_columns([column]).with_format("arrow").iter(_ROWS):
            yield from table.column(0).to_pylist()


def _decode(
    key: str,
    tables: Sequence[_FileTable | _HubTable],
    how: Decoding,
    column: str | None,
    label: str | None,
    where: str,
) -> Source:
    features = tables[0].features
    image = _image_column(features, column, where)
    owner = _label_column(features, label, where)
    total = sum(table.count for table in tables)
    labels = None if owner is None else [value for table in tables for value in table.rows(owner)]
    classes = [] if owner is None else _class_names(features[owner], labels)
    # Test splits of competitions have labels of -1 or none: those are not labels.
    known = range(len(classes))
    if labels is not None and (len(classes) < 2 or any(value not in known for value in labels)):
        labels, classes = None, []
    encoded = (_encoded(row) for table in tables for row in table.rows(image))
    given = tables[0].count if len(tables) > 1 else None
    return decode_all(key, encoded, total, lambda i: f"{where} row {i:,}", how, labels, classes, given)


def _encoded(row: Any) -> str | bytes:
    """Return the bytes of an image, or its path where they are not in the table; b"" if it has neither."""
    value: str | bytes = (row.get("bytes") or row.get("path") or b"") if isinstance(row, dict) else b""
    return value


def _image_column(features: dict[str, Any], column: str | None, where: str) -> str:
    from datasets import Image

    found = [name for name, kind in features.items() if isinstance(kind, Image) or _is_encoded(kind)]
    if column is not None:
        if column not in found:
            raise DataError(f"{where} has no column of images {column!r}: {did_you_mean(column, found)}")
        return column
    if not found:
        raise DataError(f"{where} has no column of images: its columns are {', '.join(features)}")
    if len(found) > 1:
        raise DataError(
            f"{where} has several columns of images ({', '.join(found)}): choose one, such as --column {found[-1]}"
        )
    return found[0]


def _is_encoded(kind: Any) -> bool:
    return isinstance(kind, dict) and "bytes" in kind


def _label_column(features: dict[str, Any], label: str | None, where: str) -> str | None:
    from datasets import ClassLabel

    types = {name: str(getattr(kind, "dtype", "")) for name, kind in features.items()}
    whole = [name for name, kind in types.items() if kind.startswith(("int", "uint"))]
    if label is not None:
        if label not in whole:
            raise DataError(f"{where} has no column of labels {label!r}: {did_you_mean(label, whole)}")
        return label
    declared = [name for name in whole if isinstance(features[name], ClassLabel)]
    usual = [name for name in _LABELS if name in whole]
    both = [name for name in usual if name in declared]
    return next(iter((*both, *declared, *usual)), None)


def _class_names(kind: Any, labels: Iterable[int | None] | None) -> list[str]:
    if getattr(kind, "names", None):
        return list(kind.names)
    return [str(i) for i in range(max((x for x in labels or () if x is not None), default=-1) + 1)]


def _train_and_test(names: list[str], where: str) -> list[str]:
    """Return the splits to read: training and test, or the only one."""
    held_out = [name for name in HELD_OUT if name in names][:1]
    if "train" in names:
        return ["train", *held_out]
    if len(names) == 1:
        return names
    raise DataError(f"{where} has the splits {', '.join(names)}: expected train (and test)")


@contextmanager
def _without_warnings(logger_name: str) -> Iterator[None]:
    """Keep a logger from telling of each retry: what comes of them is told in one line."""
    logger = logging.getLogger(logger_name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _require_extra(where: str) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise DataError(f"{where} needs pip install 'triptych[hub]'") from error
    return datasets
