"""Approximate posteriors q(z | x): one file each, one ELBO for all of them."""

from triptych.models.autoencoders.posteriors.base import (
    POSTERIORS,
    Draw,
    Joint,
    Posterior,
    PosteriorSetting,
    resolve_posterior,
)
from triptych.models.autoencoders.posteriors.gaussian import GaussianPosterior

__all__ = [
    "POSTERIORS",
    "Draw",
    "GaussianPosterior",
    "Joint",
    "Posterior",
    "PosteriorSetting",
    "resolve_posterior",
]
