"""The threads of a training: chosen by timing, watched while it trains, kept in the run.

Another number of threads adds the terms of a sum in another order and so changes its last bits. A run therefore keeps
the numbers that it used, and from which step on. A resumed or replayed run uses the same numbers at the same steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from triptych.errors import ConfigurationError
from triptych.running import threads
from triptych.running.watchdog import Watchdog
from triptych.training.rundir import read_config

WORTH = 1.0
"""Seconds of training below which timing threads does not pay."""
LONG = 0.5
"""Seconds into a round after which it is left, and not timed."""
SHARE = 0.05
"""Share of the budget that timing may take."""
WATCHED = "auto:"
"""Begins the stored numbers of a run whose threads are watched."""
_NUMBER = re.compile("[0-9]+")


class Schedule:
    """Numbers of threads by step: `2`, or `2,1@340` for 1 thread from step 340 on.

    Args:
        text: as a user types it, or as a run's `config.yaml` has it.

    Raises:
        ConfigurationError: if it is not a schedule.

    Example:
        >>> schedule = Schedule("1")
        >>> schedule.change(340, 2)
        >>> str(schedule), schedule.at(339), schedule.at(340)
        ('1,2@340', 1, 2)
    """

    def __init__(self, text: str | int) -> None:
        self.changes: dict[int, int] = {}
        entries = str(text).removeprefix(WATCHED).split(",")
        for number, step in (_entry(part, str(text)) for part in entries):
            if (step == 0) == bool(self.changes):
                raise _refused(str(text))
            self.changes[step] = number

    def at(self, step: int) -> int:
        """Return the number of threads of the round that follows `step` rounds."""
        return self.changes[max(since for since in self.changes if since <= step)]

    def change(self, step: int, number: int) -> None:
        """Use `number` threads from `step` on, and drop later changes."""
        self.changes = {since: n for since, n in self.changes.items() if since < step}
        if not self.changes or self.at(step) != number:
            self.changes[step] = number

    def __str__(self) -> str:
        """Return the text that makes the same schedule."""
        return ",".join(f"{n}@{since}" if since else f"{n}" for since, n in sorted(self.changes.items()))


def _refused(text: str) -> ConfigurationError:
    most = threads.processors()
    return ConfigurationError(
        f"threads={text or repr(text)}: expected auto, a number from 1 to {most}, or numbers by step such as 2,1@340"
    )


def _entry(part: str, text: str) -> tuple[int, int]:
    number, at, step = part.partition("@")
    if not _NUMBER.fullmatch(number) or int(number) < 1 or (at and not _NUMBER.fullmatch(step)):
        raise _refused(text)
    return int(number), int(step or 0)


def check(asked: str | int) -> None:
    """Raise `ConfigurationError` unless `asked` is `auto`, or a schedule of no more threads than processors."""
    if str(asked) != threads.AUTO:
        for number in Schedule(asked).changes.values():
            threads.read(number)


def stored(run: Path | None) -> str:
    """Return the numbers of threads that the run in a directory used, "" if it does not say."""
    if run is None or not (run / "config.yaml").exists():
        return ""
    return str(read_config(run / "config.yaml").get("training", {}).get("threads") or "")


class Threads:
    """The threads of one training: planned, chosen, set and watched.

    Args:
        asked: `auto`, or numbers by step.
        kept: what `stored` found of the run that goes on.
        step: rounds done.
        world: processes that share each minibatch; with several, nothing is timed, for they wait for each other.
        fixed: neither time nor watch, because training is on a GPU or the networks are compiled.
    """

    def __init__(self, asked: str | int, kept: str, step: int, *, world: int = 1, fixed: bool = False) -> None:
        self.step, self.most = step, max(1, threads.available() // world)
        own = kept.removeprefix(WATCHED)
        self.used = None if own in ("", threads.AUTO) else Schedule(own)
        """What the run used before it was interrupted."""
        chooses = str(asked) == threads.AUTO
        self.watched = chooses and (self.used is None or kept.startswith(WATCHED))
        self.schedule: Schedule | None = None
        if chooses and self.used is not None and self.used.at(step) <= self.most:
            self.schedule = self.used
        elif not chooses and (len(Schedule(asked).changes) > 1 or self.used is None):
            self.schedule = Schedule(asked)
        elif not chooses:
            self._settle(Schedule(asked).at(0))
        elif fixed or world > 1 or self.most == 1:
            self._settle(self.most)
        self.watched = self.watched and not fixed and world == 1 and self.most > 1
        self.watchdog: Watchdog | None = None
        self.times: dict[int, float] = {}

    def _settle(self, number: int) -> None:
        """Use a number of threads from the next round on."""
        self.schedule = self.used or Schedule(number)
        self.schedule.change(self.step, number)

    def choose(self, work: Callable[[], object], rounds: int | None, seconds: float | None) -> None:
        """Choose the fewest threads that are within a tenth of the fastest.

        Rounds that take longer than `LONG` are not repeated: networks so large gain from all processors that are free.

        Args:
            work: plays a round.
            rounds: that are left, if they are the budget.
            seconds: that are left, if they are the budget.
        """
        before = threads.preemptions()
        with threads.using(self.most):
            once = threads.once(work, LONG)
        if once is None:
            self._settle(1 if threads.crowded(before) else self.most)
            return
        total = seconds if rounds is None else rounds * once
        self.times = {1: once}
        if total is not None and total >= WORTH:
            self.times = threads.timed(work, self.most, SHARE * total)
        self._settle(threads.fewest(self.times))

    def begin(self, step: int) -> None:
        """Set the threads for the round that follows `step` rounds."""
        if self.schedule is None:
            self._settle(self.most)
        assert self.schedule is not None
        number = self.schedule.at(step)
        threads.use(number)
        if self.watched and step >= max(self.schedule.changes):
            self.watchdog = Watchdog(number, self.most, self.times)

    def saw(self, step: int, seconds: float) -> bool:
        """Take in the time of a round, and set the threads for the next; return whether the schedule changed.

        Args:
            step: rounds done.
            seconds: that the last one took.
        """
        assert self.schedule is not None, "choose comes first"
        if step in self.schedule.changes:
            self.begin(step)
            return False
        if self.watchdog is None or (number := self.watchdog.saw(seconds)) == self.schedule.at(step):
            return False
        self.schedule.change(step, number)
        threads.use(number)
        return True

    def told(self) -> str:
        """Return what changed for good since the last call, in words; "" for nothing."""
        if self.watchdog is None:
            return ""
        line, self.watchdog.told = self.watchdog.told, ""
        return line

    def __str__(self) -> str:
        """Return what the run keeps: the schedule, and whether it is watched."""
        return f"{WATCHED if self.watched else ''}{self.schedule}"
