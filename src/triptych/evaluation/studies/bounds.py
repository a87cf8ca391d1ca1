"""The study of a bound on log p(x): its parts, what more codes add, and how much of the code is used."""

from __future__ import annotations

import torch

from triptych.evaluation.likelihood import likelihood_figures, likelihood_protocol
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.questions import Encoder
from triptych.queries.activity import ACTIVE, active_units

_NOTE = (
    "ELBO = -(distortion + rate); the bound of k codes is the mean over disjoint groups of k of the same codes; "
    "± standard error over examples"
)


def bounds(subject: Subject) -> Table:
    """Return the evidence lower bound with its parts, importance-weighted bounds, bits/dim and active units.

    See `nested_bounds` for the bounds and `active_units` for the last. All figures but those are in nats, means over
    the protocol's test examples with their standard errors.

    Args:
        subject: a model that weighs codes (a VAE), under a protocol whose `importance` is the largest k.

    Raises:
        Unanswered: for other models, or bounds that are not finite.
        UnsupportedQuery: for a model without any bound.

    Example:
        >>> import triptych as tp
        >>> from triptych.evaluation import Protocol
        >>> train, test = tp.data.load("ring", count=80)
        >>> protocol = Protocol.prepare(train, test, importance=10)
        >>> list(bounds(Subject(tp.VAE(train.event, latent=1), protocol)).rows)
        ['distortion, nats', 'rate, nats', 'ELBO, nats', 'k = 10, nats', 'active units of 1']
    """
    nested, model = subject.nested, subject.model
    count = len(nested.rate)
    if not bool(torch.isfinite(nested.bounds).all()):
        raise Unanswered(likelihood_figures(model, nested.bounds[:, 0], 1).nats.note)
    elbo = likelihood_protocol(model, count, "elbo")
    rows = {
        "distortion, nats": Figure(*mean_and_error(nested.distortion), "nats", elbo),
        "rate, nats": Figure(*mean_and_error(nested.rate), "nats", elbo),
    }
    for k, lower in zip(nested.samples, nested.bounds.T, strict=True):
        found = likelihood_figures(model, lower, k)
        rows["ELBO, nats" if k == 1 else f"k = {k:,}, nats"] = found.nats
    if model.event.is_image:
        rows[f"k = {k:,}, bits/dim"] = found.bits_per_dim
    note = _NOTE
    if isinstance(model, Encoder) and count > 1:
        active = active_units(model.encode(subject.protocol.scored))
        used = Figure(int(active.sum()), unit="units", protocol=f"active@test-{count}")
        rows[f"active units of {len(active)}"] = used
        note += f"; a unit is active if Var_x(E[z | x]) > {ACTIVE}"
    title = f"lower bounds on log p(x) of {count:,} test examples"
    return Table(title, ("value",), {name: (figure,) for name, figure in rows.items()}, note)
