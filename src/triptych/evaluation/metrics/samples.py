"""Samples against data: distances between sets, what samples cover of the data, and what gives them away."""

from __future__ import annotations

from triptych.evaluation.figure import Figure
from triptych.evaluation.metrics.registry import SAMPLES, metric
from triptych.evaluation.subject import Subject


@metric("Fréchet distance to test data", "Fréchet", SAMPLES, better=-1, sized="samples", featured=True)
def fid(subject: Subject) -> Figure:
    """Return the Fréchet distance of n samples to n test examples, on the protocol's features."""
    return subject.protocol.frechet(subject.features)
