"""Pictures of samples beside real examples: all drawn alike, none chosen."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import torch

from triptych.data.examples import Examples
from triptych.evaluation.measure import Measures
from triptych.evaluation.protocol import Protocol
from triptych.metrics.novelty import Nearest
from triptych.pictures import grid, pairs, picture, png
from triptych.reports.plane import plane_picture

Image = dict[str, str]
"""A picture of the page: `name`, `alt`, `src`, and perhaps `caption`."""

_PICTURE_BYTES = 1_600_000  # of all pictures, before they are compressed
_LARGEST = 64
_PAIRS = 8


def image(name: str, made: bytes, alt: str, caption: str = "") -> Image:
    """Return a PNG file as a picture of the page."""
    src = f"data:image/png;base64,{base64.b64encode(made).decode()}"
    return {"name": name, "alt": alt, "src": src, "caption": caption}


def walls(models: Sequence[Measures], protocol: Protocol) -> list[Image]:
    """Return the samples of each model and as many test examples: equally many, equally large, the first drawn.

    Args:
        models: what was measured of each.
        protocol: the conditions.
    """
    shown = [("real test data", protocol.real)]
    shown += [(m.name, m.samples) for m in models if m.samples is not None]
    if protocol.event.shape == (2,):
        return [image(name, plane_picture(x, protocol.real), f"{name}, real data's contours") for name, x in shown]
    if not protocol.event.is_image:
        return [image(name, picture(x, protocol.real), f"{name} over real test data") for name, x in shown]
    tiles, side = _budget(protocol, len(models))
    tiles = min([tiles, *(len(x) for _, x in shown)])
    columns = max(1, int(tiles**0.5))
    drawn = []
    for name, examples in shown:
        made = png(grid(examples[:tiles], columns, padding=4, largest=side))
        drawn.append(image(name, made, f"{tiles} examples, the first drawn: {name}"))
    return drawn


def _budget(protocol: Protocol, models: int) -> tuple[int, int]:
    """Return how many tiles a grid may have, and their longest side, so that the page stays small."""
    side = min(_LARGEST, max(protocol.event.shape[1:]))
    colours = protocol.event.shape[0]
    fit = _PICTURE_BYTES // ((models + 1) * colours * side * side)
    return (64 if fit >= 64 else 36 if fit >= 36 else 16), side


def neighbours(models: Sequence[Measures], protocol: Protocol) -> list[Image]:
    """Return each model's samples nearest to training data by pixels, over their neighbours; first unseen data's.

    Args:
        models: what was measured of each.
        protocol: the conditions.
    """
    if not protocol.event.is_image:
        return []
    return _beside(protocol, protocol.held_out, [(m, m.neighbours, m.distances) for m in models])


def feature_neighbours(models: Sequence[Measures], protocol: Protocol) -> list[Image]:
    """Return the same by the protocol's features, none where these are the pixels.

    Args:
        models: what was measured of each.
        protocol: the conditions.
    """
    if not protocol.event.is_image or protocol.extractor.name.startswith("pixels"):
        return []
    found = protocol.held_out_by_features
    return _beside(protocol, found, [(m, m.feature_neighbours, m.feature_distances) for m in models])


def _beside(
    protocol: Protocol, unseen: Nearest, found: Sequence[tuple[Measures, Examples | None, Sequence[float]]]
) -> list[Image]:
    """Return the pairs of unseen real data, and of each model that has samples and their neighbours."""
    rows = [("unseen real data", protocol.unseen, protocol.train[unseen.index], unseen.relative)]
    for m, theirs, distances in found:
        if m.samples is not None and theirs is not None:
            rows.append((m.name, m.samples, theirs, torch.tensor(distances)))
    return [_pairs(*row) for row in rows]


def _pairs(name: str, upper: Examples, lower: Examples, relative: torch.Tensor) -> Image:
    closest = torch.sort(relative, stable=True).indices[:_PAIRS]
    made = png(pairs(upper[closest], lower[closest], largest=_LARGEST))
    low, high = (f"{float(relative[i]):.2f}" for i in (closest[0], closest[-1]))
    alt = f"{len(closest)} of {name} nearest to training data, above their neighbours"
    return image(name, made, alt, f"relative distance {low} to {high}")
