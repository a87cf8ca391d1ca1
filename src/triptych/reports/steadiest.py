"""Which model trains most steadily: from the records of its trainings, never from a single lucky figure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from triptych.reports.panel import Panel
from triptych.reports.verdict import Verdict, apart, words
from triptych.training.diagnosis import diagnosed

PURPOSE, KEY = "Steadiest training", "lost-progress"
_OF_DATA = ("few examples", "missing labels")
"""Findings of the doctor that tell of the data, not of how a training went."""


def steadiest(panels: Sequence[Panel]) -> Verdict:
    """Return which model trains most steadily.

    A model is steady if no training of it diverged and the doctor found nothing in any. Among several steady models the
    one that had lost least of its progress by the end is taken, if it leads by two standard errors and all of them were
    examined on the same measure.

    Args:
        panels: one for each model, those that diverged included.
    """
    kept = [panel for panel in panels if panel.curves]
    if not kept:
        return Verdict(PURPOSE, KEY, None, "none of them", "No model here has records of its training.")
    found = {panel.measures.name: troubles(panel) for panel in kept}
    steady = [panel for panel in kept if not found[panel.measures.name]]
    more = "".join(f" {name}: {words(told)}." for name, told in found.items() if told)
    more += _spread(kept)
    if not steady:
        return Verdict(PURPOSE, KEY, None, "none of them", f"Nothing here trained without a finding.{more}")
    if len(steady) == 1:
        name = steady[0].measures.name
        alone = "the only one whose training was recorded" if len(kept) == 1 else "alone in that"
        return Verdict(
            PURPOSE, KEY, name, name, f"No divergence and no finding of the doctor, {alone}.{_lost(steady)}{more}"
        )
    return _least_lost(steady, more)


def troubles(panel: Panel) -> list[str]:
    """Return what went wrong in the trainings of a model, a few words each.

    Args:
        panel: with the records of its trainings.
    """
    names = [
        {finding.name for finding in diagnosed([dict(r) for r in records])}
        for records in (panel.curves, *panel.repeats)
    ]
    counted = {name: sum(name in one for one in names) for one in names for name in one if name not in _OF_DATA}
    told = [name if len(names) == 1 else f"{name} in {n} of {len(names)}" for name, n in sorted(counted.items())]
    if panel.diverged and "non-finite figures" not in counted:
        told.append("diverged")
    return told


def _least_lost(steady: Sequence[Panel], more: str) -> Verdict:
    """Return the verdict among models without findings."""
    having = [panel for panel in steady if panel.measures.figures[KEY].value is not None]
    having.sort(key=lambda panel: panel.measures.figures[KEY].value or 0.0)
    reason = f"No divergence and no finding in {words([p.measures.name for p in steady])}.{_lost(having)}"
    alike = len({panel.measures.figures[KEY].protocol for panel in steady}) == 1
    if len(having) == len(steady) and alike:
        first, second = having[0].measures, having[1].measures
        if apart(first.figures[KEY], second.figures[KEY]):
            return Verdict(PURPOSE, KEY, first.name, first.name, reason + more)
        return Verdict(PURPOSE, KEY, None, "no clear winner", f"{reason} Too close to tell apart.{more}")
    without = [panel.measures.name for panel in steady if panel not in having]
    if without:
        reason += f" Of {words(without)} it was not measured."
    elif not alike:
        reason += " These are shares of different measures, and not compared."
    return Verdict(PURPOSE, KEY, None, "no clear winner", reason + more)


def _lost(panels: Sequence[Panel]) -> str:
    """Return what models had lost of their progress, as a sentence."""
    figures = [(p.measures.name, p.measures.figures[KEY]) for p in panels if p.measures.figures[KEY].value is not None]
    told = words([f"{name} {figure.text} % ({figure.protocol})" for name, figure in figures]) if figures else ""
    return f" Progress lost again by the end: {told}." if told else ""


def _spread(panels: Sequence[Panel]) -> str:
    """Return how far the trainings of a model differ in their Fréchet distance, as a sentence."""
    told = []
    for panel in panels:
        values = [one.figures["fid"].value for one in panel.measures.seeds]
        having = [value for value in values if value is not None]
        if len(having) > 1 and fmean(having) > 0:
            told.append(
                f"{panel.measures.name} {100 * stdev(having) / fmean(having):.0f} % over {len(having)} trainings"
            )
    return f" Spread of the Fréchet distance (standard deviation over mean): {words(told)}." if told else ""
