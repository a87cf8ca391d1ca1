"""The losses of two-player games: each a function of what the critic says of real and of made examples.

A loss takes the critic's raw outputs `real (B,)` and `fake (B,)`, higher meaning "more real", and returns
a `Play`: what the critic and what the generator minimise. To add a loss, write one such function: give it
to `GAN(loss=...)` as it is, or mark it `@named` here to type its name on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.errors import ConfigurationError, did_you_mean


class Play(NamedTuple):
    """Both sides of one game, unreduced."""

    critic: Tensor
    """What the critic minimises, `(B,)`."""
    generator: Tensor
    """What the generator minimises, `(B,)`."""


Loss = Callable[[Tensor, Tensor], Play]

LOSSES: dict[str, Loss] = {}
"""Every loss by the name that a user can type: the function's, with hyphens."""


def named(loss: Loss) -> Loss:
    """Enter a loss in `LOSSES` under its own name."""
    LOSSES[loss.__name__.replace("_", "-")] = loss
    return loss


@named
def minimax(real: Tensor, fake: Tensor) -> Play:
    """Play the original game, `min_G max_D E log σ(real) + E log(1 - σ(fake))`, in nats.

    The generator's term saturates: its gradient vanishes where the critic is sure. Reference: Goodfellow
    et al. 2014, eq. 1.

    Example:
        >>> minimax(torch.zeros(1), torch.zeros(1)).critic   # 2 log 2
        tensor([1.3863])
    """
    return Play(F.softplus(-real) + F.softplus(fake), -F.softplus(fake))


@named
def non_saturating(real: Tensor, fake: Tensor) -> Play:
    """Play the original critic against a generator that maximises `E log σ(fake)`, in nats.

    Reference: Goodfellow et al. 2014, §3.

    Example:
        >>> non_saturating(torch.zeros(1), torch.zeros(1)).generator   # log 2
        tensor([0.6931])
    """
    return Play(F.softplus(-real) + F.softplus(fake), F.softplus(-fake))


@named
def least_squares(real: Tensor, fake: Tensor) -> Play:
    """Regress real to 1 and fake to 0; the generator pulls fake to 1.

    `½ (real - 1)² + ½ fake²` against `½ (fake - 1)²`. Reference: Mao et al. 2017, eq. 9.

    Example:
        >>> least_squares(torch.ones(1), torch.zeros(1))
        Play(critic=tensor([0.]), generator=tensor([0.5000]))
    """
    return Play(0.5 * (real - 1) ** 2 + 0.5 * fake**2, 0.5 * (fake - 1) ** 2)


@named
def hinge(real: Tensor, fake: Tensor) -> Play:
    """Push real above 1 and fake below -1; the generator raises fake.

    `max(0, 1 - real) + max(0, 1 + fake)` against `-fake`. Reference: Miyato et al. 2018, eq. 16-17.

    Example:
        >>> hinge(torch.full((1,), 2.0), torch.full((1,), -2.0))
        Play(critic=tensor([0.]), generator=tensor([2.]))
    """
    return Play(torch.relu(1 - real) + torch.relu(1 + fake), -fake)


def resolve_loss(loss: str | Loss) -> Loss:
    """Return the loss that a constructor argument names, or the user's own function as it is.

    Raises:
        ConfigurationError: for an unknown name.
    """
    if callable(loss):
        return loss
    if loss not in LOSSES:
        raise ConfigurationError(f"no loss {loss!r}; {did_you_mean(loss, LOSSES)}")
    return LOSSES[loss]


def generator_sees_real(loss: Loss) -> bool:
    """Return whether the generator's term depends on the critic's opinion of real examples.

    It does in relativistic games. Where it does not, the generator's turn need not show the critic any
    real example. The loss itself is asked: its generator's term is computed beside two different `real`.

    Example:
        >>> generator_sees_real(hinge), generator_sees_real(lambda r, f: Play(f - r, r - f))
        (False, True)
    """
    fake = torch.linspace(-2, 2, 5)
    plays = [loss(real, fake) for real in (torch.linspace(-1, 3, 5), torch.linspace(2, -4, 5))]
    if not all(isinstance(play, Play) and all(side.shape == fake.shape for side in play) for play in plays):
        given = type(plays[0]).__name__
        raise ConfigurationError(
            f"the loss returned a {given}: expected a Play of two tensors, one number an example each"
        )
    one, other = (play.generator for play in plays)
    return not torch.equal(one, other)


class Game:
    """One loss, played by a critic and a generator in turns.

    Args:
        loss: a name in `LOSSES`, or a function of real and fake logits.

    Raises:
        ConfigurationError: for an unknown name, or a function that returns something else than a `Play`.

    Example:
        >>> game = Game("hinge")
        >>> game.generator(lambda x: x, torch.ones(1), torch.full((1,), 3.0))
        tensor([-3.])
    """

    def __init__(self, loss: str | Loss) -> None:
        self.loss = resolve_loss(loss)
        self.generator_sees_real = generator_sees_real(self.loss)

    def critic(self, judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic minimises, `(B,)`; `judge` gives one logit an example."""
        return self.loss(judge(real), judge(fake)).critic

    def generator(self, judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
        """Return what the generator minimises, `(B,)`; real examples are judged only if the loss looks at them."""
        said = judge(fake)
        if self.generator_sees_real:
            with torch.no_grad():
                of_real = judge(real)
        else:
            of_real = torch.zeros_like(said)
        return self.loss(of_real, said).generator


def judged(said: Tensor, n: int) -> Tensor:
    """Return a critic's raw output for `n` examples as one logit each, `(n,)`; higher means more real.

    Raises:
        ConfigurationError: for more or fewer numbers than examples.

    Example:
        >>> judged(torch.zeros(2, 1), 2).shape
        torch.Size([2])
    """
    if said.numel() != n:
        raise ConfigurationError(f"the critic gave {tuple(said.shape[1:])} numbers an example: expected 1")
    return said.float().view(n)
