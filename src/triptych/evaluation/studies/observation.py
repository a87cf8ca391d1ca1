"""How a model explains an example by a code: by its own law, or by a Gaussian around what it makes of the code."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.evaluation.studies.parzen import points_of, units_of
from triptych.metrics.annealing import PILOTS, forward, log_mean, schedule
from triptych.metrics.hamiltonian import Target
from triptych.models.latent_variable import HasLikelihood, LatentVariable
from triptych.noise import Noise
from triptych.running.progress import track

SCALES = tuple(10 ** (-2 + i / 6) for i in range(13))
"""Standard deviations σ of a Gaussian observation that are tried: 0.01 to 1, 6 to a decade, in the units of points."""
TRIED, TRIED_STEPS, TRIED_CHAINS = 20, 100, 2
"""Training examples, steps and chains that σ is chosen by."""
_NUMBERS = 1 << 21  # that examples have which are computed together


@dataclass(frozen=True)
class Observation:
    """What p(x | z) is.

    Args:
        model: makes x of z.
        scale: σ of `N(x; G(z), σ² I)`, for a model without a law; None for the model's own law.
        at_edge: whether σ was the least or the greatest that was tried.
    """

    model: LatentVariable
    scale: float | None = None
    at_edge: bool = False

    @property
    def name(self) -> str:
        """What a protocol's name says of it: nothing of the model's own law."""
        return "" if self.scale is None else "-gaussian"

    @property
    def told(self) -> str:
        """What log p(x) is, in words."""
        event = self.model.event
        if self.scale is None:
            return "a probability" if event.is_image else "a density in the data's own units"
        where = units_of(event).told if event.is_image else "coordinates in standard deviations of the data"
        edge = " (the least or the greatest that was tried)" if self.at_edge else ""
        return (
            f"a density, N(x; G(z), σ² I) with σ = {self.scale:.3g}{edge}, the best for training examples, of {where}: "
            "it is not comparable to probabilities"
        )

    def data_of(self, x: Examples) -> Tensor:
        """Return examples as `target` takes them: as they are stored, or as points `(N, D)`."""
        return (x.data if self.scale is None else points_of(x)).to(self.model.device)

    def target(self, data: Tensor, label: Tensor | None, rows: int) -> Target:
        """Return log p(z) and log p(x | z) as functions of the coordinates of codes.

        Args:
            data: B examples, see `data_of`.
            label: of each, if the model is conditional.
            rows: how many codes each example has, one after the other.
        """
        repeated = data.repeat_interleave(rows, 0)
        own = None if label is None else label.repeat_interleave(rows, 0)
        if self.scale is not None:
            scale = torch.tensor(self.scale, dtype=torch.float32, device=data.device)
            return gaussian_target(self.model, repeated, own, scale)
        model, space = self.model, self.model.code_space
        assert isinstance(model, HasLikelihood), "an observation without a scale is of a model with a likelihood"

        def target(u: Tensor) -> tuple[Tensor, Tensor]:
            return space.prior.log_prob(u), model.likelihood(space.codes(u), own).log_prob(repeated)

        return target

    def simulated(self, n: int, label: Tensor | None, noise: Noise) -> tuple[Tensor, Tensor]:
        """Draw n codes from the prior and an example from p(x | z) of each: coordinates, and data as `target` takes.

        The coordinates are then exact draws from the posterior of these examples.
        """
        space = self.model.code_space
        u = space.prior.sample(n, noise)
        if self.scale is None:
            assert isinstance(self.model, HasLikelihood)
            return u, self.model.likelihood(space.codes(u), label).sample(noise)
        made = made_points(self.model, space.codes(u), label)
        return u, made + self.scale * noise.normal(made.shape)


def made_points(model: LatentVariable, z: Tensor, label: Tensor | None) -> Tensor:
    """Return what a model makes of codes as points `(B, D)`, differentiably; see `points_of`."""
    made = model._decode(z, label)
    levels = model.event.levels
    return model.event.scaled(made) if levels is None else made.flatten(1) / (levels - 1)


def gaussian_target(model: LatentVariable, points: Tensor, label: Tensor | None, scale: Tensor) -> Target:
    """Return log p(z) and `log N(x; G(z), σ² I)`.

    Args:
        model: G.
        points: x of each row, `(R, D)`.
        label: of each row.
        scale: σ, one number or `(R,)`.
    """
    space = model.code_space
    constant = points.shape[1] * (scale.log() + 0.5 * math.log(2 * math.pi)) + units_of(model.event).log_volume

    def target(u: Tensor) -> tuple[Tensor, Tensor]:
        squares = (made_points(model, space.codes(u), label) - points).square().sum(1)
        return space.prior.log_prob(u), -0.5 * squares / scale**2 - constant

    return target


def observation_of(model: LatentVariable, train: Examples, seed: int) -> Observation:
    """Return a model's own law, or the Gaussian whose σ gives training examples the greatest mean log p(x).

    Each σ of `SCALES` is tried on the same few examples by short annealing; between the best and its neighbours the
    maximum is that of a parabola in log σ.

    Args:
        model: any.
        train: at least 1 example that the estimate is not of, labelled if the model is conditional.
        seed: of the chains.
    """
    some = train[:TRIED]
    labels = model.labels(model.labels_in(some), len(some))
    noise = Noise.of(seed, model.device)
    if isinstance(model, HasLikelihood):
        return Observation(model)
    with model.asking():
        at_once = max(1, _NUMBERS // (len(SCALES) * (PILOTS + TRIED_CHAINS) * model.event.dims))
        parts = [slice(start, start + at_once) for start in range(0, len(some), at_once)]
        found = [
            _of_scales(model, some[part], None if labels is None else labels[part], noise)
            for part in track(parts, "choosing the width of the observation")
        ]
    means = torch.cat(found).mean(0).nan_to_num(nan=-math.inf)
    best = int(means.argmax())
    if best in (0, len(SCALES) - 1):
        return Observation(model, SCALES[best], at_edge=True)
    low, middle, high = means[best - 1 : best + 2].tolist()
    shift = 0.5 * (high - low) / (2 * middle - low - high) if math.isfinite(low + high) and middle > low else 0.0
    return Observation(model, SCALES[best] * (SCALES[1] / SCALES[0]) ** shift)


def _of_scales(model: LatentVariable, some: Examples, labels: Tensor | None, noise: Noise) -> Tensor:
    """Return the log p(x) of examples that short annealing estimates under each σ, `(B, len(SCALES))`."""
    rows = PILOTS + TRIED_CHAINS
    each = rows * len(SCALES)
    points = points_of(some).to(model.device).repeat_interleave(each, 0)
    own = None if labels is None else labels.repeat_interleave(each, 0)
    scales = torch.tensor(SCALES, dtype=torch.float32, device=model.device).repeat_interleave(rows).repeat(len(some))
    start = model.code_space.prior.sample(len(points), noise)
    target = gaussian_target(model, points, own, scales)
    weights = forward(target, start, schedule(TRIED_STEPS), TRIED_CHAINS, noise).log_weights
    return log_mean(weights).view(len(some), len(SCALES))
