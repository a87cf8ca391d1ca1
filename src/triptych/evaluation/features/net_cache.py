"""Networks that features come from, kept from one comparison to the next: named by all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from triptych.data import cache as data_cache
from triptych.data.examples import Examples

_CHUNK = 4096

Record = dict[str, Any]
"""What is known of a trained network, as JSON can hold it."""


def kept(
    net: nn.Module,
    recipe: str,
    train: Examples,
    test: Examples,
    seed: int,
    cache: Path | None,
    make: Callable[[], Record],
) -> Record:
    """Fill a network from the cache, or else train it and keep it; return its record.

    The file is named by the content of the data, the recipe and the seed; a damaged one is made again. Where nothing
    can be written, a warning says so.

    Args:
        net: of initial weights.
        recipe: everything but the data and the seed that its weights depend on.
        train: what it is trained on.
        test: what its record is measured on.
        seed: of its training.
        cache: folder; None for `$TRIPTYCH_CACHE`, or `~/.cache/triptych`.
        make: trains it and measures the record.
    """
    path = (cache or data_cache.folder()) / "extractors" / f"{key(recipe, train, test, seed)}.safetensors"
    record = _read(path, net)
    if record is None:
        record = {"recipe": recipe, "train": len(train), **make()}
        _write(path, net, record)
    net.eval()
    return record


def key(recipe: str, train: Examples, test: Examples, seed: int) -> str:
    """Return the name of a file in the cache: a digest of the recipe, the event, the seed, examples and labels."""
    digest = hashlib.blake2b(f"{recipe} {train.event} {seed}".encode(), digest_size=16)
    for part in (train, test):
        for tensor in (part.data, part.labels):
            _add(digest, tensor)
            digest.update(b"|")
    return digest.hexdigest()


def _add(digest: hashlib.blake2b, tensor: Tensor | None) -> None:
    for start in range(0, 0 if tensor is None else len(tensor), _CHUNK):
        assert tensor is not None
        digest.update(tensor[start : start + _CHUNK].contiguous().numpy().tobytes())


def _read(path: Path, net: nn.Module) -> Record | None:
    """Fill the network from the cache; None where there is no whole file that fits."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as stored:
            record: Record = json.loads((stored.metadata() or {})["record"])
            net.load_state_dict({name: stored.get_tensor(name) for name in stored.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError):
        return None
    return record


def _write(path: Path, net: nn.Module, record: Record) -> None:
    from safetensors.torch import save

    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(save(dict(net.state_dict()), {"record": json.dumps(record)}))
        temporary.replace(path)
    except OSError as error:
        warnings.warn(f"{path.name} is not kept for the next time: {path.parent}: {error.strerror}")
