"""What a model costs: time to train and to ask, and its size."""

from __future__ import annotations

from triptych.evaluation.figure import Figure
from triptych.evaluation.metrics.registry import COST, metric
from triptych.evaluation.speed import sampling_speed
from triptych.evaluation.subject import Subject, Unanswered
from triptych.models.questions import Sampler
from triptych.noise import mix


@metric("Sampling speed", "samples/s", COST, better=1)
def speed(subject: Subject) -> Figure:
    """Return how many samples a second the model draws, warm."""
    if not isinstance(subject.model, Sampler):
        raise Unanswered(f"{type(subject.model).__name__} does not sample")
    return sampling_speed(subject.model, seed=mix(subject.protocol.seed, 6))


@metric("Parameters", "parameters", COST)
def parameters(subject: Subject) -> Figure:
    """Return the number of parameters."""
    return Figure(sum(p.numel() for p in subject.any_model.parameters()))


@metric("Training time", "training, s", COST)
def training_time(subject: Subject) -> Figure:
    """Return the training time in seconds, pictures and checkpoints not counted."""
    if subject.any_model and subject.training_seconds is None:
        return Figure(None, unit="s", note="not recorded: the model came trained")
    return Figure(subject.training_seconds, None, "s", "training-clock")


@metric("Training rounds", "rounds", COST)
def training_rounds(subject: Subject) -> Figure:
    """Return how many rounds the model was trained for; what one costs differs from model to model."""
    if subject.any_model and subject.training_rounds is None:
        return Figure(None, note="not recorded: the model came trained")
    return Figure(subject.training_rounds)
