"""Studies: what one asks of a single model beyond the comparison's metrics, one function and one table each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from triptych.errors import check_known
from triptych.evaluation.subject import Subject
from triptych.metrics.figure import Figure


@dataclass(frozen=True)
class Table:
    """What a study found.

    Args:
        title: what was measured, of what.
        columns: names of the figures in a row.
        rows: figures by the row's name, in the order of the columns.
        note: the protocol in words, and what to keep in mind.
    """

    title: str
    columns: tuple[str, ...]
    rows: dict[str, tuple[Figure, ...]]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        rows = {
            name: {column: figure.to_dict() for column, figure in zip(self.columns, figures, strict=True)}
            for name, figures in self.rows.items()
        }
        return {"title": self.title, "rows": rows, "note": self.note}


Study = Callable[[Subject], Table]
"""From a subject to a table; raises `Unanswered` or `UnsupportedQuery` with the reason where there is none."""

STUDIES: dict[str, str] = {
    "likelihood": "evidence",
    "bounds": "bounds",
    "fid-bias": "extrapolation",
    "annealing": "annealed",
    "clusters": "representation",
    "probe": "representation",
    "disentanglement": "disentanglement",
    "agreement": "agreement",
    "matching": "matching",
    "domains": "correspondence",
    "identity": "correspondence",
    "parzen": "parzen",
    "parzen-sklearn": "parzen",
    "reject": "reject",
    "outliers": "outliers",
    "duplicates": "duplicates",
}
"""Every study by the name that `evaluate --metrics` takes, and the module of this package that has it."""


def find_study(name: str) -> Study:
    """Return the study of a name.

    Raises:
        ConfigurationError: for a name that is not there, with the nearest ones.
    """
    check_known("study", name, STUDIES)
    found: Study = getattr(import_module(f"triptych.evaluation.studies.{STUDIES[name]}"), name.replace("-", "_"))
    return found
