"""Codes of examples for models that have no encoder: found by descent on what the decoder makes of them."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.questions import Decoder, Label, LatentSampler
from triptych.noise import Noise, mix
from triptych.queries.codes import Spread, spread_of
from triptych.running.progress import track

_STARTS = 51
"""The random stream of the codes that descents start from."""
DRAWS = 256
"""Codes drawn from the prior that each example is first compared with."""
_DESCENTS = 1024  # that are computed together


class Inverted(NamedTuple):
    """What inversion found."""

    codes: Tensor
    """`(N, Z)`."""
    errors: Tensor
    """`(N,)`, float64: root mean squared error of what the codes decode to, in the units of `squared_errors`."""
    nearest: Tensor
    """`(N, Z)`: the best of `DRAWS` codes of the prior."""
    drawn: Tensor
    """`(N,)`: its error: what descent has to improve on."""


def invert(
    model: Decoder,
    x: Examples,
    *,
    steps: int = 500,
    restarts: int = 4,
    rate: float = 0.1,
    prior_weight: float = 0.0,
    label: Label = None,
    seed: int = 0,
) -> Inverted:
    """Find the code whose example is nearest to a given one, by several descents from the nearest codes of the prior.

    `z = argmin 1/D ‖g(z) - x‖² + λ/2Z Σ_j ((z_j - m_j)/s_j)²`, m and s the prior's mean and standard deviation. Adam
    descends from the `restarts` nearest of 256 codes drawn from the prior (N(0, I) for models without one), its rate a
    half cosine; of all codes on the way the best is kept. References: Lipton & Tripathi 2017, *Precise Recovery of
    Latent Vectors from Generative Adversarial Networks*; Creswell & Bharath 2018, *Inverting the Generator of a
    Generative Adversarial Network*, §III.

    Args:
        model: decodes, differentiably.
        x: N examples.
        steps: of each descent.
        restarts: descents for each example, at most 256.
        rate: Adam's, at the beginning.
        prior_weight: λ: how much a code far out in the prior costs.
        label: of a conditional model, unless the examples carry their own.
        seed: of the codes that are drawn.

    Raises:
        ConfigurationError: for steps or restarts below 1, restarts above 256, or a rate or weight out of range.
        DataError: for no examples, those of another event, or missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("gan", tp.Event((1, 8, 8), levels=17), latent=4, hidden=16, generator="mlp", critic="mlp")
        >>> found = invert(model, model.sample(2, seed=0), steps=200)
        >>> bool((found.errors < found.drawn).all())
        True
    """
    _check(steps, restarts, rate, prior_weight)
    if not len(x):
        raise DataError("no examples were given: inversion needs at least 1")
    model.event.check(x.data)
    labels = model.labels(model.labels_in(x) if label is None else label, len(x))
    noise = Noise.of(mix(seed, _STARTS), model.device)
    sampler = isinstance(model, LatentSampler)
    with model.asking():
        drawn = model._sample_codes(DRAWS, noise) if sampler else noise.normal((DRAWS, model.latent))
    search = _Search(model, drawn, steps, restarts, rate, prior_weight)
    size = max(1, _DESCENTS // restarts)
    found = []
    for start in track(range(0, len(x), size), "inverting"):
        part = slice(start, start + size)
        own = None if labels is None else labels[part]
        found.append(search.of(x.data[part].to(model.device), own))
    return Inverted(*(torch.cat(parts).cpu() for parts in zip(*found, strict=True)))


def _check(steps: int, restarts: int, rate: float, prior_weight: float) -> None:
    if steps < 1 or not 1 <= restarts <= DRAWS:
        raise ConfigurationError(f"steps={steps}, restarts={restarts}: expected at least 1 step, and 1 to {DRAWS}")
    if not 0 < rate < math.inf or not 0 <= prior_weight < math.inf:
        raise ConfigurationError(f"rate={rate:g}, prior_weight={prior_weight:g}: expected above 0, and from 0 on")


class _Search:
    """Descents of one model, from codes that were drawn."""

    def __init__(
        self, model: Decoder, drawn: Tensor, steps: int, restarts: int, rate: float, prior_weight: float
    ) -> None:
        self.model, self.drawn, self.steps, self.restarts = model, drawn, steps, restarts
        self.rate, self.prior_weight = rate, prior_weight
        self.spread = Spread(*(side.to(drawn.device) for side in spread_of(drawn.cpu())))

    def of(self, x: Tensor, label: Tensor | None) -> Inverted:
        """Return what is found for some examples."""
        target = _units(self.model.event, x)
        with self.model.asking():
            distances = self._distances(target, label)
            near = distances.topk(self.restarts, dim=1, largest=False)
            own = None if label is None else label.repeat_interleave(self.restarts, 0)
            codes, cost = self._descended(
                self.drawn[near.indices].flatten(0, 1), target.repeat_interleave(self.restarts, 0), own
            )
            best = cost.view(-1, self.restarts).argmin(1)
            rows = torch.arange(len(x), device=x.device)
            chosen = codes.view(len(x), self.restarts, -1)[rows, best]
            errors = self._errors(chosen, target, label)
        first = self.drawn[near.indices[:, 0]]
        return Inverted(chosen, errors.double().sqrt(), first, near.values[:, 0].double().sqrt())

    def _errors(self, z: Tensor, target: Tensor, label: Tensor | None) -> Tensor:
        made = _units(self.model.event, self.model._decode(z, label))
        return (made - target).square().mean(1)

    def _distances(self, target: Tensor, label: Tensor | None) -> Tensor:
        """Return the squared errors of all drawn codes, `(B, DRAWS)`."""
        rows = []
        known: dict[bytes, Tensor] = {}  # examples of one label are compared with the same images
        for i, one in enumerate(target):
            key = b"" if label is None else label[i].cpu().numpy().tobytes()
            if key not in known:
                own = None if label is None else label[i : i + 1].expand(len(self.drawn), *label.shape[1:])
                known[key] = _units(self.model.event, self.model._decode(self.drawn, own))
            rows.append((known[key] - one).square().mean(1))
        return torch.stack(rows)

    def _descended(self, start: Tensor, target: Tensor, label: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the best code on the way of each descent, and its cost."""
        z = start.clone().requires_grad_(True)
        best, least = start.clone(), torch.full((len(z),), math.inf, device=z.device)
        adam = torch.optim.Adam([z], lr=self.rate)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, self.steps)
        for _ in track(range(self.steps + 1), "descending"):
            with torch.enable_grad():
                cost = self._errors(z, target, label)
                if self.prior_weight:
                    cost = cost + self.prior_weight / 2 * ((z - self.spread.mean) / self.spread.scale).square().mean(1)
                (z.grad,) = torch.autograd.grad(cost.sum(), z)
            better = cost.detach() < least
            best, least = torch.where(better[:, None], z.detach(), best), torch.where(better, cost.detach(), least)
            adam.step()
            cosine.step()
        return best, least


def _units(event: Event, x: Tensor) -> Tensor:
    """Return examples, or what is expected of them, in the units of `squared_errors`, `(B, D)`."""
    return x.flatten(1) / (event.levels - 1) if event.levels is not None else event.scaled(x)
