"""How long to train, and how fast to learn meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from triptych.errors import ConfigurationError, check_positive
from triptych.specs import Registry


@dataclass(frozen=True)
class BudgetConfig:
    """How long to train: one of three amounts.

    Args:
        steps: budget in rounds of the game.
        epochs: budget in passes over the training split.
        minutes: budget in minutes of training time.

    Raises:
        ConfigurationError: for several of them, or one that is not above 0.

    Example:
        >>> BudgetConfig(epochs=2).resolved(per_epoch=100, turns=5).steps
        40
    """

    steps: int | None = None
    epochs: float | None = None
    minutes: float | None = None

    def __post_init__(self) -> None:
        """Refuse several amounts, and what is out of range."""
        given = {name: amount for name, amount in vars(self).items() if amount is not None}
        if len(given) > 1:
            raise self._refused(", ".join(f"{name}={amount}" for name, amount in given.items()))
        for name, amount in given.items():
            if not 0 < amount < math.inf:
                raise ConfigurationError(f"{name}={amount}: expected a budget above 0")

    def resolved(self, per_epoch: int, turns: int) -> Budget:
        """Return the budget in rounds or seconds.

        Args:
            per_epoch: minibatches in one pass.
            turns: minibatches that one round takes.

        Raises:
            ConfigurationError: if there is none.
        """
        if self == BudgetConfig():
            raise self._refused("none")
        steps = self.steps if self.epochs is None else max(1, math.ceil(self.epochs * per_epoch / turns))
        return Budget(steps, None if self.minutes is None else self.minutes * 60)

    def _refused(self, given: str) -> ConfigurationError:
        return ConfigurationError(f"a budget is one of steps, epochs, minutes; given: {given}")


@dataclass(frozen=True)
class Budget:
    """An amount of training: a number of rounds, or of seconds.

    Args:
        steps: rounds of the game; None if time is what counts.
        seconds: training time, pauses for pictures and checkpoints not counted; None if rounds count.
    """

    steps: int | None
    seconds: float | None

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


@dataclass(frozen=True)
class OptimizerConfig:
    """How fast the players learn.

    Args:
        lr: learning rate of every player; None for those that the model recommends.
        schedule: of the learning rate over the budget: constant, cosine or linear.
        warmup: rounds in which the learning rate rises to its value.
        clip: largest norm of a player's gradient; None for any.
        ema: decay of an exponential moving average of the weights, which the trained model then has.

    Raises:
        ConfigurationError: for an unknown schedule, or a number out of its range.
    """

    lr: float | None = None
    schedule: str = "constant"
    warmup: int = 0
    clip: float | None = None
    ema: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        SCHEDULES.find(self.schedule)
        if self.warmup < 0:
            raise ConfigurationError(f"warmup={self.warmup}: expected a number of steps from 0")
        check_positive(lr=self.lr, clip=self.clip)
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ConfigurationError(f"ema={self.ema}: expected a decay from 0 to below 1, such as 0.999")

    def factor(self, step: int, fraction: float) -> float:
        """Return the factor on the learning rate at a step, when so much of the budget is used.

        >>> OptimizerConfig(schedule="linear").factor(50, 0.5), OptimizerConfig(warmup=10).factor(4, 0.1)
        (0.5, 0.5)
        """
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rising * SCHEDULES[self.schedule](fraction)
