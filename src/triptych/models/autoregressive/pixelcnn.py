"""PixelCNN: the chain rule over pixels, computed for all of them at once by masked convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.distributions import Law
from triptych.event import Event
from triptych.models.autoregressive.convolutional import Convolutional, check_sizes
from triptych.networks import CausalConvNet


class PixelCNN(Convolutional):
    """An autoregressive model of masked convolutions, `p(x) = ∏_i p(x_i | x_1, …, x_{i-1})`.

    Pixels come in raster order, the colours of a pixel one after the other. Of the pixels before, those within
    `layers · (kernel_size // 2)` rows and columns are seen, but for a blind spot to the right (van den Oord et
    al. 2016b, fig. 1). Vectors are one row of real-valued pixels, under kernels wide enough to see all before.
    Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, §3.5.

    Args:
        event: what one example is.
        channels: channels of the hidden layers.
        layers: number of masked convolutions.
        kernel_size: height and width of their kernels; odd.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", or "reverse" (from the bottom right); for vectors also "random" or a permutation.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for an even kernel, fewer than 1 layer, or a law over other events.

    Example:
        >>> import triptych as tp
        >>> model = tp.PixelCNN(tp.Event((1, 8, 8), levels=17), channels=8, layers=2)
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        channels: int = 64,
        layers: int = 7,
        kernel_size: int = 5,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes)
        check_sizes(kernel_size, layers, channels)
        frame = self.frame
        reach = max(kernel_size // 2, frame.reach(layers))  # of a vector, every coordinate before is seen
        kernel = (kernel_size, kernel_size) if event.is_image else (1, 2 * reach + 1)
        self.network = CausalConvNet(frame.inputs, frame.outputs, channels, layers, kernel, frame.colours, classes)
