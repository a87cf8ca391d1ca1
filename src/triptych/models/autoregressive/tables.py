"""Conditional probability tables: counts of what was seen, smoothed, and an optimiser that counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.graph import Graph
from triptych.processes import sharing

MOST_ENTRIES = 10_000_000
"""Of the tables of one network: 80 MB of counts."""


def entries(graph: Graph, levels: int, classes: int) -> int:
    """Return how many entries the tables of a graph have."""
    rows: int = sum(levels ** len(parents) for parents in graph.parents)
    return rows * levels * max(classes, 1)


def largest_graph(event: Event, classes: int) -> Graph:
    """Return the richest named graph whose tables are small enough: grid, chain, or none if neither is."""
    assert event.levels is not None
    for name in ("grid", "chain"):
        graph = Graph(event, name)
        if entries(graph, event.levels, classes) <= MOST_ENTRIES:
            return graph
    return Graph(event, "none")


class Tables(nn.Module):
    """For every site, label and setting of its parents, how often each level was seen.

    `p(x_i = l | parents) = (n_l + α) / (Σ_l n_l + α L)`: Laplace's rule of succession for α = 1. A row of zeros is
    uniform. All tables lie below one another in `counts`, `(rows, L)`, doubles; the row of a site is a linear
    function of its parents' levels, and so is the *cell* of its level among all counts.

    Args:
        graph: the parents of each site.
        levels: L, how many values a site takes.
        prior: α, what every count starts with.
        classes: number of labels; 0 for none.

    Raises:
        ConfigurationError: for a negative prior, or tables that are too large.
    """

    first: Tensor
    parents: Tensor
    strides: Tensor

    def __init__(self, graph: Graph, levels: int, prior: float, classes: int) -> None:
        super().__init__()
        if not 0 <= prior < float("inf"):
            raise ConfigurationError(f"prior={prior:g}: expected a pseudo-count from 0 (1 is Laplace's)")
        self.graph, self.levels, self.prior = graph, levels, prior
        sizes = [levels ** len(parents) for parents in graph.parents]
        self.rows_per_class = sum(sizes)
        rows = self.rows_per_class * max(classes, 1)
        most = max(map(len, graph.parents))
        if entries(graph, levels, classes) > MOST_ENTRIES:
            labels = f" for each of {classes} labels" if classes else ""
            raise ConfigurationError(
                f"the tables of {levels} levels with up to {most} parents{labels} have {rows * levels:,} entries: "
                f"expected at most {MOST_ENTRIES:,}; give --parents auto, or data of fewer levels (--binarize)"
            )
        first = torch.tensor([0, *sizes[:-1]]).cumsum(0)
        parents = torch.zeros(len(sizes), most, dtype=torch.long)
        strides = torch.zeros(len(sizes), most, dtype=torch.long)  # zero where a site has fewer parents than others
        for site, its_parents in enumerate(graph.parents):
            parents[site, : len(its_parents)] = torch.tensor(its_parents, dtype=torch.long)
            strides[site, : len(its_parents)] = torch.tensor(
                [levels**k for k in range(len(its_parents) - 1, -1, -1)], dtype=torch.long
            )
        for name, buffer in (("first", first), ("parents", parents), ("strides", strides)):
            self.register_buffer(name, buffer, persistent=False)
        self.counts = nn.Parameter(torch.zeros(rows, levels, dtype=torch.float64))

    def rows(self, x: Tensor, label: Tensor | None, sites: slice | list[int] = slice(None)) -> Tensor:
        """Return the rows of some sites.

        Args:
            x: int64 `(B, sites)` levels; only those of parents are looked at.
            label: `(B,)`, or None.
            sites: which; all unless given.

        Returns:
            int64 `(B, len(sites))`.
        """
        rows = self.first[sites] + (x[:, self.parents[sites]] * self.strides[sites]).sum(2)
        return rows if label is None else rows + self.rows_per_class * label[:, None]

    def cells(self, x: Tensor, label: Tensor | None, sites: slice | list[int] = slice(None)) -> Tensor:
        """Return the cells of the levels that some sites have, int64 `(B, len(sites))`; arguments as for `rows`."""
        return self.rows(x, label, sites) * self.levels + x[:, sites]

    def cell_weights(self, free: list[int], sites: list[int]) -> Tensor:
        """Return by how much the cell of each of `sites` moves with the level of each of `free`, `(free, sites)`."""
        weights = torch.zeros(len(free), len(sites), dtype=torch.float64)  # integer products exist on CPUs alone
        row = {site: i for i, site in enumerate(free)}
        for column, site in enumerate(sites):
            if site in row:
                weights[row[site], column] = 1
            for parent, stride in zip(self.graph.parents[site], self.strides[site].tolist(), strict=False):
                if parent in row:
                    weights[row[parent], column] = stride * self.levels
        return weights.to(self.counts.device)

    def log_p(self, rows: Tensor) -> Tensor:
        """Return the log-probabilities of all levels in some rows, double `(*rows.shape, L)`."""
        counts = self.counts[rows] + self.prior
        total = counts.sum(-1, keepdim=True)
        return self._log_share(counts, total)

    def _log_share(self, seen: Tensor, total: Tensor) -> Tensor:
        """Return log(seen / total); where nothing was seen, that of the uniform law."""
        return torch.where(total > 0, seen / total, 1 / self.levels).log()

    def states(self, numbers: Tensor, sites: int) -> Tensor:
        """Return the levels `(K, sites)` of joint states of some sites, which are numbered: `(K,)`."""
        place = self.levels ** torch.arange(sites, device=numbers.device)
        return numbers[:, None] // place % self.levels

    def joint(
        self, x: Tensor, label: Tensor | None, free: list[int], factors: list[int], share: int
    ) -> Iterator[Tensor]:
        """Yield `Σ_{i in factors} log p(x_i | parents)` for `share` joint states of the `free` sites at a time.

        Args:
            x: int64 `(B, sites)` levels; those of the free sites are not looked at.
            label: `(B,)`, or None.
            free: what is enumerated.
            factors: which conditional probabilities are multiplied.
            share: how many states at a time.

        Yields:
            double `(B, K)`.
        """
        totals = self.counts.sum(1)  # of each row
        base = x.clone()
        base[:, free] = 0
        base = self.cells(base, label, factors).unsqueeze(1)  # (B, 1, F)
        weights = self.cell_weights(free, factors)  # (free, F)
        count = self.levels ** len(free)
        for start in range(0, count, share):
            numbers = torch.arange(start, min(start + share, count), device=x.device)
            cells = base + (self.states(numbers, len(free)).double() @ weights).long()  # (B, K, F)
            seen = self.counts.view(-1)[cells] + self.prior
            total = totals[cells // self.levels] + self.prior * self.levels
            yield self._log_share(seen, total).sum(2)

    def tally(self, cells: Tensor) -> Tensor:
        """Return how often each cell comes up, double `(rows, L)`."""
        return torch.bincount(cells.flatten(), minlength=self.counts.numel()).view_as(self.counts).double()


class Tally(torch.autograd.Function):
    """Passes nats on as they are; backwards, gives the tables minus the counts of the minibatch as gradient.

    Whatever the loss is scaled by: what is seen is seen.
    """

    @staticmethod
    def forward(ctx: Any, nats: Tensor, counts: Tensor, tables: Tables, cells: Tensor) -> Tensor:
        """Return `nats`, `(B,)`."""
        ctx.tables = tables
        ctx.save_for_backward(cells)
        return nats.view_as(nats)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor, None, None]:
        """Return minus the counts."""
        (cells,) = ctx.saved_tensors
        return None, -ctx.tables.tally(cells), None, None


class Counting(torch.optim.Optimizer):
    """Adds the counts of each minibatch to the tables: gradient descent with a step of 1 along `Tally`'s gradient.

    Schedules of the learning rate do not matter, as there is none.

    Args:
        params: the tables.
        lr: must not be given.

    Raises:
        ConfigurationError: for a learning rate, or a gradient that was clipped.
    """

    def __init__(self, params: Iterable[Tensor], lr: float | None = None) -> None:
        if lr is not None:
            raise ConfigurationError(f"lr={lr:g}: counting has no learning rate, leave it out")
        super().__init__(params, {"lr": 1.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # counting needs no loss
        """Add what was counted."""
        for group in self.param_groups:
            for counts in group["params"]:
                seen = -sharing() * counts.grad  # gradients are means over the processes
                whole = seen.round()
                if not torch.allclose(seen, whole, rtol=0, atol=1e-6):
                    raise ConfigurationError("counts were clipped as though a gradient: leave out --clip")
                counts.add_(whole)
