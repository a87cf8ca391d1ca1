"""Priors that are normalising flows."""

from __future__ import annotations

from torch import Tensor

from triptych.distributions.priors import PRIORS, NamedPrior, PriorSetting
from triptych.noise import Noise


@PRIORS.register("flow")
class FlowPrior(NamedPrior):
    """A standard normal ε behind learned invertible maps, `log p(z) = log N(f(z); 0, I) + log |det ∂f/∂z|`.

    The maps are couplings: rational-quadratic splines on [-5, 5] of one half of the code given the other, and the
    identity outside, so that sampling takes as long as the density. References: Durkan et al. 2019, *Neural Spline
    Flows*, §3; as a prior, Chen et al. 2017, *Variational Lossy Autoencoder*, §3.2.

    Args:
        latent: dimensions of the code.
        transforms: how many maps.
        hidden: units of the two hidden layers of each map's network.

    Example:
        >>> FlowPrior(2).sample(3, Noise.of(0)).shape
        torch.Size([3, 2])
    """

    def __init__(self, latent: int, transforms: int = 4, hidden: int = 64) -> None:
        from zuko.flows import NSF  # type: ignore[import-untyped]

        super().__init__(latent)
        self.flow = NSF(latent, transforms=transforms, hidden_features=(hidden, hidden), passes=2)

    @classmethod
    def made(cls, setting: PriorSetting) -> FlowPrior:
        """Return it with the setting's number of transforms, or 4."""
        return cls(setting.latent, setting.parts(4))

    def log_prob(self, z: Tensor) -> Tensor:
        """Return log p(z) in nats: `(B, Z)` to `(B,)`."""
        found: Tensor = self.flow().log_prob(z)
        return found

    def sample(self, n: int, noise: Noise) -> Tensor:
        """Draw codes `(n, Z)`: the inverse maps of standard normal numbers."""
        drawn: Tensor = self.flow().transform.inv(noise.normal((n, *self.event_shape)))
        return drawn
