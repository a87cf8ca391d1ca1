"""Whether samples are new: how near they lie to training examples, beside unseen real data."""

from __future__ import annotations

from triptych.evaluation.figures.registry import METRICS, NOVELTY
from triptych.evaluation.protocol import counted
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.alterations import SMALLEST, nearest_altered
from triptych.metrics.figure import Figure
from triptych.metrics.novelty import Nearest, copies, untold


@METRICS.register("near-copies", "Near-copies of training data", "near-copies, %", NOVELTY, sized="samples")
def near_copies(subject: Subject) -> Figure:
    """Return the share of samples that are nearer to a training example than unseen data are, in %."""
    found, protocol = subject.nearest, subject.protocol
    return _copies(found, protocol.held_out, f"near-copies-{counted(len(found.relative))}", protocol.space)


@METRICS.register("feature-copies", "Near-copies by features", "feature-copies, %", NOVELTY, featured=True)
def feature_copies(subject: Subject) -> Figure:
    """Return the share of samples whose features are nearer to a training example's than unseen data's are, in %."""
    found, protocol = subject.nearest_by_features, subject.protocol
    name = f"feature-copies-{counted(len(found.relative))}@{protocol.extractor.name}"
    return _copies(found, protocol.held_out_by_features, name, protocol.extractor.name)


@METRICS.register("altered-copies", "Shifted or brightened copies", "altered copies, %", NOVELTY, sized="samples")
def altered_copies(subject: Subject) -> Figure:
    """Return the share of near-copies up to a shift by a pixel and any brightness and contrast, in %."""
    protocol = subject.protocol
    if not protocol.event.is_image or min(protocol.event.shape[1:]) < SMALLEST:
        raise Unanswered(
            f"shifts and brightness are of images from {SMALLEST}×{SMALLEST} on, not of a {protocol.event}"
        )
    found = nearest_altered(subject.samples.data, protocol.train_outlines, protocol.event)
    name = f"altered-copies-{counted(len(found.relative))}"
    return _copies(found, protocol.held_out_altered, name, "pixels up to shift and brightness")


def _copies(found: Nearest, held_out: Nearest, name: str, space: str) -> Figure:
    if reason := untold(held_out.relative, space):
        raise Unanswered(reason)
    return copies(found.relative, held_out.relative, name)
