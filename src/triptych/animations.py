"""Walks: rows of steps as a picture, or step after step as an animation. The same examples give the same bytes."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.pictures import BLUE, GREY, axes_style, grid, png

if TYPE_CHECKING:
    from PIL.Image import Image

_SECONDS = 0.1
_PANELS = 12  # of vectors: so many walks are drawn


def walk_picture(examples: Examples, rows: int) -> bytes:
    """Draw walks as a PNG: rows of images, paths through the plane, or other vectors coordinate by coordinate.

    Args:
        examples: `rows · S` of them, those of the first walk first.
        rows: how many walks.

    Returns:
        The PNG file.

    Raises:
        DataError: if the walks are not of one length.

    Example:
        >>> from triptych.event import Event
        >>> walk_picture(Examples(torch.zeros(6, 2), Event((2,))), rows=2)[1:4]
        b'PNG'
    """
    steps = _steps(examples, rows)
    if examples.event.is_image:
        return png(grid(examples, columns=steps))
    walks = examples.data.view(rows, steps, -1)
    return _plane(walks) if walks.shape[2] == 2 else _coordinates(walks)


def walk_gif(examples: Examples, rows: int) -> bytes:
    """Draw walks of images as a GIF that goes there and back for ever, the walks side by side.

    Args:
        examples: `rows · S` images, those of the first walk first.
        rows: how many walks.

    Returns:
        The GIF file: `2 S - 2` frames, a tenth of a second each.

    Raises:
        DataError: for vectors, or if the walks are not of one length.

    Example:
        >>> from triptych.event import Event
        >>> walk_gif(Examples(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), Event((1, 8, 8), 17)), rows=2)[:3]
        b'GIF'
    """
    steps = _steps(examples, rows)
    if not examples.event.is_image:
        raise DataError(f"an animation shows images, the examples are a {examples.event}: draw a .png")
    columns = math.ceil(math.sqrt(rows))
    there = [_on_white(grid(examples[torch.arange(rows) * steps + k], columns)) for k in range(steps)]
    return _gif([*there, *there[-2:0:-1]])


def _steps(examples: Examples, rows: int) -> int:
    if rows < 1 or len(examples) == 0 or len(examples) % rows:
        raise DataError(f"{len(examples)} examples are not {rows} walks of one length")
    return len(examples) // rows


def _on_white(image: Image) -> Image:
    from PIL import Image as pillow

    image = image.convert("RGBA")
    ground = pillow.new("RGBA", image.size, "white")
    return pillow.alpha_composite(ground, image).convert("RGB")


def _gif(frames: Sequence[Image]) -> bytes:
    """Return frames as a GIF of one palette, so that colours do not flicker; greys are kept as they are."""
    from PIL import Image as pillow
    from PIL.Image import Dither

    width, height = frames[0].size
    film = pillow.new("RGB", (width, height * len(frames)))
    for i, frame in enumerate(frames):
        film.paste(frame, (0, i * height))
    red, green, blue = film.split()
    grey = red.tobytes() == green.tobytes() == blue.tobytes()
    film = red if grey else film.quantize(256, dither=Dither.NONE)
    first, *others = (film.crop((0, i * height, width, (i + 1) * height)) for i in range(len(frames)))
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=others, duration=round(1000 * _SECONDS), loop=0)
    return file.getvalue()


def _plane(walks: Tensor) -> bytes:
    """Draw 2-D walks `(R, S, 2)`, each from a ring to a dot."""
    figure, axes = _figure(1, (3, 3))
    for walk in walks:
        axes[0].plot(walk[:, 0], walk[:, 1], color=BLUE, linewidth=1, marker=".", markersize=3)
        axes[0].plot(walk[:1, 0], walk[:1, 1], color=GREY, marker="o", fillstyle="none", markersize=6)
    axes[0].set_aspect("equal", adjustable="datalim")
    axes[0].locator_params(nbins=5)
    return _drawn(figure)


def _coordinates(walks: Tensor) -> bytes:
    """Draw walks `(R, S, D)` as one panel each: a line for each coordinate against the step."""
    shown = walks[:_PANELS]
    figure, axes = _figure(len(shown), (1.6, 1.3))
    for i, (panel, walk) in enumerate(zip(axes, shown, strict=True)):
        panel.plot(walk, linewidth=1)
        panel.set_title(f"row {i + 1}", fontsize=7, color=GREY, pad=2)
    return _drawn(figure)


def _figure(panels: int, size: tuple[float, float]) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    columns = min(panels, 4)
    rows = math.ceil(panels / columns)
    figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = [figure.add_subplot(rows, columns, i + 1) for i in range(panels)]
    for one in axes:
        axes_style(one)
    return figure, axes


def _drawn(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return file.getvalue()
