"""Which layer a figure that is NaN or infinite comes from: found after the fact, by taking the turn again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.models.base import Model, Player
from triptych.noise import Noise


class Before:
    """What a turn began with, to begin it again.

    Args:
        player: whose turn it is.
        batch: what it is about.
        noise: of the round; its state is kept, and that of torch's own randomness.
    """

    def __init__(self, player: Player, batch: Batch, noise: Noise) -> None:
        self.player, self.batch, self.noise = player, batch, noise
        self.state, self.own = noise.generator.get_state(), torch.get_rng_state()

    def fault(self, model: Model) -> str:
        """Say where the turn went wrong; see `layer_at_fault`. The model must be as it was."""
        torch.set_rng_state(self.own)
        self.noise.generator.set_state(self.state)
        return layer_at_fault(model, self.player, self.batch, self.noise)


def layer_at_fault(model: Model, player: Player, batch: Batch, noise: Noise) -> str:
    """Say in which layer a player's turn first has a number that is none, "" if that cannot be found.

    First the weights are looked at, then the outputs of all layers in the order of their computation, while the
    objective is computed once more, then its terms; then the gradients of the turn, the last layer first, as they come
    about.

    Args:
        model: as it was in the turn.
        player: whose turn it was; its parameters still have the turn's gradients.
        batch: which the turn was about.
        noise: as it was when the turn began; see `Before`.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("gan", tp.Event((2,)), latent=2, hidden=4, layers=1)
        >>> _ = next(model.adversary.parameters()).data.fill_(float("nan"))
        >>> layer_at_fault(model, model.players[0], Batch(torch.zeros(4, 2), None), Noise.of(0))[:37]
        'the weights of adversary.critic.trunk'
    """
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return f"the weights of {name} were no numbers before it"
    found: list[str] = []
    handles = [module.register_forward_hook(_watch(name, found)) for name, module in model.named_modules() if name]
    try:
        with torch.enable_grad():  # an objective with a gradient within, such as a penalty, cannot do without
            terms = player.objective(batch, noise)
    finally:
        for handle in handles:
            handle.remove()
    if found:
        return found[0]
    if not all(map(_finite, terms.values())):
        return "behind the layers: all their outputs were finite"
    owned = {id(p) for p in player.parameters()}
    for name, parameter in reversed(list(model.named_parameters())):
        if id(parameter) in owned and parameter.grad is not None and not _finite(parameter.grad):
            return f"first in the gradient of {name}"
    return ""


def _watch(name: str, found: list[str]) -> Any:
    def hook(module: nn.Module, given: Any, made: Any) -> None:
        if not found and not all(map(_finite, _tensors(made))):
            before = not all(map(_finite, _tensors(given)))
            found.append(f"first in {'what was given to' if before else 'the output of'} {name}")

    return hook


def _finite(x: Tensor) -> bool:
    return not x.is_floating_point() or bool(torch.isfinite(x).all())


def _tensors(values: Any) -> Iterator[Tensor]:
    """Yield the tensors in what a layer was given or made."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, dict):
        yield from _tensors(values.values())
    elif isinstance(values, Iterable) and not isinstance(values, str):
        for value in values:
            yield from _tensors(value)
