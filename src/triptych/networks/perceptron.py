"""Multi-layer perceptrons of games."""

from __future__ import annotations

from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.blocks import ACTIVATIONS, Sizes
from triptych.networks.games import GENERATORS, TRUNKS, Generator, Outfit, Trunk
from triptych.networks.norms import Instance, normed


class _Hidden(nn.Module):
    """Hidden layers, each a linear map, a norm and an activation, `(B, inputs) -> (B, width)`."""

    def __init__(self, inputs: int, sizes: Sizes, outfit: Outfit, norm_first: bool) -> None:
        super().__init__()
        sizes.check()
        if isinstance(outfit.norm, Instance):
            raise ConfigurationError("instance normalisation takes the planes of images, 'mlp' has none: try 'layer'")
        widths = [inputs] + [sizes.hidden] * sizes.layers
        normed_layers = [norm_first or i > 0 for i in range(sizes.layers)]
        biases = [not (outfit.norm.shifts and own) for own in normed_layers]
        self.maps = nn.ModuleList(nn.Linear(widths[i], widths[i + 1], bias=biases[i]) for i in range(sizes.layers))
        self.norms = nn.ModuleList(outfit.layer(sizes.hidden) if own else nn.Identity() for own in normed_layers)
        self.activation = ACTIVATIONS[sizes.activation]()
        self.width = widths[-1]

    def forward(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Map inputs (and labels)."""
        for linear, norm in zip(self.maps, self.norms, strict=True):
            x = self.activation(normed(norm, linear(x), label))
        return x


def _own(sizes: Sizes, hidden: int, layers: int, activation: str) -> Sizes:
    """Return the sizes with what a network's own options say."""
    if layers < -1:
        raise ConfigurationError(f"layers={layers}: expected the number of hidden layers, or -1 for that of --layers")
    return sizes._replace(
        hidden=hidden or sizes.hidden, layers=sizes.layers if layers < 0 else layers, activation=activation
    )


@GENERATORS.register("mlp")
class MLPGenerator(Generator):
    """A multi-layer perceptron from codes to examples, rectifiers between its layers.

    Args:
        event: what one example is.
        inputs: length of the code.
        sizes: of the hidden layers.
        outfit: norms and labels; a norm is behind every hidden map.
        hidden: units of each hidden layer; 0 for those of `sizes`.
        layers: hidden layers; -1 for those of `sizes`, 0 for a linear map.
        activation: a name in `ACTIVATIONS`.
    """

    usual_norm = "none"

    def __init__(
        self,
        event: Event,
        inputs: int,
        sizes: Sizes,
        outfit: Outfit,
        *,
        hidden: int = 0,
        layers: int = -1,
        activation: str = "relu",
    ) -> None:
        super().__init__()
        self.outfit, self.shape = outfit, event.shape
        self.hidden = _Hidden(inputs + outfit.appended, _own(sizes, hidden, layers, activation), outfit, True)
        self.last = nn.Linear(self.hidden.width, event.dims)

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Map codes (and labels) to examples."""
        made: Tensor = self.last(self.hidden(self.outfit.joined(z, label), label))
        return made.view(len(z), *self.shape)


@TRUNKS.register("mlp")
class MLPTrunk(Trunk):
    """The hidden layers of a multi-layer perceptron on the flattened example, leaky rectifiers behind its layers.

    Args:
        event: what one example is.
        sizes: of the hidden layers.
        outfit: norms and labels; a norm is behind every hidden map but the first.
        hidden: units of each hidden layer; 0 for those of `sizes`.
        layers: hidden layers; -1 for those of `sizes`, 0 for a linear critic.
        activation: a name in `ACTIVATIONS`.
    """

    usual_norm = "none"

    def __init__(
        self,
        event: Event,
        sizes: Sizes,
        outfit: Outfit,
        *,
        hidden: int = 0,
        layers: int = -1,
        activation: str = "leaky-relu",
    ) -> None:
        super().__init__()
        self.outfit = outfit
        self.hidden = _Hidden(event.dims + outfit.appended, _own(sizes, hidden, layers, activation), outfit, False)
        self.width = self.hidden.width

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled examples (and labels) to features."""
        seen: Tensor = self.hidden(self.outfit.joined(x.flatten(1), label), label)
        return seen
