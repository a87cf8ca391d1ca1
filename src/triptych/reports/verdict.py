"""Which model for which purpose, in plain words: each sentence stands on figures and their errors."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from triptych.evaluation.figures import METRICS
from triptych.evaluation.measure import Measures
from triptych.metrics.figure import Figure

CLEAR = 2.0
"""Combined standard errors by which two figures must differ to be told apart."""

QUESTIONS = {
    "Likelihood": "how probable is this example?",
    "Sample quality": "samples closest to real data",
    "Speed": "most samples a second",
    "Codes": "a short description of an example",
    "Safety against copying": "new examples, not training data",
    "Steadiest training": "no surprises on the way",
}
"""What each purpose means, in a few words."""


@dataclass(frozen=True)
class Verdict:
    """What the figures say for one purpose.

    Args:
        purpose: what a reader wants; a key of `QUESTIONS`.
        measure: key of the measure that it stands on.
        winner: name of the model to take; None where the figures do not tell.
        headline: the winner, or "no clear winner" and why.
        reason: the figures, in a sentence or two.
    """

    purpose: str
    measure: str
    winner: str | None
    headline: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, and what the purpose means, as JSON can hold them."""
        return {**asdict(self), "question": QUESTIONS[self.purpose]}


_COARSE = ("@coordinates", "@pixels", "@pixels-32")
_OF_SAMPLES = ("kid", "precision", "recall", "density", "coverage")
"""Measures of samples that may see another model ahead than the Fréchet distance."""


_COPIES = {
    "near-copies": "as they are",
    "feature-copies": "by features",
    "altered-copies": "up to a shift and brightness",
}
"""Measures of copies: of unseen real data each has about as many."""
_SEEDS = re.compile(r"\|(\d+-of-)?\d+-seeds")
_MARKED = ("nats", "bits-per-dim")
"""Measures whose figures say themselves how they were measured: exact =, bound ≥."""


def comparable(models: Sequence[Measures], key: str) -> bool:
    """Return whether figures may be compared: of one protocol, over however many seeds, or marked exact or bound.

    What is told the label of an example is not compared with what is not: log p(x | y) is of another question.
    """
    protocols = {_SEEDS.sub("", m.figures[key].protocol) for m in ranked(models, key)}
    told = {protocol.endswith("|label") for protocol in protocols}
    return len(protocols) <= 1 or (key in _MARKED and len(told) == 1)


def apart(a: Figure, b: Figure) -> bool:
    """Return whether two figures differ by at least two combined standard errors, `2 √(e1² + e2²)`.

    >>> apart(Figure(1.0, 0.3), Figure(2.0, 0.3)), apart(Figure(1.0, 0.4), Figure(2.0, 0.4))
    (True, False)
    """
    if a.value is None or b.value is None:
        return False
    gap, error = abs(a.value - b.value), math.hypot(a.error or 0.0, b.error or 0.0)
    return gap > 0 and gap >= CLEAR * error


def ranked(models: Sequence[Measures], key: str) -> list[Measures]:
    """Return the models that have a value of a measure, best first."""
    having = [(m.figures[key].value, m) for m in models if key in m.figures and m.figures[key].value is not None]
    having.sort(key=lambda pair: -METRICS[key].better * (pair[0] or 0.0))
    return [m for _, m in having]


def leaders(models: Sequence[Measures], key: str) -> list[Measures]:
    """Return the best model of a measure, and all that cannot be told from it."""
    order = ranked(models, key)
    return [m for m in order if m is order[0] or not apart(m.figures[key], order[0].figures[key])]


def verdicts(models: Sequence[Measures], reference: Measures, held_out_copies: Figure) -> list[Verdict]:
    """Return the verdict for each purpose, from the measures of the models alone.

    Args:
        models: what was measured of each.
        reference: the same of real training data.
        held_out_copies: near-copy share of unseen real data.
    """
    return [
        _likelihood(models),
        _samples(models, reference, held_out_copies),
        _speed(models),
        _codes(models),
        _copying(models, held_out_copies),
    ]


