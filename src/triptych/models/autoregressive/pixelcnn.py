"""PixelCNN: the chain rule over pixels, computed for all of them at once by masked convolutions."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.distributions import Law, resolve_law
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.base import Player, Terms
from triptych.models.questions import Completer, Density, Sampler
from triptych.networks import CausalConvNet
from triptych.noise import Noise


class PixelCNN(Sampler, Density, Completer):
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
        classes: int = 0,
    ) -> None:
        super().__init__(event, classes)
        if kernel_size < 3 or kernel_size % 2 == 0:
            raise ConfigurationError(f"kernel_size={kernel_size}: expected an odd number from 3")
        if layers < 1 or channels < 1:
            raise ConfigurationError(f"layers={layers}, channels={channels}: expected at least 1 of each")
        self.law = resolve_law(pixels, event, vectors="gaussian-mixture")
        colours, height, width = event.shape if event.is_image else (1, 1, event.dims)
        self.grid = (height, width)
        self.colours = 1 if self.law.joint else colours
        outputs = self.law.channels(event) // (1 if event.is_image else event.dims)
        reach = max(kernel_size // 2, -(-(width - 1) // layers))  # of a vector, every coordinate before is seen
        kernel = (kernel_size, kernel_size) if event.is_image else (1, 2 * reach + 1)
        self.network = CausalConvNet(colours, outputs, channels, layers, kernel, self.colours, classes)

    @property
    def players(self) -> tuple[Player, ...]:
        """One player: maximum likelihood."""
        return (Player("model", [self.network], self.objective, optimizer=partial(torch.optim.Adam, lr=1e-3)),)

    def objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return the negative log-likelihood in nats."""
        return {"nll": -self.log_density(batch.x, batch.label)}

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the network's features of the pixels of `x`, `(B, outputs, H, W)`."""
        out: Tensor = self.network(self.event.scaled(x).view(len(x), -1, *self.grid), label)
        return out

    def log_density(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return log p(x) in nats, `(B,)`."""
        features = self.features(x, label)
        if not self.event.is_image:
            features = features.squeeze(2).transpose(1, 2).flatten(1)  # (B, P, 1, D) -> (B, D P)
        return self.law(features, self.event).log_prob(x)

    def draw(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return `n` new examples, drawn pixel after pixel."""
        x = torch.zeros(n, *self.event.shape, dtype=self.event.dtype, device=self.device)
        known = torch.zeros(self.event.shape, dtype=torch.bool, device=self.device)
        return self.fill(x, known, label, noise)

    def fill(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw what is not `known`, in raster order, each pixel given all before it."""
        if self.law.joint and bool((known.any(0) != known.all(0)).any()):
            raise DataError(
                f"the mask splits the colours of a pixel, which {self.law.__name__} draws together: "
                "know whole pixels, or train with --pixels categorical"
            )
        x = torch.where(known, x, torch.zeros_like(x))
        pixels = x.view(len(x), -1, *self.grid)  # the same memory as x
        free = ~known.view(-1, *self.grid)
        for row, column in free.any(0).nonzero().tolist():
            for colour in range(self.colours):
                chosen = free[:, row, column] if self.law.joint else torch.zeros_like(free[:, row, column])
                chosen[colour] |= free[colour, row, column]
                if chosen.any():
                    drawn = self._draw_pixel(x, row, column, label, noise)
                    pixels[:, chosen, row, column] = drawn[:, chosen]
        return x

    def _draw_pixel(self, x: Tensor, row: int, column: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw one pixel, all its colours, given everything before it: `(B, C)`. Rows below are not computed."""
        event = self._pixel_event(column)
        scaled = self.event.scaled(x).view(len(x), -1, *self.grid)[:, :, : row + 1]
        features = self.network(scaled, label)[:, :, row, column]
        if event.is_image:
            features = features[:, :, None, None]
        return self.law(features, event).sample(noise).flatten(1)

    def _pixel_event(self, column: int) -> Event:
        """Return the event of one pixel, or of one coordinate of a vector."""
        if self.event.is_image:
            return Event((self.event.shape[0], 1, 1), self.event.levels)
        here = slice(column, column + 1)
        return Event((1,), centre=self.event.centre[here], spread=self.event.spread[here])
