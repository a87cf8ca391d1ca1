"""Multi-scale models: a small image first, then the pixels between, given it; one density over all of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from triptych.distributions import Law, resolve_law
from triptych.errors import ConfigurationError, check_known
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Steps
from triptych.models.autoregressive.convolutional import Frame
from triptych.models.autoregressive.gated import gated_network
from triptych.networks import CausalConvNet
from triptych.networks.gated import Given

NETWORKS = ("gated", "pixelcnn")


class Upscaler(nn.Module):
    """A causal network over an image that also sees, at every pixel, all of the smaller image.

    The smaller image stands at its own pixels in a map that is zero elsewhere, beside a channel that is one where
    pixels are known; convolutions make of it what is projected into every layer.

    Args:
        network: called as `network(x, label, condition)`.
        inputs: channels C of the image.
        channels: of the map that the network takes.
    """

    def __init__(self, network: nn.Module, inputs: int, channels: int) -> None:
        super().__init__()
        self.network = network
        self.context = nn.Sequential(
            nn.Conv2d(inputs + 1, channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(),
        )

    def forward(self, x: Tensor, label: Tensor | None = None, condition: Tensor | None = None) -> Tensor:
        """Map `(B, C, H, W)` and the map of what is known, `(B, C + 1, H, W)`, to features `(B, outputs, H, W)`."""
        features: Tensor = self.network(x, label, self.context(condition))
        return features


class MultiScalePixelCNN(Autoregressive):
    """A chain of scales, `p(x) = p(x_small) · p(x_rest | x_small)`, exact over the pixels of the image.

    The small image is every second row and column of the large one; its own factor is of the same form where
    there are more scales. The rest comes in raster order, from a causal network that is conditioned on all of
    the small image. Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, §3.6 (which scores the
    large image whole; here pixels that are known have no second factor). Completion is exact where what is known
    comes first in this order, such as the small image.

    Args:
        event: what one example is; an image.
        scales: number of scales, each twice as large as the one before.
        network: what draws each scale: gated (as gated-pixelcnn) or pixelcnn.
        channels: channels of the hidden layers, rounded up to a multiple of the colours drawn one after the other.
        layers: number of layers at each scale.
        kernel_size: height and width of their kernels; odd.
        pixels: law of a pixel given those before it: a name, "auto", or a `Law` class.
        classes: number of labels to condition on; 0 for none.

    Raises:
        ConfigurationError: for vectors, another network, more scales than the image can be halved, an even kernel,
            or a law over other events.

    Example:
        >>> import triptych as tp
        >>> model = MultiScalePixelCNN(tp.Event((1, 8, 8), levels=17), channels=8, layers=2)
        >>> every_second = torch.zeros(8, 8, dtype=torch.bool)
        >>> every_second[::2, ::2] = True
        >>> model.complete(model.sample(4, seed=0), every_second, seed=1).exact
        True
    """

    def __init__(
        self,
        event: Event,
        scales: int = 2,
        network: str = "gated",
        channels: int = 32,
        layers: int = 5,
        kernel_size: int = 3,
        pixels: str | type[Law] = "auto",
        classes: int = 0,
    ) -> None:
        if not event.is_image:
            raise ConfigurationError(f"a multi-scale model is one of images, the data is a {event}: try pixelcnn")
        check_known("network", network, NETWORKS)
        super().__init__(event, resolve_law(pixels, event), order_of_scales(event.shape[1:], scales), classes)
        colours, height, width = event.shape
        features = self.site_features * self.pixel_sites
        self.frames = [
            Frame(colours, features, -(-height // 2**scale), -(-width // 2**scale), self.pixel_sites)
            for scale in reversed(range(scales))
        ]
        """The grid of each scale, from the smallest on."""
        channels = self.frames[0].shared(channels)
        networks: list[nn.Module] = []
        for frame in self.frames:
            given = Given(classes, condition=channels if networks else 0)
            inner = _network(network, event, frame, channels, layers, kernel_size, given)
            networks.append(Upscaler(inner, colours, channels) if networks else inner)
        self.networks = nn.ModuleList(networks)

    def features(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the networks' features of all positions, those of a scale given the smaller ones."""
        image = self.order.restored(x)
        features: Tensor | None = None
        for scale, network in enumerate(self.networks):
            own = self.at_scale(image, scale)
            if features is None:
                features = network(own, label)
                continue
            finer = network(own, label, known_map(own)).clone()
            finer[:, :, ::2, ::2] = features
            features = finer
        assert features is not None
        return self.order.arranged(features)

    def at_scale(self, image: Tensor, scale: int) -> Tensor:
        """Return the pixels of an image that a scale consists of; 0 is the smallest."""
        step = 2 ** (len(self.frames) - 1 - scale)
        return image[:, :, ::step, ::step]

    def steps(self, n: int, label: Tensor | None) -> Steps:
        """Return a pass that goes over one scale after the other, each by its network's own pass."""
        return _Scales(self, n, label)


