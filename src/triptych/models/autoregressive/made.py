"""MADE: an autoencoder whose masks make it autoregressive, alone or as an ensemble of masks and orders."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.distributions import Law
from triptych.distributions.pixels import quantile
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, check_known
from triptych.event import Event
from triptych.models.autoregressive.base import Steps
from triptych.models.autoregressive.dense import Dense, MaskedSteps
from triptych.models.autoregressive.order import Order
from triptych.models.base import Terms
from triptych.models.completion import Filled
from triptych.networks.dense_causal import MaskedMLP, Wiring
from triptych.noise import Noise, mix

ORDERS = ("same", "each", "any")
"""Which orders the members of an ensemble have."""
_ENDLESS = 1 << 31
"""How many members there are in training if orders are "any"."""


class MADE(Dense):
    """A masked autoencoder: a dense network in which no path leads from a site to its own or an earlier output.

    `p(x) = (1/M) Σ_m p_m(x)` over M sets of masks, each `p_m` a product of conditionals; the mean is exact, and
    is what is drawn from: each example by a member of its own. Training takes one of the sets for each minibatch.
    Masks follow from the numbers of the members and are not stored.

    Members may have an order each ("each", as in the paper's experiments), or be trained on a new order and new
    masks every minibatch ("any", §4.2). What is known, whatever its shape, is then completed in an order that begins
    with it: each unknown site is drawn given all that is known. That is exact for this one order; the mean over
    orders, or an order in which the known part comes later, has another p(unknown | known) as far as training has
    not made the orders agree. Hence such a completion counts as approximate, and several candidates are weighed by
    the density; few are enough where any order was trained on ("any"), while with "each" an order that no member was
    trained on proposes worse.
    Reference: Germain et al. 2015, *MADE*, §3-4.

    Beyond 32 levels "auto" means a discretised Gaussian, whose two numbers a sub-pixel keep the weights few.

    Args:
        event: what one example is.
        hidden: units of a hidden layer; 8,000 in the paper.
        layers: hidden layers.
        masks: M, sets of masks that are trained in turn and averaged; 32 in the paper.
        orders: "same" for all sets of masks, "each" its own (the first the given one), or "any": as "each", and
            each minibatch a new one.
        direct: whether there are connections from inputs to outputs, too; without them training is slow.
        pixels: law of a site given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", "reverse", "random" or a permutation of the pixels (or coordinates).
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for fewer than 1 unit, layer or mask, unknown orders or ordering, or a law over others.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("made", tp.Event((1, 8, 8), levels=2), hidden=64, masks=4)
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        hidden: int = 500,
        layers: int = 2,
        masks: int = 1,
        orders: str = "same",
        direct: bool = True,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes)
        if hidden < 1 or layers < 1 or masks < 1:
            raise ConfigurationError(f"hidden={hidden}, layers={layers}, masks={masks}: expected at least 1 of each")
        check_known("orders", orders, ORDERS)
        self.masks, self.orders = masks, orders
        sizes = (self.sites, self.site.dims, self.site_features)
        self.network = MaskedMLP(*sizes, [hidden] * layers, direct, classes)
        self.number = 0
        self.moved: Tensor | None = None
        """Which site of the model's own arrangement comes at each place of a member's, if that is another."""

    def member(self, number: int) -> MADE:
        """Return one member of the ensemble: the same weights, one set of masks, an order of its own.

        Members 0 to `masks - 1` make up the density. If orders are "any", all others are trained, too.
        """
        pixels = None
        if self.orders != "same" and number:
            pixels = torch.randperm(self.order.pixels, generator=_stream(number, 1))
        return self._as(number, pixels)

    def _as(self, number: int, pixels: Tensor | None) -> MADE:
        """Return this model with the masks of a number and its pixels taken in another order."""
        member = copy.copy(self)  # parameters and modules are shared
        member.masks, member.orders, member.number = 1, "same", number
        if pixels is not None:
            own = self.order.permutation
            member.order = Order(self.event, (pixels if own is None else own[pixels]).tolist())
            member.moved = (pixels[:, None] * self.pixel_sites + torch.arange(self.pixel_sites)).flatten()
        return member

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the negative log-likelihood in nats of one member, which the noise chooses."""
        among = _ENDLESS if self.orders == "any" else self.masks
        if among == 1:
            return super().objective(batch, noise)
        # The whole batch has one member, on however many processes: this draw is no row of any of them.
        number = torch.randint(among, (), generator=noise.generator, device=noise.device)
        return self.member(int(number)).objective(batch, noise)

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return log p(x) in nats, `(B,)`: the log of the members' mean."""
        if self.masks == 1:
            return super()._log_prob(x, label)
        each = torch.stack([self.member(m)._log_prob(x, label) for m in range(self.masks)])
        return torch.logsumexp(each, 0) - math.log(self.masks)

    def nll_map(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return -log p of each site given those before it, in nats and in the order's arrangement.

        A mean over orders is no product in any of them: there it is each site's share of -log p, that of the orders
        in proportion to what they contribute to p.
        """
        if self.masks == 1:
            return super().nll_map(x, label)
        maps = torch.stack([self.member(m).nll_map(x, label) for m in range(self.masks)])
        by_member = self._sequence(maps.flatten(0, 1)).view(self.masks, len(x), -1)
        if self.orders != "same":
            by_member = torch.stack([self._own_order(m, nats) for m, nats in enumerate(by_member)])
            return self._map(_shares(by_member), maps.shape[1:])
        so_far = torch.logsumexp(-by_member.cumsum(2), 0)
        first = torch.full_like(so_far[:, :1], math.log(self.masks))
        return self._map(torch.cat([first, so_far[:, :-1]], 1) - so_far, maps.shape[1:])

    def _own_order(self, number: int, nats: Tensor) -> Tensor:
        """Return a member's nats `(B, sites)` in this model's arrangement instead of the member's."""
        moved = self.member(number).moved
        return nats if moved is None else nats.index_select(1, torch.argsort(moved).to(nats.device))

    def _sequence(self, nats: Tensor) -> Tensor:
        """Return nats in their arrangement as `(B, sites)`."""
        return nats.flatten(1) if self.law.joint else self.order.by_site(nats, False).squeeze(2)

    def _map(self, nats: Tensor, shape: torch.Size) -> Tensor:
        """Undo `_sequence`."""
        return nats.reshape(shape) if self.law.joint else self.order.from_sites(nats.unsqueeze(2), False)

    def of_sites(self, values: Tensor, label: Tensor | None) -> Tensor:
        """Return the first member's features `(B, sites, P)` of all sites, from their values `(B, sites, V)`."""
        if self.moved is None:
            return self._network(values, label)
        moved = self.moved.to(values.device)
        return self._network(values.index_select(1, torch.argsort(moved)), label).index_select(1, moved)

    def _network(self, values: Tensor, label: Tensor | None) -> Tensor:
        out: Tensor = self.network(values, label, self._wiring())
        return out

    def _wiring(self) -> Wiring:
        """Return which units are connected under the first member's masks."""
        place = None if self.moved is None else torch.argsort(self.moved)
        return self.network.wiring(_stream(self.number, 0), place)

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass of the first member, in which every hidden unit is computed once."""
        return MaskedSteps(self.network, self._wiring(), n, label)

    def completes_exactly(self, known: Tensor) -> bool:
        """Return whether what is known comes before all that is not in every member's order."""
        first = super().completes_exactly(known)
        return first and (self.orders == "same" or self.masks == 1)

    @property
    def _knows_orders(self) -> bool:
        """Whether it is trained on more orders than one."""
        return self.orders == "any" or (self.orders == "each" and self.masks > 1)

    @property
    def proposal(self) -> str:
        """How `fill` draws where it does not draw from p(unknown | known), in words."""
        return "in one order, which begins with what is known" if self._knows_orders else super().proposal

    def _beginning_with(self, known: Tensor) -> MADE:
        """Return this model in the order that begins with what is known, as far as one can."""
        mask = self.order.arranged(known[None])[0].cpu()
        colours = mask.flatten(1).float().mean(0) if self.event.is_image else mask.float()
        return self._as(0, torch.argsort(colours, descending=True, stable=True))

    def _complete(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Filled:
        """Draw what is not `known`, each example by one member in that member's order."""
        if self._knows_orders and bool(known.any()) and not self.completes_exactly(known):
            beginning = self._beginning_with(known)
            drawn, log_weight = beginning._complete(x, known, label, noise, sharpness)
            # Of the draw, but for what is the same for all candidates: its probability is p_π(x) over the weight.
            return Filled(drawn, log_weight + self._log_prob(drawn, label) - beginning._log_prob(drawn, label))
        if self.masks == 1:
            return super()._complete(x, known, label, noise, sharpness)
        which = self._chosen(x, known, label, noise)
        filled, log_weight = x.clone(), torch.zeros(len(x), device=x.device)
        for number in torch.unique(which).tolist():
            rows = (which == number).nonzero().squeeze(1)
            own = None if label is None else label[rows]
            filled[rows], log_weight[rows] = self.member(number)._complete(x[rows], known, own, noise, sharpness)
        return Filled(filled, log_weight)

    def _chosen(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw a member for each example, `(B,)`: from p(member | known) where all can draw from p(x | known).

        Elsewhere all are equally likely, and a draw's weight is that of example and member together.
        """
        u = noise.uniform((len(x), 1)).to(x.device)
        nats = torch.zeros(len(x), self.masks, device=x.device)
        if bool(known.any()) and self.completes_exactly(known):
            told = self.known_sites(known)
            members = [self.member(m) for m in range(self.masks)]
            nats = torch.stack([m._sequence(m.nll_map(x, label))[:, told].sum(1) for m in members], 1)
        return quantile(torch.softmax(-nats, 1).unsqueeze(1), u).squeeze(1)


def _shares(nats: Tensor) -> Tensor:
    """Return `(B, sites)` that add up to `-log mean exp(-Σ nats)`, from the members' nats `(M, B, sites)`.

    `-log (1/M) Σ_m p_m = Σ_m r_m (-log p_m) + KL(r ‖ 1/M)`, where r_m is the share of member m; the divergence
    belongs to all sites alike.
    """
    log_share = torch.log_softmax(-nats.sum(2), 0)
    share = log_share.exp()
    divergence = (share * (log_share + math.log(len(nats)))).sum(0)
    return (share.unsqueeze(2) * nats).sum(0) + divergence.unsqueeze(1) / nats.shape[2]


def _stream(number: int, use: int) -> torch.Generator:
    """Return where a member's masks (0) or order (1) come from: the same on every machine."""
    return torch.Generator().manual_seed(mix(number, use))
