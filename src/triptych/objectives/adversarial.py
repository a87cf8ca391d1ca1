"""The losses of two-player games: each a function of what the critic says of real and of made examples.

A loss takes the critic's raw outputs `real (B,)` and `fake (B,)`, higher meaning "more real", and returns
a `Play`: what the critic and what the generator minimise. Its keyword-only parameters are options that a user can
give: `--loss least-squares:fake_label=-1`. To add a loss, write one such function: give it to `GAN(loss=...)` as
it is, or mark it `@named` here to type its name on the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Play(NamedTuple):
    """Both sides of one game, unreduced."""

    critic: Tensor
    """What the critic minimises, `(B,)`."""
    generator: Tensor
    """What the generator minimises, `(B,)`."""


Loss = Callable[..., Play]

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


@named
def wasserstein(real: Tensor, fake: Tensor) -> Play:
    """Estimate the Wasserstein distance by a critic that is Lipschitz, `max_D E D(real) - E D(fake)`.

    The critic is held to a slope by a penalty, a norm, or clipped weights. Reference: Arjovsky et al. 2017, eq. 2-3.

    Example:
        >>> wasserstein(torch.full((1,), 2.0), torch.zeros(1)).critic   # minus the estimate
        tensor([-2.])
    """
    return Play(fake - real, -fake)
