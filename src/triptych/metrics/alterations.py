"""Copies that were shifted, or made brighter or darker: near-copies up to what changes every pixel and no content."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triptych.event import Event
from triptych.metrics.novelty import Nearest, joined, nearest
from triptych.metrics.resolution import shrunk
from triptych.running.progress import slices

SHIFT = 1
"""Pixels that a copy may be shifted by, in each direction (of images above 32×32: of their average to 32×32)."""
FREQUENCIES = 8
"""Lowest frequencies of each side that images are compared by."""
SMALLEST = 8
"""Sides below which a shift by one pixel is another image."""
_CHUNK = 1000


def outlines(images: Tensor) -> Tensor:
    """Return what of images a change of brightness or contrast leaves, `(N, C·8·8)`, each of length 1.

    An image less its mean, its 8×8 lowest frequencies in each colour (by an orthonormal cosine transform), over their
    length: so `a x + b` is where x is, for a > 0. An image of one colour is at 0.

    Args:
        images: float `(N, C, H, W)`.

    Example:
        >>> x = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(0))
        >>> bool(torch.allclose(outlines(x), outlines(0.5 * x + 0.1), atol=1e-5))
        True
    """
    x = images - images.mean((1, 2, 3), keepdim=True)
    kept = (_cosines(x.shape[2]) @ x @ _cosines(x.shape[3]).T).flatten(1)
    length = kept.norm(dim=1, keepdim=True)
    return torch.where(length > 1e-4, kept / length.clamp(min=1e-4), torch.zeros_like(kept))


def _cosines(side: int) -> Tensor:
    """Return the lowest rows of the orthonormal cosine transform, `(8, side)` or `(side, side)`."""
    k = torch.arange(min(FREQUENCIES, side))[:, None]
    rows = torch.cos(math.pi * k * (torch.arange(side) + 0.5) / side) * math.sqrt(2 / side)
    return torch.where(k == 0, rows / math.sqrt(2), rows)


def centres(images: Tensor, event: Event) -> Tensor:
    """Return the outlines of stored images without their border of one pixel, `(N, F)`, a chunk at a time."""
    parts = [_windows(part, event)[4] for part in slices(images, _CHUNK, "computing outlines")]
    return torch.cat(parts)


def _windows(images: Tensor, event: Event) -> list[Tensor]:
    """Return the outlines of the nine windows that are one pixel smaller on each side, the centre in the middle."""
    x = shrunk(event.scaled(images))
    height, width = (side - 2 * SHIFT for side in x.shape[2:])
    starts = range(2 * SHIFT + 1)
    return [outlines(x[:, :, top : top + height, left : left + width]) for top in starts for left in starts]


def nearest_altered(queries: Tensor, reference: Tensor, event: Event) -> Nearest:
    """Return the nearest reference image of each query, whatever its brightness and contrast, shifted as it fits best.

    Of the nine windows of a query that are one pixel smaller on each side, the one of the smallest relative distance to
    the centres of the reference counts. In a copy that was shifted by a pixel one of them is the same as that centre.

    Args:
        queries: `(N, *event.shape)`, as stored.
        reference: `(M, F)`, of `centres`.
        event: of images, 8×8 or larger.
    """
    parts = [_best(part, reference, event) for part in slices(queries, _CHUNK, "comparing outlines")]
    return joined(parts)


def _best(queries: Tensor, reference: Tensor, event: Event) -> Nearest:
    plane = Event((reference.shape[1],))
    found = [nearest(window, reference, plane) for window in _windows(queries, event)]
    best = torch.stack([one.relative for one in found]).argmin(0)
    each = torch.arange(len(queries))
    fields = ("distance", "index", "relative", "around")
    return Nearest(*(torch.stack([getattr(one, name) for one in found])[best, each] for name in fields))
