"""The critic of a game: a trunk of features, what it learns from the whole minibatch, and a head that judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from triptych.event import Event
from triptych.networks.blocks import LeakyReLU, Sizes, conditioned
from triptych.networks.decoders import resolve_decoder
from triptych.networks.encoders import resolve_encoder

Layer = Callable[[int], nn.Module | None]
"""From the width of what is before it to a layer, or to none."""


class Critic(nn.Module):
    """One logit an example, `(B, C, H, W) -> (B, 1)`, and the features that it is read from.

    Args:
        trunk: from scaled examples (and labels, if it takes them) to `(B, width)`.
        width: features of the trunk.
        further: layers behind the trunk that see the whole minibatch, each `(B, F) -> (B, F')`, with its F' as
            `width`.
    """

    def __init__(self, trunk: nn.Module, width: int, further: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.trunk = trunk
        self.further = nn.Sequential(*further)
        self.width = int(further[-1].width) if further else width  # type: ignore[arg-type]
        self.head = nn.Linear(self.width, 1)

    def features(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return what the logit is read from, `(B, width)`."""
        seen: Tensor = self.further(conditioned(self.trunk, x, label))
        return seen

    def judged(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits that features stand for, `(B, 1)`."""
        said: Tensor = self.head(features)
        return said

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits of scaled examples."""
        return self.judged(self.features(x, label), label)


class Activated(nn.Module):
    """A network, and an activation behind it."""

    def __init__(self, network: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.network, self.activation = network, activation

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map what the network maps."""
        out: Tensor = self.activation(conditioned(self.network, x, label))
        return out


def resolve_critic(
    name: str | nn.Module, event: Event, sizes: Sizes, norm: str, labels: str, further: Sequence[Layer]
) -> nn.Module:
    """Return the critic that a constructor argument names, or the user's own module as it is.

    Args:
        name: "auto", "mlp", "conv", or a module from scaled examples (and labels, if `classes`) to `(B, 1)`.
        event: what one example is.
        sizes: of a critic chosen by name.
        norm: how its layers are normalised.
        labels: how it sees labels.
        further: each makes a layer behind the trunk from its width, or None.
    """
    if isinstance(name, nn.Module):
        return name
    width = sizes.hidden
    trunk = resolve_encoder(
        name, event, width, sizes._replace(activation="leaky-relu"), spectral=norm in ("auto", "spectral")
    )
    layers: list[nn.Module] = []
    for make in further:
        layer = make(int(layers[-1].width) if layers else width)  # type: ignore[arg-type]
        layers += [] if layer is None else [layer]
    return Critic(Activated(trunk, LeakyReLU()), width, layers)


def resolve_generator(
    name: str | nn.Module, event: Event, inputs: int, sizes: Sizes, norm: str, labels: str
) -> nn.Module:
    """Return the generator that a constructor argument names, or the user's own module as it is."""
    return resolve_decoder(name, event, inputs, event.shape[0], sizes)
