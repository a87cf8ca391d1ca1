"""How probable unseen examples are: exactly, by a bound, or by an estimate; the figure's mark says which."""

from __future__ import annotations

from triptych.evaluation.figure import Figure
from triptych.evaluation.metrics.registry import LIKELIHOOD, metric
from triptych.evaluation.subject import Subject


@metric("Test log-likelihood", "log p(x), nats", LIKELIHOOD, better=1, sized="importance")
def nats(subject: Subject) -> Figure:
    """Return the mean log p(x) of test examples, or a bound on it, in nats; see `log_likelihood`."""
    return subject.likelihood.nats


@metric("Test bits per dimension", "bits/dim", LIKELIHOOD, better=-1, sized="importance")
def bits_per_dim(subject: Subject) -> Figure:
    """Return the same in bits per dimension."""
    return subject.likelihood.bits_per_dim
