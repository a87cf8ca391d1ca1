"""Formulas: pure functions of tensors and features, and the figures that they give. They know no model."""

from triptych.metrics.distances import Estimate, Moments, frechet_between, frechet_distance, moments
from triptych.metrics.figure import Figure, mean_and_error, proportion
from triptych.metrics.influence import frechet_error
from triptych.metrics.kernel import kernel_distance
from triptych.metrics.neighbourhoods import coverage, density, precision, recall
from triptych.metrics.novelty import Nearest, nearest, share, threshold

__all__ = [
    "Estimate",
    "Figure",
    "Moments",
    "Nearest",
    "coverage",
    "density",
    "frechet_between",
    "frechet_distance",
    "frechet_error",
    "kernel_distance",
    "mean_and_error",
    "moments",
    "nearest",
    "precision",
    "proportion",
    "recall",
    "share",
    "threshold",
]
