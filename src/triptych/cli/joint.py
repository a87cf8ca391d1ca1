"""`triptych joint`: examples that belong together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from triptych.cli.codes import WALKS, decoder_of, write_walks
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free
from triptych.cli.shared_options import Overwrite, Run, WalkOut


def joint(
    run: Run,
    n: Annotated[int, typer.Option("-n", help="How many rows.")] = 8,
    each: Annotated[int | None, typer.Option("--each", help="Of sd-gan: observations of an identity, 8.")] = None,
    out: WalkOut = Path("joint.png"),
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw rows of examples that belong together: one code under each label, or one identity seen several times.

    Of a coupled GAN a row is a tuple of its domains; of a conditional model each class in turn; of an SD-GAN
    observations of one identity.
    """
    from triptych import queries
    from triptych.errors import UnsupportedQuery

    check_free(out, overwrite, WALKS)
    model = decoder_of(run, out)
    if not isinstance(model, queries.LatentSampler):
        raise UnsupportedQuery(f"{type(model).__name__} does not draw codes: train a conditional model with a prior")
    rows = queries.joint(model, n, each, seed=seed)
    write_walks(model, rows, out)
    if not quiet:
        across = f"a code under each of {model.classes} labels" if model.classes else "observations of an identity"
        typer.echo(f"{n} rows, each {across}, by {run}: {out}")
