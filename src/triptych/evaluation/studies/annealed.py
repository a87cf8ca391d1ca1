"""Annealed importance sampling of a model under a protocol: of test examples, and of simulated ones from both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples, subset
from triptych.evaluation.likelihood import likelihood_protocol
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.observation import TRIED, Observation, observation_of
from triptych.evaluation.studies.partial import Part, Parts
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.annealing import (
    PILOTS,
    Annealed,
    chain_error,
    forward,
    log_mean,
    mean_of_chains,
    reverse,
    schedule,
)
from triptych.metrics.figure import Figure, mean_and_error
from triptych.metrics.hamiltonian import LEAPFROGS
from triptych.models.latent_variable import LatentVariable, is_bounded
from triptych.models.questions import Decoder, Density
from triptych.noise import Noise, mix
from triptych.running.progress import track

EXAMPLES = 100
"""Test examples, unless their number is given."""
SIMULATED = 20
"""Simulated examples, at most."""
_ROWS, _NUMBERS = 900, 1 << 21  # codes that move together, and how many numbers their examples have at most
# Part of the name of what is kept: change it with anything that changes what chains draw.
_RECIPE = f"annealing 1: {LEAPFROGS} leapfrogs, {PILOTS} pilots, {_ROWS} rows, {_NUMBERS} numbers"
_NOTE = (
    f"log p(x) is {{told}}; {{chains}} chains of {{steps:,}} steps, each of {LEAPFROGS} leapfrogs, whose size {PILOTS} "
    "chains more adapt; ± standard error over examples. In expectation chains underestimate log p(x) from the prior, "
    "and overestimate it from the posterior: the gap on simulated examples bounds both errors there"
)

Making = Callable[[slice, int, Iterator[int]], Annealed]


class Bracket(NamedTuple):
    """What chains have found from both sides of log p(x) of examples that the model made itself."""

    lower: Annealed
    upper: Annealed


@dataclass(frozen=True, eq=False)
class Annealer:
    """A model whose log p(x) is estimated by annealing. What is finished is kept on disk, and never computed twice.

    Args:
        model: with a prior of codes.
        protocol: says examples, steps, chains and seed.
    """

    model: LatentVariable
    protocol: Protocol
    _parts: Parts = field(init=False)

    def __post_init__(self) -> None:
        """Name what is kept."""
        model, protocol = self.model, self.protocol
        labels = () if self.scored.labels is None or not model.conditional else (self.scored.labels,)
        about = (_RECIPE, type(model).__name__, model.arguments, model.event, protocol.annealing, protocol.seed)
        object.__setattr__(self, "_parts", Parts(*about, model, self.scored.data, *labels, self._tried.data))

    @cached_property
    def scored(self) -> Examples:
        """The test examples: `EXAMPLES` of them, unless the protocol's number was chosen."""
        if self.protocol.count is not None:
            return self.protocol.scored
        return subset(self.protocol.test, EXAMPLES, mix(self.protocol.seed, Stream.ANNEALED_TEST))

    @cached_property
    def _tried(self) -> Examples:
        return subset(self.protocol.train, TRIED, mix(self.protocol.seed, Stream.ANNEALED_TRAIN))

    @cached_property
    def observation(self) -> Observation:
        """What p(x | z) is."""

        def make() -> Part:
            found = observation_of(self.model, self._tried, mix(self.protocol.seed, Stream.OBSERVATION))
            return {"scale": torch.tensor([found.scale or 0.0, found.at_edge], dtype=torch.float64)}

        scale, at_edge = self._parts.part("observation", make)["scale"].tolist()
        return Observation(self.model, scale or None, bool(at_edge))

    @property
    def name(self) -> str:
        """Steps and chains as a protocol's name says them, and whether the observation is a Gaussian."""
        steps, chains = self.protocol.annealing
        return f"ais-{steps}x{chains}{self.observation.name}"

    def of_test(self) -> Annealed:
        """Anneal towards the posteriors of the test examples."""
        data = self.observation.data_of(self.scored)
        labels = self.model.labels(self.model.labels_in(self.scored), len(data))

        def make(part: slice, index: int, ticks: Iterator[int]) -> Annealed:
            own = None if labels is None else labels[part]
            return self._forward(
                data[part], own, Noise.of(mix(self.protocol.seed, Stream.FORWARD, index), self._device), ticks
            )

        return self._in_parts("test", len(data), self.protocol.annealing[0], "annealing", make)

    def of_simulated(self) -> Bracket:
        """Simulate examples and anneal towards their posteriors, and back from the codes that they were made of."""
        count, seed = min(SIMULATED, len(self.scored)), self.protocol.seed
        labels = self.model.labels(self.model.labels_in(self.scored[:count]), count)
        with self.model.asking():
            codes, data = self.observation.simulated(count, labels, Noise.of(mix(seed, Stream.SIMULATED), self._device))

        def there(part: slice, index: int, ticks: Iterator[int]) -> Annealed:
            own = None if labels is None else labels[part]
            return self._forward(
                data[part], own, Noise.of(mix(seed, Stream.SIMULATED_FORWARD, index), self._device), ticks
            )

        steps, chains = self.protocol.annealing
        lower = self._in_parts("simulated", count, steps, "annealing simulated examples", there)

        def back(part: slice, index: int, ticks: Iterator[int]) -> Annealed:
            target = self.observation.target(data[part], None if labels is None else labels[part], chains)
            start, sizes = codes[part].repeat_interleave(chains, 0), lower.sizes[part].to(self._device)
            noise = Noise.of(mix(seed, Stream.SIMULATED_REVERSE, index), self._device)
            return reverse(target, start, schedule(steps), sizes, noise, ticks)

        return Bracket(lower, self._in_parts("reversed", count, steps, "annealing back", back))

    @property
    def _device(self) -> torch.device:
        return self.model.device

    def _forward(self, data: Tensor, labels: Tensor | None, noise: Noise, ticks: Iterator[int]) -> Annealed:
        steps, chains = self.protocol.annealing
        rows = PILOTS + chains
        start = self.model.code_space.prior.sample(len(data) * rows, noise)
        return forward(self.observation.target(data, labels, rows), start, schedule(steps), chains, noise, ticks)

    def _in_parts(self, name: str, count: int, steps: int, told: str, make: Making) -> Annealed:
        """Return what is made of all examples, as many at a time as memory is bounded to, each part kept on disk."""
        rows = min(_ROWS, _NUMBERS // self.model.event.dims)
        size = max(1, rows // (PILOTS + self.protocol.annealing[1]))
        parts = [slice(start, min(start + size, count)) for start in range(0, count, size)]
        missing = sum(not self._parts.has(f"{name}-{i}") for i in range(len(parts)))
        ticks = track(range(missing * steps), told)
        found = []
        with self.model.asking():
            for i, part in enumerate(parts):
                found.append(Annealed(**self._parts.part(f"{name}-{i}", partial(_tensors, make, part, i, ticks))))
        for _ in ticks:  # the bar is closed at its end
            pass
        return Annealed(*(torch.cat(side) for side in zip(*found, strict=True)))


def _tensors(make: Making, part: slice, index: int, ticks: Iterator[int]) -> Part:
    return make(part, index, ticks)._asdict()


def annealer(subject: Subject) -> Annealer:
    """Return the annealer of a subject's model.

    Raises:
        Unanswered: for a model without codes, or without a prior of them that is a density on all of R^d.
    """
    model = subject.model
    name = type(model).__name__
    if isinstance(model, Density):
        raise Unanswered(f"{name} has log p(x) exactly: ask for exact")
    if isinstance(model, LatentVariable):
        if is_bounded(model.code_space.prior):
            raise Unanswered(f"the prior of this {name} is bounded, and annealing moves codes freely: give it another")
        return Annealer(model, subject.protocol)
    if isinstance(model, Decoder):
        raise Unanswered(f"{name} has no prior p(z), and so no p(x): annealing is of models that have one (vae, gan)")
    raise Unanswered(f"{name} makes no examples of codes: annealing is of models that do (vae, gan)")


def annealed_figure(asked: Annealer) -> Figure:
    """Return the mean log p(x) of test examples, with its error; see `mean_of_chains`.

    Raises:
        Unanswered: where chains ended in weights that are not finite.
    """
    found = asked.of_test()
    protocol = likelihood_protocol(asked.model, len(found.log_weights), asked.name)
    check_finite(found)
    told = (
        f"{asked.observation.told}; {_chains_told(found)}; trajectories accepted: {_accepted(found, protocol).text} %"
    )
    return Figure(*mean_of_chains(found.log_weights), "nats", protocol, "≈", told)


class Sides(NamedTuple):
    """Means over simulated examples, in nats."""

    lower: Figure
    upper: Figure
    gap: Figure
    """Of the two, with the error of their difference."""


def bracketed(asked: Annealer) -> Sides:
    """Return what bounds log p(x) of simulated examples from both sides.

    Raises:
        Unanswered: where chains ended in weights that are not finite.
    """
    found = asked.of_simulated()
    for side in found:
        check_finite(side)
    name = f"{asked.name}@simulated-{len(found.lower.log_weights)}" + ("|label" if asked.model.conditional else "")
    lower, upper = log_mean(found.lower.log_weights), -log_mean(found.upper.log_weights)
    return Sides(
        Figure(*mean_and_error(lower), "nats", name, "≥"),
        Figure(*mean_and_error(upper), "nats", name, "≤"),
        Figure(*mean_and_error(upper - lower), "nats", name),
    )


def check_finite(found: Annealed) -> None:
    """Raise `Unanswered` where every chain of an example has weight 0."""
    bad = int((~torch.isfinite(log_mean(found.log_weights))).sum())
    if bad:
        raise Unanswered(f"annealing gave no finite log p(x) for {bad} of {len(found.log_weights)} examples")


def annealing(subject: Subject) -> Table:
    """Estimate log p(x) of test examples by annealing, and bracket that of simulated ones from both sides.

    On examples that the model made itself the chains go from the prior to the posterior, which underestimates log p(x)
    in expectation, and back from the very code, which overestimates it. Where the gap is small, the schedule is long
    enough for the model's own examples; of test examples that it explains badly it may say too little.

    Args:
        subject: a model with a prior of codes, under a protocol whose `annealing` says steps and chains.

    Raises:
        Unanswered: for other models, or weights that are not finite.
    """
    asked = annealer(subject)
    estimate, found, sides = annealed_figure(asked), asked.of_test(), bracketed(asked)
    test = estimate.protocol
    rows = {
        "test, nats": estimate,
        "simulated, from below, nats": sides.lower,
        "simulated, from above, nats": sides.upper,
        "gap between the two, nats": sides.gap,
        "trajectories accepted, %": _accepted(found, test),
    }
    error = chain_error(found.log_weights)
    if error is not None:
        rows["error of the chains, nats"] = Figure(error.size, None, "nats", test)
    if asked.observation.scale is not None:
        edge = "the least or the greatest that was tried" if asked.observation.at_edge else ""
        rows["σ of the observation"] = Figure(asked.observation.scale, protocol=test, note=edge)
    title = f"log p(x) by annealed importance sampling, {len(found.log_weights):,} test examples"
    steps, chains = asked.protocol.annealing
    note = _NOTE.format(told=asked.observation.told, chains=chains, steps=steps)
    return Table(title, ("value",), {name: (figure,) for name, figure in rows.items()}, note)


def _chains_told(found: Annealed) -> str:
    error = chain_error(found.log_weights)
    if error is not None:
        return f"error of the chains {error.size:.2g} nats"
    return "one chain" if found.log_weights.shape[1] == 1 else "too few chains found anything to know their error"


def _accepted(found: Annealed, protocol: str) -> Figure:
    mean, error = mean_and_error(found.acceptance)
    return Figure(100 * mean, None if error is None else 100 * error, "%", protocol)
