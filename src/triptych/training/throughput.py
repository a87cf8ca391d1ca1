"""The threads of a training: chosen by timing, watched while it trains, kept in the run.

Another number of threads adds the terms of a sum in another order and so changes its last bits. A run therefore keeps
the numbers that it used, and from which step on. A resumed or replayed run uses the same numbers at the same steps.
"""

from __future__ import annotations

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


class Schedule:
    """Numbers of threads by step: `2`, or `2,1@340` for 1 thread from step 340 on.

    Args:
        text: as a user types it, or as `str` of another schedule gives it.

    Raises:
        ConfigurationError: if it is not a schedule, or asks for more threads than there are processors.

    Example:
        >>> schedule = Schedule("1")
        >>> schedule.change(340, 2)
        >>> str(schedule), schedule.at(339), schedule.at(340)
        ('1,2@340', 1, 2)
    """

    def __init__(self, text: str | int) -> None:
        self.changes: dict[int, int] = {}
        for number, step in (_entry(part, str(text)) for part in str(text).split(",")):
            if (step == 0) == bool(self.changes):
                raise ConfigurationError(f"threads={text}: {EXPECTED}")
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


EXPECTED = "expected auto, a number such as 2, or numbers by step such as 2,1@340"


def _entry(part: str, text: str) -> tuple[int, int]:
    number, at, step = part.partition("@")
    if not number.isdecimal() or (at and not step.isdecimal()):
        raise ConfigurationError(f"threads={text}: {EXPECTED}")
    threads.read(number)
    return int(number), int(step or 0)


def stored(run: Path | None) -> str:
    """Return the numbers of threads that the run in a directory used, "" if it does not say."""
    if run is None or not (run / "config.yaml").exists():
        return ""
    return str(read_config(run / "config.yaml").get("training", {}).get("threads") or "")


def planned(asked: str | int, kept: str, step: int) -> tuple[Schedule | None, bool]:
    """Return the numbers of threads to use, and whether to watch them; None where they must be chosen by timing.

    Args:
        asked: `auto`, or a schedule.
        kept: what `stored` found.
        step: rounds done.

    Example:
        >>> planned("auto", "auto:1", 100)[1], planned("auto", "1", 100)[1], planned("auto", "", 0)
        (True, False, (None, True))
    """
    own = kept.removeprefix(WATCHED)
    try:
        before = None if own in ("", threads.AUTO) else Schedule(own)
    except ConfigurationError:  # of a machine with more processors
        before = None
    if str(asked) == threads.AUTO:
        return before, before is None or kept.startswith(WATCHED)
    schedule = Schedule(asked)
    if step and before is not None and len(schedule.changes) == 1:
        before.change(step, schedule.at(0))
        return before, False
    return schedule, False


class Threads:
    """The threads of one training: planned, chosen, set and watched.

    Args:
        asked: `auto`, or numbers by step.
        kept: what `stored` found of the run that goes on.
        step: rounds done.
        world: processes that share each minibatch; with several, nothing is timed, for they wait for each other.
        fixed: do not time or watch either, because the processors do not train or each number is compiled anew.
    """

    def __init__(self, asked: str | int, kept: str, step: int, *, world: int = 1, fixed: bool = False) -> None:
        self.most = max(1, threads.available() // world)
        schedule, self.watched = planned(asked, kept, step)
        if schedule is None and (fixed or world > 1 or self.most == 1):
            schedule = Schedule(self.most)
        self.watched = self.watched and not fixed and world == 1 and self.most > 1
        self.schedule = schedule
        self.watchdog: Watchdog | None = None
        self.times: dict[int, float] = {}

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
            self.schedule = Schedule(1 if threads.crowded(before) else self.most)
            return
        total = seconds if rounds is None else rounds * once
        self.times = {1: once}
        if total is not None and total >= WORTH:
            self.times = threads.timed(work, self.most, SHARE * total)
        self.schedule = Schedule(threads.fewest(self.times))

    def begin(self, step: int) -> None:
        """Set the threads for the round that follows `step` rounds."""
        self.schedule = self.schedule or Schedule(self.most)
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
