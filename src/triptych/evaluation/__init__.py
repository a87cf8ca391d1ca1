"""Measuring a model: features, protocols that are names, figures with errors, and studies of a single model."""

from triptych.evaluation.cost.speed import sampling_speed
from triptych.evaluation.features import Extractor, pixels, resolve_extractor
from triptych.evaluation.figures import METRICS, Metric
from triptych.evaluation.likelihood import Likelihood, log_likelihood
from triptych.evaluation.measure import Measures, measure, reference
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.subject import Subject, Unanswered

__all__ = [
    "METRICS",
    "Extractor",
    "Likelihood",
    "Measures",
    "Metric",
    "Protocol",
    "Subject",
    "Unanswered",
    "log_likelihood",
    "measure",
    "pixels",
    "reference",
    "resolve_extractor",
    "sampling_speed",
]
