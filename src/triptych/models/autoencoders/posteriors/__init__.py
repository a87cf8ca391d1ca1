"""Approximate posteriors q(z | x): one file each, one ELBO for all of them."""

from triptych.models.autoencoders.posteriors.auxiliary import AuxiliaryPosterior
from triptych.models.autoencoders.posteriors.base import (
    POSTERIORS,
    Draw,
    Joint,
    Posterior,
    PosteriorSetting,
    resolve_posterior,
)
from triptych.models.autoencoders.posteriors.gaussian import GaussianPosterior
from triptych.models.autoencoders.posteriors.hamiltonian import HamiltonianPosterior
from triptych.models.autoencoders.posteriors.iaf import IAFPosterior
from triptych.models.autoencoders.posteriors.planar import PlanarPosterior
from triptych.models.autoencoders.posteriors.spline import SplinePosterior
from triptych.models.autoencoders.posteriors.sylvester import SylvesterPosterior

__all__ = [
    "POSTERIORS",
    "AuxiliaryPosterior",
    "Draw",
    "GaussianPosterior",
    "HamiltonianPosterior",
    "IAFPosterior",
    "Joint",
    "PlanarPosterior",
    "Posterior",
    "PosteriorSetting",
    "SplinePosterior",
    "SylvesterPosterior",
    "resolve_posterior",
]
