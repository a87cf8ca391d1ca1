"""Pictures of examples: image grids, scatter plots, histograms. The same examples give the same bytes."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.event import Event

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

_TILE = 40  # shorter images are enlarged to about so many screen pixels
_CLOSE = 56  # where one looks at details
TINT = (118, 160, 214)
"""Of what is not known of an image: no grey, so that it is not taken for a part of it."""
GREY = "#8a8a8a"
"""Readable on white and on black: reports are shown on either."""
BLUE = "#2f7fd6"


def grid(
    examples: Examples,
    columns: int | None = None,
    padding: int = 2,
    scale: int | None = None,
    largest: int | None = None,
) -> Image:
    """Draw images in rows, row by row, on a transparent ground.

    Levels 0 … L-1 become 0 … 255. One channel is grey, three are colours; any other number is drawn as
    grey planes side by side.

    Args:
        examples: N images.
        columns: tiles a row; None for about a square.
        padding: screen pixels between tiles.
        scale: whole factor by which each pixel is repeated, so that it stays a pixel; None to make small
            images large enough to see.
        largest: longest side in pixels that a tile may have: larger images are averaged down.

    Returns:
        A Pillow image with alpha.

    Raises:
        DataError: for vectors, or no examples.

    Example:
        >>> from triptych.event import Event
        >>> grid(Examples(torch.zeros(6, 1, 8, 8, dtype=torch.uint8), Event((1, 8, 8), 17)), columns=3).size
        (124, 82)
    """
    shown = _drawable(examples, largest)
    return _laid_out(_enlarged(shown, scale), columns or math.ceil(math.sqrt(len(shown))), padding)


def pairs(
    upper: Examples, lower: Examples, columns: int | None = None, padding: int = 6, largest: int | None = None
) -> Image:
    """Draw pairs of images, one above the other, such as samples above their nearest training examples.

    Args:
        upper: N images.
        lower: N images of the same event.
        columns: pairs a row; None for one row.
        padding: screen pixels between pairs.
        largest: see `grid`.

    Raises:
        DataError: for vectors, no examples, or not as many of both.
    """
    if len(upper) != len(lower):
        raise DataError(f"{len(upper)} and {len(lower)} examples cannot be paired: expected as many")
    top, bottom = (_enlarged(_drawable(part, largest), None) for part in (upper, lower))
    line = torch.zeros(len(top), 1, top.shape[2], top.shape[3], dtype=torch.uint8)
    return _laid_out(torch.cat([top, line, bottom], 1), columns or len(top), padding)


def completion_grid(given: Examples, known: Tensor, done: Examples, n: int) -> Image:
    """Draw a row for each image: itself, what is known of it, and after a gap its completions.

    Args:
        given: N images.
        known: boolean `(H, W)`.
        done: `N · n` completions, those of the first image first.
        n: completions of each image.

    Returns:
        A Pillow image with alpha.
    """
    from PIL import Image

    channels, height, width = given.event.shape
    event = Event((3 if channels == 1 else channels, height, width), 256)

    def shown(examples: Examples) -> Tensor:
        return event.restored(examples.event.scaled(examples.data)).expand(-1, *event.shape)

    tint = torch.tensor(TINT if event.shape[0] == 3 else (128,) * channels, dtype=torch.uint8)
    images = shown(given)
    kept = torch.where(known, images, tint.view(-1, 1, 1))
    scale = max(1, math.ceil(_CLOSE / max(height, width)))
    left = grid(Examples(torch.stack([images, kept], 1).flatten(0, 1), event), columns=2, scale=scale)
    right = grid(Examples(shown(done), event), columns=n, scale=scale)
    gap = scale * width // 4
    canvas = Image.new("RGBA", (left.width + gap + right.width, left.height))
    canvas.paste(left.convert("RGBA"), (0, 0))
    canvas.paste(right.convert("RGBA"), (left.width + gap, 0))
    return canvas


def picture(examples: Examples, real: Examples | None = None, columns: int | None = None) -> bytes:
    """Draw examples of any event as a PNG: a grid of images, points of 2-D vectors, histograms of others.

    Args:
        examples: what to draw.
        real: for vectors: real examples, drawn behind in grey; they also fix the frame.
        columns: of a grid of images.

    Returns:
        The PNG file.
    """
    if examples.event.is_image:
        return png(grid(examples, columns))
    figure = _scatter(examples, real) if examples.event.dims == 2 else _marginals(examples, real)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return file.getvalue()


def save_grid(examples: Examples, path: str | Path, real: Examples | None = None, columns: int | None = None) -> None:
    """Write the picture of examples as a PNG file; folders on the way are made.

    Args:
        examples: what to draw; see `picture`.
        path: where to.
        real: see `picture`.
        columns: see `picture`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture(examples, real, columns))


def save_images(examples: Examples, folder: str | Path) -> None:
    """Write one PNG a file, each pixel as one pixel and without alpha: `folder/00000.png` and so on.

    Args:
        examples: images.
        folder: where to; made if need be.

    Raises:
        DataError: for vectors, or no examples.
    """
    shown = tiles(examples)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for i, tile in enumerate(shown):
        tile.save(folder / f"{i:05d}.png")


