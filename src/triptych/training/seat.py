"""One player's place at the table: its parameters, its optimiser, and how it takes a turn."""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.models.base import Player, Terms
from triptych.noise import Noise
from triptych.training.alone import Alone

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Seat:
    """A player with the parameters that it alone may change, and their optimiser.

    Args:
        player: who plays.
        lr: learning rate; None for the one that the model recommends.
        clip: largest norm of a gradient; None for any.
    """

    def __init__(self, player: Player, lr: float | None, clip: float | None) -> None:
        self.player = player
        self.parameters = [p for p in player.parameters() if p.requires_grad]
        if not self.parameters:
            raise ConfigurationError(f"player {player.name!r} has no parameters to change")
        self.optimizer = make_optimizer(player, self.parameters, lr)
        self.rates = [player.rate * float(group["lr"]) for group in self.optimizer.param_groups]
        self.clip = clip

    def schedule(self, factor: float) -> None:
        """Set the learning rates to `factor` times what they were made with."""
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def gradient(self, fabric: Fabric | Alone, batch: Batch, noise: Noise) -> tuple[Terms, Tensor]:
        """Compute the gradient of the sum of the terms' means; return the means and the gradient's norm.

        With several processes the gradient is averaged over them. Torch's own data-parallel wrapper is not
        used: it counts on one loss over all parameters, where a game has one per player.
        """
        self.optimizer.zero_grad(set_to_none=True)
        with fabric.autocast():
            terms = self.player.objective(batch, noise)
            means = {name: term.mean() for name, term in terms.items()}
            loss = reduce(torch.add, means.values())
        fabric.backward(loss)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if fabric.world_size > 1:
            _average(fabric, gradients)
        norm = nn.utils.get_total_norm(gradients)
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
        return {name: mean.detach() for name, mean in means.items()}, norm


def make_optimizer(player: Player, parameters: Sequence[nn.Parameter], lr: float | None = None) -> Optimizer:
    """Make a player's optimiser, fused where it can be: several times faster than one operation a tensor."""
    options: dict[str, object] = {} if lr is None else {"lr": lr}
    if "fused" in inspect.signature(player.optimizer).parameters:
        options["fused"] = True
    return player.optimizer(parameters, **options)


@torch.no_grad()
def _average(fabric: Fabric | Alone, gradients: Sequence[Tensor]) -> None:
    """Replace each gradient by its mean over the processes, in one exchange."""
    flat = fabric.all_reduce(torch.cat([g.reshape(-1) for g in gradients]), reduce_op="mean")
    assert isinstance(flat, Tensor)
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def give_turn(seats: Sequence[Seat], seat: Seat) -> None:
    """Freeze all parameters but those of `seat`."""
    for other in seats:
        for parameter in other.parameters:
            parameter.requires_grad_(False)
    for parameter in seat.parameters:
        parameter.requires_grad_(True)


def non_finite(means: dict[str, float], norm: float) -> tuple[str, float] | None:
    """Return which term, or the gradient, is NaN or infinite, and its value; None if none is."""
    for name, value in means.items():
        if not math.isfinite(value):
            return f"term {name!r}", value
    return None if math.isfinite(norm) else ("gradient", norm)
