"""What a model costs: time to train and to ask, and its size."""

from __future__ import annotations

from triptych.evaluation.cost import speed as times
from triptych.evaluation.cost.memory import sampling_memory
from triptych.evaluation.figures.registry import COST, METRICS
from triptych.evaluation.streams import Stream
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.models.questions import Bounded, Encoder, Sampler
from triptych.noise import mix


@METRICS.register("speed", "Sampling speed", "samples/s", COST, better=1)
def speed(subject: Subject) -> Figure:
    """Return how many samples a second the model draws, warm."""
    return times.sampling_speed(_sampler(subject), seed=mix(subject.protocol.seed, Stream.SAMPLING_SPEED))


@METRICS.register("latency", "Latency of one sample", "one sample, ms", COST, better=-1)
def latency(subject: Subject) -> Figure:
    """Return how long one sample takes, warm."""
    return times.latency(_sampler(subject), seed=mix(subject.protocol.seed, Stream.LATENCY))


@METRICS.register("scoring-speed", "Scoring speed", "scored/s", COST, better=1)
def scoring_speed(subject: Subject) -> Figure:
    """Return of how many examples a second log p(x) is told, or bounded by one code each, warm."""
    model = subject.model
    if not isinstance(model, Bounded):
        raise Unanswered(f"{type(model).__name__} gives no bound on log p(x)")
    return times.scoring_speed(model, subject.protocol.scored, seed=mix(subject.protocol.seed, Stream.SCORING_SPEED))


@METRICS.register("encoding-speed", "Encoding speed", "encoded/s", COST, better=1)
def encoding_speed(subject: Subject) -> Figure:
    """Return how many examples a second the model encodes, warm."""
    model = subject.model
    if not isinstance(model, Encoder):
        raise Unanswered(f"{type(model).__name__} does not encode")
    return times.encoding_speed(model, subject.protocol.scored)


@METRICS.register("memory", "Memory of sampling", "memory, MiB", COST, better=-1)
def memory(subject: Subject) -> Figure:
    """Return the most memory that drawing a batch of samples takes, weights included."""
    return sampling_memory(_sampler(subject), seed=mix(subject.protocol.seed, Stream.MEMORY))


def _sampler(subject: Subject) -> Sampler:
    if not isinstance(subject.model, Sampler):
        raise Unanswered(f"{type(subject.model).__name__} does not sample")
    return subject.model


@METRICS.register("parameters", "Parameters", "parameters", COST)
def parameters(subject: Subject) -> Figure:
    """Return the number of parameters."""
    return Figure(sum(p.numel() for p in subject.any_model.parameters()))


@METRICS.register("training-time", "Training time", "training, s", COST)
def training_time(subject: Subject) -> Figure:
    """Return the training time in seconds, pictures and checkpoints not counted."""
    if subject.any_model and subject.training_seconds is None:
        return Figure(None, unit="s", note="not recorded: the model came trained")
    return Figure(subject.training_seconds, None, "s", "training-clock")


@METRICS.register("training-rounds", "Training rounds", "rounds", COST)
def training_rounds(subject: Subject) -> Figure:
    """Return how many rounds the model was trained for; what one costs differs from model to model."""
    if subject.any_model and subject.training_rounds is None:
        return Figure(None, note="not recorded: the model came trained")
    return Figure(subject.training_rounds)
