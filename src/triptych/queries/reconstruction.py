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

    `e = 1/D Σ_i (x_i - y_i)²`, images in units of their highest level (so that black and white differ by 1),
    vectors in units of the spread of y's event.

    Args:
        x: N examples.
        y: N examples of the same shape and levels, such as a model's reconstructions.

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
    if not x.event.same_space(y.event) or len(x) != len(y):
        raise DataError(
            f"{len(x)} examples ({x.event}) and {len(y)} ({y.event}) cannot be compared: "
            "expected as many of one shape and one number of levels"
        )
    parts = [_difference(x.data[part], y.data[part], y.event).square().mean(1) for part in chunks(len(x))]
    return torch.cat([torch.empty(0, dtype=torch.float64), *parts])


def _difference(x: Tensor, y: Tensor, event: Event) -> Tensor:
    if event.levels is not None:
        return (x.double() - y.double()).flatten(1) / (event.levels - 1)
    return event.scaled(x).double() - event.scaled(y).double()
