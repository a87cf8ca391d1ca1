"""Watches the pace of a computation, and changes its number of threads when that helps."""

from __future__ import annotations

import time
from collections.abc import Mapping

from triptych.running import progress, threads

WINDOW = 1.0
"""Seconds of training that a throughput is measured over."""
COLLAPSED = 1.5
"""A round that takes this many times the forecast is a collapse."""
GAIN = 0.9
"""More threads are kept if a round then takes at most this share of its time before."""
PATIENCE = 1.0
"""Seconds on a crowded machine before fewer threads are tried; more of them each time they are no faster."""
RETRY = 60.0
"""Seconds of training before more threads are tried; doubled each time they gain nothing."""


class Watchdog:
    """Compares the time of a round with its forecast, and changes the number of threads when that helps.

    Fewer threads are tried for a window when rounds take `COLLAPSED` times as long as forecast, or when the machine is
    crowded: then threads wait for the slowest of them, and take the processors from others. More threads are tried
    every `RETRY` seconds, on a machine that is not crowded. A trial that gains nothing is taken back.

    Args:
        number: of threads now.
        most: threads.
        times: seconds a round by number of threads, as they were timed.
    """

    def __init__(self, number: int, most: int, times: Mapping[int, float]) -> None:
        self.number, self.most, self.times = number, most, times
        self.forecast = times.get(number)
        self.before: tuple[int, float] | None = None
        self.since, self.retry, self.patience = 0.0, RETRY, PATIENCE
        self.told = ""
        """What changed for good since it was last read, in words."""
        self._begin()

    def _begin(self) -> None:
        """Begin a window."""
        self.rounds, self.seconds = 0.0, 0.0
        self.preempted = threads.preemptions()

    def saw(self, seconds: float, rounds: float = 1) -> int:
        """Take in rounds that took so long; return the number of threads to go on with."""
        self.rounds += rounds
        self.seconds += seconds
        self.since += seconds
        if self.seconds >= WINDOW:
            each, crowded = self.seconds / self.rounds, threads.crowded(self.preempted)
            if self.before is not None:
                self._judge(each, crowded, *self.before)
            else:
                self._look(each, crowded)
            self._begin()
        return self.number

    def _look(self, each: float, crowded: bool) -> None:
        """Start a trial of another number of threads, if one is due."""
        collapsed = self.forecast is not None and each > COLLAPSED * self.forecast
        numbers = threads.candidates(self.most)
        fewer = [n for n in numbers if n < self.number]
        more = [n for n in numbers if n > self.number]
        if fewer and (collapsed or (crowded and self.since >= self.patience)):
            self.before, self.number = (self.number, each), fewer[-1]
        elif more and not crowded and self.since >= self.retry:
            self.before, self.number = (self.number, each), more[0]
        else:
            self.forecast = each if self.forecast is None else min(each, self.forecast)

    def _judge(self, each: float, crowded: bool, number: int, before: float) -> None:
        """Keep the trial, or take it back."""
        self.before, self.since = None, 0.0
        more = self.number > number
        if more:
            keeps = each <= GAIN * before and not crowded
        else:  # fewer that are about as fast leave the others their processors
            keeps = each <= (1 + threads.WITHIN) * before or each <= (1 + 2 * threads.WITHIN) * self.times.get(
                self.number, 0.0
            )
        if keeps:
            self.forecast, self.retry, self.patience = each, RETRY, PATIENCE
            what = f"{1 / before:,.1f} a second with {_threads(number)}, {1 / each:,.1f} with {_threads(self.number)}"
            self.told = f"{what}: going on with {_threads(self.number)}"
        else:
            self.number = number
            self.forecast = before if self.forecast is None else max(before, self.forecast)
            self.retry *= 2 if more else 1
            self.patience *= 1 if more else 4


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


class Listener:
    """Watches the progress of answers, and lowers the number of threads when it collapses; see `Watchdog`.

    Hand it to `triptych.running.progress.listening`. Each task has a forecast of its own, its first second.
    """

    def __init__(self) -> None:
        self.task: progress.Task | None = None
        self.clock = 0.0
        self.most = threads.now()
        self.watchdog = Watchdog(self.most, self.most, {})

    def __call__(self, task: progress.Task, parts: float) -> None:
        """Take in parts of a task that are done."""
        if task is not progress.innermost():
            return
        moment = time.perf_counter()
        if task is not self.task:
            if self.watchdog.before is not None:  # a trial that the last task did not finish
                threads.use(self.watchdog.before[0])
            self.task, self.watchdog = task, Watchdog(threads.now(), self.most, {})
        else:
            number = self.watchdog.saw(moment - self.clock, parts)
            if number != threads.now():
                threads.use(number)
            if self.watchdog.told:
                progress.say(f"{task.title}: {self.watchdog.told}")
                self.watchdog.told = ""
        self.clock = moment
