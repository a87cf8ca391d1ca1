"""`triptych encode` and `reconstruct`: the codes of examples, and what they tell of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import Sources, labels_of
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, counted, write_arrays, write_file
from triptych.cli.shared_options import (
    Count,
    Fit,
    Images,
    ImagesForData,
    LabelOfAll,
    OtherData,
    Overwrite,
    PictureOut,
    Run,
    Split,
)

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.models.base import Model


def encode(
    run: Run,
    data: OtherData = None,
    image: ImagesForData = None,
    split: Split = "both",
    out: Annotated[Path, typer.Option("-o", "--out", help="An .npz, a .csv or a .parquet file.")] = Path("codes.npz"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Write the codes of examples with their labels, ready for scikit-learn.

    An .npz holds codes and labels, a table the columns z0, z1, … and label. Of both splits, or of image files, `source`
    tells which an example is from.
    """
    import torch

    from triptych.queries.export import TABLES, check_table, save_codes

    check_free(out, overwrite, TABLES)
    check_table(out)
    sources = Sources(run, image, data, split, fit, seed, quiet)
    model = load(run)
    ask = model.encode  # before any example is read: it says so if the model cannot
    parts = _parts(sources, model)
    codes = torch.cat([ask(x, label=labels_of(model, x, label)) for x in parts.values()])
    found = [x.labels for x in parts.values() if x.labels is not None]
    origins = [name for name, x in parts.items() for _ in range(len(x))] if len(parts) > 1 else None
    labels = torch.cat(found) if len(found) == len(parts) else None
    save_codes(out, codes, labels, list(map(str, image)) if image else origins)
    if not quiet:
        of = " and ".join(f"{len(x):,} {name}" for name, x in parts.items())
        labelled = "no labels" if labels is None else "labels"
        typer.echo(f"codes of {codes.shape[1]} numbers of {of} by {run}, with {labelled}: {out}")


def _parts(sources: Sources, model: Model) -> dict[str, Examples]:
    """Return the examples to encode, by what they are called: image files, or splits of the data."""
    if sources.image:
        return {"image files": sources.images(model)}
    train, test = sources.splits(model, "--data")
    return {name: x for name, x in {"train": train, "test": test}.items() if sources.split in (name, "both")}


def reconstruct(
    run: Run,
    image: Images = None,
    count: Count = 8,
    out: PictureOut = Path("reconstructed.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Encode examples, decode their codes, and say how much is lost. Originals are drawn above reconstructions."""
    from triptych.evaluation.restoration import psnr
    from triptych.metrics.figure import Figure, mean_and_error
    from triptych.queries import shades, squared_errors

    check_free(out, overwrite, (".png", ".npz"))
    model = load(run)
    ask = model.reconstruct
    given = Sources(run, image, fit=fit, seed=seed, quiet=quiet).examples(model, count)
    own = labels_of(model, given, label)
    done = ask(given, label=own)
    if out.suffix == ".png":  # in every shade, where the data have fewer
        shown = model.decode(model.encode(given, label=own), label=own, levels=shades(model.event))
        _draw(given, shown, out)
    else:
        write_arrays(out, {"x": given.data, "reconstructed": done.data, "y": given.labels})
    errors = squared_errors(given, done)
    mean, error = mean_and_error(errors)
    ratio = f", PSNR {psnr(errors).text} dB" if model.event.is_image else ""
    typer.echo(f"mean squared error {Figure(mean, error).text}{ratio}")
    if not quiet:
        typer.echo(f"{counted(len(given), 'reconstruction')} by {run}: {out}")


def _draw(given: Examples, done: Examples, out: Path) -> None:
    """Draw originals above their reconstructions."""
    from triptych.pictures import pairs, picture, png

    write_file(out, png(pairs(given, done)) if given.event.is_image else picture(done, real=given))
