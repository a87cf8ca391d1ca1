"""Models of examples and codes together, p(x, z) = p(z) p(x | z): what estimates of log p(x) move codes by."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.distributions import constraints

from triptych.distributions import DistributionPrior, Law, Prior, StandardNormal
from triptych.models.questions import LatentSampler


class CodeSpace(NamedTuple):
    """Real coordinates of codes, in which any number is allowed."""

    prior: Prior
    """Of the coordinates: a density on all of R^d."""
    codes: Callable[[Tensor], Tensor]
    """From coordinates `(B, d)` to codes `(B, latent)`; of draws of `prior` they are draws of p(z)."""


def plain_space(prior: Prior) -> CodeSpace:
    """Return codes as their own coordinates."""
    return CodeSpace(prior, lambda u: u)


def normal_space(latent: int) -> CodeSpace:
    """Return codes under N(0, I) as their own coordinates."""
    return plain_space(StandardNormal(latent))


def uniform_space(latent: int) -> CodeSpace:
    """Return codes that are uniform on [-1, 1], as `2 Φ(u) - 1` of coordinates under N(0, I).

    >>> uniform_space(3).codes(torch.tensor([-9.0, 0.0, 9.0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    return CodeSpace(StandardNormal(latent), lambda u: torch.erf(u / 2**0.5))


def is_bounded(prior: Prior) -> bool:
    """Return whether a prior that a user gave as a distribution is 0 somewhere, such as a uniform one.

    >>> from torch.distributions import Independent, Laplace, Uniform
    >>> zeros, ones = torch.zeros(2), torch.ones(2)
    >>> [is_bounded(DistributionPrior(Independent(law(zeros, ones), 1))) for law in (Laplace, Uniform)]
    [False, True]
    """
    if not isinstance(prior, DistributionPrior):
        return False
    support = prior.current.support
    while isinstance(support, constraints.independent):
        support = support.base_constraint
    return isinstance(support, (constraints.interval, constraints.greater_than, constraints.greater_than_eq))


class LatentVariable(LatentSampler):
    """Draws codes from a prior that has a density, and examples by their codes."""

    @property
    @abstractmethod
    def code_space(self) -> CodeSpace:
        """The coordinates of codes, and their prior."""


class HasLikelihood(LatentVariable):
    """Draws examples from p(x | z), which has a density."""

    @abstractmethod
    def likelihood(self, z: Tensor, label: Tensor | None) -> Law:
        """Return p(x | z)."""
