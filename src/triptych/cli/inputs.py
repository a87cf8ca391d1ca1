"""What the command line's verbs are asked about: image files, or test examples of the run's own data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.event import Event
    from triptych.models.base import Model

SPLITS = ("train", "test", "both")
_OF_READING = ("image_size", "colours", "levels", "binarize", "test_fraction", "seed")


@dataclass(frozen=True)
class Sources:
    """Where the examples of a verb come from: image files, else other data, else what the run was trained on.

    Raises:
        ConfigurationError: for images and data at once, or a split that is none.
    """

    run: Path
    image: list[Path] | None = None
    data: str | None = None
    split: str = "test"
    fit: bool = False
    seed: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        if self.image and self.data is not None:
            raise ConfigurationError("--image and --data were given: choose one of them")
        if self.split not in SPLITS:
            raise ConfigurationError(f"no --split {self.split}; {did_you_mean(self.split, SPLITS)}")

    def images(self, model: Model) -> Examples:
        """Return the image files; see `read_images`."""
        return read_images(self.image or [], self.run, model.event, self.fit, self.seed)

    def splits(self, model: Model, instead: str) -> tuple[Examples, Examples]:
        """Return training and test examples of other data, else the run's own; see `read_data`, `data_of_run`."""
        if self.data is not None:
            return read_data(self.data, self.run, model, self.quiet)
        return data_of_run(self.run, self.quiet, instead)

    def examples(self, model: Model, count: int) -> Examples:
        """Return the image files, else the first test examples."""
        if self.image:
            return self.images(model)
        if count < 1:
            raise ConfigurationError(f"--count {count}: expected at least 1 example")
        return self.splits(model, "--image")[1][:count]


def read_images(files: list[Path], run: Path, event: Event, fit: bool, seed: int) -> Examples:
    """Return image files as examples of a model's event, treated as the run's training data were.

    Their colours become the model's. Where the training data were binarised, so are they (if by chance, drawn
    from `seed`). Of another model with fewer than 256 levels the file must have no other values than those,
    spread over 0 … 255 as triptych writes pictures.

    Args:
        files: image files.
        run: the run directory of the model.
        event: of the model.
        fit: crop and resize images of another size, and round to the nearest level.
        seed: of what is drawn.

    Raises:
        DataError: for a model of vectors, and a file that is no image, or of another size or other levels without
            `fit`.
    """
    import torch

    from triptych.data.decode import decode_image
    from triptych.data.examples import Examples
    from triptych.data.load import binarised
    from triptych.data.source import Source
    from triptych.training.rundir import read_config

    if not event.is_image:
        raise DataError(f"image files were given, the model is of a {event}: leave --image")
    channels, height, width = event.shape
    if channels not in (1, 3):
        raise DataError(f"image files have 1 or 3 colours, the model's images {channels}: give arrays in Python")
    square = height if fit and height == width else None
    pixels = []
    for file in files:
        one = decoded(decode_image, file, image_size=square, colours=channels)
        hint = "--fit crops its central square and resizes it" if height == width else "resize it"
        require_size(file, one.shape[1:], event, hint)
        pixels.append(torch.tensor(one))
    x = torch.stack(pixels)
    config = run / "config.yaml"
    how = read_config(config).get("data", {}).get("binarize") if config.exists() else None
    if how is not None:
        x = binarised(Source(x, 256, given=len(x)), how, seed, "the images")[0].data
        return Examples(x, event)
    return Examples(torch.cat([_levelled(x[i : i + 1], event, fit, file) for i, file in enumerate(files)]), event)


def decoded(decode: Any, file: Path, **options: Any) -> Any:
    """Return a decoded file.

    Raises:
        DataError: for one that cannot be read.
    """
    try:
        return decode(str(file), **options)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or 'it is not an image that Pillow knows'}") from None
    except Exception as error:  # the decoders of damaged files raise anything, SyntaxError included
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def require_size(file: Path, shape: tuple[int, ...], event: Event, hint: str) -> None:
    """Raise `DataError` unless an image of `shape` (H, W) is of the event's size."""
    height, width = shape
    if (height, width) != tuple(event.shape[1:]):
        raise DataError(f"{file} is {width}×{height}, the model takes {event.shape[2]}×{event.shape[1]}: {hint}")


