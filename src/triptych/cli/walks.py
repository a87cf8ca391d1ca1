"""`triptych interpolate` and `manifold`: walks through the space of codes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.codes import (
    POPULATION,
    WALKS,
    coded,
    codes_of,
    coordinates_of,
    decoder_of,
    drawn_label,
    drawn_labels,
    first_of,
    matter_of,
    write_walks,
)
from triptych.cli.inputs import Sources, labels_of
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free
from triptych.cli.shared_options import Fit, LabelOfAll, Overwrite, PictureOut, Run, WalkOut
from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.models.questions import Decoder
    from triptych.queries import Decoded


def interpolate(
    run: Run,
    image: Annotated[
        list[Path] | None, typer.Option("--image", help="An end of the walk, an image file; give it twice.")
    ] = None,
    random: Annotated[
        bool | None,
        typer.Option("--random/--examples", help="Between codes drawn from the prior, or test examples' codes."),
    ] = None,
    n: Annotated[int, typer.Option("-n", help="How many walks, where no images are given.")] = 4,
    steps: Annotated[int, typer.Option("--steps", help="Points of a walk, both ends included.")] = 8,
    path: Annotated[
        str, typer.Option("--path", help="linear, spherical, or auto: spherical for a GAN with a normal prior.")
    ] = "auto",
    out: WalkOut = Path("walk.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Walk from the code of one image to another's, and draw each step.

    Without images, the ends are test examples of the run's data; with --random, or of a model that does not reconstruct
    (gan), codes of the prior. Such a model's images, or test examples with --examples, are inverted: their codes are
    found by descent, as `triptych invert` does. On its way a conditional model takes the label of the nearer end.
    """
    from triptych import queries

    check_free(out, overwrite, WALKS)
    if image and (random is not None or len(image) != 2):
        given = f"--image was given {len(image)}×"
        given = given if random is None else f"--{'random' if random else 'examples'} and --image were given"
        raise ConfigurationError(f"{given}: expected --image twice, the ends of a walk, or --random, or neither")
    if n < 1:
        raise ConfigurationError(f"-n {n}: expected at least 1 walk")
    model = decoder_of(run, out)
    n = 1 if image else n
    path = _usual_path(model, seed) if path == "auto" else path
    if random or (random is None and not image and not isinstance(model, queries.Reconstructor)):
        codes = model.sample_codes(2 * n, seed=seed)
        own = drawn_labels(model, label, n, seed)
        walks = queries.interpolate(model, codes[:n], codes[n:], steps, path, own)
        between = f"codes of the prior (seed {seed})"
    else:
        ends = Sources(run, image, fit=fit, seed=seed, quiet=quiet).examples(model, 2 * n)
        walks = _walks_between(model, ends, label, steps, path, seed)
        between = f"{image[0]} and {image[1]}" if image else "test examples"
    write_walks(model, walks, out)
    if not quiet:
        what = f"a {path} walk" if n == 1 else f"{n} {path} walks"
        typer.echo(f"{what} of {steps} steps between {between} by {run}: {out}")


def _walks_between(model: Decoder, ends: Examples, label: str | None, steps: int, path: str, seed: int) -> Decoded:
    """Walk from the code of each even example to that of the next."""
    from triptych import queries

    labels = labels_of(model, ends, label)
    codes = coded(model, ends, labels, seed)
    own = labels if label is not None else queries.nearer_label(ends[::2].labels, ends[1::2].labels, steps)
    return queries.interpolate(model, codes[::2], codes[1::2], steps, path, own if model.conditional else label)


def _usual_path(model: Decoder, seed: int) -> str:
    """Return the path that suits a model: spherical where codes are of N(0, I) alone, which has none near 0.

    Reference: White 2016, *Sampling Generative Networks*, §2.1.
    """
    from triptych import queries

    if isinstance(model, queries.Reconstructor) or not isinstance(model, queries.LatentSampler):
        return "linear"
    mean, scale = queries.spread_of(model.sample_codes(POPULATION, seed=seed))
    return "spherical" if bool((mean == 0).all() and (scale == 1).all()) else "linear"


def manifold(
    run: Run,
    side: Annotated[int, typer.Option("--side", help="Codes along a side of the square.")] = 15,
    coordinates: Annotated[
        str | None,
        typer.Option("--coordinates", help="Which two, as 0,1: across and up. Else those that matter most."),
    ] = None,
    out: PictureOut = Path("manifold.png"),
    label: LabelOfAll = None,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw the plane of two coordinates of the code: a square of the normal distribution's quantiles, decoded.

    Of codes of more than two numbers, the others stay at their means.
    """
    from triptych import queries

    check_free(out, overwrite, (".png", ".npz"))
    model = decoder_of(run, out)
    chosen = None if coordinates is None else coordinates_of(coordinates, model)
    why = ""
    if chosen is None and model.latent < 2:
        raise ConfigurationError(f"{run} has codes of 1 number: a manifold is drawn of 2; see `triptych traverse`")
    codes, labels = codes_of(Sources(run, seed=seed, quiet=quiet), model, POPULATION, label)
    if chosen is None:
        chosen = [0, 1] if model.latent == 2 else first_of(matter_of(model, codes, labels, seed), 2)
        why = "" if model.latent == 2 else ", which matter most"
    own = drawn_label(model, label, seed)
    walks = queries.manifold(model, chosen, side, queries.spread_of(codes), own)
    write_walks(model, walks, out)
    if not quiet:
        across, up = chosen
        others = "" if model.latent == 2 else "; the others are at their means"
        labelled = f"; label {int(own)}" if own is not None and not model.embedding else ""
        typer.echo(f"coordinates {across} (across) and {up} (up){why}{others}{labelled}: {out}")
