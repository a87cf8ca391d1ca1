"""Decoded examples on disk: written once, atomically, and read back into memory or mapped."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from triptych.errors import DataError

# Part of every key, so that files of another layout or another decoding are never read.
_LAYOUT = "triptych-examples-1"
# The header is written last, when the number of examples is known, into the room kept for it.
_HEADER = 1024


def folder() -> Path:
    """Return where decoded examples are kept: `$TRIPTYCH_CACHE`, or `~/.cache/triptych`."""
    return Path(os.environ.get("TRIPTYCH_CACHE") or Path.home() / ".cache" / "triptych").expanduser()


def key_of(*parts: object) -> str:
    """Return the name under which the result of reading `parts` is kept.

    Args:
        parts: whatever the result depends on: a listing, options, another key.

    Example:
        >>> key_of("a", 1) == key_of("a", 1), key_of("a", 1) == key_of("a", 2)
        (True, False)
    """
    text = "\0".join([_LAYOUT, *map(repr, parts)])
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def available_memory() -> int:
    """Return the bytes of memory that can be used: `$TRIPTYCH_MEMORY`, else what the system has left."""
    if given := os.environ.get("TRIPTYCH_MEMORY"):
        return int(given)
    limits = [1 << 62]
    with suppress(OSError, ValueError):
        limits.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        limits.append(1024 * int(next(line.split()[1] for line in lines if line.startswith("MemAvailable"))))
    return min(limits)


def fits(size: int) -> bool:
    """Return whether data of `size` bytes are held in memory: they are up to half of what is available."""
    return 2 * size <= available_memory()


class Writer:
    """Writes one cache file, chunk after chunk; memory never holds more than a chunk.

    Args:
        file: where to write.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._shape: tuple[int, ...] = ()
        self._checksum = 0
        self.rows = 0
        file.write(b"\0" * _HEADER)

    def add(self, rows: Tensor) -> None:
        """Append examples, `uint8 (n, …)`, of the same shape as those before."""
        self._shape = tuple(rows.shape[1:])
        # One copy at most: the file takes the array's own memory.
        chunk = _bytes(rows.contiguous())
        self._checksum = zlib.crc32(chunk, self._checksum)
        self._file.write(chunk)
        self.rows += len(rows)

    def close(self, notes: dict[str, Any]) -> None:
        """Add the notes, which `read` returns beside the examples, and the safetensors header."""
        size = self.rows * torch.Size(self._shape).numel()
        text = json.dumps(notes).encode()
        self._file.write(text)
        header = {
            "__metadata__": {"checksum": str(self._checksum)},
            "data": {"dtype": "U8", "shape": [self.rows, *self._shape], "data_offsets": [0, size]},
            "notes": {"dtype": "U8", "shape": [len(text)], "data_offsets": [size, size + len(text)]},
        }
        room = _HEADER - 8
        self._file.seek(0)
        self._file.write(room.to_bytes(8, "little") + json.dumps(header).encode().ljust(room))


def _bytes(data: Tensor) -> memoryview:
    array: Any = data.numpy()
    return memoryview(array).cast("B")


@contextmanager
def writing(key: str) -> Iterator[Writer]:
    """Open the cache file of a key for writing; it appears under its name only when all went well.

    Raises:
        DataError: if the cache folder cannot be written.
    """
    path = folder() / f"{key}.safetensors"
    part = path.with_name(f"{key}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            yield Writer(file)
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"cannot keep decoded examples in {path.parent}: {error.strerror or error}; "
            f"set TRIPTYCH_CACHE to a folder that can be written and has room"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def read(key: str) -> tuple[Tensor, dict[str, Any], bool] | None:
    """Return the examples of a key, their notes, and whether they fit in memory.

    Args:
        key: what `key_of` returned when the file was written.

    Returns:
        `uint8 (N, …)`, mapped from the file; the notes; and whether memory has room for the examples.
        None if there is no such file or it is damaged.
    """
    from safetensors import SafetensorError, safe_open

    path = folder() / f"{key}.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            data = file.get_tensor("data")
            notes = json.loads(bytes(file.get_tensor("notes").tolist()))
            checksum = int(file.metadata()["checksum"])
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if not fits(data.numel()):
        return data, notes, False
    intact = zlib.crc32(_bytes(data)) == checksum
    return (data, notes, True) if intact else None
