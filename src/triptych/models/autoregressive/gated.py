"""Gated PixelCNN: two stacks of gated convolutions without a blind spot, conditioned on labels or on vectors."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.distributions import Law
from triptych.event import Event
from triptych.models.autoregressive.convolutional import Convolutional, Frame, check_sizes
from triptych.networks.gated import GatedConvNet, Given


class GatedPixelCNN(Convolutional):
    """An autoregressive model of gated convolutions in two stacks, `p(x) = ∏_i p(x_i | x_1, …, x_{i-1}, h)`.

    The vertical stack sees all rows above, the horizontal one that and the pixels to the left: of the pixels
    before, all within `layers · (kernel_size // 2)` rows and columns are seen. A label, or a vector h that comes
    with each example, is projected into every gate. Reference: van den Oord et al. 2016, *Conditional Image
    Generation with PixelCNN Decoders*, §2. Vectors are one row of real-valued pixels, seen by the horizontal
    stack alone.

    Args:
        event: what one example is.
        channels: channels of each stack, rounded up to a multiple of the colours drawn one after the other.
        layers: number of gated layers.
        kernel_size: height and width of the kernels that the stacks cut in two; odd.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", or "reverse" (from the bottom right); for vectors also "random" or a permutation.
        classes: number of labels to condition on; 0 for none.
        embedding: length E of the vectors to condition on instead, given as labels `(N, E)`; 0 for none.

    Raises:
        ConfigurationError: for an even kernel, fewer than 1 layer, or a law over other events.

    Example:
        >>> import torch, triptych as tp
        >>> model = GatedPixelCNN(tp.Event((1, 8, 8), levels=17), channels=8, layers=2, embedding=2)
        >>> model.sample(4, label=torch.tensor([0.0, 1.0]), seed=0).shape
        torch.Size([4, 1, 8, 8])
    """

    def __init__(
        self,
        event: Event,
        channels: int = 32,
        layers: int = 5,
        kernel_size: int = 5,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes, embedding)
        self.network = gated_network(event, self.frame, channels, layers, kernel_size, Given(classes, embedding))


def gated_network(
    event: Event,
    frame: Frame,
    channels: int,
    layers: int,
    kernel_size: int,
    given: Given,
) -> GatedConvNet:
    """Return the network of a frame; its arguments are those of `GatedPixelCNN` and `GatedConvNet`.

    Raises:
        ConfigurationError: for an even kernel, or fewer than 1 layer or channel.
    """
    check_sizes(kernel_size, layers, channels)
    reach = kernel_size // 2
    if not event.is_image:  # of a vector, every coordinate before is seen
        reach = max(reach, frame.reach(layers))
    return GatedConvNet(
        frame.inputs,
        frame.outputs,
        frame.shared(channels),
        layers,
        reach,
        frame.colours,
        vertical=frame.height > 1,
        given=given,
    )
