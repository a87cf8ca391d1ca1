"""What every autoregressive model shares: the chain rule over sites in an order, drawn, scored and completed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.distributions import Law
from triptych.distributions.sharpness import Sharpness
from triptych.errors import DataError
from triptych.event import Event
from triptych.models.autoregressive.order import Order
from triptych.models.base import Player, Terms
from triptych.models.completion import Completer, Filled
from triptych.models.questions import Density, SharpSampler
from triptych.networks.arrays import one_thread_each
from triptych.noise import Noise
from triptych.running.progress import track


class Steps(Protocol):
    """One pass over the sites in their order, in which every hidden unit is computed once.

    Sites are numbered in the order of the model; before the features of site i are asked for, all sites
    before it have been told.
    """

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it: `(B, P)`. The tensor may be used again."""

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site, `(B, V)`: V is the number of colours drawn together, else 1."""


class Autoregressive(SharpSampler, Density, Completer):
    """A model by the chain rule, `p(x) = ∏_i p(x_i | x_1, …, x_{i-1})`, over sites in an order.

    A site is what is drawn at once: a sub-pixel, a whole pixel under a law that is `joint`, a coordinate of a
    vector. A subclass gives the features of all sites in parallel, and of one site after the other; both see
    examples *arranged*: as though the order were the raster's.

    Args:
        event: what one example is.
        law: law of a site given those before it.
        ordering: "raster", "reverse", "random" or a permutation of the pixels (or coordinates).
        classes: number of labels to condition on; 0 for none.
        embedding: length of the vectors to condition on instead; 0 for none.
    """

    def __init__(
        self,
        event: Event,
        law: type[Law],
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__(event, classes, embedding)
        self.law = law
        self.rate = 1e-3
        """The learning rate, unless the user gives another."""
        self.order = Order(event, ordering)
        self.site = self.order.site(law.joint)
        """The event of one site, but for a vector's units, which differ from one coordinate to the next."""
        self.sites = event.dims // self.site.dims
        self.pixel_sites = self.sites // self.order.pixels
        """How many sites a pixel (or coordinate) has."""
        self.site_features = law.channels(self.site)
        """How many numbers the law takes at a site."""

    @property
    def players(self) -> tuple[Player, ...]:
        """One player: maximum likelihood."""
        adam = partial(torch.optim.Adam, lr=self.rate)
        return (Player("model", list(self.children()), self.objective, optimizer=adam),)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the negative log-likelihood in nats."""
        return {"nll": -self._log_prob(batch.x, batch.label)}

    @abstractmethod
    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the features of all sites, in parallel.

        Args:
            x: scaled examples in the arrangement of the order, `(B, *event.shape)`.
            label: `(B,)`, or None.

        Returns:
            `(B, law.channels(event), *event.shape[1:])`: what the law takes, those of site i seeing only sites
            before it.
        """

    @abstractmethod
    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass over the sites for `n` examples of the labels `(n,)`."""

    def by_site(self, features: Tensor) -> Tensor:
        """Return features in the law's layout as `(B, sites, P)`."""
        if not self.event.is_image:
            return features.view(len(features), self.sites, -1)
        split = features.view(len(features), self.pixel_sites, -1, self.order.pixels)
        return split.permute(0, 3, 1, 2).reshape(len(features), self.sites, -1)

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return log p(x) in nats, `(B,)`."""
        return -self.nll_map(x, label).flatten(1).sum(1)

    def nll_map(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return -log p of each site given those before it, in nats and in the order's arrangement.

        Returns:
            `(B, C, H, W)`, `(B, H, W)` under a joint law, or `(B, D)`.
        """
        x = self.order.arranged(x)
        event = self.order.event
        return self.law(self.features(event.scaled(x), label), event).nll_map(x)

    def _sample_sharp(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        """Return `n` new examples, drawn site after site."""
        x = torch.zeros(n, *self.event.shape, dtype=self.event.dtype, device=self.device)
        known = torch.zeros(self.event.shape, dtype=torch.bool, device=self.device)
        return self._complete(x, known, label, noise, sharpness).x

    def completes_exactly(self, known: Tensor) -> bool:
        """Return whether what is known comes before all that is not."""
        return known_first(self.known_sites(known))

    def known_sites(self, known: Tensor) -> Tensor:
        """Return which sites a mask `(*event.shape)` knows, `(sites,)`.

        Raises:
            DataError: for a site of which only a part is known.
        """
        mask = self.order.by_site(self.order.arranged(known[None]), self.law.joint)[0]
        if bool((mask.any(1) != mask.all(1)).any()):
            raise DataError(
                f"the mask splits the colours of a pixel, which {self.law.__name__} draws together: "
                "know whole pixels, or train with --pixels categorical"
            )
        return mask[:, 0]

    def _complete(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Filled:
        """Draw what is not `known`, in the order, each site given all before it."""
        told = self.known_sites(known)
        uniform = self.uniform(len(x), noise)
        values = self.order.by_site(self.order.arranged(x), self.law.joint)
        with one_thread_each():
            filled, log_weight = self.walk(self.steps(len(x), label), values, told, uniform, sharpness)
        return Filled(self.order.restored(self.order.from_sites(filled, self.law.joint)), log_weight)

    def uniform(self, n: int, noise: Noise) -> Tensor:
        """Return the numbers that a pass over the sites turns into draws, `(n, sites, U)`, all of them up front."""
        each = max(self.law.draws(self.site), self.site.dims)
        return noise.uniform((n, self.sites, each)).to(self.device)

    def walk(
        self, steps: Steps, values: Tensor, told: Tensor, uniform: Tensor, sharpness: Sharpness
    ) -> tuple[Tensor, Tensor]:
        """Go over the sites: tell what is known, draw what is not.

        Args:
            steps: where the features come from.
            values: `(B, sites, V)`: what is known; anything elsewhere.
            told: boolean `(sites,)`: which sites are known.
            uniform: `(B, sites, U)` numbers in [0, 1).
            sharpness: how each site is drawn.

        Returns:
            `(B, sites, V)`, and `(B,)`: the log-probability of what is known given what was drawn before it.
        """
        batch, place = len(values), (1, 1) if self.event.is_image else ()
        x = values.transpose(0, 1).reshape(self.sites, batch, -1, *place).clone()
        u = uniform.transpose(0, 1).reshape(self.sites, batch, -1, *place)
        log_weight = torch.zeros(batch, device=x.device)
        weigh = not known_first(told)
        each = zip(self.order.site_events(self.law.joint), told.tolist(), x.unbind(), u.unbind(), strict=True)
        for site, (event, known, value, chance) in enumerate(track(each, "drawing parts", self.sites)):
            if not known or weigh:
                law = self.law(steps.features(site).view(batch, -1, *place), event)
                if known:
                    log_weight += law.log_prob(value)
                else:
                    value.copy_(sharpness.draw(law, chance))
            steps.tell(site, event.scaled(value).view(batch, -1))
        return x.flatten(2).transpose(0, 1), log_weight


def known_first(told: Tensor) -> bool:
    """Return whether all known sites come before all others."""
    return not bool((told[1:] & ~told[:-1]).any())


class Repeated:
    """The definition of a pass: all features anew for every site. Right for any model, and slow.

    Args:
        model: whose features.
        n: how many examples.
        label: `(n,)`, or None.
    """

    def __init__(self, model: Autoregressive, n: int, label: Tensor | None) -> None:
        self.model, self.label = model, label
        self.told = torch.zeros(n, model.sites, model.site.dims, device=model.device)

    def features(self, site: int) -> Tensor:
        """Return the features of a site, computed with those of all others."""
        x = self.model.order.from_sites(self.told, self.model.law.joint)
        return self.model.by_site(self.model.features(x, self.label))[:, site]

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site."""
        self.told[:, site] = value
