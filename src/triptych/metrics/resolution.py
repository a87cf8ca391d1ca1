"""Large images averaged down, so that distances between pixels are affordable and mean something."""

from __future__ import annotations

from torch import Tensor, nn

LARGEST = 32
"""Largest side of an image that is compared pixel by pixel."""


def shrunk(x: Tensor) -> Tensor:
    """Average scaled images `(B, C, H, W)` down to 32×32; smaller ones and vectors stay as they are."""
    if x.dim() < 4 or max(x.shape[2:]) <= LARGEST:
        return x
    height, width = (min(side, LARGEST) for side in x.shape[2:])
    return nn.functional.adaptive_avg_pool2d(x, (height, width))
