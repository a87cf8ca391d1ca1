"""The order of the chain rule, as a rearrangement of the example after which it is the raster's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.event import Event

ORDERINGS = ("raster", "reverse", "random")
RANDOM_SEED = 0
"""Of the permutation that "random" stands for: the same on every machine."""


class Order:
    """In which order the pixels of an image, or the coordinates of a vector, are drawn.

    Everything that walks in raster order sees *arranged* examples; the colours of a pixel stay together, and
    come one after the other. Sites are numbered in the order.

    Args:
        event: what one example is.
        ordering: "raster" (row by row from the top left), "reverse" (from the bottom right), "random" (one
            permutation, always the same), or a permutation of the pixels or coordinates.

    Raises:
        ConfigurationError: for another name, or what is no permutation.

    Example:
        >>> order = Order(Event((3,)), [2, 0, 1])
        >>> order.arranged(torch.tensor([[10.0, 11.0, 12.0]]))
        tensor([[12., 10., 11.]])
        >>> order.restored(order.arranged(torch.tensor([[10.0, 11.0, 12.0]])))
        tensor([[10., 11., 12.]])
    """

    def __init__(self, event: Event, ordering: str | Sequence[int] = "raster") -> None:
        self.original = event
        self.pixels = event.dims // event.shape[0] if event.is_image else event.dims
        self.permutation = self._permutation(ordering)
        self.inverse = None if self.permutation is None else torch.argsort(self.permutation)
        self.keeps_neighbours = ordering in ("raster", "reverse")
        self.event = event
        if self.permutation is not None and not event.is_image:
            units = [tuple(part[i] for i in self.permutation.tolist()) if part else ()
                     for part in (event.centre, event.spread)]  # fmt: skip
            self.event = Event(event.shape, centre=units[0], spread=units[1])

    def _permutation(self, ordering: str | Sequence[int]) -> Tensor | None:
        if ordering == "raster":
            return None
        if ordering == "reverse":
            return torch.arange(self.pixels - 1, -1, -1)
        if ordering == "random":
            return torch.randperm(self.pixels, generator=torch.Generator().manual_seed(RANDOM_SEED))
        if isinstance(ordering, str):
            raise ConfigurationError(f"no ordering {ordering!r}: there is {', '.join(ORDERINGS)}, or a permutation")
        if sorted(ordering) != list(range(self.pixels)):
            raise ConfigurationError(f"the ordering is no permutation of 0 … {self.pixels - 1}: give each once")
        return torch.tensor(list(ordering))

    def _moved(self, x: Tensor, permutation: Tensor | None) -> Tensor:
        if permutation is None:
            return x
        spatial = 2 if self.original.is_image else 1
        return x.flatten(spatial).index_select(spatial, permutation.to(x.device)).view(x.shape)

    def arranged(self, x: Tensor) -> Tensor:
        """Return `(B, *event.shape)` with its pixels moved so that raster order is this order."""
        return self._moved(x, self.permutation)

    def restored(self, x: Tensor) -> Tensor:
        """Undo `arranged`."""
        return self._moved(x, self.inverse)

    def site(self, joint: bool) -> Event:
        """Return the event of one site: a whole pixel where its colours are drawn together, else one number."""
        if not self.original.is_image:
            return Event((1,))
        return Event((self.original.shape[0] if joint else 1, 1, 1), self.original.levels)

    def site_events(self, joint: bool) -> list[Event]:
        """Return the event of every site, with a coordinate's own units."""
        if self.original.is_image:
            return [self.site(joint)] * (self.pixels if joint else self.original.dims)
        units = [
            part or (default,) * self.pixels for part, default in ((self.event.centre, 0.0), (self.event.spread, 1.0))
        ]
        return [Event((1,), centre=(centre,), spread=(spread,)) for centre, spread in zip(*units, strict=True)]

    def by_site(self, x: Tensor, joint: bool) -> Tensor:
        """Return arranged examples `(B, *event.shape)` as sites `(B, sites, V)`, V numbers each."""
        if not self.original.is_image:
            return x.unsqueeze(2)
        pixels = x.flatten(2).transpose(1, 2)  # (B, H·W, C)
        return pixels if joint else pixels.flatten(1).unsqueeze(2)

    def from_sites(self, x: Tensor, joint: bool) -> Tensor:
        """Undo `by_site`."""
        if not self.original.is_image:
            return x.squeeze(2)
        colours = self.original.shape[0]
        return x.view(len(x), self.pixels, colours).transpose(1, 2).reshape(len(x), *self.original.shape)
