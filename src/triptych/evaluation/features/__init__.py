"""What the distance between two sets of examples is measured in: pixels, a network's features, or any function."""

from triptych.evaluation.features.extractor import Extractor, Function, pixels
from triptych.evaluation.features.resolve import NAMES, resolve_extractor

__all__ = ["NAMES", "Extractor", "Function", "pixels", "resolve_extractor"]
