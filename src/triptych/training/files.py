"""Files that are whole or not there: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triptych.errors import CheckpointError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at every moment either the old or the new one is there, whole.

    Raises:
        CheckpointError: if it cannot be written, a full disk included; what was there is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise CheckpointError(
            f"{path} ({len(content):,} bytes) could not be written: {error.strerror or error}; "
            "make room or choose another place, then go on with --resume"
        ) from error


def write_tensors(path: Path, tensors: dict[str, Tensor], record: dict[str, Any]) -> None:
    """Write tensors and a JSON record as one safetensors file, with a checksum over both.

    The record is a single metadata entry, so that equal content gives equal bytes.
    """
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    stored = json.dumps({"checksum": _checksum(whole, record), **record}, sort_keys=True)
    write_whole(path, save(whole, metadata={"triptych": stored}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Raises:
        CheckpointError: if the file is missing, damaged, or not written by triptych.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads((file.metadata() or {})["triptych"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
    checksum = record.pop("checksum", None)
    if checksum != _checksum(tensors, record):
        raise CheckpointError(f"{path} is damaged: its content does not match its checksum")
    return tensors, record


def _checksum(tensors: dict[str, Tensor], record: dict[str, Any]) -> int:
    value = zlib.crc32(json.dumps(record, sort_keys=True).encode())
    for name in sorted(tensors):
        value = zlib.crc32(name.encode(), value)
        value = zlib.crc32(tensors[name].reshape(-1).view(torch.uint8).numpy().data, value)
    return value