class _Scales(Steps):
    """A pass over the sites of the smallest image, then over those of each larger one that are not known yet."""

    def __init__(self, model: MultiScalePixelCNN, n: int, label: Tensor | None) -> None:
        self.model, self.label = model, label
        self.told = torch.zeros(n, model.sites, model.site.dims, device=model.device)
        each = model.frames[0].colours
        self.ends = [frame.height * frame.width * each for frame in model.frames]
        self.scale = -1
        self.begin()

    def begin(self) -> None:
        """Lay out the pass of the next scale, which is conditioned on what has been told."""
        self.scale += 1
        frame, order = self.model.frames[self.scale], self.model.order
        image = order.restored(order.from_sites(self.told, self.model.law.joint))
        own = self.model.at_scale(image, self.scale)
        condition = known_map(own) if self.scale else None
        known = torch.zeros(frame.height, frame.width, dtype=torch.bool)
        if self.scale:
            known[::2, ::2] = True
        self.values = own.flatten(2).transpose(1, 2).reshape(len(own), self.ends[self.scale], -1)
        self.known = known.flatten().repeat_interleave(frame.colours).tolist()
        self.places = [place for place, is_known in enumerate(self.known) if not is_known]
        self.first = self.ends[self.scale - 1] if self.scale else 0
        self.reached = 0
        network, device = self.model.networks[self.scale], self.model.device
        self.inner = frame.steps(network, len(own), device, label=self.label, condition=condition)

    def place(self, site: int) -> int:
        """Return where a site is in the raster of its scale, all known ones before it told."""
        if site == self.ends[self.scale]:
            self.begin()
        place = self.places[site - self.first]
        while self.reached < place:
            self.inner.tell(self.reached, self.values[:, self.reached])
            self.reached += 1
        return place

    def features(self, site: int) -> Tensor:
        """Return the features of a site given all sites before it: `(B, P)`."""
        place = self.place(site)  # first: it may begin another pass
        return self.inner.features(place)

    def tell(self, site: int, value: Tensor) -> None:
        """Take the scaled value of a site, `(B, V)`."""
        place = self.place(site)
        self.inner.tell(place, value)
        self.reached += 1
        self.told[:, site] = value


def known_map(image: Tensor) -> Tensor:
    """Return every second row and column of `(B, C, H, W)`, zeros elsewhere, and a mask: `(B, C + 1, H, W)`.

    >>> known_map(torch.full((1, 1, 2, 2), 5.0)).tolist()
    [[[[5.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 0.0]]]]
    """
    known = image.new_zeros(len(image), 1, *image.shape[2:])
    known[:, :, ::2, ::2] = 1
    return torch.cat([image * known, known], 1)


def order_of_scales(size: Sequence[int], scales: int) -> list[int]:
    """Return the pixels of an image, those of the smallest scale first, each scale in raster order.

    Raises:
        ConfigurationError: for fewer than 2 scales, or more than the image can be halved.

    Example:
        >>> order_of_scales((3, 3), 2)
        [0, 2, 6, 8, 1, 3, 4, 5, 7]
    """
    most = (max(size) - 1).bit_length() + 1
    if not 2 <= scales <= most:
        raise ConfigurationError(
            f"scales={scales}: expected 2 to {most} for an image of {size[0]}×{size[1]}; one scale is gated-pixelcnn"
        )
    pixels = torch.arange(size[0] * size[1]).view(*size)
    order: list[int] = []
    seen: set[int] = set()
    for scale in reversed(range(scales)):
        new = [p for p in pixels[:: 2**scale, :: 2**scale].flatten().tolist() if p not in seen]
        order += new
        seen.update(new)
    return order


def _network(
    kind: str, event: Event, frame: Frame, channels: int, layers: int, kernel_size: int, given: Given
) -> nn.Module:
    gated = gated_network(event, frame, channels, layers, kernel_size, given)  # which checks the sizes, too
    if kind == "gated":
        return gated
    kernel = (kernel_size, kernel_size)
    classes, condition = given.classes, given.condition
    return CausalConvNet(frame.inputs, frame.outputs, channels, layers, kernel, frame.colours, classes, condition)
