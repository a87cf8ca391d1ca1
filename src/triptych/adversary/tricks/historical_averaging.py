"""Historical averaging: both players are held near the mean of what they were."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from triptych.adversary.tricks.base import TRICKS, Setting, StepContext, Trick
from triptych.errors import ConfigurationError
from triptych.objectives.player import Terms


@TRICKS.register("historical-averaging")
class HistoricalAveraging(Trick):
    """Both players pay `λ ‖θ - 1/t Σ_{i ≤ t} θ_i‖²`, θ_i their parameters after i - 1 steps: cycles are damped.

    They are those of the generator and of the critic; what reads a class or a code off the critic's features is free.
    Reference: Salimans et al. 2016, *Improved Techniques for Training GANs*, §3.3, whose mean is over all the past.

    Args:
        weight: λ.

    Raises:
        ConfigurationError: for a weight that is not above 0.
    """

    def __init__(self, *, weight: float = 1.0) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ConfigurationError(f"historical-averaging:weight={weight:g}: expected a number above 0")
        self.weight = weight
        self.players: dict[str, nn.Module] = {}  # no module of its own: they are the model's

    def begin(self, setting: Setting) -> None:
        """Start the means at the first parameters."""
        self.players = setting.players
        for name, player in self.players.items():
            self.register_buffer(f"{name}_mean", parameters_of(player).detach().clone())
            self.register_buffer(f"{name}_count", torch.ones((), dtype=torch.long))

    def critic_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Return the terms and the critic's distance from its past."""
        return {**terms, "historical_averaging": self._distance("critic", step)}

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Return the terms and the generator's distance from its past."""
        return {**terms, "historical_averaging": self._distance("generator", step)}

    def _distance(self, name: str, step: StepContext) -> Tensor:
        apart = parameters_of(self.players[name]) - self.get_buffer(f"{name}_mean")
        return (self.weight * apart.square().sum()).expand(len(step.batch.x))

    @torch.no_grad()
    def after(self, player: str) -> None:
        """Take the parameters that a player has moved to into its mean."""
        count = self.get_buffer(f"{player}_count")
        count += 1
        mean = self.get_buffer(f"{player}_mean")
        mean += (parameters_of(self.players[player]) - mean) / count


def parameters_of(module: nn.Module) -> Tensor:
    """Return all parameters of a module in one row, with a graph to each.

    Example:
        >>> parameters_of(nn.Linear(2, 3)).shape
        torch.Size([9])
    """
    return torch.cat([parameter.reshape(-1) for parameter in module.parameters()])
