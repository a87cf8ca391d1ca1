"""`triptych denoise`: noisy images as a model restores them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import Sources, labels_of
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, write_arrays, write_file
from triptych.cli.shared_options import Count, Fit, GridOut, Images, LabelOfAll, Overwrite, Run
from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.models.base import Model

MEASURED = 1000
"""On how many test examples the ratios are measured, at least, if there are so many."""
AMOUNT = 0.3
"""Of a corruption that is named without an amount: what an autoencoder is trained with."""


def denoise(
    run: Run,
    image: Images = None,
    out: GridOut = Path("denoised.png"),
    corruption: Annotated[
        str | None,
        typer.Option(
            "--corruption", help="Of test examples: gaussian, salt-and-pepper or masking. Else as in training."
        ),
    ] = None,
    amount: Annotated[
        float | None, typer.Option("--amount", help="Of --corruption: standard deviation or probability; 0.3.")
    ] = None,
    label: LabelOfAll = None,
    fit: Fit = False,
    count: Count = 8,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Restore noisy images, by the code that a model finds of them.

    The rows are: noisy, restored by the model, and by a median filter of 3×3. Without an image test examples are
    corrupted, a first row shows them clean, and the signal-to-noise ratio of each is told.
    """
    from triptych.evaluation.restoration import median_filtered

    check_free(out, overwrite, (".png", ".npz"))
    if image and (corruption is not None or amount is not None):
        raise ConfigurationError("--corruption and --amount are done to test examples: leave them, or leave --image")
    model = load(run)
    ask = model.reconstruct  # before any image is read: it says so if the model cannot
    if not model.event.is_image:
        raise ConfigurationError(f"{run} is of a {model.event}, and only images are denoised: reconstruct it in Python")
    sources = Sources(run, image, fit=fit, seed=seed, quiet=quiet)
    if image:
        rows = {"noisy": sources.images(model)}
    else:
        do = _corruption(model, run, corruption, amount)
        clean = sources.examples(model, max(count, MEASURED) if count > 0 else count)
        rows = {"clean": clean, "noisy": do(clean, seed)}
    rows["restored"] = ask(rows["noisy"], label=labels_of(model, rows["noisy"], label))
    rows["median"] = median_filtered(rows["noisy"])
    _write(model, {name: x[: len(image) if image else count] for name, x in rows.items()}, label, out)
    if quiet:
        return
    if not image:
        typer.echo(_told(rows))
    typer.echo(f"{', '.join(rows)}, row by row: {out} (seed {seed})")


def _corruption(
    model: Model, run: Path, corruption: str | None, amount: float | None
) -> Callable[[Examples, int], Examples]:
    """Return what is done to clean examples, given a seed, before they are restored."""
    from triptych.models.questions import Corrupter
    from triptych.noise import Noise
    from triptych.objectives.corruption import CORRUPTIONS, corrupted, resolve_corruption

    if corruption is None:
        if not isinstance(model, Corrupter) or model.corruption is None:
            names = ", ".join(CORRUPTIONS)
            raise ConfigurationError(f"{run} was trained without a corruption: give --corruption {names}, or --image")
        if amount is not None:
            raise ConfigurationError(f"--amount {amount:g} was given without --corruption: name what it is of")
        return lambda x, seed: model.corrupt(x, seed=seed)
    if corruption not in CORRUPTIONS:
        raise ConfigurationError(f"no --corruption {corruption}; {did_you_mean(corruption, CORRUPTIONS)}")
    do = resolve_corruption(corruption, AMOUNT if amount is None else amount, model.event)
    assert do is not None, "it has a name"
    return lambda x, seed: replace(x, data=corrupted(x.data, model.event, do, Noise.of(seed)), intensities=None)


def _told(rows: Mapping[str, Examples]) -> str:
    """Return the signal-to-noise ratio of every row but the first, which is clean."""
    from triptych.evaluation.restoration import psnr
    from triptych.queries import squared_errors

    clean = rows["clean"]
    figures = [f"{name} {psnr(squared_errors(clean, x)).text}" for name, x in rows.items() if name != "clean"]
    return f"PSNR of {len(clean):,} test examples, dB: {', '.join(figures)}"


def _write(model: Model, rows: Mapping[str, Examples], label: str | None, out: Path) -> None:
    """Write the rows: a picture shows what is restored in every shade, arrays hold the levels of the data."""
    import torch

    from triptych.data.examples import Examples
    from triptych.pictures import picture
    from triptych.queries import shades

    if out.suffix == ".npz":
        write_arrays(out, {name: x.data for name, x in rows.items()})
        return
    noisy = rows["noisy"]
    own = labels_of(model, noisy, label)
    fine = model.decode(model.encode(noisy, label=own), label=own, levels=shades(model.event))
    shown = [
        fine.data if name == "restored" else fine.event.restored(x.event.scaled(x.data)) for name, x in rows.items()
    ]
    write_file(out, picture(Examples(torch.cat(shown), fine.event), columns=len(noisy)))
