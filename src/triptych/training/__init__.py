"""Training: the one loop, checkpoints, logs."""

from triptych.training.checkpoint import load, save
from triptych.training.fit import Interrupted, Run, fit

__all__ = ["Interrupted", "Run", "fit", "load", "save"]
