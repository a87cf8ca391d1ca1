"""`triptych complete`: the unknown part of images, drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.options import Debug, Quiet, Seed
from triptych.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.event import Event
    from triptych.models.base import Model

HALVES = ("top", "bottom", "left", "right")


def complete(
    run: Annotated[Path, typer.Argument(help="A run directory.")],
    image: Annotated[
        list[Path] | None,
        typer.Option(
            "--image", help="An image file; may be given several times. Else test examples of the run's data."
        ),
    ] = None,
    keep: Annotated[
        str, typer.Option("--keep", help="What is known: top, bottom, left, right, or a mask file (white is kept).")
    ] = "top",
    n: Annotated[int, typer.Option("-n", help="Completions of each image.")] = 8,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png grid, or an .npz file.")] = Path("completed.png"),
    candidates: Annotated[
        int, typer.Option("--candidates", help="Proposals for each completion, where the model's order is not exact.")
    ] = 1,
    temperature: Annotated[float, typer.Option("--temperature", help="Below 1 sharper, above 1 flatter.")] = 1.0,
    top_p: Annotated[float, typer.Option("--top-p", help="Keep the levels that have this share together.")] = 1.0,
    label: Annotated[int | None, typer.Option("--label", help="Of a conditional model: the label of all.")] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Crop, resize and round images that are not of the model's size and levels.")
    ] = False,
    count: Annotated[int, typer.Option("--count", help="How many test examples, where no image is given.")] = 4,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fill in the unknown part of images, several times each.

    A row of the picture is the image, what is kept of it, and the completions.
    """
    from triptych.cli.output import check_free
    from triptych.training import load

    if out.suffix not in (".png", ".npz"):
        raise ConfigurationError(f"{out}: expected a .png or an .npz")
    check_free(out, overwrite)
    if n < 1:
        raise ConfigurationError(f"{n} completions of each image were asked for: expected at least 1")
    model = load(run)
    ask = model.complete  # before any image is read: it says so if the model cannot
    if not model.event.is_image:
        raise ConfigurationError(f"{run} is of a {model.event}, and completes in Python: model.complete(x, known)")
    known = mask_of(keep, model.event)
    given = read_images(image, run, model.event, fit, seed) if image else _tested(run, model, count, quiet)
    done = ask(
        given.data.repeat_interleave(n, 0),
        known,
        label=_labels(model, given, label, n),
        seed=seed,
        candidates=candidates,
        temperature=temperature,
        top_p=top_p,
    )
    _write(given, known, done, n, out)
    if not quiet:
        images = "1 image" if len(given) == 1 else f"{len(given)} images"
        typer.echo(f"{n} completions of {images} by {run} (seed {seed}) are in {out}")
        typer.echo(done.method)


def mask_of(keep: str, event: Event) -> Tensor:
    """Return which pixels are known, boolean `(H, W)`.

    Args:
        keep: one of `HALVES` (of an odd number of rows or columns the smaller part), or an image file of the
            event's size, of which what is lighter than half is known.
        event: of the images.

    Raises:
        ConfigurationError: for what is neither a half nor a file.
        DataError: for a file that is no image, of another size, or all of one kind.
    """
    import torch

    from triptych.data.decode import decode_image

    height, width = event.shape[1:]
    known = torch.zeros(height, width, dtype=torch.bool)
    if keep in HALVES:
        halves = {
            "top": (slice(height // 2), slice(None)),
            "bottom": (slice((height + 1) // 2, None), slice(None)),
            "left": (slice(None), slice(width // 2)),
            "right": (slice(None), slice((width + 1) // 2, None)),
        }
        known[halves[keep]] = True
        return known
    if not Path(keep).is_file():
        raise ConfigurationError(f"--keep {keep}: no such half, and no such mask file; {did_you_mean(keep, HALVES)}")
    mask = torch.tensor(_decoded(decode_image, Path(keep), colours=1))[0]  # a copy: what is decoded is read-only
    _require_size(Path(keep), tuple(mask.shape), event, "draw it at that size")
    known = mask >= 128
    if known.all() or not known.any():
        kept = "all" if known.all() else "nothing"
        raise DataError(f"{keep} keeps {kept}: expected white where the image is known, and black where it is not")
    return known


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
        DataError: for a file that is no image, or of another size or other levels without `fit`.
    """
    import torch

    from triptych.data.decode import decode_image
    from triptych.data.examples import Examples
    from triptych.data.load import binarised
    from triptych.data.source import Source
    from triptych.training.rundir import read_config

    channels, height, width = event.shape
    if channels not in (1, 3):
        raise DataError(f"image files have 1 or 3 colours, the model's images {channels}: complete them in Python")
    square = height if fit and height == width else None
    pixels = []
    for file in files:
        one = _decoded(decode_image, file, image_size=square, colours=channels)
        hint = "--fit crops its central square and resizes it" if height == width else "resize it"
        _require_size(file, one.shape[1:], event, hint)
        pixels.append(torch.tensor(one))
    x = torch.stack(pixels)
    config = run / "config.yaml"
    how = read_config(config).get("data", {}).get("binarize") if config.exists() else None
    if how is not None:
        x = binarised(Source(x, 256, given=len(x)), how, seed, "the images")[0].data
        return Examples(x, event)
    return Examples(torch.cat([_levelled(x[i : i + 1], event, fit, file) for i, file in enumerate(files)]), event)


def _decoded(decode: Any, file: Path, **options: Any) -> Any:
    try:
        return decode(str(file), **options)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or 'it is not an image that Pillow knows'}") from None
    except Exception as error:  # the decoders of damaged files raise anything, SyntaxError included
        raise DataError(f"{file} cannot be read: {' '.join(str(error).split())}") from None


def _require_size(file: Path, shape: tuple[int, ...], event: Event, hint: str) -> None:
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


def _tested(run: Path, model: Model, count: int, quiet: bool) -> Examples:
    """Return the first test examples of what the run was trained on."""
    from triptych.cli.use import data_of_run

    if count < 1:
        raise ConfigurationError(f"--count {count}: expected at least 1 example")
    _, test = data_of_run(run, quiet, "--image")
    found: Examples = test[:count]
    return found


def _labels(model: Model, given: Examples, label: int | None, n: int) -> Any:
    """Return the label of each completion, or None for an unconditional model."""
    if label is not None or not model.conditional:
        return label
    if given.labels is None and model.embedding:
        raise ConfigurationError("a model of vectors needs one with each image: complete with label=... from Python")
    if given.labels is None:
        raise ConfigurationError(f"a model of {model.classes} classes needs to know what an image is: give --label")
    return given.labels.repeat_interleave(n, 0)


def _write(given: Examples, known: Tensor, done: Examples, n: int, out: Path) -> None:
    import numpy as np

    from triptych.pictures import completion_grid, png

    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".png":
        out.write_bytes(png(completion_grid(given, known, done, n)))
        return
    arrays: dict[str, Any] = {
        "x": done.data.view(len(given), n, *given.event.shape).numpy(),
        "given": given.data.numpy(),
        "known": known.expand(given.event.shape).numpy(),
    }
    if done.labels is not None:
        arrays["y"] = done.labels.view(len(given), n, *done.labels.shape[1:]).numpy()
    np.savez_compressed(out, **arrays)
