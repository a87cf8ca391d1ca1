"""`triptych invert`: codes of examples, found by descent, for models that have no encoder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.codes import decoder_of
from triptych.cli.inputs import Sources, labels_of
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, write_arrays, write_file
from triptych.cli.shared_options import Count, Fit, Images, LabelOfAll, OtherData, Overwrite, PictureOut, Run

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.queries import Inverted


def invert(
    run: Run,
    data: OtherData = None,
    image: Images = None,
    count: Count = 8,
    steps: Annotated[int, typer.Option("--steps", help="Of each descent.")] = 500,
    restarts: Annotated[int, typer.Option("--restarts", help="Descents for each example.")] = 4,
    prior_weight: Annotated[
        float, typer.Option("--prior-weight", help="How much a code costs that is far out in the prior.")
    ] = 0.0,
    out: PictureOut = Path("inverted.png"),
    codes: Annotated[
        Path | None, typer.Option("--codes", help="Write the codes, too: an .npz, a .csv or a .parquet file.")
    ] = None,
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find the code of each example by descent, and say how near what it decodes to comes.

    Drawn are the examples, below each the nearest of 256 samples of the model, and what the code found decodes to, with
    its root mean squared error: of images black and white differ by 1, vectors are in units of the data's spread.
    """
    from triptych.queries import invert as inverted
    from triptych.queries import save_codes
    from triptych.queries.export import TABLES, check_table

    check_free(out, overwrite, (".png", ".npz"))
    if codes is not None:
        check_free(codes, overwrite, TABLES)
        check_table(codes)
    sources = Sources(run, image, data, fit=fit, seed=seed, quiet=quiet)
    model: Any = decoder_of(run, out)
    given = sources.examples(model, count)
    own = labels_of(model, given, label)
    found = inverted(
        model,
        given,
        steps=steps,
        restarts=restarts,
        prior_weight=prior_weight,
        label=own,
        seed=seed,
    )
    _write(model, given, own, found, out)
    if codes is not None:
        save_codes(codes, found.codes, given.labels)
    _tell(given, found)
    if not quiet:
        also = "" if codes is None else f"; codes: {codes}"
        typer.echo(f"{len(given)} inverted by {run} (seed {seed}): {out}{also}")


def _write(model: Any, given: Examples, label: Any, found: Inverted, out: Path) -> None:
    """Write examples and what their codes decode to: a picture with the errors, or arrays."""
    from triptych.captions import captioned
    from triptych.pictures import picture, png
    from triptych.queries import shades

    if out.suffix == ".npz":
        done = model.decode(found.codes, label=label)
        arrays = {"x": given.data, "inverted": done.data, "codes": found.codes, "rmse": found.errors, "y": given.labels}
        write_arrays(out, arrays)
        return
    levels = shades(model.event)
    done = model.decode(found.codes, label=label, levels=levels)
    if not given.event.is_image:
        write_file(out, picture(done, real=given))
        return
    nearest = model.decode(found.nearest, label=label, levels=levels)
    errors = [f"{error:.3f}" for error in found.errors.tolist()]
    write_file(out, png(captioned([given, nearest, done], errors, min(len(errors), 16))))


def _tell(given: Examples, found: Inverted) -> None:
    """Print the error of each example, and their mean beside that of the nearest samples."""
    from triptych.metrics.figure import Figure, mean_and_error
    from triptych.queries.inversion import DRAWS

    typer.echo(f"example  label  RMSE    nearest of {DRAWS} samples")
    for i, (error, drawn) in enumerate(zip(found.errors.tolist(), found.drawn.tolist(), strict=True)):
        named = "–"
        if given.labels is not None and given.labels.dim() == 1:
            number = int(given.labels[i])
            named = given.classes[number] if given.classes else str(number)
        typer.echo(f"{i:>7}  {named:>5}  {error:<6.4f}  {drawn:.4f}")
    means = [Figure(*mean_and_error(side)).text for side in (found.errors, found.drawn)]
    typer.echo(f"root mean squared error {means[0]}, nearest of {DRAWS} samples {means[1]}")
