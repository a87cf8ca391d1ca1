"""Codes as files that other programs read."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from triptych.errors import ConfigurationError, DataError

TABLES = (".npz", ".csv", ".parquet")
"""Suffixes of the files that codes can be written to."""


def save_codes(
    path: str | Path, codes: Tensor, labels: Tensor | None = None, sources: Sequence[str] | None = None
) -> None:
    """Write codes with their labels, ready for scikit-learn: as arrays (.npz) or as a table (.csv, .parquet).

    Arrays are `codes (N, Z)`, `labels` and `source`; a table has the columns z0, z1, …, then label (label0, label1, …
    for vectors), then source; those that were not given are not there. Folders on the way are made.

    Args:
        path: where to.
        codes: `(N, Z)`.
        labels: `(N,)` whole numbers, or `(N, E)` vectors.
        sources: of each code, where it came from, such as "train" or a file.

    Raises:
        DataError: unless there is one label, and one source, for each code.
        ConfigurationError: for another suffix, or .parquet without pyarrow.

    Example:
        >>> import tempfile, torch
        >>> file = Path(tempfile.mkdtemp()) / "codes.csv"
        >>> save_codes(file, torch.tensor([[0.5, -1.0]]), torch.tensor([7]))
        >>> print(file.read_text().strip())
        z0,z1,label
        0.5,-1,7
    """
    path = Path(path)
    check_table(path)
    for name, given in {"labels": labels, "sources": sources}.items():
        if given is not None and len(given) != len(codes):
            raise DataError(f"{len(codes)} codes were given {len(given)} {name}: expected one each")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        _arrays(path, codes, labels, sources)
        return
    columns = _columns(codes, labels, sources)
    if path.suffix == ".csv":
        with path.open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns)
            rows.writerows(zip(*map(_cells, columns.values()), strict=True))
        return
    import pyarrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)


def check_table(path: Path) -> None:
    """Raise `ConfigurationError` unless codes can be written to a file of that name.

    >>> check_table(Path("codes.npz"))
    """
    if path.suffix not in TABLES:
        raise ConfigurationError(f"{path}: expected one of {', '.join(TABLES)}")
    if path.suffix == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise ConfigurationError(f"{path} needs pyarrow: pip install pyarrow, or write a .npz or .csv") from None


def _arrays(path: Path, codes: Tensor, labels: Tensor | None, sources: Sequence[str] | None) -> None:
    import numpy as np

    arrays: dict[str, Any] = {"codes": codes.numpy()}
    if labels is not None:
        arrays["labels"] = labels.numpy()
    if sources is not None:
        arrays["source"] = np.array(sources, dtype=np.str_)
    np.savez_compressed(path, **arrays)


def _columns(codes: Tensor, labels: Tensor | None, sources: Sequence[str] | None) -> dict[str, Any]:
    columns: dict[str, Any] = {f"z{j}": codes[:, j].numpy() for j in range(codes.shape[1])}
    if labels is not None and labels.dim() == 1:
        columns["label"] = labels.numpy()
    elif labels is not None:
        columns |= {f"label{j}": labels[:, j].numpy() for j in range(labels.shape[1])}
    if sources is not None:
        columns["source"] = list(sources)
    return columns


def _cells(column: Any) -> list[str]:
    """Return a column as text; nine digits give every float32 number back."""
    if isinstance(column, list):
        return column
    return [f"{value:.9g}" if isinstance(value, float) else str(value) for value in column.tolist()]
