"""`triptych interpolate`, `traverse` and `manifold`: walks through the space of codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.codes import (
    POPULATION,
    WALKS,
    LabelOfAll,
    centre_for,
    codes_of,
    coordinates_of,
    decoder_of,
    drawn_label,
    drawn_labels,
    examples_for,
    write_walks,
)
from triptych.cli.inputs import Fit, Overwrite, Run
from triptych.cli.options import Debug, Quiet, Seed
from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.models.questions import Decoder

PAIRS = 128
"""Codes by which it is judged how much a coordinate matters."""


def interpolate(
    run: Run,
    image: Annotated[
        list[Path] | None, typer.Option("--image", help="An end of the walk, an image file; give it twice.")
    ] = None,
    random: Annotated[bool, typer.Option("--random", help="Between codes drawn from the prior.")] = False,
    n: Annotated[int, typer.Option("-n", help="How many walks, where no images are given.")] = 4,
    steps: Annotated[int, typer.Option("--steps", help="Points of a walk, both ends included.")] = 8,
    path: Annotated[str, typer.Option("--path", help="linear or spherical.")] = "linear",
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png, a .gif, or an .npz file.")] = Path("walk.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Walk from the code of one image to another's, and draw each step.

    Without images, the ends are test examples of the run's data; with --random, or of a model that has no encoder
    (gan), codes of the prior. On its way a conditional model takes the label of the nearer end.
    """
    from triptych import queries
    from triptych.cli.output import check_free

    check_free(out, overwrite, WALKS)
    if image and (random or len(image) != 2):
        given = "--random and --image were given" if random else f"--image was given {len(image)}×"
        raise ConfigurationError(f"{given}: expected --image twice, the ends of a walk, or --random, or neither")
    if n < 1:
        raise ConfigurationError(f"-n {n}: expected at least 1 walk")
    model = decoder_of(run, out)
    n = 1 if image else n
    if random or not (image or isinstance(model, queries.Encoder)):
        ends = model.sample_codes(2 * n, seed=seed)
        own = drawn_labels(model, label, n, seed)
        walks = queries.interpolate(model, ends[:n], ends[n:], steps, path, own)
        between = f"codes of the prior (seed {seed})"
    else:
        found, _ = examples_for(run, model, image, 2 * n, fit, label, seed, quiet)
        walks = queries.interpolate(model, found[::2], found[1::2], steps, path, label)
        between = f"{image[0]} and {image[1]}" if image else "test examples"
    write_walks(model, walks, out)
    if not quiet:
        what = f"a {path} walk" if n == 1 else f"{n} {path} walks"
        typer.echo(f"{what} of {steps} steps between {between} by {run}: {out}")


def traverse(
    run: Run,
    image: Annotated[Path | None, typer.Option("--image", help="An image file, from whose code to move.")] = None,
    coordinates: Annotated[
        str | None,
        typer.Option("--coordinates", help="Which, with commas between, as 0,3. Else those that matter most."),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="How many coordinates, where none are named.")] = 10,
    steps: Annotated[int, typer.Option("--steps", help="Values of each coordinate.")] = 9,
    extent: Annotated[float, typer.Option("--extent", help="Standard deviations to either side.")] = 3.0,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png, a .gif, or an .npz file.")] = Path("traversal.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Move along each coordinate of a code alone, and draw what it does: a row each, those that matter most first.

    How much a coordinate matters is the mean squared change of what is decoded if it alone is replaced by another
    code's. Without --image the code is drawn from the prior (by --seed), or a test example's.
    """
    from triptych import queries
    from triptych.cli.output import check_free

    check_free(out, overwrite, WALKS)
    if count < 1:
        raise ConfigurationError(f"--count {count}: expected at least 1 coordinate")
    model = decoder_of(run, out)
    asked = None if coordinates is None else coordinates_of(coordinates, model)
    centre, own, name = centre_for(run, model, image, fit, label, seed, quiet)
    codes, labels = codes_of(run, model, POPULATION, label, seed, quiet)
    matter = _matter(model, codes, labels, seed)
    chosen = _first(matter, count) if asked is None else sorted(asked, key=_first(matter, model.latent).index)
    walks = queries.traverse(model, centre, chosen, steps, extent, queries.spread_of(codes), own)
    write_walks(model, walks, out)
    _told(matter, chosen)
    if not quiet:
        what = "1 coordinate" if len(chosen) == 1 else f"{len(chosen)} of {model.latent} coordinates"
        typer.echo(f"{what} of {name} by {run}, a row each, from −{extent:g} to {extent:g}: {out}")


def manifold(
    run: Run,
    side: Annotated[int, typer.Option("--side", help="Codes along a side of the square.")] = 15,
    coordinates: Annotated[
        str | None,
        typer.Option("--coordinates", help="Which two, as 0,1: across and up. Else those that matter most."),
    ] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png or an .npz file.")] = Path("manifold.png"),
    label: LabelOfAll = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the plane of two coordinates of the code: a square of the normal distribution's quantiles, decoded.

    Of codes of more than two numbers, the others stay at their means.
    """
    from triptych import queries
    from triptych.cli.output import check_free

    check_free(out, overwrite, (".png", ".npz"))
    model = decoder_of(run, out)
    chosen = None if coordinates is None else coordinates_of(coordinates, model)
    why = ""
    if chosen is None and model.latent < 2:
        raise ConfigurationError(f"{run} has codes of 1 number: a manifold is drawn of 2; see `triptych traverse`")
    codes, labels = codes_of(run, model, POPULATION, label, seed, quiet)
    if chosen is None:
        chosen = [0, 1] if model.latent == 2 else _first(_matter(model, codes, labels, seed), 2)
        why = "" if model.latent == 2 else ", which matter most"
    own = drawn_label(model, label, seed)
    walks = queries.manifold(model, chosen, side, queries.spread_of(codes), own)
    write_walks(model, walks, out)
    if not quiet:
        across, up = chosen
        others = "" if model.latent == 2 else "; the others are at their means"
        labelled = f"; label {int(own)}" if own is not None and not model.embedding else ""
        typer.echo(f"coordinates {across} (across) and {up} (up){why}{others}{labelled}: {out}")


def _matter(model: Decoder, codes: Tensor, labels: Tensor | None, seed: int) -> Tensor:
    """Return how much each coordinate matters, judged by the first codes."""
    from triptych.queries import importance

    return importance(model, codes[:PAIRS], label=None if labels is None else labels[:PAIRS], seed=seed)


def _first(matter: Tensor, count: int) -> list[int]:
    """Return the coordinates that matter most, in that order."""
    return [int(j) for j in matter.argsort(descending=True, stable=True)[:count]]


def _told(matter: Tensor, chosen: list[int]) -> None:
    """Print how much the chosen coordinates matter."""
    typer.echo("coordinate  change   share")
    total = float(matter.sum())
    for j in chosen:
        share = f"{100 * float(matter[j]) / total:5.1f} %" if total else "      –"
        typer.echo(f"{j:>10}  {float(matter[j]):<7.2g} {share}")
