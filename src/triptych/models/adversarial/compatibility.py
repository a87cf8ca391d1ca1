"""Which parts of a game do not go together: each pair is refused in one line, when a model is built."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import parametrize

from triptych.errors import ConfigurationError
from triptych.models.adversarial.tricks import Trick
from triptych.networks.attention import SelfAttention
from triptych.objectives.adversarial import Loss, wasserstein
from triptych.objectives.game import TellsFeatures, refuse_bounded
from triptych.objectives.penalties import Penalty


def check_numbers(critic_rate: float, weight_clip: float, rate: float, beta1: float, beta2: float) -> None:
    """Raise `ConfigurationError` for a number out of its range.

    Example:
        >>> check_numbers(critic_rate=4.0, weight_clip=0.01, rate=2e-4, beta1=0.0, beta2=1.0)
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: beta1=0, beta2=1: expected both at least 0 and below 1
    """
    if not (0 < critic_rate < math.inf and 0 < rate < math.inf):
        raise ConfigurationError(f"critic_rate={critic_rate:g}, rate={rate:g}: expected numbers above 0")
    if not 0 <= weight_clip < math.inf:
        raise ConfigurationError(f"weight_clip={weight_clip:g}: expected a bound such as 0.01, or 0 for none")
    if not (0 <= beta1 < 1 and 0 <= beta2 < 1):
        raise ConfigurationError(f"beta1={beta1:g}, beta2={beta2:g}: expected both at least 0 and below 1")


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
    if seeing and not isinstance(critic, TellsFeatures):
        raise ConfigurationError(
            f"{seeing[0]} needs a critic that tells its features: give {type(critic).__name__} the methods "
            "features(x, label) and judged(features, label)"
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

    Its opinion of one then depends on the others, and the gradient by the minibatch is not made of the slopes at its
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
