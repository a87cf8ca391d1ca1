"""What a model's codes keep of an example."""

from __future__ import annotations

from triptych.evaluation.figures.registry import CODES, METRICS
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.questions import Reconstructor
from triptych.queries import squared_errors


@METRICS.register("reconstruction", "Reconstruction error", "reconstruction", CODES, better=-1)
def reconstruction(subject: Subject) -> Figure:
    """Return the mean squared error of reconstructing test examples from their codes; see `squared_errors`."""
    scored = subject.protocol.scored
    if not isinstance(subject.model, Reconstructor):
        raise Unanswered(f"{type(subject.model).__name__} does not reconstruct")
    mean, error = mean_and_error(squared_errors(subject.model.reconstruct(scored), scored))
    return Figure(mean, error, "", f"mse-{len(scored)}")
