"""Training: the one loop, checkpoints, logs."""

from triptych.training.checkpoint import load, save
from triptych.training.fit import Run, fit

__all__ = ["Run", "fit", "load", "save"]
