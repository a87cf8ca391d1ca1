"""How long to train, and how fast to learn meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from triptych.errors import ConfigurationError
from triptych.specs import Registry


@dataclass(frozen=True)
class Budget:
    """An amount of training: a number of rounds, or of seconds.

    Args:
        steps: rounds of the game; None if time is what counts.
        seconds: training time, pauses for pictures and checkpoints not counted; None if rounds count.
    """

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, steps: int | None, epochs: float | None, minutes: float | None, per_epoch: int, turns: int) -> Budget:
        """Return the budget of exactly one of three amounts.

        Args:
            steps: rounds of the game.
            epochs: passes over the training data.
            minutes: training time.
            per_epoch: minibatches in one pass.
            turns: minibatches that one round takes.

        Raises:
            ConfigurationError: unless exactly one is given, and it is above 0.

        Example:
            >>> Budget.of(None, 2, None, per_epoch=100, turns=5).steps
            40
        """
        given = {"steps": steps, "epochs": epochs, "minutes": minutes}
        named = [f"{name}={amount}" for name, amount in given.items() if amount is not None]
        if len(named) != 1:
            raise ConfigurationError(f"a budget is one of steps, epochs, minutes; given: {', '.join(named) or 'none'}")
        if any(amount is not None and not 0 < amount < math.inf for amount in given.values()):
            raise ConfigurationError(f"{named[0]}: expected a budget above 0")
        if epochs is not None:
            steps = max(1, math.ceil(epochs * per_epoch / turns))
        return cls(steps, None if minutes is None else minutes * 60)

    def fraction(self, step: int, seconds: float) -> float:
        """Return how much of the budget is used, 0 to 1."""
        used = step / self.steps if self.steps is not None else seconds / (self.seconds or 1.0)
        return min(1.0, used)

    def over(self, step: int, seconds: float) -> bool:
        """Return whether the budget is used up."""
        return self.fraction(step, seconds) >= 1.0


SCHEDULES: Registry[Callable[[float], float]] = Registry(
    "schedule",
    constant=lambda fraction: 1.0,
    cosine=lambda fraction: 0.5 * (1 + math.cos(math.pi * fraction)),
    linear=lambda fraction: 1.0 - fraction,
)
"""Factors on the learning rate, as functions of the share of the budget used (Loshchilov & Hutter 2017 for cosine)."""


def learning_rate_factor(schedule: str, warmup: int, step: int, fraction: float) -> float:
    """Return the factor on the learning rate at a step.

    >>> learning_rate_factor("linear", 0, 50, 0.5)
    0.5
    >>> learning_rate_factor("constant", 10, 4, 0.1)
    0.5
    """
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return rising * SCHEDULES[schedule](fraction)


def check_schedule(schedule: str, warmup: int) -> None:
    """Raise `ConfigurationError` for an unknown schedule or a negative warm-up."""
    SCHEDULES.find(schedule)
    if warmup < 0:
        raise ConfigurationError(f"warmup={warmup}: expected a number of steps from 0")
