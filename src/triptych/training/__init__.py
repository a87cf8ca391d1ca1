"""Training: the one loop, checkpoints, logs."""

from triptych.training.budget import BudgetConfig, OptimizerConfig
from triptych.training.checkpoint import load, save
from triptych.training.config import HardwareConfig, OutputConfig, TrainingConfig
from triptych.training.fit import fit
from triptych.training.outcome import Run

__all__ = [
    "BudgetConfig",
    "HardwareConfig",
    "OptimizerConfig",
    "OutputConfig",
    "Run",
    "TrainingConfig",
    "fit",
    "load",
    "save",
]
