"""What a user asked of `load` that cannot be: options out of range, and paths where there is nothing."""

from __future__ import annotations

from pathlib import Path

from triptych.data import embedded
from triptych.errors import ConfigurationError, DataError, did_you_mean

BINARISATIONS = ("threshold", "stochastic")


def check_options(
    image_size: int | None,
    colours: int | None,
    binarize: str | None,
    test_fraction: float,
    count: int | None,
    stack: int | None = None,
) -> None:
    """Raise `ConfigurationError` for an option of `load` that is out of its range."""
    if image_size is not None and image_size < 1:
        raise ConfigurationError(f"image size {image_size}: expected a number of pixels, 1 or more")
    if colours not in (None, 1, 3):
        raise ConfigurationError(f"{colours} colours: expected 1 (grey) or 3 (RGB)")
    if binarize not in (None, *BINARISATIONS):
        raise ConfigurationError(f"binarize {binarize!r}: {did_you_mean(binarize, BINARISATIONS)}")
    if not 0 < test_fraction < 1:
        raise ConfigurationError(f"a test fraction of {test_fraction:g}: expected a number between 0 and 1")
    if stack not in (None, 3):
        raise ConfigurationError(f"a stack of {stack} images: expected 3, one for each colour")
    if count is not None and count < 2:
        raise ConfigurationError(f"{count} examples: expected 2 or more, for a training and a test set")


def nothing_there(spec: str, path: Path) -> DataError:
    """Say which part of a path does not exist, and what is there instead."""
    own = embedded.names() if path.name == spec else ()
    while not path.parent.is_dir():
        path = path.parent
    there = sorted(entry.name for entry in path.parent.iterdir() if not entry.name.startswith("."))
    hint = did_you_mean(path.name, (*own, *there))
    if hint.startswith("there is:"):
        hint = did_you_mean(path.name, own or there[:10])
    where = "no data set or path" if own else f"nothing in {path.parent}"
    return DataError(f"{spec!r} does not exist: {where} is called {path.name!r}; {hint}")
