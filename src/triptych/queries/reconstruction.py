"""How far examples are from what became of them."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.event import Event
from triptych.models.questions import chunks


def squared_errors(x: Examples, y: Examples) -> Tensor:
    """Return the mean squared difference of each pair of examples, over their D dimensions.

    `e = 1/D Σ_i (x_i - y_i)²`. Images are each in units of their own highest level, so that black and white differ by
    1, and what is expected of an image may be given in more shades than it has; vectors are in units of the spread of
    y's event.

    Args:
        x: N examples.
        y: N examples of the same shape, such as a model's reconstructions.

    Returns:
        `(N,)`, float64.

    Raises:
        DataError: for examples of two kinds, or not as many of both.

    Example:
        >>> import triptych as tp
        >>> x = tp.Examples(torch.tensor([[[[0, 16]]]], dtype=torch.uint8), tp.Event((1, 1, 2), 17))
        >>> y = tp.Examples(torch.tensor([[[[0, 8]]]], dtype=torch.uint8), x.event)
        >>> squared_errors(x, y).tolist()
        [0.125]
    """
    if x.event.shape != y.event.shape or len(x) != len(y):
        raise DataError(
            f"{len(x)} examples ({x.event}) and {len(y)} ({y.event}) cannot be compared: expected as many of one shape"
        )
    parts = [
        (_units(x, part, y.event) - _units(y, part, y.event)).square().mean(1) for part in chunks(len(x), "comparing")
    ]
    return torch.cat([torch.empty(0, dtype=torch.float64), *parts])


def _units(x: Examples, part: slice, event: Event) -> Tensor:
    if x.event.levels is not None:
        return x.data[part].double().flatten(1) / (x.event.levels - 1)
    return event.scaled(x.data[part]).double()
