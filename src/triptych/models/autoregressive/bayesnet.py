"""Bayesian networks: the chain rule with most dependences dropped, each factor a table that is counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.data.examples import Examples
from triptych.distributions import Categorical
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Steps
from triptych.models.autoregressive.graph import Graph, Group
from triptych.models.autoregressive.tables import Counting, Tables, Tally, largest_graph
from triptych.models.base import Player, Terms
from triptych.models.completion import Filled
from triptych.models.questions import BATCH
from triptych.noise import Noise

MOST_JOINT = 1_000_000
"""How many joint states a query sums over at most."""
MOST_GROUP = 5_000
"""How many joint states of a group of unknown sites are enumerated for each example that is completed."""
CELLS = 1 << 21
"""How many table cells are looked up at a time."""


class BayesianNetwork(Autoregressive):
    """Conditional probability tables along a given graph, `p(x) = ∏_i p(x_i | parents(i))`, fitted by counting.

    The first pass over the training data (`--epochs 1`) adds its counts to the tables, which then are the
    Laplace-smoothed estimate on the minibatches seen (the last incomplete one is dropped; `counted` counts every
    example). Further passes change nothing. Reference: Pearl 1988, *Probabilistic Reasoning in Intelligent
    Systems*, §3.3.

    What depends on what is known is drawn exactly where it falls into groups that can be enumerated
    (`completes_exactly`), so completions are exact for "none", and for a "chain" with short gaps.

    Args:
        event: what one example is: an image. Discrete variables are an image of one row, `(1, 1, D)`.
        parents: "grid" (left and upper neighbour, and the colours before it at its pixel), "chain" (the one before),
            "none" (independent), "auto" (the first of these whose tables are not too large), or a list of the
            parents of each variable, numbered as in the flattened example.
        prior: pseudo-count of every level (1 is Laplace's); 0 for tables that are given or counted at once.
        classes: number of labels with tables of their own; 0 for none.

    Raises:
        ConfigurationError: for vectors, parents that go round in a circle, or tables of more than 10 million entries.

    Example:
        >>> import triptych as tp
        >>> rain, sprinkler, wet = range(3)
        >>> lawn = BayesianNetwork.of_tables(
        ...     parents=[[], [rain], [sprinkler, rain]],
        ...     tables=[[0.8, 0.2], [[0.6, 0.4], [0.99, 0.01]], [[[1, 0], [0.2, 0.8]], [[0.1, 0.9], [0.01, 0.99]]]],
        ... )
        >>> round(lawn.query({wet: 1}), 5), round(lawn.query({rain: 1}, {wet: 1}), 5)
        (0.44838, 0.35769)
    """

    def __init__(
        self,
        event: Event,
        parents: str | Sequence[Sequence[int]] = "auto",
        prior: float = 1.0,
        classes: int = 0,
    ) -> None:
        if not event.is_image:
            raise ConfigurationError(
                f"tables are over images, the data is a {event}: "
                "give discrete variables as images of one row, or choose a model of vectors (pixelcnn)"
            )
        graph = largest_graph(event, classes) if parents == "auto" else Graph(event, parents)
        super().__init__(event, Categorical, graph.ordering, classes)
        assert event.levels is not None
        self.graph, self.levels = graph, event.levels
        self.tables = Tables(graph, event.levels, prior, classes)

    @classmethod
    def counted(
        cls,
        event: Event,
        examples: Examples,
        parents: str | Sequence[Sequence[int]] = "grid",
        prior: float = 1.0,
        classes: int = 0,
    ) -> BayesianNetwork:
        """Return a network whose tables count every one of `examples` once; other arguments as the class's.

        Raises:
            DataError: for examples of another event, or without labels where there are classes.
        """
        network = cls(event, parents, prior, classes)
        data, labels = network._given(examples, None)
        with torch.no_grad():
            for start in range(0, len(data), BATCH):
                part = slice(start, start + BATCH)
                cells = network.cells(data[part], None if labels is None else labels[part])
                network.tables.counts.add_(network.tables.tally(cells))
        return network.eval()

    @classmethod
    def of_tables(cls, parents: Sequence[Sequence[int]], tables: Sequence[Any]) -> BayesianNetwork:
        """Return a network of known probabilities, over images `(1, 1, D)`.

        Args:
            parents: of each variable.
            tables: of each variable, nested lists (or an array) `[parent 1][parent 2]…[level]`, in the order in
                which its parents are listed.

        Raises:
            DataError: for a table of another shape, or probabilities that are negative or do not sum to one.
        """
        given = []
        for variable, table in enumerate(tables):
            try:
                given.append(torch.as_tensor(table, dtype=torch.float64))
            except (TypeError, ValueError) as error:
                raise DataError(f"the table of variable {variable} is no array of numbers: {error}") from None
        levels = max((table.shape[-1] for table in given if table.dim()), default=2)
        network = cls(Event((1, 1, len(parents)), levels), parents, prior=0.0)
        if len(given) != len(parents):
            raise DataError(f"{len(given)} tables were given for {len(parents)} variables: expected one each")
        for variable, table in enumerate(given):
            shape = (levels,) * (len(parents[variable]) + 1)
            if tuple(table.shape) != shape:
                raise DataError(f"the table of variable {variable} has shape {tuple(table.shape)}: expected {shape}")
            if not (bool((table >= 0).all()) and bool(((table.sum(-1) - 1).abs() <= 1e-6).all())):
                raise DataError(f"a row of the table of variable {variable} is no distribution: expected a sum of 1")
            first = int(network.tables.first[network.graph.site_of[variable]])
            network.tables.counts.data[first : first + levels ** len(parents[variable])] = table.view(-1, levels)
        return network.eval()

    @property
    def players(self) -> tuple[Player, ...]:
        """One player, whose optimiser counts."""
        return (Player("model", [self.tables], self.objective, optimizer=Counting),)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the negative log-likelihood in nats, before this minibatch is counted.

        Raises:
            ConfigurationError: without a prior, under which what was not seen yet has an infinite loss.
        """
        if not self.tables.prior:
            raise ConfigurationError("prior=0: what was not seen yet has an infinite loss; train with a prior above 0")
        with torch.no_grad():
            nats = -self._log_prob(batch.x, batch.label)
        cells = self.cells(batch.x, batch.label)
        cells = cells if batch.epoch == 0 else cells[:0]  # what was counted once is not counted again
        counted: Tensor = Tally.apply(nats, self.tables.counts, self.tables, cells)  # type: ignore[no-untyped-call]
        return {"nll": counted}

    def levels_by_site(self, x: Tensor) -> Tensor:
        """Return arranged examples as the level of each site, int64 `(B, sites)`."""
        return self.order.by_site(x, joint=False).squeeze(2).long()

    def cells(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the table cells that examples `(B, *event.shape)` fall into, int64 `(B, sites)`."""
        levels = self.levels_by_site(self.order.arranged(x.to(self.device)))
        return self.tables.cells(levels, None if label is None else label.to(self.device))

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the log-probabilities of all sites, `(B, C·L, H, W)`."""
        rows = self.tables.rows(self.levels_by_site(self.event.restored(x)), label)
        log_p = self.tables.log_p(rows).float().view(len(x), self.order.pixels, -1)  # (B, P, C·L)
        return log_p.transpose(1, 2).reshape(len(x), -1, *self.event.shape[1:])

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass in which only the row of the next site is looked up."""
        return Lookups(self, n, label)

    def completes_exactly(self, known: Tensor) -> bool:
        """Return whether the unknown sites that something known depends on can be enumerated, group by group."""
        return self._enumerable(self.graph.groups(self.known_sites(known).tolist()))

    def _enumerable(self, groups: list[Group]) -> bool:
        return all(self.levels ** len(group.sites) <= MOST_GROUP for group in groups)

    def _complete(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Filled:
        """Draw what is not `known`: jointly what something known depends on, if it can be, the rest in the order.

        Raises:
            DataError: if what is known cannot happen.
        """
        told = self.known_sites(known).clone()
        groups = self.graph.groups(told.tolist())
        if not groups or not sharpness.plain or not self._enumerable(groups):
            return super()._complete(x, known, label, noise, sharpness)
        uniform = self.uniform(len(x), noise)
        levels = self.levels_by_site(self.order.arranged(x))
        for group in groups:
            levels[:, group.sites] = self._drawn(group, levels, label, uniform[:, group.sites[0], 0])
            told[group.sites] = True
        values = levels.to(self.event.dtype).unsqueeze(2)
        filled, _ = self.walk(self.steps(len(x), label), values, told, uniform, sharpness)
        restored = self.order.restored(self.order.from_sites(filled, joint=False))
        return Filled(restored, torch.zeros(len(x), device=x.device))

    def _drawn(self, group: Group, levels: Tensor, label: Tensor | None, u: Tensor) -> Tensor:
        """Return levels `(B, len(group.sites))` of a group, drawn from p(group | what is known)."""
        count = self.levels ** len(group.sites)
        share = max(1, CELLS // (count * len(group.factors)))
        drawn = []
        for start in range(0, len(levels), share):
            part = slice(start, start + share)
            own = None if label is None else label[part]
            (log_p,) = self.tables.joint(levels[part], own, group.sites, group.factors, count)
            if bool((log_p.amax(1) == -math.inf).any()):
                raise DataError("what is known has probability 0 under this network: there is nothing to draw")
            cumulative = torch.softmax(log_p, 1).cumsum(1)
            state = (u[part, None] * cumulative[:, -1:] >= cumulative).sum(1).clamp(max=count - 1)
            drawn.append(self.tables.states(state, len(group.sites)))
        return torch.cat(drawn)

    @torch.no_grad()
    def query(
        self, target: Mapping[int, int], evidence: Mapping[int, int] | None = None, label: int | None = None
    ) -> float:
        """Return p(target | evidence), summed over all joint states of the variables that matter.

        Variables are numbered as in the flattened example. Those that neither target nor evidence depends on
        sum to one and are left out.

        Args:
            target: levels of some variables.
            evidence: levels of others; none unless given.
            label: of a conditional network.

        Raises:
            DataError: for a variable or a level that is not there, or evidence that cannot happen.
            ConfigurationError: for more than a million joint states, or a label that is not there.
        """
        evidence = evidence or {}
        for variable, level in [*target.items(), *evidence.items()]:
            if variable not in range(self.event.dims) or level not in range(self.levels):
                raise DataError(
                    f"variable {variable} at level {level} was asked for: there are variables 0 to "
                    f"{self.event.dims - 1}, of levels 0 to {self.levels - 1}"
                )
        given = self._log_probability(evidence, label)
        if given == -math.inf:
            raise DataError(f"the evidence {dict(evidence)} has probability 0 under this network")
        if any(evidence.get(variable, level) != level for variable, level in target.items()):
            return 0.0
        return math.exp(self._log_probability({**evidence, **target}, label) - given)

    def _log_probability(self, fixed: Mapping[int, int], label: int | None) -> float:
        sites = {self.graph.site_of[variable]: level for variable, level in fixed.items()}
        factors = sorted(self.graph.with_ancestors(sites))
        free = [site for site in factors if site not in sites]
        if self.levels ** len(free) > MOST_JOINT:
            raise ConfigurationError(
                f"the query sums over {self.levels}^{len(free)} joint states: expected at most {MOST_JOINT:,}; "
                "ask about variables with fewer ancestors, or sample"
            )
        levels = torch.zeros(1, self.sites, dtype=torch.long, device=self.device)
        for site, level in sites.items():
            levels[0, site] = level
        share = max(1, CELLS // max(1, len(factors)))
        parts = self.tables.joint(levels, self.labels(label, 1), free, factors, share)
        return float(torch.stack([part.logsumexp(1) for part in parts]).logsumexp(0))


class Lookups(Steps):
    """A pass over the sites in which each looks up its row.

    Args:
        network: whose tables.
        n: how many examples.
        label: `(n,)`, or None.
    """

    def __init__(self, network: BayesianNetwork, n: int, label: Tensor | None) -> None:
        self.network, self.label = network, label
        self.told = torch.zeros(n, network.sites, dtype=torch.long, device=network.device)

    def features(self, site: int) -> Tensor:
        """Return the log-probabilities of a site's levels, `(B, L)`."""
        tables = self.network.tables
        return tables.log_p(tables.rows(self.told, self.label, [site]))[:, 0].float()

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site."""
        self.told[:, site] = self.network.site.restored(value).squeeze(1)
