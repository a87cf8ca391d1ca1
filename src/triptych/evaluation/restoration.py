"""How well images are restored: the peak signal-to-noise ratio, and the median filter as yardstick."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.questions import chunks


def psnr(errors: Tensor, protocol: str = "") -> Figure:
    """Return the peak signal-to-noise ratio of images, in dB, with its standard error over images.

    `PSNR = -10 log₁₀ ē`, where ē is the mean over images of their mean squared error in units of the highest
    level. The mean is taken before the logarithm, so that images that came out without any error do not make
    it infinite. The error is ē's by the first derivative, `10 / ln 10 · s.e.(ē) / ē`.
    Reference: Wang & Bovik 2009, *Mean Squared Error: Love It or Leave It?*, eq. 2.

    Args:
        errors: `(N,)` of `queries.squared_errors`, of images.
        protocol: name to give the figure.

    Raises:
        DataError: for no errors.

    Example:
        >>> psnr(torch.tensor([0.01, 0.02, 0.03])).text
        '17.0 ± 1.3'
    """
    if not len(errors):
        raise DataError("no images were given: their signal-to-noise ratio needs at least 1")
    mean, error = mean_and_error(errors)
    if mean == 0:
        return Figure(None, unit="dB", protocol=protocol, note="no error at all: the ratio is infinite")
    spread = None if error is None else 10 / math.log(10) * error / mean
    return Figure(-10 * math.log10(mean), spread, "dB", protocol)


def median_filtered(examples: Examples, size: int = 3) -> Examples:
    """Return images with each sub-pixel replaced by the median of the square around it, colour by colour.

    Pixels over the edge repeat the nearest one. Reference: Gonzalez & Woods, *Digital Image Processing*, §5.3.

    Args:
        examples: N images.
        size: side of the square in pixels, an odd number.

    Raises:
        DataError: for vectors.
        ConfigurationError: for a size that is not odd.

    Example:
        >>> from triptych.event import Event
        >>> x = torch.zeros(1, 1, 5, 5, dtype=torch.uint8)
        >>> x[0, 0, 2, 2] = 16  # a single grain of salt
        >>> int(median_filtered(Examples(x, Event((1, 5, 5), 17))).data.max())
        0
    """
    if not examples.event.is_image:
        raise DataError(f"a median filter is for images, the examples are a {examples.event}")
    if size < 1 or size % 2 == 0:
        raise ConfigurationError(f"size={size}: expected an odd number of pixels, such as 3")
    parts = [_medians(examples.data[part], size) for part in chunks(len(examples), "filtering")]
    return replace(examples, data=torch.cat([examples.data[:0], *parts]), intensities=None)


def _medians(x: Tensor, size: int) -> Tensor:
    around = functional.pad(x.float(), (size // 2,) * 4, mode="replicate")
    squares = around.unfold(2, size, 1).unfold(3, size, 1).flatten(4)  # (B, C, H, W, size²)
    return squares.median(4).values.to(x.dtype)
