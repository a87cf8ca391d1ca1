"""How complex an image is, and images made more complex: what a model's likelihood of other data is compared with."""

from __future__ import annotations

import math
import zlib
from dataclasses import replace

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.noise import Noise


def compressed_length(x: Examples) -> Tensor:
    """Return the length of each image compressed without loss, `(N,)` nats: how complex it is.

    DEFLATE codes the image, or its differences to the pixel on the left, or to the one above, modulo the number of
    levels, as PNG does; the shortest of the three counts, in bytes of 8 ln 2 nats. It has no header, so that all of it
    is of the image. Reference: Serrà et al. 2020, *Input Complexity and Out-of-distribution Detection with
    Likelihood-based Generative Models*, §3.

    Args:
        x: N images.

    Raises:
        DataError: for vectors.

    Example:
        >>> import triptych as tp
        >>> noise = torch.randint(17, (1, 1, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
        >>> both = tp.Examples(torch.cat([0 * noise, noise]), tp.Event((1, 8, 8), 17))
        >>> [round(nats) for nats in compressed_length(both).tolist()]
        [33, 272]
    """
    if x.event.levels is None:
        raise DataError(f"only images are compressed, and this is a {x.event}: choose another score")
    levels, found = x.event.levels, torch.empty(len(x), dtype=torch.float64)
    for i, image in enumerate(x.data):
        whole = image.short()
        left, above = (whole.diff(dim=d, prepend=torch.zeros_like(whole.narrow(d, 0, 1))) % levels for d in (2, 1))
        found[i] = min(_deflated(part.byte()) for part in (whole, left, above))
    return (found * 8 * math.log(2)).float()


def _deflated(image: Tensor) -> int:
    """Return the number of bytes of an image by DEFLATE alone."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return len(packer.compress(image.numpy().tobytes())) + len(packer.flush())


def mutated(x: Examples, share: float = 0.2, seed: int = 0) -> Examples:
    """Return images of which a share of all sub-pixels is replaced by levels drawn uniformly.

    A model that is trained on them keeps what is common to images and forgets what is particular: the background of a
    ratio. Reference: Ren et al. 2019, *Likelihood Ratios for Out-of-Distribution Detection*, §3.2, who choose 0.1 to
    0.3.

    Args:
        x: images.
        share: of the sub-pixels.
        seed: of the draws.

    Raises:
        DataError: for vectors.
        ConfigurationError: for a share outside of 0 to 1.

    Example:
        >>> import triptych as tp
        >>> train, _ = tp.data.load("digits")
        >>> round(float((mutated(train, 0.34).data != train.data).double().mean()), 2)
        0.32
    """
    if x.event.levels is None:
        raise DataError(f"only images are mutated, and this is a {x.event}")
    if not 0 <= share <= 1:
        raise ConfigurationError(f"a share of {share:g} mutated: expected a number from 0 to 1")
    noise = Noise.of(seed)
    drawn = noise.integers(x.event.levels, x.shape).to(x.data.dtype)
    return replace(x, data=torch.where(noise.uniform(x.shape) < share, drawn, x.data), intensities=None, source={})
