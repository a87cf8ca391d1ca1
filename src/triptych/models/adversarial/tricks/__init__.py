"""Tricks that steady a game: one file each, switchable on any GAN."""

from importlib import import_module
from pkgutil import iter_modules

from triptych.models.adversarial.tricks.base import TRICKS, Setting, Trick, Turn, resolve_tricks

__all__ = ["TRICKS", "Setting", "Trick", "Turn", "resolve_tricks"]

for _file in iter_modules(__path__):  # its class statement enters a trick: a new one is a file, and nothing else
    import_module(f"{__name__}.{_file.name}")
