"""When to report, to validate, to draw a picture and to write a checkpoint; and how long all that still takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from triptych.training.budget import Budget
from triptych.training.config import OutputConfig

PICTURES, VALIDATIONS = 10, 50
"""How many there are in a budget, if the user does not say."""


class Marks:
    """When the next validation, picture and checkpoint are due."""

    def __init__(self, output: OutputConfig, budget: Budget, step: int, seconds: float) -> None:
        self.sample_every = output.sample_every
        self.checkpoint_every = output.checkpoint_every
        self.budget = budget
        fraction = budget.fraction(step, seconds)
        self.passed = {parts: int(parts * fraction) for parts in (PICTURES, VALIDATIONS)}
        self.clock = time.perf_counter()

    def due(self, step: int, seconds: float, reporting: bool, validating: bool) -> list[str]:
        """Return what is due after this round, in the order in which it is done.

        Args:
            step: rounds done.
            seconds: training time so far.
            reporting: whether a logging window ends.
            validating: whether the run validates its model.
        """
        validation = self._passes(VALIDATIONS, step, seconds) and validating
        picture = self._passes(PICTURES, step, seconds)
        if self.sample_every is not None:
            picture = step % self.sample_every == 0
        due = {
            "validation": validation,
            "report": reporting or validation,
            "picture": picture,
            "checkpoint": self._checkpoint_due(step),
        }
        return [name for name, now in due.items() if now]

    def _passes(self, parts: int, step: int, seconds: float) -> bool:
        """Return whether another such part of the budget is used up."""
        before, self.passed[parts] = self.passed[parts], int(parts * self.budget.fraction(step, seconds))
        return self.passed[parts] > before

    def _checkpoint_due(self, step: int) -> bool:
        if self.checkpoint_every is not None:
            return bool(step % self.checkpoint_every == 0)
        if time.perf_counter() - self.clock < 60:
            return False
        self.clock = time.perf_counter()
        return True


class Forecast:
    """How long a training still takes: its rounds, and its pauses for validation, pictures and reports.

    Args:
        budget: of the run.
        marks: when pauses are due.
        step: rounds done.
        seconds: training time so far.
    """

    def __init__(self, budget: Budget, marks: Marks, step: int, seconds: float) -> None:
        self.budget, self.marks = budget, marks
        self.step, self.seconds, self.begun = step, seconds, budget.fraction(step, seconds)
        self.pauses: dict[str, list[float]] = {}

    @contextmanager
    def pause(self, kind: str) -> Iterator[None]:
        """Within, time is spent on a pause of a kind."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.pauses.setdefault(kind, []).append(time.perf_counter() - started)

    def left(self, step: int, seconds: float) -> float | None:
        """Estimate the seconds left from the rounds and pauses of this process; None before its first round."""
        if step == self.step:
            return None
        fraction = self.budget.fraction(step, seconds)
        left, coming = max(0.0, (self.budget.seconds or 0.0) - seconds), VALIDATIONS
        if self.budget.steps is not None:
            coming = self.budget.steps - step
            left = coming * (seconds - self.seconds) / max(1, step - self.step)
        share = (1 - fraction) / (fraction - self.begun) if fraction > self.begun else 0.0
        known = {"validation": min(coming, VALIDATIONS - self.marks.passed[VALIDATIONS])}
        if self.marks.sample_every is None:
            known["picture"] = min(coming, PICTURES - self.marks.passed[PICTURES])
        for kind, spent in list(self.pauses.items()):
            left += sum(spent) * (known[kind] / len(spent) if kind in known else share)
        return left
