"""One measured number: its value, its error, its unit, and the protocol that it was measured by."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

KINDS = ("", "=", "≥", "≤", "≈")
"""What a figure says of what it measures: measured (no mark), exact, lower bound, upper bound, estimate."""


@dataclass(frozen=True)
class Figure:
    """A measured number, or the reason why there is none.

    Figures of different protocols are not comparable.

    Args:
        value: in `unit`; None where the question has no answer.
        error: standard error in `unit`; None where it is not known.
        unit: "nats", "bits/dim", "%", "images/s", "s"; empty for a plain count or distance.
        protocol: name that fixes how it was measured: sample count, split, extractor.
        kind: for figures of log p(x): "=" exact, "≥" or "≤" a bound, "≈" an estimate; empty for others.
        note: why there is no value, or what a reader must know.

    Raises:
        ValueError: for a value or error that is not finite, an unknown kind, or no value and no note.

    Example:
        >>> Figure(-71.312, 0.61, "nats", "exact@test-360", "=").text
        '= −71.3 ± 0.6'
        >>> Figure(41234.5, 812.0, "images/s").text
        '41,200 ± 800'
    """

    value: float | None
    error: float | None = None
    unit: str = ""
    protocol: str = ""
    kind: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        """Reject what cannot be printed or compared."""
        if any(number is not None and not math.isfinite(number) for number in (self.value, self.error)):
            raise ValueError(f"a figure is finite, not {self.value} ± {self.error}: give None and a note")
        if self.kind not in KINDS:
            raise ValueError(f"no kind {self.kind!r} of figure: there is {', '.join(KINDS[1:])} and none")
        if self.value is None and not self.note:
            raise ValueError("a figure without a value needs a note that says why")

    @property
    def text(self) -> str:
        """The value rounded to its error, as every report prints it; "none" where there is no value."""
        if self.value is None:
            return "none"
        mark = f"{self.kind} " if self.kind else ""
        if not self.error:
            return mark + _plain(self.value)
        decimals = _decimals(self.error)
        return f"{mark}{_rounded(self.value, decimals)} ± {_rounded(self.error, decimals)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and `text`, as JSON can hold them."""
        return {**asdict(self), "text": self.text}


def mean_and_error(values: Tensor) -> tuple[float, float | None]:
    """Return the mean of `(N,)` values and its standard error `sd / √N` (sd with N - 1; None for one value).

    >>> import torch
    >>> mean, error = mean_and_error(torch.tensor([1.0, 2.0, 3.0]))
    >>> mean, round(error, 4)
    (2.0, 0.5774)
    """
    values = values.double()
    error = float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else None
    return float(values.mean()), error


def proportion(count: float, n: int, protocol: str = "") -> Figure:
    """Return a share k / n in %, with its binomial standard error.

    `√(q (1 - q) / n)`, with `q = (k + 1) / (n + 2)` rather than k / n, so that 0 of n has an error too
    (Laplace's rule).

    Args:
        count: k; not whole where it is an expectation.
        n: of how many.
        protocol: name to give the figure.

    Example:
        >>> proportion(2, 4).text
        '50 ± 25'
    """
    smoothed = (count + 1) / (n + 2)
    return Figure(100 * count / n, 100 * (smoothed * (1 - smoothed) / n) ** 0.5, "%", protocol)


def _decimals(error: float) -> int:
    """Return the decimals an error justifies: its first digit, and the second where the first is 1 or 2."""
    power = math.floor(math.log10(error))
    leading = round(error / 10.0**power, 6)
    return (1 if leading < 3 else 0) - power


def _rounded(number: float, decimals: int) -> str:
    text = f"{round(number, decimals):,.{max(decimals, 0)}f}"
    return text.replace("-", "−")


def _plain(number: float) -> str:
    """Return a number without error: whole ones in full, others to three significant digits."""
    if number == int(number):
        return _rounded(number, 0)
    return _rounded(number, 2 - math.floor(math.log10(abs(number))))