def tiles(examples: Examples, largest: int | None = None) -> list[Image]:
    """Draw each image by itself, each pixel as one pixel and without alpha.

    Args:
        examples: images.
        largest: longest side in pixels: larger images are averaged down.

    Raises:
        DataError: for vectors, or no examples.
    """
    from PIL import Image

    return [Image.fromarray(tile.squeeze(-1).numpy()) for tile in _drawable(examples, largest)[..., :-1]]


def png(image: Image) -> bytes:
    """Return the PNG file of an image."""
    file = io.BytesIO()
    image.save(file, format="PNG", optimize=True)
    return file.getvalue()


def _drawable(examples: Examples, largest: int | None) -> Tensor:
    """Return `uint8 (N, H, W, 2 or 4)`: grey or colours, and alpha."""
    levels = examples.event.levels
    if levels is None:
        raise DataError(f"a grid shows images, the examples are a {examples.event}: use picture()")
    if not len(examples):
        raise DataError("no examples were given to draw")
    x = examples.data.float() * (255 / (levels - 1))
    if largest is not None and max(x.shape[2:]) > largest:
        factor = largest / max(x.shape[2:])
        height, width = (max(1, round(side * factor)) for side in x.shape[2:])
        x = torch.nn.functional.adaptive_avg_pool2d(x, (height, width))
    if x.shape[1] not in (1, 3):
        x = torch.cat(list(x.split(1, 1)), 3)  # type: ignore[no-untyped-call]  # planes side by side
    opaque = torch.full_like(x[:, :1], 255)
    return torch.cat([x, opaque], 1).round().to(torch.uint8).permute(0, 2, 3, 1)


def _enlarged(shown: Tensor, scale: int | None) -> Tensor:
    scale = scale or max(1, math.ceil(_TILE / max(shown.shape[1:3])))
    return shown.repeat_interleave(scale, 1).repeat_interleave(scale, 2)


def _laid_out(tiles: Tensor, columns: int, padding: int) -> Image:
    from PIL import Image

    n, height, width, bands = tiles.shape
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    size = (rows * (height + padding) - padding, columns * (width + padding) - padding)
    canvas = torch.zeros(*size, bands, dtype=torch.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + padding), i % columns * (width + padding)
        canvas[top : top + height, left : left + width] = tile
    return Image.fromarray(canvas.numpy(), "LA" if bands == 2 else "RGBA")


def axes_style(axes: Any) -> None:
    """Give matplotlib axes the quiet look of the reports."""
    axes.tick_params(colors=GREY, labelsize=7, length=2)
    axes.patch.set_alpha(0)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(GREY)


def _scatter(examples: Examples, real: Examples | None) -> Figure:
    """Draw 2-D points over real ones, in the real ones' frame."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 3), layout="constrained")
    axes = figure.add_subplot()
    frame = (real or examples).data
    frame = frame[torch.isfinite(frame).all(1)]
    if len(frame):
        low, high = frame.amin(0), frame.amax(0)
        margin = 0.15 * (high - low).clamp(min=1e-6)
        (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
        axes.set(xlim=(left, right), ylim=(bottom, top))
    if real is not None:
        axes.scatter(real.data[:2000, 0], real.data[:2000, 1], s=5, color=GREY, alpha=0.45, linewidths=0)
    axes.scatter(examples.data[:2000, 0], examples.data[:2000, 1], s=5, color=BLUE, alpha=0.7, linewidths=0)
    axes.set_aspect("equal", adjustable="box")
    axes_style(axes)
    return figure


def _marginals(examples: Examples, real: Examples | None) -> Figure:
    """Draw one histogram for each of the first 12 coordinates, in the real ones' frame."""
    from matplotlib.figure import Figure

    count = min(examples.event.dims, 12)
    columns = (real or examples).columns
    across = min(count, 4)
    rows = math.ceil(count / across)
    figure = Figure(figsize=(1.3 * across, 1.1 * rows), layout="constrained")
    for i in range(count):
        axes = figure.add_subplot(rows, across, i + 1)
        values, behind = _finite(examples, i), None if real is None else _finite(real, i)
        frame = values if behind is None else behind
        if len(frame):
            low, high = float(frame.min()), float(frame.max())
            bins = torch.linspace(low, high if high > low else low + 1, 25).tolist()
            _histogram(axes, behind, bins, color=GREY, alpha=0.45)
            _histogram(axes, values, bins, color=BLUE, histtype="step")
        axes.set_title(columns[i] if columns else f"x{i}", fontsize=7, color=GREY, pad=2)
        axes.set_yticks([])
        axes_style(axes)
    return figure


def _histogram(axes: Any, x: Tensor | None, bins: list[float], **style: Any) -> None:
    if x is not None and len(x):
        shares = torch.full_like(x, 1 / len(x))  # of all: what lies outside the frame is seen to be missing
        axes.hist(x.numpy(), bins, weights=shares.numpy(), **style)


def _finite(examples: Examples, i: int) -> Tensor:
    column = examples.data[:, i]
    return column[torch.isfinite(column)]
