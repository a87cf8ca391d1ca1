"""Finished parts of a long measurement on disk, so that one that was interrupted goes on where it was."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

from triptych.data import cache

Part = dict[str, Tensor]
"""Tensors by name."""


class Parts:
    """A folder of parts, named by all that they depend on: others are never read in their place.

    Args:
        depends: whatever the parts depend on: tensors, modules, or anything with a `repr` that says what it is.
        folder: where such folders are; None for `annealing` in `$TRIPTYCH_CACHE`, or in `~/.cache/triptych`.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as place:
        ...     first = Parts(torch.ones(3), "settings", folder=Path(place)).part("0", lambda: {"x": torch.ones(2)})
        ...     again = Parts(torch.ones(3), "settings", folder=Path(place)).part("0", lambda: {"x": torch.zeros(2)})
        >>> again["x"]
        tensor([1., 1.])
    """

    def __init__(self, *depends: object, folder: Path | None = None) -> None:
        digest = hashlib.blake2b(digest_size=16)
        for one in depends:
            _add(digest, one)
        self.folder = (folder or cache.folder() / "annealing") / digest.hexdigest()

    def has(self, name: str) -> bool:
        """Return whether a part is there."""
        return self._path(name).exists()

    def part(self, name: str, make: Callable[[], Part]) -> Part:
        """Return a part that is there, whole; else make it and keep it. A damaged one is made again.

        Args:
            name: of the part.
            make: gives its tensors.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file, save

        path = self._path(name)
        try:
            return load_file(path)
        except (OSError, SafetensorError):
            made = {key: value.detach().cpu().contiguous() for key, value in make().items()}
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(save(made))
            temporary.replace(path)
        except OSError as error:
            warnings.warn(f"a finished part is not kept for the next time: {path.parent}: {error.strerror}")
        return made

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def _add(digest: hashlib.blake2b, one: object) -> None:
    """Add what a thing says of itself to a digest, and where it ends."""
    if isinstance(one, nn.Module):
        for name, tensor in one.state_dict().items():
            digest.update(name.encode())
            _add(digest, tensor)
    elif isinstance(one, Tensor):
        digest.update(f"{one.dtype}{tuple(one.shape)}".encode())
        digest.update(one.detach().cpu().contiguous().numpy().tobytes())
    else:
        digest.update(repr(one).encode())
    digest.update(b"|")
