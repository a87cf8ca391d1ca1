"""The study of log p(x): what a model says of it exactly, by bounds and by estimates, in one table."""

from __future__ import annotations

from dataclasses import replace

import torch

from triptych.evaluation.likelihood import likelihood_figures, likelihood_protocol
from triptych.evaluation.protocol import counted
from triptych.evaluation.studies.annealed import SIMULATED, annealed_figure, annealer, bracketed
from triptych.evaluation.studies.parzen import parzen_figure
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error
from triptych.metrics.hamiltonian import LEAPFROGS
from triptych.models.questions import Bounded, Density, ImportanceWeighted, LatentSampler, Sampler

COLUMNS = ("log p(x), nats", "at most, nats", "bits/dim")
_CHEAP = 1 << 40
"""Multiplications that an estimate may take, about a minute: longer ones are measured if they are asked for by name."""
_NOTE = (
    "= exact, ≥ lower bound, ≤ upper bound, ≈ estimate; ± standard error over examples. {measure}. Rows of different "
    "protocols are not comparable; a density and a probability never are. An estimate without a value takes more than "
    "a minute: ask for it by its name"
)
_PROBABILITIES = "Exact values, bounds and laws of images are probabilities of images of {levels} levels"
_DENSITIES = "Exact values, bounds and laws of vectors are densities in the data's own units"

Row = tuple[Figure, ...]


def likelihood(subject: Subject) -> Table:
    """Return all that a model says of log p(x) of test examples, its kind marked, and its protocol named.

    A row is a protocol: exact, the evidence lower bound, the importance-weighted bound, annealed importance sampling,
    and the Parzen estimate; the last two where they take about a minute at most. The second column is the other side of
    the bracket, where there is one; of annealing it is that of simulated examples, in a row of their own.

    Args:
        subject: a model, under a protocol.

    Raises:
        Unanswered: where a model says nothing of it.

    Example:
        >>> import triptych as tp
        >>> from triptych.evaluation import Protocol
        >>> train, test = tp.data.load("ring", count=80)
        >>> model = tp.build("made", train.event, hidden=8)
        >>> found = likelihood(Subject(model, Protocol.prepare(train, test)))
        >>> list(found.rows)
        ['exact@test-20, a density', 'kde-16k@test-20, a density']
    """
    model = subject.model
    of_data = "a probability" if model.event.is_image else "a density"
    rows: dict[str, Row] = {}
    if isinstance(model, Bounded):
        rows |= {_name(row[0], of_data): row for row in _bounds(subject)}
    for add in (_annealed, _parzen):
        try:
            rows |= add(subject)
        except Unanswered:  # a way of measuring that is not the model's
            continue
    if not rows:
        raise Unanswered(f"{type(model).__name__} says nothing of log p(x), and does not sample")
    measure = _PROBABILITIES.format(levels=model.event.levels) if model.event.is_image else _DENSITIES
    title = f"log p(x) of up to {len(subject.protocol.scored):,} test examples"
    return Table(title, COLUMNS, rows, _NOTE.format(measure=measure))


def _none(unit: str, note: str) -> Figure:
    return Figure(None, unit=unit, note=note)


def _row(nats: Figure, above: Figure | None = None, bits: Figure | None = None) -> Row:
    return (
        nats,
        above or _none("nats", "no upper bound is known"),
        bits or _none("bits/dim", "of exact values and bounds on probabilities"),
    )


def _name(nats: Figure, what: str) -> str:
    return f"{nats.protocol}, {what}"


def _bounds(subject: Subject) -> list[Row]:
    """Return the rows of exact values and of bounds, with the other side of the bracket where there is one."""
    model, protocol, found = subject.model, subject.protocol, subject.likelihood
    if isinstance(model, Density):
        return [(found.nats, found.nats, found.bits_per_dim)]
    if isinstance(model, ImportanceWeighted):
        elbo = likelihood_figures(model, subject.nested.bounds[:, 0], 1).nats
        name = likelihood_protocol(model, len(subject.nested.rate), "elbo")
        return [_row(replace(elbo, protocol=name)), _row(found.nats, None, found.bits_per_dim)]
    assert isinstance(model, Bounded)
    upper = model.log_prob_bounds(protocol.scored, samples=protocol.importance).upper
    above = None
    if bool(torch.isfinite(upper).all()):
        above = Figure(*mean_and_error(upper), "nats", found.nats.protocol, "≤")
    return [_row(found.nats, above, found.bits_per_dim)]


def _annealed(subject: Subject) -> dict[str, Row]:
    """Return the rows of annealing: of test examples, and of simulated ones from both sides."""
    asked = annealer(subject)
    steps, chains = subject.protocol.annealing
    weights = sum(parameter.numel() for parameter in asked.model.parameters())
    moved = (len(asked.scored) + 2 * SIMULATED) * chains * steps * LEAPFROGS
    if moved * weights > _CHEAP:
        return _long(f"ais-{steps}x{chains}")
    own_law = asked.observation.scale is None
    what = "a probability" if own_law and subject.model.event.is_image else "a density"
    estimate, sides = annealed_figure(asked), bracketed(asked)
    return {_name(estimate, what): _row(estimate), _name(sides.lower, what): _row(sides.lower, sides.upper)}


def _parzen(subject: Subject) -> dict[str, Row]:
    """Return the row of the Parzen estimate, of models that sample fast."""
    protocol = subject.protocol
    if not isinstance(subject.model, Sampler):
        return {}
    slow = not isinstance(subject.model, LatentSampler) and protocol.event.is_image
    if slow or protocol.kernels * len(protocol.scored) * protocol.event.dims > _CHEAP:
        return _long(f"kde-{counted(protocol.kernels)}")
    found = parzen_figure(subject)
    return {_name(found, "a density"): _row(found)}


def _long(name: str) -> dict[str, Row]:
    return {name: _row(_none("nats", f"takes more than a minute: ask for {name}"))}
