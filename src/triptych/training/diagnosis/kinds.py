"""What made examples are sorted into: the classes of real ones, or clusters of them, as points on a common scale."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.event import Event

SIDE = 16
"""Longest side, in pixels, of the images that distances are taken between: larger ones are averaged down."""
CLASSES, CLUSTERS = 32, 10
"""Most labels that made examples are sorted by; and the clusters that take their place where there are none."""


class Kinds(NamedTuple):
    """What made examples are sorted into.

    Args:
        reference: `(M, D)` points of real examples.
        which: the kind of each, `(M,)`.
        shares: of the kinds among them, `(K,)`.
        centres: of the kinds if they are modes: compact, and far from each other; else None.
        spread: standard deviation of a coordinate of a mode, `(K,)`.
    """

    reference: Tensor
    which: Tensor
    shares: Tensor
    centres: Tensor | None
    spread: Tensor

    def of(self, points: Tensor) -> Tensor:
        """Return the kind of the nearest real example of each point."""
        return self.which[torch.cdist(points, self.reference).argmin(1)]


def scaled_points(x: Tensor, event: Event) -> Tensor:
    """Return examples in the data's own units as points `(N, D)` on a common scale; large images averaged down."""
    scaled = event.scaled(x).cpu()
    if event.is_image and max(event.shape[1:]) > SIDE:
        factor = SIDE / max(event.shape[1:])
        height, width = (max(1, round(side * factor)) for side in event.shape[1:])
        scaled = torch.nn.functional.adaptive_avg_pool2d(scaled, (height, width))
    return scaled.flatten(1)


def spread_evenly(examples: Examples, count: int) -> Examples:
    """Return at most `count` of the examples, evenly over their order."""
    n = min(count, len(examples))
    return examples[torch.arange(n) * len(examples) // n]


def distinct(rows: Tensor) -> int:
    """Return how many of some rows differ from all others before them.

    >>> distinct(torch.tensor([[1.0, 2.0], [0.0, 2.0], [1.0, 2.0]]))
    2
    """
    return len({row.tobytes() for row in rows.cpu().flatten(1).numpy()})


def kinds_of(points: Tensor, labels: Tensor | None) -> Kinds:
    """Return what made examples are sorted into: the classes of real ones, else ten clusters (k-means) of them."""
    which = None
    if labels is not None and labels.dim() == 1 and distinct(points) > 1:
        values, which = torch.unique(labels, return_inverse=True)
        which = which if 1 < len(values) <= CLASSES else None
    if which is None:
        which = _clusters(points)
    counts = torch.bincount(which).double()
    centres = torch.stack([points[which == k].mean(0) for k in range(len(counts))])
    squares = (points - centres[which]).square().mean(1)
    spread = torch.stack([squares[which == k].mean() for k in range(len(counts))]).sqrt()
    compact = points.shape[1] <= 3 and len(counts) > 1 and bool(torch.pdist(centres).min() > 8 * spread.max())
    return Kinds(points, which, counts / len(points), centres if compact else None, spread)


def _clusters(points: Tensor) -> Tensor:
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    count = min(CLUSTERS, distinct(points))
    fitted = KMeans(count, n_init=1, random_state=0).fit(points.numpy())
    return torch.from_numpy(fitted.labels_).long()
