"""What a critic pays for being steep: each a function of what it says near real and made examples.

A penalty takes `judge`, from scaled examples to logits `(B,)`, scaled examples `real` and `fake`, `(B, ...)`, and a
stream of randomness, and returns what the critic minimises besides its loss, `(B,)`, its weight included. Its
keyword-only parameters are options that a user can give: `--penalty gradient:weight=10`. To add a penalty, write one
such function: give it to `AdversaryConfig(penalty=...)` as it is, or put `@PENALTIES.register("my-name")` above it
here to type its name on the command line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.noise import Noise
from triptych.processes import sharing, summed
from triptych.specs import Registry

Judge = Callable[[Tensor], Tensor]
Penalty = Callable[..., Tensor]

PENALTIES: Registry[Penalty] = Registry("penalty")
"""Every penalty by the name that a user can type."""
SIDES = ("two", "one")


@PENALTIES.register("gradient")
def gradient(
    judge: Judge,
    real: Tensor,
    fake: Tensor,
    noise: Noise,
    *,
    weight: float = 10.0,
    target: float = 1.0,
    sided: str = "two",
) -> Tensor:
    """Hold the critic's slope between real and made examples to a target: `λ (‖∇D(x̂)‖ - c)²`.

    `x̂ = u x + (1 - u) G(z)`, u uniform, one an example. One-sided, only what is steeper than the target pays:
    `λ max(0, ‖∇D(x̂)‖ - c)²`. Reference: Gulrajani et al. 2017, eq. 3 and §4.

    Args:
        judge: from scaled examples to logits `(B,)`.
        real: scaled examples, `(B, ...)`.
        fake: made ones, of the same shape.
        noise: what u is drawn from.
        weight: λ.
        target: c.
        sided: "two" or "one".

    Raises:
        ConfigurationError: for a negative weight or target, or another side.

    Example:
        >>> ones = torch.ones(2, 4)
        >>> gradient(lambda x: x.sum(1), ones, ones, Noise.of(0), weight=1.0)   # the slope is 2
        tensor([1., 1.])
    """
    check_weight("gradient", weight=weight, target=target)
    if sided not in SIDES:
        raise ConfigurationError(f"the penalty 'gradient' was given sided={sided}: expected {' or '.join(SIDES)}")
    u = noise.uniform((len(real), *[1] * (real.dim() - 1))).to(real.dtype)
    excess = slope(judge, torch.lerp(fake, real, u)) - target
    return weight * (excess if sided == "two" else torch.relu(excess)) ** 2


@PENALTIES.register("dragan")
def dragan(
    judge: Judge,
    real: Tensor,
    fake: Tensor,
    noise: Noise,
    *,
    weight: float = 10.0,
    target: float = 1.0,
    spread: float = 0.5,
) -> Tensor:
    """Hold the critic's slope around real examples to a target: `λ (‖∇D(x + δ)‖ - c)²`, `δ ~ N(0, (r s)² I)`.

    s is the standard deviation of all numbers of the minibatch, on however many processes. Reference: Kodali et al.
    2017, *On Convergence and Stability of GANs*, §2.4, Algorithm 1, with noise in proportion to the data as in the
    authors' program.

    Args:
        judge: from scaled examples to logits `(B,)`.
        real: scaled examples, `(B, ...)`.
        fake: made ones, which are not looked at.
        noise: what δ is drawn from.
        weight: λ.
        target: c.
        spread: r.

    Raises:
        ConfigurationError: for a negative weight, target or spread.

    Example:
        >>> dragan(lambda x: 3 * x[:, 0], torch.rand(2, 4), torch.rand(2, 4), Noise.of(0), weight=1.0)
        tensor([4., 4.])
    """
    check_weight("dragan", weight=weight, target=target, spread=spread)
    mean = summed(real.mean()) / sharing()
    deviation = (summed((real - mean).square().mean()) / sharing()).sqrt()
    near = real + spread * deviation * noise.normal(real.shape)
    return weight * (slope(judge, near) - target) ** 2


@PENALTIES.register("r1")
def r1(judge: Judge, real: Tensor, fake: Tensor, noise: Noise, *, weight: float = 10.0) -> Tensor:
    """Flatten the critic on real examples: `½ γ ‖∇D(x)‖²`.

    Reference: Mescheder, Geiger & Nowozin 2018, *Which Training Methods for GANs do actually Converge?*, eq. 9.

    Args:
        judge: from scaled examples to logits `(B,)`.
        real: scaled examples, `(B, ...)`.
        fake: made ones, which are not looked at.
        noise: not drawn from.
        weight: γ.

    Raises:
        ConfigurationError: for a negative weight.

    Example:
        >>> r1(lambda x: 3 * x[:, 0], torch.ones(1, 4), torch.zeros(1, 4), Noise.of(0), weight=2.0)
        tensor([9.])
    """
    check_weight("r1", weight=weight)
    return weight / 2 * squared_slope(judge, real)


@PENALTIES.register("r2")
def r2(judge: Judge, real: Tensor, fake: Tensor, noise: Noise, *, weight: float = 10.0) -> Tensor:
    """Flatten the critic on made examples: `½ γ ‖∇D(G(z))‖²`.

    Reference: Mescheder, Geiger & Nowozin 2018, eq. 10. Arguments and errors are those of `r1`.

    Example:
        >>> ones = torch.ones(1, 4)
        >>> r2(lambda x: (x**2).sum(1), ones, ones, Noise.of(0), weight=1.0).tolist()   # ½ · 4 · 2²
        [8.0]
    """
    check_weight("r2", weight=weight)
    return weight / 2 * squared_slope(judge, fake)


def squared_slope(judge: Judge, x: Tensor) -> Tensor:
    """Return `‖∇D(x)‖²`, `(B,)`, with a graph to the critic's parameters.

    Example:
        >>> squared_slope(lambda x: 3 * x[:, 0], torch.zeros(1, 2))
        tensor([9.])
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (steepest,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    return steepest.flatten(1).square().sum(1)


def slope(judge: Judge, x: Tensor) -> Tensor:
    """Return `‖∇D(x)‖`, `(B,)`, with a graph to the critic's parameters; a flat critic has a finite one too.

    Example:
        >>> slope(lambda x: 3 * x[:, 0], torch.zeros(1, 2))
        tensor([3.])
    """
    return (squared_slope(judge, x) + 1e-12).sqrt()


def check_weight(penalty: str, **options: float) -> None:
    """Refuse numbers below 0, infinite ones and NaN.

    Raises:
        ConfigurationError: naming the option.

    Example:
        >>> check_weight("r1", weight=-1.0)
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: the penalty 'r1' was given weight=-1: expected 0 or more
    """
    for name, value in options.items():
        if not 0 <= value < math.inf:
            raise ConfigurationError(f"the penalty {penalty!r} was given {name}={value:g}: expected 0 or more")


def resolve_penalties(penalty: str | Penalty) -> Sequence[tuple[str, Penalty]]:
    """Return the penalties that a constructor argument names, or the user's own, each with its term's name.

    Raises:
        ConfigurationError: for an unknown name or option, one given twice, or an option out of its range.

    Example:
        >>> [name for name, _ in resolve_penalties("gradient:sided=one+r1:weight=1")]
        ['gradient_penalty', 'r1_penalty']
    """
    if callable(penalty):
        own = getattr(getattr(penalty, "func", penalty), "__name__", "own")
        return [(f"{own if own.isidentifier() else 'own'}_penalty", penalty)]
    parts = PENALTIES.several(penalty)
    for part in parts:  # so that an option out of its range is refused now, and not at the first step
        part(lambda x: x.sum(1), torch.zeros(2, 2), torch.ones(2, 2), Noise.of(0))
    return [(f"{getattr(part, 'func', part).__name__}_penalty", part) for part in parts]
