"""How probable unseen examples are: exactly, by a bound, or by an estimate; the figure's mark says which."""

from __future__ import annotations

from triptych.evaluation.figures.registry import LIKELIHOOD, METRICS
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.models.questions import Density


@METRICS.register("nats", "Test log-likelihood", "log p(x), nats", LIKELIHOOD, better=1, sized="importance")
def nats(subject: Subject) -> Figure:
    """Return the mean log p(x) of test examples, or a bound on it, in nats; see `log_likelihood`."""
    return subject.likelihood.nats


@METRICS.register("bits-per-dim", "Test bits per dimension", "bits/dim", LIKELIHOOD, better=-1, sized="importance")
def bits_per_dim(subject: Subject) -> Figure:
    """Return the same in bits per dimension."""
    return subject.likelihood.bits_per_dim


@METRICS.register("exact", "Exact log-likelihood", "exact, nats", LIKELIHOOD, better=1, compared=False)
def exact(subject: Subject) -> Figure:
    """Return the mean log p(x) of test examples, of models that know it."""
    if not isinstance(subject.model, Density):
        raise Unanswered(f"{type(subject.model).__name__} does not know log p(x) exactly: ask for iwae, ais or kde")
    return subject.likelihood.nats


@METRICS.register(
    "iwae", "Importance-weighted bound", "bound, nats", LIKELIHOOD, better=1, sized="importance", compared=False
)
def iwae(subject: Subject) -> Figure:
    """Return the mean importance-weighted bound of K codes on log p(x) of test examples; see `nested_bounds`."""
    if not isinstance(subject.model, Density):
        subject.nested  # noqa: B018  (which says why there is none)
        return subject.likelihood.nats
    raise Unanswered(f"{type(subject.model).__name__} has log p(x) exactly: ask for exact")


@METRICS.register(
    "ais", "Annealed importance sampling", "annealed, nats", LIKELIHOOD, better=1, sized="annealing", compared=False
)
def ais(subject: Subject) -> Figure:
    """Return the mean log p(x) of test examples as annealed chains of codes estimate it; see `annealing.forward`."""
    from triptych.evaluation.studies.annealed import annealed_figure, annealer

    return annealed_figure(annealer(subject))


@METRICS.register("kde", "Parzen estimate", "Parzen, nats", LIKELIHOOD, better=1, sized="kernels", compared=False)
def kde(subject: Subject) -> Figure:
    """Return the mean log-density of test examples under a Gaussian kernel on each of n samples; see `parzen`."""
    from triptych.evaluation.studies.parzen import parzen_figure

    return parzen_figure(subject)
