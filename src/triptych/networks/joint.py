"""Critics of examples together with vectors, such as their codes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from triptych.networks.blocks import LeakyReLU
from triptych.networks.critics import Critic, Layer, layers_behind
from triptych.networks.norms import spectrally_normed


class JointTrunk(nn.Module):
    """Features of an example and of a vector, joined by two layers, `(B, ...), (B, E) -> (B, width)`.

    Args:
        trunk: from scaled examples to `(B, width of the trunk)`.
        width: features of the trunk.
        inputs: length E of the vector.
        hidden: units of the layer on the vector, and of those that join both.
    """

    def __init__(self, trunk: nn.Module, width: int, inputs: int, hidden: int) -> None:
        super().__init__()
        self.trunk, self.width = trunk, hidden
        self.vector = nn.Sequential(nn.Linear(inputs, hidden), LeakyReLU())
        self.joint = nn.Sequential(
            nn.Linear(width + hidden, hidden), LeakyReLU(), nn.Linear(hidden, hidden), LeakyReLU()
        )
        if any(parametrize.is_parametrized(part) for part in trunk.modules()):
            spectrally_normed(self.vector)
            spectrally_normed(self.joint)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """Return the features of pairs."""
        features: Tensor = self.joint(torch.cat([self.trunk(x), self.vector(vector)], 1))
        return features


def joint_critic(
    make_critic: Callable[[Sequence[Layer]], nn.Module], inputs: int, hidden: int, layers: Sequence[Layer]
) -> nn.Module:
    """Return a critic of examples with vectors, from what makes one of examples; the user's own as it is.

    Args:
        make_critic: returns a critic of examples; one of the user's own takes the vector as a second argument.
        inputs: length of the vector.
        hidden: units of the layers that join both.
        layers: of tricks, behind the trunk.

    Example:
        >>> single = lambda layers: Critic(nn.Flatten(), 12)
        >>> joint_critic(single, 5, 8, ())(torch.zeros(2, 3, 2, 2), torch.zeros(2, 5)).shape
        torch.Size([2, 1])
    """
    single = make_critic(())
    if not isinstance(single, Critic):
        return single
    trunk = JointTrunk(single.trunk, single.width, inputs, hidden)
    critic = Critic(trunk, trunk.width, layers_behind(trunk.width, layers))
    if parametrize.is_parametrized(single.head):
        spectrally_normed(critic.head)
    return critic
