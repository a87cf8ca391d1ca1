"""PixelCNN++: causal residual streams over several resolutions, under a mixture of logistics."""

from __future__ import annotations

from collections.abc import Sequence

from triptych.distributions import Law
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.convolutional import Convolutional
from triptych.networks.gated import Given
from triptych.networks.pixelcnnpp import TwoStreamNet

SMALLEST = 4
"""Pixels on the shorter side of the coarsest resolution, at least."""


class PixelCNNPlusPlus(Convolutional):
    """An autoregressive model of two residual streams over several resolutions.

    Of the pixels before, all within reach are seen. Reference: Salimans et al. 2017, *PixelCNN++: Improving the
    PixelCNN with Discretized Logistic Mixture Likelihood and Other Modifications*, §2. As published but for weight
    normalisation and its initialisation by data. Published sizes: 160 channels, 5 blocks, 3 scales. The published
    law is "logistic-mixture", which "auto" gives beyond 32 levels; on the 17 of the digits it and a free
    probability for each level come out alike.

    Args:
        event: what one example is; an image.
        channels: channels of each stream, rounded up to a multiple of the colours drawn one after the other.
        blocks: residual blocks at each resolution, on the way down and on the way up.
        scales: number of resolutions; fewer where the coarsest would be below 4 pixels on a side.
        dropout: share of hidden units of a block that are dropped in training.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", or "reverse" (from the bottom right).
        classes: number of labels to condition on; 0 for none.
        embedding: length E of the vectors to condition on instead, given as labels `(N, E)`; 0 for none.

    Raises:
        ConfigurationError: for vectors, sizes below 1, a share out of its range, or a law over other events.

    Example:
        >>> import triptych as tp
        >>> model = PixelCNNPlusPlus(tp.Event((3, 8, 8), levels=256), channels=8, blocks=1)
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        channels: int = 32,
        blocks: int = 1,
        scales: int = 3,
        dropout: float = 0.5,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
        embedding: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes, embedding)
        if not event.is_image:
            raise ConfigurationError(f"PixelCNN++ is a model of images, the data is a {event}: try pixelcnn")
        if min(channels, blocks, scales) < 1:
            raise ConfigurationError(
                f"channels={channels}, blocks={blocks}, scales={scales}: expected at least 1 of each"
            )
        if not 0 <= dropout < 1:
            raise ConfigurationError(f"dropout={dropout:g}: expected a share from 0 to below 1")
        frame = self.frame
        size = (frame.height, frame.width)
        self.network = TwoStreamNet(
            frame.inputs,
            frame.outputs,
            size,
            frame.shared(channels),
            blocks,
            min(scales, resolutions(min(size))),
            dropout,
            frame.colours,
            Given(classes, embedding),
        )


def resolutions(side: int) -> int:
    """Return how often a side can be halved with `SMALLEST` pixels left, and once more for the side itself.

    >>> [resolutions(side) for side in (2, 8, 16, 28, 32)]
    [1, 2, 3, 4, 4]
    """
    return 1 if side < 2 * SMALLEST - 1 else 1 + resolutions(-(-side // 2))
