"""How far a long answer is."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

Part = TypeVar("Part")


def watched(parts: Sequence[Part], told: str, progress: bool) -> Iterator[Part]:
    """Yield each part of a task, and show how many are done where the standard error is a terminal.

    Args:
        parts: what is worked on, one after the other.
        told: what is being done, such as "weighing codes".
        progress: False to show nothing.

    Example:
        >>> list(watched(range(3), "counting", progress=False))
        [0, 1, 2]
    """
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not (progress and sys.stderr.isatty())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=hidden) as bar:
        yield from bar.track(parts, description=told)
