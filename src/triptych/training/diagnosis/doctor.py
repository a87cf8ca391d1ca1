"""The doctor beside a training: examines when it is due, and says what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.models.questions import Judge
from triptych.processes import alone
from triptych.training.budget import Budget
from triptych.training.diagnosis.examination import EXAMPLES_SEEN, Examiner, examination_due
from triptych.training.diagnosis.finding import Finding, diagnosed
from triptych.training.logging import Record

TOLD = "finding/"
"""Begins the name of a figure that says what was found; its value is the round since which it holds."""


class Doctor:
    """Examines a model as its training goes on.

    Args:
        model: what is trained.
        train: the training split, with labels if it has any.
        budget: of the run.
        batch_size: real examples in a turn.
    """

    def __init__(self, model: Model, train: Examples, budget: Budget, batch_size: int) -> None:
        self.examiner, self.budget, self.batch_size = Examiner(model, train), budget, batch_size
        self.game = isinstance(model, Judge)
        self.found: list[Finding] = []
        self.told: set[str] = set()

    def see(
        self,
        record: Record,
        before: Sequence[Record],
        averaged: Callable[[], AbstractContextManager[None]] | None,
        say: Callable[[str], None],
    ) -> str:
        """Add to a record the figures of an examination, if one is due, and what they say.

        Args:
            record: that is about to be written.
            before: all earlier ones.
            averaged: makes a context in which the model has the weights that it is sampled with, if not its own.
            say: is given each finding, once.

        Returns:
            The name of what is wrong, "" for nothing.
        """
        if not any(EXAMPLES_SEEN in earlier for earlier in before):
            record |= self.examiner.of_data()
        if examination_due(self.budget, record, before, self.game, self.batch_size):
            with alone():  # one process of several examines
                record |= self.examiner.figures(averaged)
            self.found = diagnosed([*before, record])
            record |= {TOLD + finding.name: finding.since for finding in self.found}
            for finding in self.found:
                if finding.name not in self.told:
                    self.told.add(finding.name)
                    say(str(finding))
        return self.found[0].name if self.found else ""
