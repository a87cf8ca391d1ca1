"""One game between a critic and a generator: whose loss it is, and what each side says and minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.networks import conditioned
from triptych.objectives import fgan  # noqa: F401  (its losses enter LOSSES)
from triptych.objectives.adversarial import LOSSES, Loss, Play
from triptych.specs import chosen


class Opinion(NamedTuple):
    """What a critic says of examples."""

    logit: Tensor
    """`(B,)`, unbounded; higher means more real."""
    features: Tensor | None
    """`(B, F)`, what the logit is read from; None of a critic that does not tell."""


@runtime_checkable
class TellsFeatures(Protocol):
    """A critic that tells what its logits are read from."""

    def features(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return what the logits of scaled examples are read from, `(B, F)`."""
        ...

    def judged(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits that features stand for, `(B, 1)`."""
        ...


def resolve_loss(loss: str | Loss) -> Loss:
    """Return the loss that a constructor argument names, or the user's own function as it is.

    Raises:
        ConfigurationError: for an unknown name or option.
    """
    return loss if callable(loss) else chosen("loss", loss, LOSSES)


def generator_sees_real(loss: Loss) -> bool:
    """Return whether the generator's term depends on the critic's opinion of real examples.

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


def opinion(critic: nn.Module, x: Tensor, label: Tensor | None) -> Opinion:
    """Return what a critic says of scaled examples.

    Args:
        critic: maps them (and labels) to one logit each; if it tells its features, it has `features` and `judged`, as
            `triptych.networks.critics.Critic` does.
        x: `(B, *event.shape)`.
        label: `(B,)` of a conditional model.

    Raises:
        ConfigurationError: for more or fewer logits than examples.

    Example:
        >>> opinion(nn.Linear(3, 1), torch.zeros(5, 3), None).logit.shape
        torch.Size([5])
    """
    if not isinstance(critic, TellsFeatures):
        return Opinion(judged(conditioned(critic, x, label), len(x)), None)
    features = critic.features(x, label)
    return Opinion(judged(critic.judged(features, label), len(x)), features)


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
