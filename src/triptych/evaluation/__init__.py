"""Measures that can be trusted: formulas of tensors, protocols that are names, figures with errors."""

from triptych.evaluation.distances import Moments, frechet_between, frechet_distance, frechet_error, moments
from triptych.evaluation.features import Extractor, pixels, resolve_extractor
from triptych.evaluation.figure import Figure
from triptych.evaluation.likelihood import Likelihood, log_likelihood, mean_and_error
from triptych.evaluation.measure import Measures, measure, reference
from triptych.evaluation.metrics import METRICS, Metric, metric
from triptych.evaluation.novelty import Nearest, nearest, share, threshold
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.speed import sampling_speed
from triptych.evaluation.subject import Subject, Unanswered

__all__ = [
    "METRICS",
    "Extractor",
    "Figure",
    "Likelihood",
    "Measures",
    "Metric",
    "Moments",
    "Nearest",
    "Protocol",
    "Subject",
    "Unanswered",
    "frechet_between",
    "frechet_distance",
    "frechet_error",
    "log_likelihood",
    "mean_and_error",
    "measure",
    "metric",
    "moments",
    "nearest",
    "pixels",
    "reference",
    "resolve_extractor",
    "sampling_speed",
    "share",
    "threshold",
]
