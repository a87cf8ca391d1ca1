"""Whether samples are new: how near they lie to training examples, beside unseen real data."""

from __future__ import annotations

from triptych.evaluation.figure import Figure
from triptych.evaluation.metrics.registry import NOVELTY, metric
from triptych.evaluation.subject import Subject


@metric("Near-copies of training data", "near-copies, %", NOVELTY, sized="samples")
def near_copies(subject: Subject) -> Figure:
    """Return the share of samples that are nearer to a training example than unseen data are, in %."""
    return subject.protocol.copies(subject.nearest)
