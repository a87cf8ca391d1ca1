"""Where the command line puts what it made."""

from __future__ import annotations

from pathlib import Path

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError


def check_free(out: Path, overwrite: bool) -> None:
    """Raise `ConfigurationError` if something is there that would be lost."""
    taken = out.is_file() or (out.is_dir() and any(out.iterdir()))
    if taken and not overwrite:
        raise ConfigurationError(f"{out} is already there: choose another name with -o, or --overwrite")
    if out.suffix not in ("", ".png", ".npz"):
        raise ConfigurationError(f"{out}: expected a .png, an .npz or a directory")


def write_examples(examples: Examples, out: Path) -> None:
    """Write examples as a picture (.png), as arrays (.npz: `x`, and `y` if labelled), or one image a file.

    Raises:
        ConfigurationError: for vectors into a directory.
    """
    import numpy as np

    from triptych.pictures import save_grid, save_images

    if out.suffix == ".png":
        save_grid(examples, out)
    elif out.suffix == ".npz":
        out.parent.mkdir(parents=True, exist_ok=True)
        if examples.labels is None:
            np.savez_compressed(out, x=examples.data.numpy())
        else:
            np.savez_compressed(out, x=examples.data.numpy(), y=examples.labels.numpy())
    elif not examples.event.is_image:
        raise ConfigurationError(f"vectors cannot be written one picture a file into {out}: give a .npz, or a .png")
    else:
        save_images(examples, out)
