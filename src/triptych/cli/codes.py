"""What the verbs on codes share: which codes they start from, and what they write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.cli.inputs import Sources, data_of_run, labels_of
from triptych.cli.loading import load
from triptych.cli.output import write_arrays, write_file
from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from torch import Tensor

    from triptych.data.examples import Examples
    from triptych.models.base import Model
    from triptych.models.questions import Decoder, Label
    from triptych.queries import Decoded

WALKS = (".png", ".gif", ".npz")
POPULATION = 4096
"""Codes by which it is judged where a model's codes lie."""
PAIRS = 128
"""Codes by which it is judged how much a coordinate matters."""


def decoder_of(run: Path, out: Path) -> Decoder:
    """Return the model of a run; it decodes, and what it decodes can be drawn as `out`.

    Raises:
        UnsupportedQuery: for a model that does not decode.
        ConfigurationError: for an animation of vectors.
    """
    model: Any = load(run)
    model.decode  # noqa: B018 - it says so if the model cannot
    if out.suffix == ".gif" and not model.event.is_image:
        raise ConfigurationError(f"{out}: {run} is of a {model.event}, and an animation shows images: give a .png")
    found: Decoder = model
    return found


def drawn_labels(model: Model, label: str | None, n: int, seed: int) -> Tensor | None:
    """Return `label` for all, or labels drawn uniformly; None for an unconditional model."""
    from triptych.noise import Noise

    found = model.labels(label, n, Noise.of(seed, model.device))
    return None if found is None else found.cpu()


def drawn_label(model: Model, label: str | None, seed: int) -> Tensor | None:
    """Return `label`, or one that is drawn, for all examples; None for an unconditional model."""
    drawn = drawn_labels(model, label, 1, seed)
    return None if drawn is None else drawn[0]


def codes_of(sources: Sources, model: Decoder, n: int, label: str | None) -> tuple[Tensor, Tensor | None]:
    """Return at most n codes `(n, Z)`, of the prior or else of training examples, and their labels."""
    from triptych.queries import LatentSampler

    if isinstance(model, LatentSampler):
        return model.sample_codes(n, seed=sources.seed), drawn_labels(model, label, n, sources.seed)
    own = data_of_run(sources.run, sources.quiet, "--image")[0][:n]
    codes: Tensor = model.encode(own)
    return codes, own.labels if model.conditional else None


def centre_for(sources: Sources, model: Decoder, label: str | None) -> tuple[Tensor, Label, str]:
    """Return the code `(Z,)` of an image, else one of the prior, else a test example's; its label, and its name."""
    from triptych.queries import LatentSampler

    seed = sources.seed
    if not sources.image and isinstance(model, LatentSampler):
        found: Any = model.sample_codes(1, seed=seed)
        return found[0], drawn_label(model, label, seed), f"a code of the prior (seed {seed})"
    given = sources.examples(model, 1)
    own = labels_of(model, given, label)
    name = sources.image[0] if sources.image else "a test example"
    return (
        coded(model, given, own, seed)[0],
        own if own is None or isinstance(own, int) else own[0],
        f"the code of {name}",
    )


def coded(model: Decoder, given: Examples, label: Label, seed: int) -> Tensor:
    """Return the codes of examples `(N, Z)`: the encoder's, or by descent where a model does not reconstruct."""
    from triptych.queries import Reconstructor, invert

    if isinstance(model, Reconstructor):
        codes: Tensor = model.encode(given, label=label)
        return codes
    return invert(model, given, label=label, seed=seed).codes


def coordinates_of(text: str, model: Decoder) -> list[int]:
    """Return coordinates of a model's code, which a person typed with commas between.

    Raises:
        ConfigurationError: for what is no number, or no coordinate, or one twice.
    """
    from triptych.queries.traversal import check_coordinates

    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        raise ConfigurationError(f"--coordinates {text}: expected whole numbers with commas between, as 0,3") from None
    check_coordinates(found, model.latent)
    return found


def write_walks(model: Decoder, walks: Decoded, out: Path) -> None:
    """Write rows as a picture, an animation, or arrays: `x (R, S, *shape)`, `codes (R, S, Z)`, and `y` if labelled.

    Pictures show what is expected in every shade, arrays hold the levels of the data.
    """
    from triptych.animations import walk_gif, walk_picture
    from triptych.queries import shades

    rows, steps = walks.codes.shape[:2]
    x = walks.examples
    if out.suffix in (".png", ".gif"):
        shown = model.decode(walks.codes.flatten(0, 1), label=x.labels, levels=shades(model.event))
        write_file(out, (walk_picture if out.suffix == ".png" else walk_gif)(shown, rows))
        return
    labels = None if x.labels is None else x.labels.view(rows, steps, *x.labels.shape[1:])
    write_arrays(out, {"x": x.data.view(rows, steps, *x.event.shape), "codes": walks.codes, "y": labels})


def matter_of(model: Decoder, codes: Tensor, labels: Tensor | None, seed: int) -> Tensor:
    """Return how much each coordinate matters, judged by the first codes."""
    from triptych.queries import importance

    return importance(model, codes[:PAIRS], label=None if labels is None else labels[:PAIRS], seed=seed)


def first_of(matter: Tensor, count: int) -> list[int]:
    """Return what matters most, in that order."""
    return [int(j) for j in matter.argsort(descending=True, stable=True)[:count]]
