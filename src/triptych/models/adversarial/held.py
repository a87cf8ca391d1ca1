"""Examples that are made once a round and judged by both sides: what one turn leaves to the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from torch import Tensor, nn


class Held(NamedTuple):
    """What a critic's turn leaves to the generator's turn of the same round."""

    number: int
    """Of the minibatch."""
    codes: Tensor
    made: Tensor
    """With a graph to the generator."""


@contextmanager
def followed(module: nn.Module) -> Iterator[None]:
    """Let a module's results carry a graph to its parameters, though they are frozen: it is not its turn."""
    frozen = [parameter for parameter in module.parameters() if not parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(True)
    try:
        yield
    finally:
        for parameter in frozen:
            parameter.requires_grad_(False)
