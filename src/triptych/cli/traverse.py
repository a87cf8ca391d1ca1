"""`triptych traverse`: what each part of a code does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from triptych.cli.codes import (
    POPULATION,
    WALKS,
    centre_for,
    codes_of,
    coordinates_of,
    decoder_of,
    first_of,
    matter_of,
    write_walks,
)
from triptych.cli.inputs import Sources
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, counted
from triptych.cli.shared_options import Fit, LabelOfAll, Overwrite, Run, WalkOut
from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from triptych.models.adversarial.layout import NamedCode
    from triptych.models.questions import Decoder, Label
    from triptych.queries import Decoded, Spread

KINDS = ("auto", "coordinates", "codes", "principal")
JACOBIANS = 64
"""Codes at which it is asked how examples change."""


def traverse(
    run: Run,
    image: Annotated[Path | None, typer.Option("--image", help="An image file, from whose code to move.")] = None,
    coordinates: Annotated[
        str | None,
        typer.Option("--coordinates", help="Which, with commas between, as 0,3, or by name, as c1. Else by --count."),
    ] = None,
    directions: Annotated[
        str,
        typer.Option(
            "--directions",
            help="coordinates, codes (with names: infogan), principal (along which examples change most), or auto.",
        ),
    ] = "auto",
    count: Annotated[int, typer.Option("--count", help="How many directions, where none are named.")] = 10,
    steps: Annotated[int, typer.Option("--steps", help="Values of each; a category has its own.")] = 9,
    extent: Annotated[float, typer.Option("--extent", help="Standard deviations to either side.")] = 3.0,
    out: WalkOut = Path("traversal.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Move a code along one direction alone, and draw what it does: a row each, those that matter most first.

    The directions are its coordinates, those with names (every value of a category), or the principal ones: along which
    an example changes most, on average over codes. How much a coordinate matters is the mean squared change of what is
    decoded if it alone is replaced by another code's. Without --image the code is drawn from the prior (by --seed), or
    a test example's.
    """
    from triptych import queries

    check_free(out, overwrite, WALKS)
    if count < 1:
        raise ConfigurationError(f"--count {count}: expected at least 1 coordinate")
    model = decoder_of(run, out)
    kind = _kind(model, directions, coordinates)
    named = _named(model, coordinates) if kind == "codes" else []
    asked = None if coordinates is None or kind == "codes" else coordinates_of(coordinates, model)
    sources = Sources(run, None if image is None else [image], fit=fit, seed=seed, quiet=quiet)
    centre, own, name = centre_for(sources, model, label)
    codes, labels = codes_of(sources, model, POPULATION, label)
    spread = queries.spread_of(codes)
    if kind == "codes":
        walks = queries.sweep(model, centre, named, steps, extent, spread, own)
        what = ", ".join(code.name for code in named)
    elif kind == "principal":
        walks, what = _principal(model, centre, codes, labels, count, steps, extent, spread, own)
    else:
        matter = matter_of(model, codes, labels, seed)
        chosen = first_of(matter, count)
        if asked is not None:
            chosen = sorted(asked, key=first_of(matter, model.latent).index)
        walks = queries.traverse(model, centre, chosen, steps, extent, spread, own)
        _told("coordinate", matter, chosen)
        what = "1 coordinate" if len(chosen) == 1 else f"{len(chosen)} of {model.latent} coordinates"
    write_walks(model, walks, out)
    if not quiet:
        typer.echo(f"{what} of {name} by {run}, a row each, from −{extent:g} to {extent:g}: {out}")


def _kind(model: Decoder, directions: str, coordinates: str | None) -> str:
    """Return what "auto" stands for, and refuse what a model does not have."""
    from triptych.models.adversarial.layout import HasNamedCodes

    if directions not in KINDS:
        raise ConfigurationError(f"no --directions {directions}; {did_you_mean(directions, KINDS)}")
    has_names = isinstance(model, HasNamedCodes)
    by_number = coordinates is not None and coordinates.replace(",", "").replace(" ", "").isdigit()
    if directions == "auto":
        return "codes" if has_names and not by_number else "coordinates"
    if directions == "codes" and not has_names:
        raise ConfigurationError(f"--directions codes: {type(model).__name__} has no codes with names: try principal")
    if directions == "principal" and coordinates is not None:
        raise ConfigurationError("--coordinates and --directions principal were given: choose one of them")
    return directions


def _named(model: Decoder, text: str | None) -> list[NamedCode]:
    """Return the parts of a code that a person named; all if none."""
    from triptych.models.adversarial.layout import HasNamedCodes

    assert isinstance(model, HasNamedCodes), "_kind checks for it"
    there = {code.name: code for code in model.code_layout}
    names = list(there) if text is None else [name.strip() for name in text.split(",")]
    for name in names:
        if name not in there:
            raise ConfigurationError(f"--coordinates {text}: no code {name!r}; {did_you_mean(name, there)}")
    return [there[name] for name in names]


def _principal(
    model: Decoder,
    centre: Tensor,
    codes: Tensor,
    labels: Tensor | None,
    count: int,
    steps: int,
    extent: float,
    spread: Spread,
    label: Label,
) -> tuple[Decoded, str]:
    """Walk along the principal directions, and say how much each changes."""
    from triptych import queries

    own = None if labels is None else labels[:JACOBIANS]
    found = queries.principal_directions(model, codes[:JACOBIANS], spread=spread, label=own)
    chosen = list(range(min(count, model.latent)))
    _told("direction", found.change, chosen)
    walks = queries.along(model, centre, found.vectors[chosen], steps, extent, spread, label)
    return walks, counted(len(chosen), "principal direction")


def _told(kind: str, matter: Tensor, chosen: Sequence[int]) -> None:
    """Print how much the chosen ones matter."""
    typer.echo(f"{kind:<10}  change   share")
    total = float(matter.sum())
    for j in chosen:
        share = f"{100 * float(matter[j]) / total:5.1f} %" if total else "      –"
        typer.echo(f"{j:>10}  {float(matter[j]):<7.2g} {share}")