def _levelled(x: Tensor, event: Event, fit: bool, file: Path) -> Tensor:
    """Return images of 256 levels in the event's own."""
    from triptych.event import Event

    full = Event(event.shape, 256)
    nearest = event.restored(full.scaled(x))
    other = full.restored(event.scaled(nearest)) != x
    if not fit and bool(other.any()):
        raise DataError(
            f"{file} has more levels than the model's {event.levels} (such as {int(x[other][0])} of 255): "
            "--fit rounds to the nearest"
        )
    return nearest


def data_of_run(run: Path, quiet: bool, instead: str) -> tuple[Examples, Examples]:
    """Return the training and the test examples that a run was trained on.

    Args:
        run: the run directory.
        quiet: show no progress of decoding.
        instead: the option that the error recommends.

    Raises:
        ConfigurationError: for a run that does not say.
    """
    from triptych.data import load
    from triptych.training.rundir import read_config

    stored = dict(read_config(run / "config.yaml").get("data", {}))
    stored.pop("validate", None)
    if "spec" not in stored:
        raise ConfigurationError(f"{run} does not say what it was trained on: give {instead}")
    return load(stored.pop("spec"), progress=not quiet, **stored)


def read_data(spec: str, run: Path, model: Model, quiet: bool) -> tuple[Examples, Examples]:
    """Return other data, with the size, colours, levels and binarisation of the run's: training and test examples.

    Raises:
        DataError: for data of another shape or number of levels than the model's.
    """
    from triptych.data import load
    from triptych.training.rundir import read_config

    stored = read_config(run / "config.yaml").get("data", {})
    options: dict[str, Any] = {name: stored[name] for name in _OF_READING if name in stored}
    if Path(spec).suffix in (".npz", ".npy") and "binarize" not in options:
        options.setdefault("levels", model.event.levels)  # arrays do not say how many they have
    train, test = load(spec, progress=not quiet, **options)
    if not train.event.same_space(model.event):
        raise DataError(f"{spec} holds a {train.event}, the model takes a {model.event}: give data of that kind")
    return train, test


def read_fitted(spec: str, run: Path, event: Event, quiet: bool) -> Examples:
    """Return test examples of any other data, brought to an event: images to its size, colours and nearest levels.

    Raises:
        DataError: for vectors in place of images, or the reverse, or of another length; or images that are not square.
    """
    from triptych.data import load
    from triptych.data.examples import Examples
    from triptych.training.rundir import read_config

    size: dict[str, Any] = {"image_size": event.shape[1], "colours": event.shape[0]} if event.is_image else {}
    if event.is_image and (event.shape[1] != event.shape[2] or event.shape[0] not in (1, 3)):
        raise DataError(f"{spec} cannot be brought to a {event}: only to square images of 1 or 3 colours")
    try:
        _, test = load(spec, progress=not quiet, **size)
    except ConfigurationError:  # that size and colours are of images
        raise DataError(f"{spec} holds vectors, the model takes a {event}: give images") from None
    if not event.is_image or not test.event.is_image:
        if not test.event.same_space(event):
            raise DataError(f"{spec} holds a {test.event}, the model takes a {event}: give data of that kind")
        return test
    stored = read_config(run / "config.yaml").get("data", {}) if (run / "config.yaml").exists() else {}
    if stored.get("binarize") is not None:
        _, test = load(spec, progress=not quiet, binarize=stored["binarize"], **size)
    return Examples(event.restored(test.event.scaled(test.data)), event, test.labels, test.classes, source=test.source)


def labels_of(model: Model, given: Examples, label: str | None, n: int = 1) -> Any:
    """Return the label of each example, n times each, or None for an unconditional model."""
    if label is not None or not model.conditional:
        return label
    if given.labels is None and model.embedding:
        raise ConfigurationError("a model of vectors needs one with each image: complete with label=... from Python")
    if given.labels is None:
        raise ConfigurationError(f"a model of {model.classes} classes needs to know what an image is: give --label")
    labels = model.labels_in(given)
    assert labels is not None
    return labels.repeat_interleave(n, 0)
