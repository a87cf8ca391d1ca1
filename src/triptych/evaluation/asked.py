"""What a user asks to be measured, by name: `fid-10k@pixels`, `iwae-5000`, `probe`. A name fixes a protocol."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import ConfigurationError, DataError, did_you_mean
from triptych.evaluation.figures import METRICS, Metric
from triptych.evaluation.protocol import KERNELS, Protocol
from triptych.evaluation.studies.registry import STUDIES

_NAME = re.compile(r"(?P<name>[a-z][a-z-]*?)(?:-(?P<size>\d+k?(?:x\d+)?))?(?:@(?P<extractor>.+))?")


@dataclass(frozen=True)
class Asked:
    """A name that was asked for, read.

    Args:
        text: as it was given.
        name: of the metric or study.
        size: what it says of sample counts, `10k` or `1000x16`; empty for what the protocol has.
        extractor: what it says of features; empty for what the protocol has.
    """

    text: str
    name: str
    size: str = ""
    extractor: str = ""

    @property
    def metric(self) -> Metric | None:
        """The metric of that name; None for a study."""
        return METRICS.get(self.name)

    def of(self, protocol: Protocol, cache: Path | None = None) -> Protocol:
        """Return the protocol that the name fixes; what it does not say is as in another.

        Args:
            protocol: the other.
            cache: folder of trained extractors.

        Raises:
            DataError: where there are too few examples for it, with how many there are.
            ConfigurationError: for an extractor that is not there.
        """
        changes: dict[str, Any] = {"extractor": self.extractor} if self.extractor else {}
        if self.size and self.metric is not None:
            changes[self.metric.sized] = _size(self.text, self.metric.sized, self.size)
        try:
            return protocol.changed(cache=cache, **changes)
        except DataError as error:
            raise DataError(f"{self.text}: {error}") from None


def read_asked(text: str) -> Asked:
    """Read a name `METRIC[-SIZE][@EXTRACTOR]`, or a study's.

    Raises:
        ConfigurationError: for a name that is not there, or a size or extractor where none is taken.

    Example:
        >>> read_asked("fid-10k@pixels")
        Asked(text='fid-10k@pixels', name='fid', size='10k', extractor='pixels')
    """
    text = text.strip()
    if not text or text.endswith("@"):
        raise ConfigurationError(
            f"{text or 'an empty name'}: expected METRIC[-SIZE][@FEATURES], such as fid-1000@pixels"
        )
    if text in STUDIES:
        return Asked(text, text)
    found = _NAME.fullmatch(text)
    name = found["name"] if found else text
    if not found or (name not in METRICS and name not in STUDIES):
        raise ConfigurationError(
            f"nothing is measured by the name {text!r}; {did_you_mean(name, ['summary', *METRICS, *STUDIES])}"
        )
    asked = Asked(text, name, found["size"] or "", found["extractor"] or "")
    metric = asked.metric
    if asked.size and not (metric and metric.sized):
        raise ConfigurationError(f"{text}: {name} takes no size, write {name}")
    if asked.extractor and not (metric and metric.featured):
        without = text.partition("@")[0]
        raise ConfigurationError(f"{text}: {name} is not measured on features, write {without}")
    if metric and asked.size:
        _size(text, metric.sized, asked.size)
    return asked


def _size(text: str, field: str, size: str) -> int | tuple[int, int]:
    """Return the value of a protocol's field that a size stands for."""
    pair = size.split("x")
    if (len(pair) == 2) != (field == "annealing"):
        expected = "steps and chains, 1000x16" if field == "annealing" else "one number, 1000 or 10k"
        raise ConfigurationError(f"{text}: expected a size of {expected}")
    if field == "annealing":
        return _number(pair[0]), _number(pair[1])
    return KERNELS if field != "importance" and size == "16k" else _number(size)


def _number(text: str) -> int:
    return int(text[:-1]) * 1000 if text.endswith("k") else int(text)
