"""`triptych complete`: the unknown part of images, drawn anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import Sources, decoded, labels_of, require_size
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, counted, write_arrays, write_file
from triptych.cli.shared_options import Count, Fit, GridOut, Images, LabelOfAll, Overwrite, Run
from triptych.errors import ConfigurationError, DataError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.event import Event

PARTS = ("top", "bottom", "left", "right", "around")

Keep = Annotated[
    str,
    typer.Option(
        "--keep",
        help="What is known: top, bottom, left, right, around (all but the centre), or a mask file (white).",
    ),
]
Candidates = Annotated[
    int, typer.Option("--candidates", help="Proposals for each completion, where the model's order is not exact.")
]


def complete(
    run: Run,
    image: Images = None,
    keep: Keep = "top",
    n: Annotated[int, typer.Option("-n", help="Completions of each image.")] = 8,
    out: GridOut = Path("completed.png"),
    candidates: Candidates = 1,
    temperature: Annotated[float, typer.Option("--temperature", help="Below 1 sharper, above 1 flatter.")] = 1.0,
    top_p: Annotated[float, typer.Option("--top-p", help="Keep the levels that have this share together.")] = 1.0,
    label: LabelOfAll = None,
    fit: Fit = False,
    count: Count = 4,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Fill in the unknown part of images, several times each.

    A row of the picture is the image, what is kept of it, and the completions.
    """
    check_free(out, overwrite, (".png", ".npz"))
    if n < 1:
        raise ConfigurationError(f"{n} completions of each image were asked for: expected at least 1")
    model = load(run)
    ask = model.complete  # before any image is read: it says so if the model cannot
    if not model.event.is_image:
        raise ConfigurationError(f"{run} is of a {model.event}, and completes in Python: model.complete(x, known)")
    known = mask_of(keep, model.event)
    given = Sources(run, image, fit=fit, seed=seed, quiet=quiet).examples(model, count)
    done = ask(
        given.data.repeat_interleave(n, 0),
        known,
        label=labels_of(model, given, label, n),
        seed=seed,
        candidates=candidates,
        temperature=temperature,
        top_p=top_p,
    )
    _write(given, known, done, n, out)
    if not quiet:
        made = f"{counted(n, 'completion')} of {counted(len(given), 'image')}"
        typer.echo(f"{made} by {run} (seed {seed}) are in {out}")
        typer.echo(done.method)


def mask_of(keep: str, event: Event) -> Tensor:
    """Return which pixels are known, boolean `(H, W)`.

    Args:
        keep: one of `PARTS` (half of an odd number of rows or columns is the smaller part; "around" is all but a
            block of half the sides), or an image file of the event's size, of which what is lighter than half is known.
        event: of the images.

    Raises:
        ConfigurationError: for what is neither a half nor a file.
        DataError: for a file that is no image, of another size, or all of one kind.
    """
    import torch

    from triptych.data.decode import decode_image
    from triptych.models.autoencoders.removal import block_sides, centre
    from triptych.noise import Noise

    height, width = event.shape[1:]
    known = torch.zeros(height, width, dtype=torch.bool)
    if keep == "around":
        return centre((height, width), block_sides(event, 0.5), 1, Noise.of(0))[0, 0]
    if keep in PARTS:
        halves = {
            "top": (slice(height // 2), slice(None)),
            "bottom": (slice((height + 1) // 2, None), slice(None)),
            "left": (slice(None), slice(width // 2)),
            "right": (slice(None), slice((width + 1) // 2, None)),
        }
        known[halves[keep]] = True
        return known
    if not Path(keep).is_file():
        raise ConfigurationError(f"--keep {keep}: no such part, and no such mask file; {did_you_mean(keep, PARTS)}")
    mask = torch.tensor(decoded(decode_image, Path(keep), colours=1))[0]  # a copy: what is decoded is read-only
    require_size(Path(keep), tuple(mask.shape), event, "draw it at that size")
    known = mask >= 128
    if known.all() or not known.any():
        kept = "all" if known.all() else "nothing"
        raise DataError(f"{keep} keeps {kept}: expected white where the image is known, and black where it is not")
    return known


def _write(given: Examples, known: Tensor, done: Examples, n: int, out: Path) -> None:
    from triptych.pictures import completion_grid, png

    if out.suffix == ".png":
        write_file(out, png(completion_grid(given, known, done, n)))
        return
    arrays = {
        "x": done.data.view(len(given), n, *given.event.shape),
        "given": given.data,
        "known": known.expand(given.event.shape),
        "y": None if done.labels is None else done.labels.view(len(given), n, *done.labels.shape[1:]),
    }
    write_arrays(out, arrays)
