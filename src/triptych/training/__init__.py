"""Training: the one loop, checkpoints, logs."""

from triptych.training.checkpoint import load, save
from triptych.training.fit import fit
from triptych.training.outcome import Run

__all__ = ["Run", "fit", "load", "save"]
