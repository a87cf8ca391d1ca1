"""What every approximate posterior has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn

from triptych.distributions import DiagonalNormal
from triptych.errors import ConfigurationError
from triptych.noise import Noise
from triptych.specs import Registry

POSTERIORS: Registry[type[Posterior]] = Registry("posterior")
"""Every family by the name that a user can type."""

CONTEXT = 64
"""Numbers of an example that networks of a family's own see beside the code."""

Joint = Callable[[Tensor], Tensor]
"""From codes `(B, Z)`, one for each example, to log p(x, z) in nats, `(B,)`."""


class Draw(NamedTuple):
    """One code for each example, and how probable it was to be drawn."""

    z: Tensor
    """`(B, Z)`, with gradients to whatever it was drawn by."""
    log_q: Tensor
    """`(B,)` nats: log q(z | x), or with auxiliary variables a `log q(z, a | x) - log r(a | x, z)`."""


class PosteriorSetting(NamedTuple):
    """What a family that is chosen by name is built from."""

    latent: int
    """Dimensions of the code."""
    hidden: int
    """Units of the hidden layers of its own networks."""
    transforms: int
    """Steps of a flow, or of Hamiltonian dynamics."""

    def check(self) -> None:
        """Raise `ConfigurationError` for a size below 1."""
        if self.transforms < 1:
            raise ConfigurationError(f"transforms={self.transforms}: expected at least 1")


class Posterior(nn.Module, ABC):
    """A family of distributions q(z | x), given the `features` numbers that an encoder computes of an example.

    `@POSTERIORS.register("planar")` names a subclass. Its constructor takes a `PosteriorSetting`. Its parameters are
    learned with the encoder's, on the same bound.
    """

    def __init__(self, setting: PosteriorSetting) -> None:
        super().__init__()
        self.latent = setting.latent

    @property
    @abstractmethod
    def features(self) -> int:
        """How many numbers the encoder must give of an example."""

    @abstractmethod
    def draw(self, features: Tensor, noise: Noise, joint: Joint) -> Draw:
        """Draw one code for each row.

        Args:
            features: `(B, self.features)`.
            noise: where the numbers come from.
            joint: log p(x, z) of the row's example, for families that follow its gradient.
        """

    @abstractmethod
    def code(self, features: Tensor) -> Tensor:
        """Return the code that stands for the distribution, `(B, Z)`: its mean, or where its base's mean is mapped."""

    @abstractmethod
    def law(self, features: Tensor) -> DiagonalNormal | None:
        """Return q(z | x) where it is a diagonal Gaussian, which allows closed forms; else None."""


def resolve_posterior(posterior: str | Posterior, setting: PosteriorSetting) -> Posterior:
    """Return the family that a constructor argument names, or the user's own as it is.

    Raises:
        ConfigurationError: for an unknown name, or a family over codes of another length.

    Example:
        >>> resolve_posterior("gaussian", PosteriorSetting(4, 8, 1)).features
        8
    """
    setting.check()
    if isinstance(posterior, str):
        return POSTERIORS.find(posterior)(setting)
    if not isinstance(posterior, Posterior):
        raise ConfigurationError(f"posterior={posterior!r}: expected a name, one of {', '.join(POSTERIORS)}")
    if posterior.latent != setting.latent:
        raise ConfigurationError(
            f"the posterior is over codes of {posterior.latent} numbers, latent={setting.latent}: expected as many"
        )
    return posterior
