"""The registry of metrics: what a comparison measures of every model, and what can be asked for by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from triptych.errors import UnsupportedQuery
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.specs import Registry

LIKELIHOOD, SAMPLES, NOVELTY, CODES, USES, TRAINING, COST = GROUPS = (
    "likelihood",
    "samples against data",
    "novelty",
    "codes",
    "uses",
    "training",
    "cost",
)
"""Under which headings a report lists metrics."""

SIZES = ("samples", "importance", "kernels", "annealing")
"""What the size in a metric's name may set: fields of `Protocol`."""


@dataclass(frozen=True)
class Metric:
    """One metric; calling it gives a figure, without a value but with the reason where there is no answer.

    Args:
        function: from a subject to a figure.
        label: how a table calls it.
        short: the same where there is little room.
        group: under which heading, one of `GROUPS`.
        better: 1 if more is better, -1 if less is, 0 if neither.
        sized: the field of the protocol that a size in its name sets, `fid-10k`; empty for none.
        featured: whether it is measured on features, so that its name may choose the extractor, `fid@pixels`.
        compared: whether a comparison measures it unasked.
    """

    function: Callable[[Subject], Figure]
    label: str
    short: str
    group: str
    better: int = 0
    sized: str = ""
    featured: bool = False
    compared: bool = True

    def __post_init__(self) -> None:
        """Refuse what no table has a place for; features are those of samples."""
        if self.featured:
            object.__setattr__(self, "sized", self.sized or "samples")
        assert self.group in GROUPS and (not self.sized or self.sized in SIZES)

    def __call__(self, subject: Subject) -> Figure:
        """Measure a subject."""
        try:
            return self.function(subject)
        except (Unanswered, UnsupportedQuery) as reason:
            return Figure(None, note=str(reason))


METRICS: Registry[Metric] = Registry("metric", Metric)
"""Every metric by its name, in the order of the report: `@METRICS.register(name, label, short, group, ...)`."""
