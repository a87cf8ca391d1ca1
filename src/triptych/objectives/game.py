"""The loss of a game between a critic and a generator, by name, and what it asks of them."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.objectives import fgan  # noqa: F401  (its losses enter LOSSES)
from triptych.objectives.adversarial import LOSSES, Loss, Play


def resolve_loss(loss: str | Loss) -> Loss:
    """Return the loss that a constructor argument names, or the user's own function as it is.

    Raises:
        ConfigurationError: for an unknown name or option.
    """
    return loss if callable(loss) else LOSSES.chosen(loss)


def generator_sees_real(loss: Loss) -> bool:
    """Return whether the generator's term depends on the critic's logits for real examples.

    It does in relativistic games. Where it does not, the generator's turn need not show the critic any
    real example. The loss itself is asked: its generator's term is computed beside two different `real`.

    Example:
        >>> from triptych.objectives.adversarial import hinge
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


def is_symmetric(loss: Loss) -> bool:
    """Return whether a loss treats real examples as it treats fakes whose logits have the other sign.

    Only then it can be turned round for a player that makes both, as in BiGAN.

    Example:
        >>> from triptych.objectives.adversarial import hinge, least_squares
        >>> is_symmetric(hinge), is_symmetric(least_squares)
        (True, False)
    """
    real, fake = torch.linspace(-2, 3, 5), torch.linspace(1, -3, 5)
    return torch.allclose(loss(real, fake).critic, loss(-fake, -real).critic)


def slope(loss: Loss, real: Tensor, fake: Tensor) -> Tensor:
    """Return how much the generator's loss asks for at logits, `|∂ loss / ∂ fake|`, `(B,)`.

    Minimax has σ(fake), which vanishes where the critic wins; the non-saturating loss 1 - σ(fake).

    Args:
        loss: of real and fake logits.
        real: `(B,)`, the critic's logits for real examples.
        fake: `(B,)`, those for made ones.

    Example:
        >>> zero = torch.zeros(1)
        >>> from triptych.objectives.adversarial import hinge, minimax
        >>> slope(minimax, zero, zero - 20).round(decimals=4), slope(hinge, zero, zero - 20)
        (tensor([0.]), tensor([1.]))
    """
    with torch.enable_grad():
        logits = fake.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(real.detach(), logits).generator.sum(), logits)
    return gradient.abs()
