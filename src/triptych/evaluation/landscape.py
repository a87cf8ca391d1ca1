"""How probable a model of two coordinates finds each place of the plane."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.models.base import Model
from triptych.models.questions import Bounded

SIDE = 96
"""Places along each side of the plane's frame."""
_MARGIN = 0.15  # of the data's extent, left free around them
_CODES = 16  # of each place, where a bound is weighted


def frame(data: Tensor) -> tuple[float, float, float, float]:
    """Return left, right, bottom and top of the frame of finite points, with a margin around them.

    Args:
        data: `(N, 2)`.

    Example:
        >>> frame(torch.tensor([[0.0, 0.0], [10.0, 20.0]]))
        (-1.5, 11.5, -3.0, 23.0)
    """
    low, high = data.amin(0), data.amax(0)
    margin = _MARGIN * (high - low).clamp(min=1e-6)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def places(data: Tensor, side: int = SIDE) -> Tensor:
    """Return the centres of `side × side` cells of the frame, `(side², 2)`, row by row from the top."""
    left, right, bottom, top = frame(data)
    steps = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(top + (bottom - top) * steps, left + (right - left) * steps, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def landscape(model: Model, data: Tensor, seed: int = 0) -> Tensor | None:
    """Return log p(x), or a lower bound on it, at each place of the data's frame: `(side, side)`, the top row first.

    A conditional model's is the mean density over its labels.

    Args:
        model: any.
        data: `(N, 2)` points that the frame is laid around.
        seed: of what a bound draws.

    Returns:
        None for a model without log p(x) or a bound on it, or of anything but two coordinates.
    """
    if not isinstance(model, Bounded) or model.event.shape != (2,) or model.embedding:
        return None
    at = places(data)
    labels = range(model.classes) if model.classes else [None]
    found = [model.log_prob_bounds(at, label=one, samples=_CODES, seed=seed).lower for one in labels]
    mean = torch.stack(found).logsumexp(0) - torch.tensor(float(len(found))).log()
    return mean.view(SIDE, SIDE)
