"""Directed acyclic graphs over the sub-pixels of an example: who depends on whom, in which order, in which groups."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import NamedTuple

from triptych.errors import ConfigurationError, did_you_mean
from triptych.event import Event

STRUCTURES = ("chain", "grid", "none")


class Group(NamedTuple):
    """Unknown sites that depend on one another, given what is known."""

    sites: list[int]
    """In the order."""
    factors: list[int]
    """The sites whose conditional probability mentions one of them."""


class Graph:
    """The parents of every site, sites being numbered so that parents come first.

    A *variable* is numbered as in the flattened example `(C, H, W)`; a *site* by its place in the order in which
    examples are drawn, where the colours of a pixel stay together, first to last. Of the orders that put parents
    first, the one nearest to the raster's is taken.

    Args:
        event: an image.
        parents: "chain", "grid", "none", or a list of the parents of each variable.

    Raises:
        ConfigurationError: for another name, a variable that is not there, or parents that go round in a circle.

    Example:
        >>> graph = Graph(Event((1, 1, 3), 2), [[2], [0], []])
        >>> graph.ordering, graph.parents, graph.site_of
        ([2, 0, 1], [[], [0], [1]], [1, 2, 0])
    """

    def __init__(self, event: Event, parents: str | Sequence[Sequence[int]]) -> None:
        self.colours, self.pixels = event.shape[0], event.dims // event.shape[0]
        listed = named_parents(event, parents) if isinstance(parents, str) else checked_parents(event, parents)
        self.permutation = self._pixels_in_order(listed)
        place = {pixel: i for i, pixel in enumerate(self.permutation)}
        self.site_of = [place[v % self.pixels] * self.colours + v // self.pixels for v in range(event.dims)]
        """The site of every variable."""
        self.parents: list[list[int]] = [[] for _ in listed]
        """The parents of every site, in the order in which they were listed."""
        for variable, its_parents in enumerate(listed):
            self.parents[self.site_of[variable]] = [self.site_of[parent] for parent in its_parents]

    @property
    def ordering(self) -> str | list[int]:
        """The order of the pixels, as `Order` takes it."""
        return "raster" if self.permutation == list(range(self.pixels)) else self.permutation

    def _pixels_in_order(self, parents: list[list[int]]) -> list[int]:
        """Return the pixels so that those of all parents come first (Kahn 1962), the lowest number where free."""
        before: list[set[int]] = [set() for _ in range(self.pixels)]
        for variable, its_parents in enumerate(parents):
            for parent in its_parents:
                if parent % self.pixels != variable % self.pixels:
                    before[variable % self.pixels].add(parent % self.pixels)
                elif parent >= variable:
                    raise ConfigurationError(
                        f"variable {variable} has the parent {parent}, a later colour of its pixel: "
                        "colours are drawn first to last"
                    )
        after: list[list[int]] = [[] for _ in range(self.pixels)]
        for pixel, earlier in enumerate(before):
            for other in earlier:
                after[other].append(pixel)
        missing = [len(earlier) for earlier in before]
        free = [pixel for pixel, count in enumerate(missing) if not count]
        order = []
        while free:
            order.append(heapq.heappop(free))
            for pixel in after[order[-1]]:
                missing[pixel] -= 1
                if not missing[pixel]:
                    heapq.heappush(free, pixel)
        if len(order) < self.pixels:
            circle = _circle(before, set(range(self.pixels)) - set(order))
            path = " ← ".join(map(str, circle))
            raise ConfigurationError(f"the parents go round in a circle, {path}: expected a graph without one")
        return order

    def with_ancestors(self, sites: Iterable[int]) -> set[int]:
        """Return the sites and all that they depend on."""
        found = set(sites)
        for site in range(len(self.parents) - 1, -1, -1):
            if site in found:
                found.update(self.parents[site])
        return found

    def groups(self, known: Sequence[bool]) -> list[Group]:
        """Return the unknown sites that a known one depends on, parted so that groups are independent given it.

        All other unknown sites may be drawn afterwards, in the order. Two unknown sites belong together if one
        conditional probability mentions both: the components of the moral graph without what is known (Lauritzen
        & Spiegelhalter 1988, §3).

        Example:
            >>> chain = Graph(Event((1, 1, 4), 2), "chain")
            >>> [group.sites for group in chain.groups([False, True, False, True])]
            [[0], [2]]
        """
        involved = sorted(self.with_ancestors(site for site, given in enumerate(known) if given))
        leader = {site: site for site in involved if not known[site]}

        def find(site: int) -> int:
            while leader[site] != site:
                leader[site] = site = leader[leader[site]]
            return site

        mentioned = {i: [s for s in (i, *self.parents[i]) if not known[s]] for i in involved}
        for sites in mentioned.values():
            for site in sites[1:]:
                leader[find(site)] = find(sites[0])
        groups: dict[int, Group] = {}
        for site in leader:
            groups.setdefault(find(site), Group([], [])).sites.append(site)
        for factor, sites in mentioned.items():
            if sites:
                groups[find(sites[0])].factors.append(factor)
        return list(groups.values())


def named_parents(event: Event, name: str) -> list[list[int]]:
    """Return the parents that a name stands for, by variable.

    >>> named_parents(Event((1, 2, 2), 2), "grid")
    [[], [0], [0], [2, 1]]
    """
    if name not in STRUCTURES:
        raise ConfigurationError(f"no structure {name!r}; {did_you_mean(name, STRUCTURES)}, or a list of parents")
    colours, height, width = event.shape
    pixels = height * width

    def of(colour: int, row: int, column: int) -> list[int]:
        pixel = row * width + column
        own = [earlier * pixels + pixel for earlier in range(colour)]
        if name == "none":
            return []
        if name == "chain":
            return own[-1:] or ([(colours - 1) * pixels + pixel - 1] if pixel else [])
        variable = colour * pixels + pixel
        return [variable - 1] * (column > 0) + [variable - width] * (row > 0) + own

    return [of(c, row, column) for c in range(colours) for row in range(height) for column in range(width)]


def checked_parents(event: Event, parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return a user's parents of each variable as lists of numbers."""
    if len(parents) != event.dims:
        raise ConfigurationError(f"the parents of {len(parents)} variables were given: the data has {event.dims}")
    listed = []
    for variable, its_parents in enumerate(parents):
        numbers = list(its_parents)
        for parent in numbers:
            if not isinstance(parent, Integral) or not 0 <= parent < event.dims:
                raise ConfigurationError(
                    f"variable {variable} has the parent {parent!r}: expected numbers from 0 to {event.dims - 1}"
                )
        if len(set(numbers)) < len(numbers):
            raise ConfigurationError(f"variable {variable} has the parents {numbers}: give each once")
        if variable in numbers:
            raise ConfigurationError(f"variable {variable} is its own parent: expected a graph without circles")
        listed.append([int(number) for number in numbers])
    return listed


def _circle(before: list[set[int]], left: set[int]) -> list[int]:
    """Return one circle among what is left of a graph after all that can come first."""
    path = [min(left)]
    while True:
        step = min(before[path[-1]] & left)
        if step in path:
            return [*path[path.index(step) :], step]
        path.append(step)
