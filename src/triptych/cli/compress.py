"""`triptych compress`: the rate-distortion curves of trained models' codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.inputs import data_of_run
from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, write_file
from triptych.cli.shared_options import Overwrite
from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triptych.data.examples import Examples
    from triptych.evaluation.compression import Point
    from triptych.models.base import Model

KNOWN = 10_000
"""Of how many training examples ranges of codes and principal components are learnt, at most."""


def compress(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run directories, trained on the same data.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png picture, or a .csv table.")] = Path("curve.png"),
    count: Annotated[int, typer.Option("--count", help="How many test examples are compressed.")] = 1000,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Compress test examples into quantised codes, and compare what comes back with principal components and JPEG.

    Each number of a code takes 1 to 8 bits. A code of n numbers with b bits is n·b/8 bytes, without headers. JPEG
    is shown by its whole files, and by their entropy-coded data alone: on small images headers are most of a file.
    """
    from triptych.comparison.compare import check_names
    from triptych.data.examples import subset
    from triptych.reports.rates import rates_csv, rates_picture, rates_table

    check_free(out, overwrite, (".png", ".csv"))
    if count < 2:
        raise ConfigurationError(f"--count {count}: expected at least 2 examples")
    models = {str(run): load(run) for run in runs}
    for model in models.values():
        _ = model.reconstruct  # before any data are read: it says so if the model cannot
    train, test = data_of_run(runs[0], quiet, "a run of `triptych train`")
    check_names([str(run) for run in runs], train, only_runs=True)
    curves = _curves(models, subset(train, KNOWN, seed), subset(test, count, seed))
    write_file(out, rates_picture(curves) if out.suffix == ".png" else rates_csv(curves).encode())
    if not quiet:
        from rich.console import Console

        Console().print(rates_table(curves, list(models)))
        typer.echo(f"of {min(count, len(test)):,} test examples; beside each code the best of no more bytes")
        typer.echo(f"rate-distortion curves are in {out}")


def _curves(models: Mapping[str, Model], train: Examples, test: Examples) -> dict[str, list[Point]]:
    """Return the curves of models and yardsticks, by name."""
    from triptych.evaluation.compression import jpeg_curves, model_curve, pca_curve
    from triptych.models.questions import Reconstructor

    curves = {}
    for name, model in models.items():
        assert isinstance(model, Reconstructor), "it reconstructs"
        curves[name] = model_curve(model, train, test)
    curves["PCA"] = pca_curve(train, test)
    if test.event.is_image and test.event.shape[0] in (1, 3):
        curves["JPEG file"], curves["JPEG data"] = jpeg_curves(test)
    return curves
