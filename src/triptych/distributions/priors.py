"""Priors of codes: what p(z) is before an example is seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.distributions import kl_divergence as registered_kl

from triptych.distributions.latents import DiagonalNormal
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.specs import Registry

PRIORS: Registry[type[NamedPrior]] = Registry("prior")
"""Every prior by the name that a user can type."""


class PriorSetting(NamedTuple):
    """What a prior that is chosen by name is built from."""

    latent: int
    """Dimensions of the code."""
    event: Event
    """What one example is."""
    components: int | None
    """Parts of a mixture, or transforms of a flow; None for as many as the prior recommends."""
    approximate: Callable[[Tensor], DiagonalNormal]
    """From scaled examples `(B, *event.shape)` to q(z | x); raises `ConfigurationError` where it is no Gaussian."""

    def parts(self, recommended: int) -> int:
        """Return how many components or transforms there are; raise `ConfigurationError` for less than one."""
        if self.components is not None and self.components < 1:
            raise ConfigurationError(f"components={self.components}: expected at least 1")
        return recommended if self.components is None else self.components


class Prior(nn.Module, ABC):
    """A distribution p(z) of codes, whose parameters are learned with the model's.

    Args:
        latent: dimensions of the code.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.event_shape = (latent,)

    @abstractmethod
    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats: `(B, Z)` to `(B,)`."""

    @abstractmethod
    def sample(self, n: int, noise: Noise) -> Tensor:
        """Draw codes `(n, Z)`."""


class NamedPrior(Prior):
    """A prior that `@PRIORS.register("mixture")` can name."""

    @classmethod
    @abstractmethod
    def made(cls, setting: PriorSetting) -> Prior:
        """Return the prior that the name stands for."""


@PRIORS.register("normal")
class StandardNormal(NamedPrior):
    """`p(z) = N(z; 0, I)`.

    Example:
        >>> import torch
        >>> StandardNormal(2).log_prob(torch.zeros(1, 2))   # -log 2π
        tensor([-1.8379])
    """

    @classmethod
    def made(cls, setting: PriorSetting) -> StandardNormal:
        """Return it for codes of the setting's length."""
        return cls(setting.latent)

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats."""
        return DiagonalNormal.standard(len(z), z.shape[1], z.device).log_prob(z)

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Draw codes `(n, Z)`."""
        return noise.normal((n, *self.event_shape))


class DistributionPrior(Prior):
    """A distribution of `torch.distributions` or of zuko as p(z).

    Sampling takes the numbers of a generator that is seeded from `Noise`, and leaves torch's own as it was.

    Args:
        distribution: over vectors `(latent,)`, whose tensors stay where they are; or a module whose call returns one,
            such as a zuko flow: its parameters are learned, and move with the model.

    Raises:
        ConfigurationError: for anything else, a batch of distributions, or one over another kind of event.

    Example:
        >>> import torch
        >>> laplace = torch.distributions.Laplace(torch.zeros(2), torch.ones(2))
        >>> DistributionPrior(Independent(laplace, 1)).log_prob(torch.zeros(1, 2))   # -2 log 2
        tensor([-1.3863])
    """

    def __init__(self, distribution: Distribution | nn.Module) -> None:
        given = distribution() if isinstance(distribution, nn.Module) else distribution
        if not isinstance(given, Distribution):
            raise ConfigurationError(
                f"{type(distribution).__name__} was given as a prior: expected a torch.distributions.Distribution, "
                "or a module whose call returns one"
            )
        if given.batch_shape or len(given.event_shape) != 1:
            raise ConfigurationError(
                f"the distribution has events of shape {tuple(given.event_shape)} in a batch of "
                f"{tuple(given.batch_shape)}: expected one over vectors; try torch.distributions.Independent(…, 1)"
            )
        super().__init__(given.event_shape[0])
        self.distribution = distribution

    @property
    def current(self) -> Distribution:
        """The distribution with its parameters of now."""
        given: Distribution = self.distribution() if isinstance(self.distribution, nn.Module) else self.distribution
        return given

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats."""
        found: Tensor = self.current.log_prob(z)
        return found

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Draw codes `(n, Z)`."""
        return noise.by(lambda rows: self.current.sample((rows,)), n)


def resolve_prior(prior: str | Prior, setting: PriorSetting) -> Prior:
    """Return the prior that a constructor argument names, or the user's own as it is.

    Raises:
        ConfigurationError: for an unknown name, or a prior over codes of another shape.

    Example:
        >>> setting = PriorSetting(4, Event((2,)), 1, lambda x: DiagonalNormal.standard(len(x), 4))
        >>> resolve_prior("normal", setting).event_shape
        (4,)
    """
    if isinstance(prior, str):
        return PRIORS.find(prior).made(setting)
    if not isinstance(prior, Prior):
        raise ConfigurationError(f"prior={prior!r}: expected a name, one of {', '.join(PRIORS)}, or a Prior")
    if tuple(prior.event_shape) != (setting.latent,):
        raise ConfigurationError(
            f"the prior is over codes of shape {tuple(prior.event_shape)}, latent={setting.latent}: expected "
            f"({setting.latent},)"
        )
    return prior


def _kl_registered_in_torch(q: DiagonalNormal, p: DistributionPrior) -> Tensor | None:
    given = p.current
    if not (isinstance(given, Independent) and given.reinterpreted_batch_ndims == 1):
        return None
    try:
        return registered_kl(Normal(q.mean, q.log_scale.exp(), validate_args=False), given.base_dist)
    except NotImplementedError:
        return None


KL: dict[tuple[type, type], Callable[[DiagonalNormal, Any], Tensor | None]] = {
    (DiagonalNormal, StandardNormal): lambda q, p: q.kl_by_dimension(),
    (DiagonalNormal, DistributionPrior): _kl_registered_in_torch,
}
"""Divergences `KL(q ‖ p)` that are known in closed form, by dimension: `(B, Z)` nats; None where they are not."""


def kl_divergence(q: DiagonalNormal | None, p: Prior) -> Tensor | None:
    """Return `KL(q ‖ p)` by dimension, `(B, Z)` nats, where it is known in closed form; else None."""
    known = KL.get((type(q), type(p)))
    return None if q is None or known is None else known(q, p)
