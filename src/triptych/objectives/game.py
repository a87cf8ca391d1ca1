"""One game between a critic and a generator: whose loss it is, and what each side says and minimises."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

import torch
import torch.fx
from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.networks import conditioned
from triptych.networks.critics import Critic
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


BOUNDED = ("Sigmoid", "Tanh", "Softmax", "LogSigmoid", "LogSoftmax", "Hardsigmoid", "Hardtanh", "Softsign")
"""Activations of `torch.nn` whose values are bounded, or end at 0."""
_SHAPING = (
    "view",
    "reshape",
    "flatten",
    "squeeze",
    "unsqueeze",
    "contiguous",
    "float",
    "Flatten",
    "Unflatten",
    "Identity",
)


def refuse_bounded(critic: nn.Module, loss: Loss) -> None:
    """Refuse a critic that ends in a bounded activation: the losses that have names take logits.

    The critic is traced, not run. What cannot be traced is not judged, and nor is the critic of a user's own loss.

    Args:
        critic: maps scaled examples to `(B, 1)`.
        loss: as `resolve_loss` returns it.

    Raises:
        ConfigurationError: naming the activation.

    Example:
        >>> refuse_bounded(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), resolve_loss("hinge"))
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: the critic ends in Sigmoid, and the loss 'hinge' takes logits, ...
        >>> refuse_bounded(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid(), nn.Linear(1, 1)), resolve_loss("hinge"))
    """
    name = next((name for name, known in LOSSES.items() if known is getattr(loss, "func", loss)), None)
    last = _last_activation(critic) if name else ""
    if last.lower().replace("_", "") in {name.lower() for name in BOUNDED}:
        raise ConfigurationError(
            f"the critic ends in {last}, and the loss {name!r} takes logits, which are not bounded: end it in its last "
            "linear layer"
        )


def _last_activation(critic: nn.Module) -> str:
    """Return what a network computes last, apart from changes of shape; "" where tracing it fails."""
    try:
        graph = torch.fx.symbolic_trace(critic).graph
    except Exception:  # a module's forward may do anything with what tracing gives it
        return ""
    node: object = next(node for node in graph.nodes if node.op == "output").args[0]
    while isinstance(node, torch.fx.Node):
        name = str(getattr(node.target, "__name__", node.target))
        if node.op == "call_module":
            name = type(critic.get_submodule(str(node.target))).__name__
        if name not in _SHAPING:
            return name
        node = node.args[0]
    return ""


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

    def slope(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return how much the generator's loss asks for at logits, `|∂ loss / ∂ fake|`, `(B,)`.

        Minimax has σ(fake), which vanishes where the critic wins; the non-saturating loss 1 - σ(fake).

        Args:
            real: `(B,)`, what the critic says of real examples.
            fake: `(B,)`, what it says of made ones.

        Example:
            >>> zero = torch.zeros(1)
            >>> Game("minimax").slope(zero, zero - 20).round(decimals=4), Game("hinge").slope(zero, zero - 20)
            (tensor([0.]), tensor([1.]))
        """
        with torch.enable_grad():
            logits = fake.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss(real.detach(), logits).generator.sum(), logits)
        return gradient.abs()

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
    if not isinstance(critic, Critic | TellsFeatures):  # a protocol is slow to look up: the usual case comes first
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
