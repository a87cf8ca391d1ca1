"""Which parts of a game do not go together: each pair is refused in one line, when a model is built."""

from __future__ import annotations

from collections.abc import Sequence

import torch.fx
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from triptych.adversary.scores import HasFeatures
from triptych.adversary.tricks import Trick
from triptych.errors import ConfigurationError
from triptych.networks.attention import SelfAttention
from triptych.objectives.adversarial import LOSSES, Loss, wasserstein
from triptych.objectives.penalties import Penalty

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
        >>> from triptych.objectives.game import resolve_loss
        >>> refuse_bounded(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid()), resolve_loss("hinge"))
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: the critic ends in Sigmoid, and the loss 'hinge' takes logits, ...
        >>> refuse_bounded(nn.Sequential(nn.Linear(3, 1), nn.Sigmoid(), nn.Linear(1, 1)), resolve_loss("hinge"))
    """
    name = LOSSES.name_of(loss)
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


def check_tricks(critic: nn.Module, tricks: Sequence[Trick], own: bool) -> None:
    """Raise `ConfigurationError` for a trick that this critic cannot be played with.

    Args:
        critic: of the game.
        tricks: that are asked for.
        own: whether the critic is the user's own module, which no layer can be put into.
    """
    layered = [trick.called for trick in tricks if type(trick).layer is not Trick.layer]
    if own and layered:
        raise ConfigurationError(
            f"{layered[0]} is a layer of a critic chosen by name: put it into your own {type(critic).__name__}, "
            "or leave the critic to triptych"
        )
    seeing = [trick.called for trick in tricks if trick.sees_features]
    if seeing and not isinstance(critic, HasFeatures):
        raise ConfigurationError(
            f"{seeing[0]} needs a critic that gives its features: give {type(critic).__name__} the methods "
            "features(x, label) and logits(features, label)"
        )


def check_codes(tricks: Sequence[Trick], codes: str) -> None:
    """Raise `ConfigurationError` for a trick that needs codes where there are none, or that exchanges scored fakes.

    Args:
        tricks: that are asked for.
        codes: of fakes: "none", "hidden" or "scored".
    """
    needing = [trick.called for trick in tricks if trick.sees_codes]
    if needing and codes == "none":
        raise ConfigurationError(f"{needing[0]} needs fakes that are made of codes: leave it out")
    replaying = [trick.called for trick in tricks if type(trick).fakes is not Trick.fakes]
    if replaying and codes == "scored":
        raise ConfigurationError(
            f"{replaying[0]} exchanges fakes, and the critic scores them with their codes: leave it out"
        )


def check_held(critic: nn.Module, loss: Loss, penalties: Sequence[Penalty], weight_clip: float, own: bool) -> None:
    """Raise `ConfigurationError` for weights clipped in vain, and for a critic whose outputs do not suit the loss.

    Without a bound on its slope a critic's value estimates no Wasserstein distance: it can be any number (Arjovsky
    et al. 2017, eq. 3), and a penalty of weight 0 is no bound. A user's own loss is not looked into, and of a user's
    own critic only how it ends.
    """
    penalised = any(getattr(penalty, "keywords", {}).get("weight", 1.0) for penalty in penalties)
    if weight_clip and any(map(parametrize.is_parametrized, critic.modules())):
        raise ConfigurationError(
            f"weight_clip={weight_clip:g} was given with weights that are normalised after they are clipped: "
            "set critic_norm='none', or weight_clip=0"
        )
    if own:
        refuse_bounded(critic, loss)
    if loss is wasserstein and not (own or penalised or weight_clip or normalised(critic)):
        raise ConfigurationError(
            "loss='wasserstein' was given without a bound on the critic's slope, and then estimates nothing: "
            "try penalty='gradient', critic_norm='spectral' without attention, or weight_clip=0.01"
        )


def normalised(critic: nn.Module) -> bool:
    """Return whether every matrix of a critic is normalised, as by its largest singular value, and nothing else scales.

    Self-attention does: its weight γ has no bound.

    Example:
        >>> normalised(nn.Linear(2, 1)), normalised(nn.utils.parametrizations.spectral_norm(nn.Linear(2, 1)))
        (False, True)
    """
    matrices = [layer for layer in critic.modules() if isinstance(layer, nn.Linear | _ConvNd)]
    attends = any(isinstance(layer, SelfAttention) for layer in critic.modules())
    return not attends and all(map(parametrize.is_parametrized, matrices))


def check_each(critic: nn.Module, tricks: Sequence[Trick], penalties: Sequence[str]) -> None:
    """Raise `ConfigurationError` for a penalty on a slope at each example, of a critic that mixes examples.

    Its logit for one then depends on the others, and the gradient by the minibatch is not made of the slopes at its
    examples (Gulrajani et al. 2017, §4).

    Args:
        critic: of the game.
        tricks: that are asked for.
        penalties: by name; a user's own is not looked into.
    """
    mixing = [trick.called for trick in tricks if trick.mixes_examples]
    advice = "choose one of the two"
    if any(isinstance(layer, _BatchNorm) for layer in critic.modules()):
        mixing, advice = ["batch normalisation"], "try critic_norm='layer'"
    if penalties and mixing:
        raise ConfigurationError(
            f"penalty={penalties[0]!r} is on the slope at each example, and {mixing[0]} in the critic mixes examples: "
            + advice
        )
