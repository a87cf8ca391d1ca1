"""Tricks that steady a game: one file each, for any adversary."""

from importlib import import_module
from pkgutil import iter_modules

from triptych.adversary.tricks.base import TRICKS, Setting, StepContext, Trick, resolve_tricks

__all__ = ["TRICKS", "Setting", "Trick", "StepContext", "resolve_tricks"]

for _file in iter_modules(__path__):  # each file registers its tricks: a new one is a file, and nothing else
    import_module(f"{__name__}.{_file.name}")
