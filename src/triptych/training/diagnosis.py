"""What goes wrong in training without a loss saying so: figures of the model itself, and what they mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.models.questions import Encoder, ImportanceWeighted
from triptych.queries.activity import active_units
from triptych.training.budget import Budget
from triptych.training.logging import Record

EXAMPLES = 512
"""Most training examples that a model is examined on, spread evenly over the training split."""
ACTIVE, INACTIVE = "codes/active_units", "codes/inactive_units"
COLLAPSED = 0.9
"""Share of a code's units that are inactive, from which on the posterior has collapsed."""
WARM, ROUNDS = 3, 200
"""Examinations, and rounds, that are too early to judge by: codes begin to be used one after the other."""


@dataclass(frozen=True)
class Finding:
    """What is wrong with a training.

    Args:
        name: of what happened.
        seen: what was seen, in words.
        threshold: from what on it is told.
        since: round after which it was first seen, and ever since.
        advice: what to try.

    Example:
        >>> print(Finding("posterior collapse", "0 of 8 units are active", "90 % are not", 300, "--free-bits 0.1"))
        posterior collapse since round 300: 0 of 8 units are active (told if 90 % are not); try --free-bits 0.1
    """

    name: str
    seen: str
    threshold: str
    since: int
    advice: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.name} since round {self.since:,}: {self.seen} (told if {self.threshold}); try {self.advice}"


def examined(model: Model, train: Examples) -> Record:
    """Return figures of a model in training that its losses do not tell; none for models without any.

    Of models with codes and a bound: how many units of the code depend on the example; see `active_units`.

    Args:
        model: as it is.
        train: the training split.
    """
    if not (isinstance(model, ImportanceWeighted) and isinstance(model, Encoder)):
        return {}
    n = min(EXAMPLES, len(train))
    codes = model.encode(train[torch.arange(n) * len(train) // n])
    active = int(active_units(codes).sum()) if n > 1 else codes.shape[1]
    return {ACTIVE: active, INACTIVE: codes.shape[1] - active}


def examination_due(budget: Budget, record: Record, before: Sequence[Record]) -> bool:
    """Return whether a tenth of the budget has passed between the last of the earlier records and this one.

    A function of the records alone, so that a resumed run is examined when an uninterrupted one would be.

    >>> budget = Budget(steps=1000, seconds=None)
    >>> [examination_due(budget, {"step": step, "seconds": 1.0}, []) for step in (50, 100)]
    [False, True]
    """
    tenths = [int(10 * budget.fraction(int(r["step"]), r["seconds"])) for r in (*before[-1:], record)]
    return tenths[-1] > (tenths[0] if before else 0)


def posterior_collapse(records: Sequence[Record]) -> Finding | None:
    """Find whether hardly a unit of the code depends on the example any more (Bowman et al. 2016, §3)."""
    seen = [record for record in records if ACTIVE in record]
    last = _still(seen, lambda r: r[INACTIVE] >= COLLAPSED * (r[ACTIVE] + r[INACTIVE]))
    if not last or len(seen) < WARM or seen[-1]["step"] < ROUNDS:
        return None
    active, units = int(last[-1][ACTIVE]), int(last[-1][ACTIVE] + last[-1][INACTIVE])
    return Finding(
        "posterior collapse",
        f"{active} of {units} units of the code depend on the example",
        f"{COLLAPSED:.0%} do not",
        int(last[0]["step"]),
        "--kl-warmup over the first tenth of the rounds, --free-bits 0.1, a smaller --beta, or a smaller decoder",
    )


def _still(records: Sequence[Record], holds: Callable[[Record], bool]) -> Sequence[Record]:
    """Return the last records, as far back as something holds of all of them."""
    first = next((i for i in range(len(records), 0, -1) if not holds(records[i - 1])), 0)
    return records[first:]


DETECTORS: tuple[Callable[[Sequence[Record]], Finding | None], ...] = (posterior_collapse,)
"""Each from the records of a run to what it finds at their end, if anything."""


def diagnosed(records: Sequence[Record]) -> list[Finding]:
    """Return what all detectors find in the records of a run.

    >>> diagnosed([{"step": 500, "seconds": 1.0, "model/distortion": 90.0}])
    []
    """
    return [found for detect in DETECTORS if (found := detect(records)) is not None]
