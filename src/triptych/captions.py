"""Grids of images with a line of words below each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.pictures import GREY, grid

if TYPE_CHECKING:
    from PIL.Image import Image

_SIZE, _GAP = 11, 8  # screen pixels of the letters, and between tiles


def captioned(rows: Sequence[Examples], captions: Sequence[str], columns: int | None = None) -> Image:
    """Draw images in columns, each with images below it that belong to it, and a caption.

    Args:
        rows: sets of N images: the first of each above the second of each, and so on.
        captions: N short texts.
        columns: tiles a row; None for about a square.

    Returns:
        A Pillow image with alpha.

    Raises:
        DataError: for vectors, no images, or not as many of everything.

    Example:
        >>> import torch
        >>> from triptych.event import Event
        >>> x = Examples(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), Event((1, 8, 8), 17))
        >>> captioned([x, x], ["a", "b", "c", "d"], columns=4).size
        (184, 97)
    """
    from PIL import Image, ImageDraw, ImageFont

    count = len(captions)
    if not rows or not count or any(len(row) != count for row in rows):
        sizes = " and ".join(str(len(row)) for row in rows)
        raise DataError(f"{sizes or 'no'} images and {count} captions: expected as many of each, at least 1")
    tiles = [[grid(row[i : i + 1], 1) for row in rows] for i in range(count)]
    columns = min(count, columns or math.ceil(math.sqrt(count)))
    width, side = tiles[0][0].width, tiles[0][0].height
    height = len(rows) * (side + 1) + _SIZE + 4
    lines = math.ceil(count / columns)
    canvas = Image.new("RGBA", (columns * (width + _GAP) - _GAP, lines * (height + _GAP) - _GAP))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(_SIZE)
    for i, (column, caption) in enumerate(zip(tiles, captions, strict=True)):
        left, top = i % columns * (width + _GAP), i // columns * (height + _GAP)
        for j, tile in enumerate(column):
            canvas.paste(tile.convert("RGBA"), (left, top + j * (side + 1)))
        draw.text((left + width // 2, top + len(rows) * (side + 1) + 1), caption, fill=GREY, font=font, anchor="ma")
    return canvas
