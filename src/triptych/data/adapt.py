"""What options ask of examples that were not decoded for them: size, colours, levels."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from triptych.data.source import Source
from triptych.errors import ConfigurationError, DataError


def adapted(source: Source, image_size: int | None, colours: int | None, levels: int | None, spec: str) -> Source:
    """Return a source with the size, colours and levels asked for; images that have them stay as they are.

    Args:
        source: images or vectors.
        image_size: height and width in pixels, after a crop of the central square; None to keep the size.
        colours: 1 or 3; None for what the images have.
        levels: number of levels that the images have; None for what the source says.
        spec: names the source in an error.

    Raises:
        ConfigurationError: if an option of images is given for vectors.
        DataError: for a vector that is not finite, or an image with more levels.
    """
    if source.levels is None:
        options = {"--image-size": image_size, "--colours": colours, "--levels": levels}
        for option, value in options.items():
            if value is not None:
                raise ConfigurationError(f"{option} is for images, {spec} holds vectors: leave it out")
        _require_finite(source.data, spec)
        return source
    top = source.levels - 1
    if image_size is not None and tuple(source.data.shape[2:]) != (image_size, image_size):
        source = source.through(f"size {image_size}", lambda x: _resized(x, image_size, top))
    if colours is not None and colours != source.data.shape[1]:
        source = source.through(f"colours {colours}", _grey if colours == 1 else _rgb)
    if levels is not None and levels != source.levels:
        high = int(source.data.max())
        if high >= levels:
            raise DataError(f"{spec} has values up to {high}: expected fewer than {levels}; give more levels")
        source = replace(source, levels=levels)
    return source


def _resized(images: Tensor, size: int, top: int) -> Tensor:
    height, width = images.shape[2:]
    side = min(height, width)
    y, x = (height - side) // 2, (width - side) // 2
    square = images[:, :, y : y + side, x : x + side].float()
    scaled = functional.interpolate(square, (size, size), mode="bicubic", antialias=True)
    return scaled.round_().clamp_(0, top).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    # The luma of ITU-R 601-2, as Pillow takes it; the weights sum to 1, so no level is exceeded.
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    return (images * weights).sum(1, keepdim=True).round_().to(torch.uint8)


def _rgb(images: Tensor) -> Tensor:
    return images.expand(-1, 3, -1, -1)


def _require_finite(vectors: Tensor, spec: str) -> None:
    finite = vectors.isfinite()
    if not finite.all():
        row, column = finite.logical_not().nonzero()[0].tolist()
        raise DataError(
            f"{spec} has {vectors[row, column].item()} in row {row:,}, column {column:,} (counted from 0): "
            f"expected finite numbers; drop or fill such rows"
        )
