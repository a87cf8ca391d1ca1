"""Drawing from a law that is made sharper or flatter than it is: temperature and nucleus."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.distributions.law import Law
from triptych.distributions.pixels import quantile
from triptych.errors import ConfigurationError


@dataclass(frozen=True)
class Sharpness:
    """How draws of one sub-pixel (or coordinate) are made from its law.

    Each is drawn from `p(x)^(1/T)`, normalised, of whose levels only the most probable are kept that together
    have at least `top_p` of it. Reference: Holtzman et al. 2020, *The Curious Case of Neural Text
    Degeneration*, §3.1 (nucleus).

    Args:
        temperature: T; below 1 sharper, above 1 flatter.
        top_p: share of the probability that is kept; 1 keeps all levels.

    Raises:
        ConfigurationError: for T ≤ 0, or a share outside (0, 1].

    Example:
        >>> Sharpness(0.5).plain
        False
    """

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        """Check both numbers."""
        if not 0 < self.temperature < float("inf"):
            raise ConfigurationError(
                f"temperature={self.temperature:g}: expected a number above 0 (1 leaves the model as it is)"
            )
        if not 0 < self.top_p <= 1:
            raise ConfigurationError(f"top_p={self.top_p:g}: expected a share above 0, and 1 to keep every level")

    @property
    def plain(self) -> bool:
        """Whether draws are those of the law itself."""
        return self.temperature == 1 and self.top_p == 1

    def draw(self, law: Law, u: Tensor) -> Tensor:
        """Return what uniform numbers stand for, as `law.at(u)` does for the law itself.

        Args:
            law: of one position or of many; their features must be known.
            u: `(B, draws, *event.shape[1:])`, as `Law.at` takes it.

        Raises:
            ConfigurationError: for a nucleus of a law over vectors, which has no levels.
        """
        if self.plain:
            return law.at(u)
        if law.event.levels is None:
            if self.top_p != 1:
                raise ConfigurationError("top_p keeps the most probable levels, and vectors have none: leave it at 1")
            return law.tempered(self.temperature).at(u)
        x = torch.zeros(len(u), *law.event.shape, dtype=torch.uint8, device=u.device)
        for colour in range(law.event.shape[0]):
            kept = self.kept(-law.level_nats(x, colour))
            x[:, colour] = quantile(kept.unsqueeze(1), u[:, colour : colour + 1]).squeeze(1)
        return x

    def kept(self, log_p: Tensor) -> Tensor:
        """Return the probabilities that are left of `log_p (B, L, …)`; they need not sum to one."""
        p = torch.softmax(log_p / self.temperature, 1)
        if self.top_p == 1:
            return p
        ordered, order = torch.sort(p, dim=1, descending=True)
        above = ordered.cumsum(1) - ordered  # of the more probable levels
        return torch.zeros_like(p).scatter_(1, order, ordered * (above < self.top_p))