def words(names: Sequence[str]) -> str:
    """Return names as a list in a sentence: `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _tied(purpose: str, key: str, unit: str, best: Sequence[Measures], more: str = "") -> Verdict:
    figures = words([f"{m.name} {m.figures[key].text}" for m in best])
    reason = f"{figures}{unit}: too close to tell apart by two standard errors.{more}"
    return Verdict(purpose, key, None, "no clear winner", reason)


def _next(order: Sequence[Measures], key: str) -> str:
    return f"; next is {order[1].name} with {order[1].figures[key].text}" if len(order) > 1 else ""


def _likelihood(models: Sequence[Measures]) -> Verdict:
    purpose, key = "Likelihood", "nats"
    order, best = ranked(models, key), leaders(models, key)
    if not order:
        return Verdict(purpose, key, None, "none of them", "No model here gives log p(x) or a bound on it.")
    bounds = [m.name for m in order if m.figures[key].kind == "≥" and m is not order[0]]
    without = [m.name for m in models if m not in order]
    more = f" The figure of {words(bounds)} is a lower bound: the truth may be higher." if bounds else ""
    more += f" {words(without)} cannot say." if without else ""
    if not comparable(models, key):
        figures = words([f"{m.name} {m.figures[key].text} ({m.figures[key].protocol})" for m in order])
        reason = f"Some give log p(x) and some log p(x | label), which are not compared: {figures}.{more}"
        return Verdict(purpose, key, None, "no clear winner", reason)
    if len(best) > 1:
        return _tied(purpose, key, " nats", best, more)
    first = order[0].figures[key]
    how = {"=": "exact", "≥": "a lower bound"}.get(first.kind, "an estimate")
    reason = f"Log-likelihood of unseen examples {first.text} nats ({how}){_next(order, key)}.{more}"
    return Verdict(purpose, key, order[0].name, order[0].name, reason)


def _samples(models: Sequence[Measures], reference: Measures, held_out: Figure) -> Verdict:
    purpose, key = "Sample quality", "fid"
    order, best = ranked(models, key), leaders(models, key)
    if not order:
        return Verdict(purpose, key, None, "none of them", "No model here gave samples that can be measured.")
    more = f" Real training data scores {reference.figures[key].text}: the best that can be hoped for."
    for m in best:
        if copied := copied_by(m, held_out):
            how = f", {_COPIES[copied[0]]}" if copied[0] != "near-copies" else ""
            more += f" But {m.figures[copied[0]].text} % of {m.name}'s samples are near-copies{how}."
    more += _otherwise(models, best)
    if order[0].figures[key].protocol.split("|")[0].endswith(_COARSE):
        more += " It sees mean and covariance alone, on raw values: look at the pictures too."
    if len(best) > 1:
        return _tied(purpose, key, " (Fréchet distance)", best, more + _among(best))
    reason = f"Fréchet distance to test data {order[0].figures[key].text}{_next(order, key)}.{more}"
    return Verdict(purpose, key, order[0].name, order[0].name, reason)


def _otherwise(models: Sequence[Measures], best: Sequence[Measures]) -> str:
    """Say which other measures of samples see another model ahead of all that lead by the Fréchet distance."""
    told = []
    for key in _OF_SAMPLES:
        ahead = leaders(models, key)
        if ahead and all(m not in ahead for m in best):
            said = words([f"{m.name} {m.figures[key].text}" for m in (ahead[0], best[0])])
            told.append(f"{key} ({said})")
    return f" Another model is first by {words(told)}." if told else ""


def _among(best: Sequence[Measures]) -> str:
    """Say which other measures of samples tell apart those that the Fréchet distance does not."""
    first: dict[str, list[str]] = {}
    for key in _OF_SAMPLES:
        ahead = leaders(best, key)
        if len(ahead) == 1 and len(ranked(best, key)) > 1:
            first.setdefault(ahead[0].name, []).append(f"{key} ({ahead[0].figures[key].text})")
    return "".join(f" Of these {name} is first by {words(keys)}." for name, keys in first.items())


def _speed(models: Sequence[Measures]) -> Verdict:
    purpose, key = "Speed", "speed"
    order, best = ranked(models, key), leaders(models, key)
    if not order:
        return Verdict(purpose, key, None, "none of them", "No model here samples.")
    unit = order[0].figures[key].unit
    if len(best) > 1:
        return _tied(purpose, key, f" {unit}", best)
    slowest = order[-1]
    ratio = (order[0].figures[key].value or 0.0) / (slowest.figures[key].value or 1.0)
    more = f" {ratio:,.0f} times as fast as {slowest.name}." if len(order) > 1 and ratio >= 1.5 else ""
    if not comparable(models, key):
        more += " Slow models are timed on smaller batches."
    reason = f"{order[0].figures[key].text} {unit}{_next(order, key)}.{more}"
    return Verdict(purpose, key, order[0].name, order[0].name, reason)


def _codes(models: Sequence[Measures]) -> Verdict:
    purpose = "Codes"
    able = [m for m in models if "encode" in m.answers]
    key = "probe-accuracy" if ranked(able, "probe-accuracy") else "reconstruction"
    if not able:
        return Verdict(purpose, key, None, "none of them", "No model here finds the code of an example.")
    order, best = ranked(able, key), leaders(able, key)
    measured = {
        "probe-accuracy": "the accuracy of a linear classifier on them, %",
        "reconstruction": "their reconstruction error (longer codes tell more)",
    }[key]
    more = f" {words([m.name for m in models if m not in able])} finds none." if len(able) == len(models) - 1 else ""
    if len(able) == 1:
        figure = f": {measured}: {order[0].figures[key].text}" if order else "; what they are worth was not measured"
        return Verdict(
            purpose, key, able[0].name, able[0].name, f"Only {able[0].name} finds the code of an example{figure}."
        )
    if len(order) < len(able):
        figures = (
            f"{measured}: {words([f'{m.name} {m.figures[key].text}' for m in order])}"
            if order
            else "what they are worth"
        )
        reason = f"{words([m.name for m in able])} find codes; {figures}; of the others it was not measured."
        return Verdict(purpose, key, None, "no clear winner", reason)
    if len(best) > 1:
        return _tied(purpose, key, f" ({measured})", best, more)
    reason = f"Of codes, {measured}: {order[0].figures[key].text}{_next(order, key)}.{more}"
    return Verdict(purpose, key, order[0].name, order[0].name, reason)


def _copying(models: Sequence[Measures], held_out: Figure) -> Verdict:
    purpose, key = "Safety against copying", "near-copies"
    order = ranked(models, key)
    if not order and held_out.value is None:
        return Verdict(purpose, key, None, "no clear winner", f"{held_out.note}.")
    if not order:
        return Verdict(purpose, key, None, "none of them", "No model here gave samples that can be measured.")
    copying = [m for m in order if copied_by(m, held_out)]
    safe = [m.name for m in order if m not in copying]
    yardstick = f"Of unseen real data, {held_out.text} % is just as near to one training example."
    yardstick += "".join(_shares(order, other) for other in _COPIES if other != key)
    shares = words([f"{m.name} {m.figures[key].text}" for m in order])
    if not copying:
        reason = f"No model copies more than chance: {shares} % near-copies. {yardstick}"
        return Verdict(purpose, key, None, "no clear winner: none copies", reason)
    reason = f"Near-copies of training examples: {shares} %. {yardstick}"
    if len(safe) == 1:
        return Verdict(purpose, key, safe[0], safe[0], reason)
    return Verdict(purpose, key, None, f"not {words([m.name for m in copying])}", reason)


def _shares(models: Sequence[Measures], key: str) -> str:
    """Say what the same share is by another measure of copies, where it was taken."""
    having = [
        f"{m.name} {m.figures[key].text}" for m in models if key in m.figures and m.figures[key].value is not None
    ]
    return f" {_COPIES[key].capitalize()} the shares are {words(having)} %." if having else ""


def copied_by(model: Measures, held_out: Figure) -> list[str]:
    """Return the measures by which clearly more of a model's samples are copies than of unseen real data."""
    found = []
    for key in _COPIES:
        share = model.figures.get(key)
        if share is not None and (share.value or 0.0) > (held_out.value or 0.0) and apart(share, held_out):
            found.append(key)
    return found
