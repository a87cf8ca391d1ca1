"""What a critic pays for being steep: each a function of what it says near real and made examples.

A penalty takes `judge`, from scaled examples to logits `(B,)`, scaled examples `real` and `fake`, `(B, ...)`, and a
stream of randomness, and returns what the critic minimises besides its loss, `(B,)`, its weight included. Its
keyword-only parameters are options that a user can give: `--penalty gradient:weight=10`. To add a penalty, write one
such function: give it to `GAN(penalty=...)` as it is, or mark it `@named` here to type its name on the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from triptych.noise import Noise
from triptych.specs import several

Judge = Callable[[Tensor], Tensor]
Penalty = Callable[..., Tensor]

PENALTIES: dict[str, Penalty] = {}
"""Every penalty by the name that a user can type: the function's, with hyphens."""


def named(penalty: Penalty) -> Penalty:
    """Enter a penalty in `PENALTIES` under its own name."""
    PENALTIES[penalty.__name__.replace("_", "-")] = penalty
    return penalty


@named
def gradient(
    judge: Judge, real: Tensor, fake: Tensor, noise: Noise, *, weight: float = 10.0, target: float = 1.0
) -> Tensor:
    """Hold the critic's slope between real and made examples to a target: `λ (‖∇D(x̂)‖ - c)²`.

    `x̂ = u x + (1 - u) G(z)`, u uniform, one an example. Reference: Gulrajani et al. 2017, eq. 3.

    Example:
        >>> ones = torch.ones(2, 4)
        >>> gradient(lambda x: x.sum(1), ones, ones, Noise.of(0), weight=1.0)   # the slope is 2
        tensor([1., 1.])
    """
    u = noise.uniform((len(real), *[1] * (real.dim() - 1)))
    return weight * (slope(judge, torch.lerp(fake, real, u)) - target) ** 2


def slope(judge: Judge, x: Tensor) -> Tensor:
    """Return `‖∇D(x)‖`, `(B,)`, with a graph to the critic's parameters.

    Example:
        >>> slope(lambda x: 3 * x[:, 0], torch.zeros(1, 2))
        tensor([3.])
    """
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        (steepest,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
    return (steepest.flatten(1).square().sum(1) + 1e-12).sqrt()


def resolve_penalties(penalty: str | Penalty) -> Sequence[tuple[str, Penalty]]:
    """Return the penalties that a constructor argument names, or the user's own, each with its term's name.

    Raises:
        ConfigurationError: for an unknown name or option.
    """
    parts = [penalty] if callable(penalty) else several("penalty", penalty, PENALTIES)
    return [(f"{getattr(getattr(p, 'func', p), '__name__', 'own')}_penalty", p) for p in parts]
