"""What a classifier gets right of what it answers, and whether its probabilities are true: a picture of both."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from torch import Tensor

from triptych.evaluation.studies.reject import accuracy_coverage
from triptych.metrics.calibration import BINS, reliability
from triptych.pictures import GREY, axes_style
from triptych.queries.classification import Posterior
from triptych.reports.curves import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def rejection_picture(posterior: Posterior, labels: Tensor) -> bytes:
    """Draw accuracy against coverage by both rules of rejection, and beside it the reliability of the posterior.

    Bands and bars are a binomial standard error. Of the reliability diagram the area of a point tells how many examples
    it is of; a calibrated classifier lies on the diagonal.

    Args:
        posterior: of N examples.
        labels: `(N,)` their true classes.

    Returns:
        The PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    hits = posterior.predicted == labels
    rules = {"rejected by posterior": posterior.log_odds, "rejected by p(x)": posterior.log_evidence}
    for (name, certainty), colour in zip(rules.items(), COLOURS, strict=False):
        _coverage(left, name, certainty, hits, colour)
    left.set_xlabel("answered, %", fontsize=8, color=GREY)
    left.set_ylabel("right of them, %", fontsize=8, color=GREY)
    left.legend(fontsize=7, frameon=False, labelcolor=GREY, loc="lower left")
    _reliability(right, posterior.confidence, hits)
    for axes in (left, right):
        axes_style(axes)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return file.getvalue()


def _coverage(axes: Axes, name: str, certainty: Tensor, hits: Tensor, colour: str) -> None:
    """Draw a curve with its band, from a twentieth of the examples on: of fewer it is chance."""
    coverage, accuracy = (side[len(hits) // 20 :] for side in accuracy_coverage(certainty, hits))
    answered = coverage / 100 * len(hits)
    share = (accuracy / 100 * answered + 1) / (answered + 2)
    error = 100 * (share * (1 - share) / answered).sqrt()
    axes.plot(coverage.numpy(), accuracy.numpy(), color=colour, linewidth=1.3, label=name)
    low, high = (accuracy - error).numpy(), (accuracy + error).clamp(max=100).numpy()
    axes.fill_between(coverage.numpy(), low, high, color=colour, alpha=0.2, linewidth=0)


def _reliability(axes: Axes, confidence: Tensor, hits: Tensor) -> None:
    bins = reliability(confidence, hits)
    axes.plot([0, 100], [0, 100], color=GREY, linewidth=0.8, linestyle=":")
    told = [100 * one.confidence for one in bins]
    true = [one.accuracy.value or 0.0 for one in bins]
    errors = [one.accuracy.error or 0.0 for one in bins]
    bars = [
        [min(e, y) for e, y in zip(errors, true, strict=True)],
        [min(e, 100 - y) for e, y in zip(errors, true, strict=True)],
    ]
    axes.errorbar(told, true, bars, color=COLOURS[0], linestyle="none", linewidth=1)
    axes.scatter(told, true, s=[8 + 120 * one.members / len(hits) for one in bins], color=COLOURS[0])
    axes.set_xlabel(f"posterior that was told, %, {BINS} bins", fontsize=8, color=GREY)
    axes.set_ylabel("right, %", fontsize=8, color=GREY)
