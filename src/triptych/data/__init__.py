"""Where examples come from, and how they are drawn."""

from triptych.data.batches import Batch, Batches
from triptych.data.embedded import toy_modes
from triptych.data.examples import Examples
from triptych.data.load import describe, hold_out, load, require_classes

__all__ = ["Batch", "Batches", "Examples", "describe", "hold_out", "load", "require_classes", "toy_modes"]
