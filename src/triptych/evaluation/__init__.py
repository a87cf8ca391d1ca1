"""Measures that can be trusted: formulas of tensors, protocols that are names, figures with errors."""

from triptych.evaluation.distances import Estimate, Moments, frechet_between, frechet_distance, moments
from triptych.evaluation.features import Extractor, pixels, resolve_extractor
from triptych.evaluation.figure import Figure
from triptych.evaluation.influence import frechet_error
from triptych.evaluation.kernel import kernel_distance
from triptych.evaluation.likelihood import Likelihood, log_likelihood, mean_and_error
from triptych.evaluation.measure import Measures, measure, reference
from triptych.evaluation.metrics import METRICS, Metric, metric
from triptych.evaluation.neighbourhoods import coverage, density, precision, recall
from triptych.evaluation.novelty import Nearest, nearest, share, threshold
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.speed import sampling_speed
from triptych.evaluation.subject import Subject, Unanswered

__all__ = [
    "METRICS",
    "Estimate",
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
    "coverage",
    "density",
    "frechet_between",
    "frechet_distance",
    "frechet_error",
    "kernel_distance",
    "log_likelihood",
    "mean_and_error",
    "measure",
    "metric",
    "moments",
    "nearest",
    "pixels",
    "precision",
    "recall",
    "reference",
    "resolve_extractor",
    "sampling_speed",
    "share",
    "threshold",
]
