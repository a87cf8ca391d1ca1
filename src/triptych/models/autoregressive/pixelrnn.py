"""PixelRNN: the chain rule over pixels, by LSTMs that run over the rows or the diagonals of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.distributions import Law
from triptych.errors import check_known
from triptych.event import Event
from triptych.models.autoregressive.base import Steps
from triptych.models.autoregressive.convolutional import Convolutional, Frame, check_sizes
from triptych.networks.diagonal import DiagonalBiLSTM, DiagonalLSTM
from triptych.networks.masked import MaskedConv2d
from triptych.networks.recurrent import RowLSTM

LAYERS = ("row", "diagonal", "diagonal-bi")
ROW_KERNEL = 3
"""Width of the Row LSTM's convolutions (van den Oord et al. 2016, table 1)."""


class PixelRNN(Convolutional):
    """An autoregressive model of two-dimensional LSTMs, `p(x) = ∏_i p(x_i | x_1, …, x_{i-1})`.

    A masked convolution, then residual LSTM layers, then two 1×1 convolutions. Layers of "diagonal-bi" see every
    pixel before, those of "diagonal" what is to the upper left (and what the first convolution sees), those of
    "row" a triangle above. In the published "diagonal-bi" no state of a row knows the row's last pixel, so that
    the row below sees it by the first convolution alone; here a blank column on the right, whose features are
    not used, makes it known. Vectors are one row: there the second direction of "diagonal-bi" would see nothing,
    and is left out; "row" has no row above, and takes kernels wide enough to see all coordinates before.
    Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, §3.1-3.4, table 1 and fig. 5.

    Args:
        event: what one example is.
        layer: "row" (Row LSTM), "diagonal" (Diagonal LSTM) or "diagonal-bi" (Diagonal BiLSTM).
        channels: features h of each LSTM; the maps between the layers have twice as many. A multiple of the
            colours, unless the law draws those together.
        layers: number of LSTM layers.
        kernel_size: height and width of the first convolution; odd.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        ordering: "raster", or "reverse" (from the bottom right); for vectors also "random" or a permutation.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for another layer, an even kernel, fewer than 1 layer, channels that the colours cannot
            share equally, or a law over other events.

    Example:
        >>> import triptych as tp
        >>> from triptych.models.autoregressive.pixelrnn import PixelRNN
        >>> model = PixelRNN(tp.Event((1, 8, 8), levels=17), layer="row", channels=8, layers=1)
        >>> model.log_prob(model.sample(4, seed=0)).shape
        torch.Size([4])
    """

    def __init__(
        self,
        event: Event,
        layer: str = "diagonal-bi",
        channels: int = 24,
        layers: int = 2,
        kernel_size: int = 7,
        pixels: str | type[Law] = "auto",
        ordering: str | Sequence[int] = "raster",
        classes: int = 0,
    ) -> None:
        super().__init__(event, pixels, ordering, classes)
        check_known("layer", layer, LAYERS)
        check_sizes(kernel_size, layers, channels)
        self.margin = int(layer == "diagonal-bi" and self.frame.height > 1)
        """Blank columns on the right."""
        self.network = RecurrentNet(self.frame, layer, channels, layers, kernel_size, classes)

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the network's features of all positions, in the law's layout."""
        if not self.margin:
            return super().features(x, label)
        out: Tensor = self.network(F.pad(x, (0, self.margin)), label)
        return out[..., : self.frame.width].contiguous()

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass in which the network's every hidden unit is computed once."""
        return Margined(self, n, label) if self.margin else super().steps(n, label)


class Margined(Steps):
    """A pass over the sites of an image with blank columns on the right, which are told as each row ends.

    Args:
        model: whose network it passes through.
        n: how many examples.
        label: `(n,)`, or None.
    """

    def __init__(self, model: PixelRNN, n: int, label: Tensor | None) -> None:
        frame = model.frame._replace(width=model.frame.width + model.margin)
        self.inner = frame.steps(model.network, n, model.device, label=label)
        self.sites, self.blanks = model.frame.width * frame.colours, model.margin * frame.colours
        self.blank = torch.zeros(n, frame.inputs // frame.colours, device=model.device)

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it: `(B, P)`."""
        return self.inner.features(site + site // self.sites * self.blanks)

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site, `(B, V)`."""
        place = site + site // self.sites * self.blanks
        self.inner.tell(place, value)
        if (site + 1) % self.sites == 0:
            for blank in range(self.blanks):
                self.inner.tell(place + 1 + blank, self.blank)


class RecurrentNet(nn.Module):
    """A masked convolution and a stack of residual LSTM layers, `(B, C, H, W) -> (B, outputs, H, W)`.

    The LSTMs halve the channels of the maps, 1×1 convolutions double them again (fig. 5). A pixel's label, if
    there is one, shifts the input of every layer.

    Args:
        frame: what it is built for.
        layer: the kind of LSTM, one of `LAYERS`.
        channels: features h of each LSTM.
        layers: number of LSTM layers.
        kernel_size: of the first convolution.
        classes: number of labels that it is conditioned on; 0 for none.
    """

    def __init__(self, frame: Frame, layer: str, channels: int, layers: int, kernel_size: int, classes: int) -> None:
        super().__init__()
        maps, colours = 2 * channels, frame.colours
        # Of a row, the Row LSTM's layers see what their kernels reach.
        reach = frame.reach(layers + 1) if layer == "row" and frame.height == 1 else 0
        height, width = min(kernel_size, 2 * frame.height - 1), max(kernel_size, 2 * reach + 1)
        self.first = MaskedConv2d(frame.inputs, maps, (height, width), own=False, colours=colours)
        self.recurrent = nn.ModuleList(_lstm(layer, frame, channels, reach) for _ in range(layers))
        self.up = nn.ModuleList(MaskedConv2d(channels, maps, (1, 1), own=True, colours=colours) for _ in range(layers))
        self.shifts = nn.ModuleList(nn.Embedding(classes, maps) for _ in range(layers if classes else 0))
        self.head = nn.Sequential(
            nn.ReLU(),
            MaskedConv2d(maps, maps, (1, 1), own=True, colours=colours),
            nn.ReLU(),
            MaskedConv2d(maps, frame.outputs, (1, 1), own=True, colours=colours),
        )

    def forward(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Map scaled images to features, in which position i sees only what comes before i."""
        shifts = [shift(label)[:, :, None, None] for shift in self.shifts] if label is not None else []
        h = self.first(x)
        for layer, (recurrent, up) in enumerate(zip(self.recurrent, self.up, strict=True)):
            if shifts:
                h = h + shifts[layer]
            h = h + up(recurrent(h))
        out: Tensor = self.head(h)
        return out


def _lstm(layer: str, frame: Frame, channels: int, reach: int) -> nn.Module:
    maps, colours, single = 2 * channels, frame.colours, frame.height == 1
    if layer == "row":
        return RowLSTM(maps, channels, colours, max(ROW_KERNEL, 2 * reach + 1), single)
    if layer == "diagonal-bi" and not single:
        return DiagonalBiLSTM(maps, channels, colours)
    return DiagonalLSTM(maps, channels, colours)
