"""The losses of two-player games: each a function of what the critic says of real and of made examples.

A loss takes the critic's raw outputs `real (B,)` and `fake (B,)`, higher meaning "more real", and returns
a `Play`: what the critic and what the generator minimise. Its keyword-only parameters are options that a user can
give: `--loss least-squares:fake_label=-1`. To add a loss, write one such function. Give it to
`AdversaryConfig(loss=...)` as it is, or put `@LOSSES.register("my-name")` above it here to type its name on the command
line. Those of the f-divergences are in `fgan`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.errors import ConfigurationError
from triptych.processes import sharing, summed
from triptych.specs import Registry


class Play(NamedTuple):
    """Both sides of one game, unreduced."""

    critic: Tensor
    """What the critic minimises, `(B,)`."""
    generator: Tensor
    """What the generator minimises, `(B,)`."""


Loss = Callable[..., Play]

LOSSES: Registry[Loss] = Registry("loss")
"""Every loss by the name that a user can type."""


@LOSSES.register("minimax")
def minimax(real: Tensor, fake: Tensor, *, real_label: float = 1.0, fake_label: float = 0.0) -> Play:
    """Play the original game, `min_G max_D E log σ(real) + E log(1 - σ(fake))`, in nats.

    The generator's term saturates: its gradient vanishes where the critic is sure. Reference: Goodfellow
    et al. 2014, eq. 1.

    Args:
        real: the critic's logits for real examples, `(B,)`.
        fake: for made ones, `(B,)`.
        real_label: the probability of being real that the critic is to give to real examples; 0.9 is one-sided label
            smoothing (Salimans et al. 2016, §3.4).
        fake_label: that it is to give to made ones; above 0 both sides are smoothed, which the same section advises
            against: the best critic is then `(real_label p + fake_label q) / (p + q)`.

    Raises:
        ConfigurationError: unless 0 <= fake_label < real_label <= 1.

    Example:
        >>> minimax(torch.zeros(1), torch.zeros(1)).critic   # 2 log 2
        tensor([1.3863])
    """
    _check_labels(real_label, fake_label, 0.0, 1.0)
    return Play(_cross_entropy(real, real_label) + _cross_entropy(fake, fake_label), -F.softplus(fake))


@LOSSES.register("non-saturating")
def non_saturating(real: Tensor, fake: Tensor, *, real_label: float = 1.0, fake_label: float = 0.0) -> Play:
    """Play the original critic against a generator that maximises `E log σ(fake)`, in nats.

    Reference: Goodfellow et al. 2014, §3. Arguments and errors are those of `minimax`.

    Example:
        >>> non_saturating(torch.zeros(1), torch.zeros(1)).generator   # log 2
        tensor([0.6931])
        >>> non_saturating(torch.full((1,), 2.1972), torch.full((1,), -99.0), real_label=0.9).critic   # the entropy
        tensor([0.3251])
    """
    _check_labels(real_label, fake_label, 0.0, 1.0)
    return Play(_cross_entropy(real, real_label) + _cross_entropy(fake, fake_label), F.softplus(-fake))


@LOSSES.register("least-squares")
def least_squares(
    real: Tensor, fake: Tensor, *, real_label: float = 1.0, fake_label: float = 0.0, target: float = 1.0
) -> Play:
    """Regress real to one label and fake to another; the generator pulls fake to a target.

    `½ (real - b)² + ½ (fake - a)²` against `½ (fake - c)²`. With `b - c = 1` and `b - a = 2` the generator minimises
    Pearson's χ² between p + q and 2 q; `b = c = 1` and `a = 0` is the paper's other choice and the default. Reference:
    Mao et al. 2017, eq. 2, §3.2-3.3.

    Args:
        real: the critic's outputs for real examples, `(B,)`.
        fake: for made ones, `(B,)`.
        real_label: b.
        fake_label: a.
        target: c.

    Raises:
        ConfigurationError: unless fake_label is below both others.

    Example:
        >>> least_squares(torch.ones(1), torch.zeros(1))
        Play(critic=tensor([0.]), generator=tensor([0.5000]))
        >>> least_squares(torch.ones(1), torch.zeros(1), fake_label=-1.0, target=0.0)
        Play(critic=tensor([0.5000]), generator=tensor([0.]))
    """
    _check_labels(real_label, fake_label, -math.inf, math.inf)
    if not fake_label < target < math.inf:
        raise ConfigurationError(f"target={target:g}, fake_label={fake_label:g}: expected the target above the label")
    return Play(0.5 * (real - real_label) ** 2 + 0.5 * (fake - fake_label) ** 2, 0.5 * (fake - target) ** 2)


@LOSSES.register("hinge")
def hinge(real: Tensor, fake: Tensor) -> Play:
    """Push real above 1 and fake below -1; the generator raises fake.

    `max(0, 1 - real) + max(0, 1 + fake)` against `-fake`. Reference: Miyato et al. 2018, eq. 16-17.

    Example:
        >>> hinge(torch.full((1,), 2.0), torch.full((1,), -2.0))
        Play(critic=tensor([0.]), generator=tensor([2.]))
    """
    return Play(torch.relu(1 - real) + torch.relu(1 + fake), -fake)


@LOSSES.register("wasserstein")
def wasserstein(real: Tensor, fake: Tensor) -> Play:
    """Estimate the Wasserstein distance by a critic that is Lipschitz, `max_D E D(real) - E D(fake)`.

    The critic is held to a slope by a penalty, a norm, or clipped weights. Reference: Arjovsky et al. 2017, eq. 2-3.

    Example:
        >>> wasserstein(torch.full((1,), 2.0), torch.zeros(1)).critic   # minus the estimate
        tensor([-2.])
    """
    return Play(fake - real, -fake)


@LOSSES.register("relativistic")
def relativistic(real: Tensor, fake: Tensor, *, real_label: float = 1.0) -> Play:
    """Ask which of a pair is the real one: `-log σ(real - fake)` against `-log σ(fake - real)`, in nats.

    Reference: Jolicoeur-Martineau 2019, *The Relativistic Discriminator*, eq. 5-6 (RSGAN).

    Args:
        real: the critic's outputs for real examples, `(B,)`.
        fake: for made ones, `(B,)`.
        real_label: the probability that the critic is to give to the real one of each pair; 0.9 smooths it.

    Raises:
        ConfigurationError: unless 0.5 < real_label <= 1.

    Example:
        >>> relativistic(torch.full((1,), 7.0), torch.full((1,), 7.0)).critic   # log 2
        tensor([0.6931])
    """
    if not 0.5 < real_label <= 1:
        raise ConfigurationError(f"real_label={real_label:g}: expected above 0.5 and at most 1")
    return Play(_cross_entropy(real - fake, real_label), F.softplus(real - fake))


@LOSSES.register("relativistic-average")
def relativistic_average(real: Tensor, fake: Tensor, *, real_label: float = 1.0, fake_label: float = 0.0) -> Play:
    """Ask of each example whether it is more real than the average of the other kind, in nats.

    The critic minimises `-log σ(real - E fake) - log(1 - σ(fake - E real))`, the generator the same with the kinds
    exchanged. The means are those of the whole minibatch, on however many processes. Reference: Jolicoeur-Martineau
    2019, *The Relativistic Discriminator*, eq. 8-9 (RaSGAN). Arguments and errors are those of `minimax`.

    Example:
        >>> relativistic_average(torch.full((2,), 7.0), torch.full((2,), 7.0)).critic   # 2 log 2
        tensor([1.3863, 1.3863])
    """
    _check_labels(real_label, fake_label, 0.0, 1.0)
    real_over_fake, fake_over_real = real - _mean(fake), fake - _mean(real)
    critic = _cross_entropy(real_over_fake, real_label) + _cross_entropy(fake_over_real, fake_label)
    return Play(critic, F.softplus(-fake_over_real) + F.softplus(real_over_fake))


def _cross_entropy(logit: Tensor, label: float) -> Tensor:
    """Return `-label log σ(logit) - (1 - label) log(1 - σ(logit))`, where a label of 1 or 0 has one term."""
    if label == 1:
        return F.softplus(-logit)
    return F.softplus(logit) - label * logit if label else F.softplus(logit)


def _mean(x: Tensor) -> Tensor:
    """Return the mean over the batch of all processes, with gradients to each one's part."""
    return summed(x.mean()) / sharing()


def _check_labels(real: float, fake: float, low: float, high: float) -> None:
    """Refuse labels out of their range, or in the wrong order."""
    if not (low <= fake < real <= high and math.isfinite(real - fake)):
        within = "" if math.isinf(low) else f", both within {low:g} to {high:g}"
        raise ConfigurationError(f"real_label={real:g}, fake_label={fake:g}: expected the real one above{within}")
