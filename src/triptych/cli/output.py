"""Where the command line puts what it made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples

DIRECTORY = ""
"""Stands for a directory among suffixes."""


def check_free(out: Path, overwrite: bool, suffixes: Sequence[str] = (".png", ".npz", DIRECTORY)) -> None:
    """Refuse a place that a verb cannot write to, or where something would be lost.

    Args:
        out: a file, or a directory.
        overwrite: replace what is there.
        suffixes: those that the verb can write; `DIRECTORY` for a name without one.

    Raises:
        ConfigurationError: for another suffix, or if something is there.
    """
    if out.suffix not in suffixes:
        raise ConfigurationError(f"{out}: expected {_listed(suffixes)}")
    taken = out.is_file() or (out.is_dir() and (out.suffix != DIRECTORY or any(out.iterdir())))
    if taken and not overwrite:
        raise ConfigurationError(f"{out} is already there: choose another name with -o, or --overwrite")


def _listed(suffixes: Sequence[str]) -> str:
    """Name kinds of files in a sentence.

    >>> _listed([".png", ".npz", DIRECTORY])
    'a .png, an .npz or a directory'
    """
    names = ["a directory" if s == DIRECTORY else f"an {s}" if s == ".npz" else f"a {s}" for s in suffixes]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def counted(n: int, what: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "image"), counted(3, "image")
    ('1 image', '3 images')
    """
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def write_file(out: Path, content: bytes) -> None:
    """Write a file; folders on the way are made."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(content)


def write_arrays(out: Path, arrays: Mapping[str, Tensor | None]) -> None:
    """Write tensors as the arrays of an .npz file, all but those that are None; folders on the way are made."""
    import numpy as np

    out.parent.mkdir(parents=True, exist_ok=True)
    given: dict[str, Any] = {name: array.numpy() for name, array in arrays.items() if array is not None}
    np.savez_compressed(out, **given)


def write_examples(examples: Examples, out: Path, columns: int | None = None) -> None:
    """Write examples as a picture (.png), as arrays (.npz: `x`, and `y` if labelled), or one image a file.

    Args:
        examples: what to write.
        out: where to.
        columns: of a grid of images; None for about a square.

    Raises:
        ConfigurationError: for vectors into a directory.
    """
    from triptych.pictures import save_grid, save_images

    if out.suffix == ".png":
        save_grid(examples, out, columns=columns)
    elif out.suffix == ".npz":
        write_arrays(out, {"x": examples.data, "y": examples.labels})
    elif not examples.event.is_image:
        raise ConfigurationError(f"vectors cannot be written one picture a file into {out}: give a .npz, or a .png")
    else:
        save_images(examples, out)
