"""Every metric: one function each, from a subject to a figure. The files are read in the order of the report."""

from triptych.evaluation.figures.registry import GROUPS, METRICS, Metric  # isort: skip
from triptych.evaluation.figures import likelihood, samples, sets, novelty, codes, uses, training, cost  # isort: skip  # noqa: F401

__all__ = ["GROUPS", "METRICS", "Metric"]
