"""The networks of a game by name: generators, and critics of a trunk of features and a head that judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from triptych.errors import ConfigurationError, check_known
from triptych.event import Event
from triptych.networks import dcgan, perceptron, resnet  # noqa: F401  (they enter GENERATORS and TRUNKS)
from triptych.networks.blocks import Sizes, conditioned
from triptych.networks.games import GENERATORS as GENERATORS
from triptych.networks.games import SMALLEST, Outfit
from triptych.networks.games import TRUNKS as TRUNKS
from triptych.networks.norms import (
    CRITIC_NORMS,
    GENERATOR_NORMS,
    Batch,
    Spectral,
    Virtual,
    resolve_norm,
    spectrally_normed,
)
from triptych.networks.reference import Referring
from triptych.specs import Registry

GENERATOR_LABELS = ("concatenation", "batch-norm")
"""How a generator sees labels: appended to the code, or as scales and shifts of batch norm."""
CRITIC_LABELS = ("concatenation", "projection")
"""How a critic sees labels: appended to the example, or by an inner product with the features."""
Layer = Callable[[int], nn.Module | None]
"""From the width of what is before it to a layer, or to none."""


class Critic(nn.Module):
    """One logit an example, `(B, C, H, W) -> (B, 1)`, and the features that it is read from.

    `logit = w·φ(x) + b`, and `+ v_y·φ(x)` of a critic that sees labels y by projection (Miyato & Koyama 2018, *cGANs
    with Projection Discriminator*, eq. 4).

    Args:
        trunk: from scaled examples (and labels, if it takes them) to `(B, width)`.
        width: features of the trunk.
        further: layers behind the trunk that see the whole minibatch, each `(B, F) -> (B, F')`, with its F' as
            `width`.
        classes: number of labels seen by projection; 0 for none.

    Example:
        >>> import torch
        >>> Critic(nn.Flatten(), 12)(torch.zeros(2, 3, 2, 2)).shape
        torch.Size([2, 1])
    """

    def __init__(self, trunk: nn.Module, width: int, further: Sequence[nn.Module] = (), classes: int = 0) -> None:
        super().__init__()
        self.trunk = trunk
        self.further = nn.Sequential(*further)
        self.width = int(further[-1].width) if further else width  # type: ignore[arg-type]
        self.head = nn.Linear(self.width, 1)
        self.embedding = nn.Embedding(classes, self.width) if classes else None
        if self.embedding is not None:
            nn.init.uniform_(self.embedding.weight, -(self.width**-0.5), self.width**-0.5)  # as the head's

    def features(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return what the logit is read from, `(B, width)`."""
        seen: Tensor = self.further(conditioned(self.trunk, x, label))
        return seen

    def logits(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits that features stand for, `(B, 1)`."""
        said: Tensor = self.head(features)
        if self.embedding is not None:
            assert label is not None, "a critic of labels is asked with one"
            said = said + (self.embedding(label) * features).sum(1, keepdim=True)
        return said

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits of scaled examples."""
        return self.logits(self.features(x, label), label)


def resolve_critic(
    name: str | nn.Module, event: Event, sizes: Sizes, norm: str, labels: str, further: Sequence[Layer] = ()
) -> nn.Module:
    """Return the critic that a constructor argument names, or the user's own module as it is.

    Args:
        name: "auto", a name in `TRUNKS` with its options, or a module from scaled examples (and labels, if `classes`)
            to `(B, 1)`.
        event: what one example is.
        sizes: of a critic chosen by name.
        norm: "auto" (spectral for convolutions, none for "mlp") or a name in `CRITIC_NORMS`.
        labels: a name in `CRITIC_LABELS`; of no effect without classes.
        further: each makes a layer behind the trunk from its width, or None.

    Raises:
        ConfigurationError: for an unknown name or option, or an event that the network cannot take.

    Example:
        >>> import torch
        >>> critic = resolve_critic("resnet", Event((3, 32, 32), 256), Sizes(400, 8, 10), "auto", "projection")
        >>> critic(torch.zeros(2, 3, 32, 32), torch.tensor([3, 7])).shape
        torch.Size([2, 1])
    """
    if isinstance(name, nn.Module):
        _no_choice_left("critic", norm, labels)
        return name
    kind = auto_network(name, event, TRUNKS)
    check_known("critic_labels", labels, CRITIC_LABELS)
    usual = TRUNKS[kind.partition(":")[0]].usual_norm
    outfit = Outfit(resolve_norm(norm, usual, CRITIC_NORMS), sizes.classes, labels)
    trunk = TRUNKS.chosen(kind)(event, sizes, outfit)
    layers = layers_behind(trunk.width, further)
    seen = _referring(trunk, event.shape, outfit, takes_all=False)
    critic = Critic(seen, trunk.width, layers, sizes.classes if labels == "projection" else 0)
    for behind in (critic.head, critic.embedding):
        if behind is not None:
            trunk.initialise(behind)
    if isinstance(outfit.norm, Spectral):
        for part in (trunk, critic.head, critic.embedding):
            if part is not None:
                spectrally_normed(part)
    return critic


def layers_behind(width: int, makers: Sequence[Layer]) -> list[nn.Module]:
    """Return the layers behind a trunk of so many features, each made from the width of what is before it."""
    layers: list[nn.Module] = []
    for make in makers:
        layer = make(int(layers[-1].width) if layers else width)  # type: ignore[arg-type]
        layers += [] if layer is None else [layer]
    return layers


def resolve_generator(
    name: str | nn.Module, event: Event, inputs: int, sizes: Sizes, norm: str, labels: str
) -> nn.Module:
    """Return the generator that a constructor argument names, or the user's own module as it is.

    Args:
        name: "auto", a name in `GENERATORS` with its options, or a module from codes `(B, inputs)` (and labels, if
            `classes`) to scaled examples before the final tanh.
        event: what one example is.
        inputs: length of the code.
        sizes: of a generator chosen by name.
        norm: "auto" (batch for convolutions and for labels seen by batch norm, else none) or a name in
            `GENERATOR_NORMS`.
        labels: a name in `GENERATOR_LABELS`; of no effect without classes.

    Raises:
        ConfigurationError: for an unknown name or option, or an event that the network cannot make.

    Example:
        >>> import torch
        >>> net = resolve_generator("auto", Event((1, 8, 8), 17), 4, Sizes(400, 8, 3), "auto", "batch-norm")
        >>> net(torch.zeros(2, 4), torch.tensor([0, 2])).shape
        torch.Size([2, 1, 8, 8])
    """
    if isinstance(name, nn.Module):
        _no_choice_left("generator", norm, labels)
        return name
    kind = auto_network(name, event, GENERATORS)
    check_known("generator_labels", labels, GENERATOR_LABELS)
    by_norm = labels == "batch-norm" and sizes.classes > 0
    usual = "batch" if by_norm else GENERATORS[kind.partition(":")[0]].usual_norm
    outfit = Outfit(resolve_norm(norm, usual, GENERATOR_NORMS), sizes.classes, labels)
    if by_norm and not isinstance(outfit.norm, Batch | Virtual):
        raise ConfigurationError(
            f"generator_labels='batch-norm' with generator_norm={norm!r}: expected 'auto', 'batch' or 'virtual', whose "
            "scale and shift become the label's; or try generator_labels='concatenation'"
        )
    generator = GENERATORS.chosen(kind)(event, inputs, sizes, outfit)
    return _referring(generator, (inputs,), outfit, takes_all=True)


def auto_network(name: str, event: Event, known: Registry[Any]) -> str:
    """Return the name that "auto" stands for: "dcgan" for images of 8×8 and more, else "mlp"; others as they are.

    Raises:
        ConfigurationError: for what is not a name.

    Example:
        >>> auto_network("auto", Event((2,)), TRUNKS), auto_network("resnet", Event((2,)), TRUNKS)
        ('mlp', 'resnet')
    """
    if not isinstance(name, str):
        names = ", ".join(known)
        raise ConfigurationError(f"{name!r} was given as {known.kind}: expected 'auto', {names}, or an nn.Module")
    if name == "auto":
        return "dcgan" if event.is_image and min(event.shape[1:]) >= SMALLEST else "mlp"
    kind, _, options = name.partition(":")
    if kind == "auto":
        hint = f"try '{min(known)}:{options}'"
        raise ConfigurationError(f"{known.kind}={name!r}: a network takes options, 'auto' none: {hint}")
    known.find(kind, "auto")
    return name


def _no_choice_left(player: str, norm: str, labels: str) -> None:
    """Refuse options that a user's own module would not heed."""
    if norm != "auto" or labels != "concatenation":
        option = f"{player}_norm={norm!r}" if norm != "auto" else f"{player}_labels={labels!r}"
        raise ConfigurationError(f"{option} with a {player} of your own: it is heeded by networks that are named only")


def _referring(network: nn.Module, shape: tuple[int, ...], outfit: Outfit, takes_all: bool) -> nn.Module:
    """Send a fixed batch through a network with each minibatch, if its norm needs one."""
    reference = outfit.norm.reference
    return Referring(network, shape, reference, outfit.classes, takes_all) if reference else network
