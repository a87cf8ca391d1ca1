"""Approximate posteriors q(z | x): one file each, one ELBO for all of them."""

from importlib import import_module
from pkgutil import iter_modules

from triptych.models.autoencoders.posteriors.base import (
    POSTERIORS,
    Draw,
    Joint,
    Posterior,
    PosteriorSetting,
    resolve_posterior,
)

__all__ = ["POSTERIORS", "Draw", "Joint", "Posterior", "PosteriorSetting", "resolve_posterior"]

for _file in iter_modules(__path__):  # each file registers its family: a new one is a file, and nothing else
    import_module(f"{__name__}.{_file.name}")
