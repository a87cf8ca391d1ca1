"""A finding: what is wrong with a training, since when, and what to try. And what looks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from triptych.specs import Registry
from triptych.training.logging import Record


@dataclass(frozen=True)
class Finding:
    """What is wrong with a training.

    Args:
        name: of what happened; its detector gives it.
        seen: what was seen, in words.
        threshold: from what on it is told.
        since: round after which it was first seen, and ever since.
        advice: what to try.

    Example:
        >>> found = Finding("0 of 8 units are active", "90 % are not", 300, "--free-bits 0.1")
        >>> print(replace(found, name="posterior collapse"))
        posterior collapse since round 300: 0 of 8 units are active (told if 90 % are not); try --free-bits 0.1
    """

    name: str = field(default="", kw_only=True)
    seen: str
    threshold: str
    since: int
    advice: str

    def __str__(self) -> str:
        """Return it in one line."""
        return f"{self.name} since round {self.since:,}: {self.seen} (told if {self.threshold}); try {self.advice}"


Detect = Callable[[Sequence[Record]], "Finding | None"]


@dataclass(frozen=True)
class Detector:
    """Looks for one thing that can go wrong.

    Args:
        detect: from the records of a run to what it finds at their end, if anything; the name is left out. The first
            line of its docstring says what it looks at.
        needs: the figure that it reads; it has looked if any record has it. A name that begins with "/" stands for all
            that end with it.
    """

    detect: Detect
    needs: str

    @property
    def name(self) -> str:
        """Its name in `DETECTORS`, of what it finds."""
        return DETECTORS.name_of(self)

    @property
    def summary(self) -> str:
        """What it looks at, in a sentence."""
        return (self.detect.__doc__ or "").strip().splitlines()[0]

    def find(self, records: Sequence[Record]) -> Finding | None:
        """Return what it finds at the end of some records, under its name."""
        found = self.detect(records)
        return found and replace(found, name=self.name)

    def looks(self, records: Sequence[Record]) -> bool:
        """Return whether the records have what it reads."""
        keys = {key for record in records for key in record}
        return any(key.endswith(self.needs) if self.needs.startswith("/") else key == self.needs for key in keys)


DETECTORS: Registry[Detector] = Registry("detector", Detector)
"""All that is looked for, by name: `@DETECTORS.register("dead critic", "examined/spread")` above what detects it."""


def diagnosed(records: Sequence[Record]) -> list[Finding]:
    """Return what all detectors find in the records of a run.

    >>> diagnosed([{"step": 500, "seconds": 1.0, "model/distortion": 90.0}])
    []
    """
    return [found for one in DETECTORS.values() if (found := one.find(records)) is not None]


def still(records: Sequence[Record], holds: Callable[[Record], bool]) -> Sequence[Record]:
    """Return the last records, as far back as something holds of all of them.

    >>> [r["step"] for r in still([{"step": 1}, {"step": 2}, {"step": 3}], lambda r: r["step"] != 1)]
    [2, 3]
    """
    first = next((i for i in range(len(records), 0, -1) if not holds(records[i - 1])), 0)
    return records[first:]
