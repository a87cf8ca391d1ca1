"""The quiz "which is real?": a page of pairs for people, and beside it the key that the page does not have."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.base import Model
from triptych.noise import mix
from triptych.pictures import tiles

if TYPE_CHECKING:
    from PIL.Image import Image

LARGEST = 128
"""Longest side in pixels of a picture; larger images are averaged down."""
POINTS = 200
"""Points of a picture of 2-D vectors: one alone tells nothing."""
SHOWN = 8
"""Real training examples that a person sees before the first pair."""
_REAL, _MADE, _ARRANGED = 111, 112, 113
"""Random streams: which examples, what is made, and the order of the pairs."""
_CANVAS = 160
_MARGIN = 0.15


@dataclass(frozen=True, eq=False)
class Pairs:
    """Held-out real examples and samples of a model, as images.

    Args:
        real: n images.
        made: as many.
    """

    real: Examples
    made: Examples


def pairs_of(
    models: Mapping[str, Model], train: Examples, test: Examples, n: int, seed: int
) -> tuple[dict[str, Pairs], Examples]:
    """Choose what is shown: the first samples that each model draws, and test examples, none of them twice.

    A conditional model draws the labels of the real examples. 2-D vectors are shown as clouds of 200 points in the
    frame of the test examples; a point outside is drawn on its edge.

    Args:
        models: by name.
        train: training split, for the examples that are shown before.
        test: held-out split.
        n: pairs of each model.
        seed: of samples and choices.

    Returns:
        Pairs by model, and 8 pictures of training examples.

    Raises:
        DataError: for too few test examples, vectors of another dimension than 2, or samples that are not finite.
        UnsupportedQuery: for a model that does not sample.
    """
    generator = torch.Generator().manual_seed(mix(seed, _REAL))
    each, frame = (1, None) if test.event.is_image else (POINTS, _frame(test))
    places = _places(len(test), n * len(models), each, generator)
    found = {}
    for k, (name, model) in enumerate(models.items()):
        real = test[places[k * n : (k + 1) * n].flatten()]
        labels = real.labels if model.conditional else None
        made = model.sample(len(real), label=labels, seed=mix(seed, _MADE, k))
        if not bool(torch.isfinite(made.data).all()):
            raise DataError(f"{name}: some samples are not finite numbers: its training diverged")
        found[name] = Pairs(_pictures(real, frame), _pictures(made, frame))
    before = train[_places(len(train), SHOWN, each, generator).flatten()]
    return found, _pictures(before, frame)


def write_quiz(
    page: Path, pairs: Mapping[str, Pairs], before: Examples, *, exposure: int | None = None, seed: int = 0
) -> Path:
    """Write the page, and the key beside it: `quiz.html` and `quiz.key.json`.

    Pairs of all models are mixed, and the real example is as often on the left as on the right of each. The page knows
    pictures by random names, all of one size in bytes; which is real, and whose the other is, stands in the key alone.

    Args:
        page: where to; a `.html` file.
        pairs: of each model; see `pairs_of`.
        before: real examples that are shown before the first pair.
        exposure: milliseconds for which a pair is seen; None for as long as a person likes.
        seed: of order and sides.

    Returns:
        Where the key is.

    Raises:
        ConfigurationError: for an exposure below 1.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    if exposure is not None and exposure < 1:
        raise ConfigurationError(f"an exposure of {exposure} ms: expected at least 1")
    shown, key, sources = _arranged(pairs, torch.Generator().manual_seed(mix(seed, _ARRANGED)))
    drawn = hashlib.sha256(json.dumps([shown, sources]).encode()).hexdigest()[:16]
    quiz = {"quiz": drawn, "pairs": shown, "pictures": sources, "exposure": exposure}
    pages = Environment(
        loader=PackageLoader("triptych", "reports"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    examples = tiles(before, LARGEST)
    made = pages.get_template("quiz.html").render(
        quiz=quiz, n=len(shown), exposure=exposure, before=[_source(one) for one in examples], size=examples[0].size
    )
    beside = key_path(page)
    page.parent.mkdir(parents=True, exist_ok=True)
    told = {"quiz": drawn, "exposure": exposure, "pairs": key}
    beside.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    page.write_text(made, encoding="utf-8")
    return beside


def key_path(page: Path) -> Path:
    """Return where the key of a page is.

    >>> key_path(Path("runs/quiz.html")).name
    'quiz.key.json'
    """
    return page.with_suffix(".key.json")


def _places(there: int, pictures: int, each: int, generator: torch.Generator) -> Tensor:
    """Return which examples are in each picture, `(pictures, each)`: one is in one picture, points may be in several.

    Raises:
        DataError: if there are too few.
    """
    needed = pictures if each == 1 else 2 * each
    if there < needed:
        what = "a real example for each pair" if each == 1 else f"twice the {each} points of a picture"
        raise DataError(f"a quiz takes {what}: {needed:,} are needed and {there:,} are there; ask for fewer pairs (-n)")
    if each == 1:
        return torch.randperm(there, generator=generator)[:pictures, None]
    return torch.stack([torch.randperm(there, generator=generator)[:each] for _ in range(pictures)])


def _frame(test: Examples) -> tuple[Tensor, Tensor]:
    """Return the lower left corner of the square that clouds are shown in, and its side."""
    if test.event.dims != 2:
        raise DataError(f"a quiz is of images, or of points in the plane: the data is a {test.event}")
    low, high = test.data.amin(0), test.data.amax(0)
    side = (high - low).max().clamp(min=1e-6) * (1 + 2 * _MARGIN)
    return (low + high - side) / 2, side


def _pictures(examples: Examples, frame: tuple[Tensor, Tensor] | None) -> Examples:
    """Return images as they are, and points as images of clouds: dots of 2 × 2 black pixels on white."""
    if frame is None:
        return examples
    corner, side = frame
    at = ((examples.data - corner) / side * (_CANVAS - 2)).clamp(0, _CANVAS - 2).long().view(-1, POINTS, 2)
    canvas = torch.full((len(at), 1, _CANVAS, _CANVAS), 255, dtype=torch.uint8)
    picture = torch.arange(len(at))[:, None]
    for down in (0, 1):
        for right in (0, 1):
            canvas[picture, 0, _CANVAS - 2 - at[..., 1] + down, at[..., 0] + right] = 0
    return Examples(canvas, Event((1, _CANVAS, _CANVAS), 256))


def _arranged(
    pairs: Mapping[str, Pairs], generator: torch.Generator
) -> tuple[list[list[str]], dict[str, dict[str, str]], dict[str, str]]:
    """Return what the page shows (names of a pair, of the left and the right picture), the key, and the pictures."""
    told = []
    for run, of in pairs.items():
        n = len(of.real)
        spare = int(torch.randint(2, (), generator=generator))
        lefts = (torch.randperm(n, generator=generator) + spare) % 2 == 0
        for real, made, left in zip(tiles(of.real, LARGEST), tiles(of.made, LARGEST), lefts.tolist(), strict=True):
            told.append((run, _source(real), _source(made), left))
    names = [f"{number:015x}" for number in torch.randint(1 << 59, (3 * len(told),), generator=generator).tolist()]
    shown: list[list[str]] = []
    key: dict[str, dict[str, str]] = {}
    sources: dict[str, str] = {}
    for k, place in enumerate(torch.randperm(len(told), generator=generator).tolist()):
        run, real, made, left = told[place]
        pair, first, second = names[3 * k : 3 * k + 3]
        sources |= {first: real, second: made} if left else {first: made, second: real}
        shown.append([pair, first, second])
        key[pair] = {"run": run, "real": first if left else second, "made": second if left else first}
    return shown, key, sources


def _source(image: Image) -> str:
    """Return an image as a PNG that is not compressed, so that its length says nothing of what it shows."""
    file = io.BytesIO()
    image.save(file, format="PNG", compress_level=0)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
