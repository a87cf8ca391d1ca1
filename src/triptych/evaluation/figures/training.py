"""How a model's training went."""

from __future__ import annotations

from triptych.evaluation.figures.registry import METRICS, TRAINING
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure
from triptych.metrics.steadiness import FEWEST, lost


@METRICS.register("lost-progress", "Progress lost again by the end", "lost again, %", TRAINING, better=-1)
def lost_progress(subject: Subject) -> Figure:
    """Return the share of its progress on unseen data that the training had lost again by its end; see `lost`."""
    course = subject.course
    if not subject.any_model or course is None:
        raise Unanswered("nothing was examined on unseen data in its training")
    found = lost(course.values)
    if found is None:
        few = f"examinations in its training: {len(course.values)}, expected at least {FEWEST}, train longer"
        raise Unanswered(few if len(course.values) < FEWEST else "it never was better than in the beginning")
    return Figure(*found, "%", f"lost-of-{len(course.values)}@{course.measure}")
