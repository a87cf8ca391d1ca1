"""The games of the f-divergences: one loss for each, `fgan-NAME`.

The critic raises the bound `E_P g(V) - E_Q f*(g(V))` on the divergence between data P and generator Q. The generator
either lowers it, or raises `E_Q g(V)` instead, whose gradient does not vanish where the critic is sure. The second is
what the paper calls useful for all divergences, and the default. Reference: Nowozin, Cseke & Tomioka 2016, *f-GAN*,
§2.3, §3.2.
"""

from __future__ import annotations

from torch import Tensor

from triptych.errors import check_known
from triptych.objectives.adversarial import LOSSES, Loss, Play
from triptych.objectives.divergences import DIVERGENCES, Divergence

GENERATORS = ("alternative", "direct")
"""What the generator minimises: `-g(V)`, or `-f*(g(V))`."""


def play(
    divergence: Divergence, real: Tensor, fake: Tensor, *, generator: str = "alternative", activation: str = "auto"
) -> Play:
    """Play the game of one divergence.

    Args:
        divergence: such as `triptych.objectives.divergences.divergence("kl")`.
        real: the critic's logits V for real examples, `(B,)`.
        fake: for made ones, `(B,)`.
        generator: "alternative", or "direct" for the bound itself.
        activation: g: "identity", "exponential", "softplus", "tanh", or "auto" for the paper's.

    Raises:
        ConfigurationError: for an unknown generator or activation, or an activation with values where f* is infinite.

    Example:
        >>> import torch
        >>> from triptych.objectives.divergences import divergence
        >>> play(divergence("pearson"), torch.ones(1), torch.full((1,), 2.0), generator="direct")   # f*(2) = 3
        Play(critic=tensor([2.]), generator=tensor([-3.]))
    """
    check_known("generator's objective", generator, GENERATORS)
    of_fake = divergence.output(fake, activation)
    conjugate = divergence.at(of_fake)
    critic = conjugate - divergence.output(real, activation).t
    return Play(critic, -conjugate if generator == "direct" else -of_fake.t)


def _game(name: str) -> Loss:
    """Return the loss of a divergence that has no options."""

    def loss(real: Tensor, fake: Tensor, *, generator: str = "alternative", activation: str = "auto") -> Play:
        return play(DIVERGENCES[name](), real, fake, generator=generator, activation=activation)

    loss.__doc__ = f"Play the game of the divergence {name!r} (Nowozin et al. 2016)."
    return loss


@LOSSES.register("fgan-weighted-jensen-shannon")
def _weighted_jensen_shannon(
    real: Tensor, fake: Tensor, *, pi: float = 0.5, generator: str = "alternative", activation: str = "auto"
) -> Play:
    """Play the game of the weighted Jensen-Shannon divergence, `0 < π < 1` (Nowozin et al. 2016)."""
    made = DIVERGENCES["weighted-jensen-shannon"](pi=pi)
    return play(made, real, fake, generator=generator, activation=activation)


@LOSSES.register("fgan-alpha")
def _alpha(
    real: Tensor, fake: Tensor, *, alpha: float = 1.5, generator: str = "alternative", activation: str = "auto"
) -> Play:
    """Play the game of an α-divergence (Nowozin et al. 2016)."""
    return play(DIVERGENCES["alpha"](alpha=alpha), real, fake, generator=generator, activation=activation)


for _name in DIVERGENCES:
    if f"fgan-{_name}" not in LOSSES:
        LOSSES.register(f"fgan-{_name}")(_game(_name))
