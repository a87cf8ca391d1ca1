"""All that can be set of a training."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.config import flattened, nested
from triptych.errors import ConfigurationError, check_positive
from triptych.training.budget import BudgetConfig, OptimizerConfig
from triptych.training.throughput import check as check_threads

ACCELERATORS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class OutputConfig:
    """What a training keeps and shows.

    Args:
        run: directory for configuration, metrics, samples, checkpoints and the model; None to keep nothing.
        resume: go on with the run that is in the directory.
        overwrite: drop the run that is in the directory.
        log_every: rounds in a logging window.
        checkpoint_every: rounds between checkpoints; None for about one a minute.
        sample_every: rounds between pictures of samples; None for one at each tenth of the budget.
        tensorboard: also write TensorBoard events; needs the [track] extra.
        progress: show progress on standard error.

    Raises:
        ConfigurationError: for a number out of its range, or settings that do not go together.
    """

    run: str | Path | None = None
    resume: bool = False
    overwrite: bool = False
    log_every: int = 50
    checkpoint_every: int | None = None
    sample_every: int | None = None
    tensorboard: bool = False
    progress: bool = True

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_positive(log_every=self.log_every, checkpoint_every=self.checkpoint_every, sample_every=self.sample_every)
        if self.resume and self.overwrite:
            raise ConfigurationError("resume and overwrite were both given: expected one of them")
        if (self.resume or self.overwrite or self.tensorboard) and self.run is None:
            raise ConfigurationError("resume, overwrite and tensorboard need a run directory: give run=...")


@dataclass(frozen=True)
class HardwareConfig:
    """What a training runs on, and how.

    Args:
        accelerator: auto, cpu, cuda or mps.
        devices: number of processes that share each minibatch.
        threads: processor threads of each process: a number, or auto to time a few rounds with 1, 2, 4, … threads, take
            the fewest within a tenth of the fastest, and adapt when another process gets in the way. Another number
            can change the last bits of all figures, so the run keeps the numbers that it used: a resumed or replayed
            run uses them at the same steps.
        precision: 32-true, or bf16-mixed on hardware that has it.
        compile: compile the networks with torch.compile; the first rounds then take up to a minute.
        channels_last: train with the channels innermost in memory, as the tensor cores of GPUs like it; on CPUs it
            is measured to be slower for most networks.

    Raises:
        ConfigurationError: for what is unknown, or more than this machine has.
    """

    accelerator: str = "auto"
    devices: int = 1
    threads: str | int = "auto"
    precision: str = "32-true"
    compile: bool = False
    channels_last: bool = False

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_positive(devices=self.devices)
        if self.accelerator in ("auto", "cpu") and self.devices > (os.cpu_count() or 1) + 8:
            raise ConfigurationError(f"devices={self.devices}: this machine has {os.cpu_count()} processors")
        if self.precision not in PRECISIONS:
            raise ConfigurationError(f"precision={self.precision}: expected {' or '.join(PRECISIONS)}")
        if self.accelerator not in ACCELERATORS:
            raise ConfigurationError(f"accelerator={self.accelerator}: expected {' or '.join(ACCELERATORS)}")
        check_threads(self.threads)


@dataclass(frozen=True)
class TrainingConfig:
    """All that can be set of a training.

    Args:
        budget: how long to train.
        batch_size: examples in a minibatch, over all processes.
        optimizer: how fast the players learn.
        seed: of the order of the data and of all noise.
        output: what is kept and shown.
        hardware: what it runs on.

    Raises:
        ConfigurationError: for a number out of its range, or settings that do not go together.

    Example:
        >>> config = TrainingConfig(BudgetConfig(steps=300), optimizer=OptimizerConfig(lr=1e-3))
        >>> config == TrainingConfig().changed(steps=300, lr=1e-3)
        True
    """

    budget: BudgetConfig = BudgetConfig()
    batch_size: int = 64
    optimizer: OptimizerConfig = OptimizerConfig()
    seed: int = 0
    output: OutputConfig = OutputConfig()
    hardware: HardwareConfig = HardwareConfig()

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        check_positive(batch_size=self.batch_size)
        if self.batch_size % self.hardware.devices:
            raise ConfigurationError(
                f"batch_size={self.batch_size} cannot be shared by devices={self.hardware.devices}: expected a multiple"
            )

    def changed(self, **options: Any) -> TrainingConfig:
        """Return it with some settings changed, by flat name (see `triptych.config`).

        Raises:
            ConfigurationError: for an unknown name, or a value out of its range.

        Example:
            >>> TrainingConfig().changed(step=300)
            Traceback (most recent call last):
            triptych.errors.ConfigurationError: fit has no option 'step'; did you mean steps?
        """
        return TrainingConfig(**nested(TrainingConfig, {**vars(self), **options}, "fit"))

    @property
    def flat(self) -> dict[str, Any]:
        """All settings by flat name."""
        return flattened(TrainingConfig, vars(self))
