"""Compression: what quantised codes cost in bytes and in error, beside principal components and JPEG.

Images come back in 256 shades, whatever the coder and however few levels the data have.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from triptych.data.decode import decode_image
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.restoration import psnr
from triptych.metrics.figure import Figure, mean_and_error
from triptych.models.questions import Reconstructor
from triptych.queries import shades, squared_errors
from triptych.queries.codes import SHADES

BITS = tuple(range(1, 9))
"""Bits that a coordinate of a code is quantised to."""
COMPONENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128)
"""How many principal components codes are made of."""
QUALITIES = (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
"""Of JPEG files, as Pillow counts them."""
_SCAN, _END = 0xDA, b"\xff\xd9"


@dataclass(frozen=True)
class Point:
    """One setting of a coder: what an example costs, and how well it is rebuilt.

    Args:
        setting: of the coder, in words.
        size: bytes of an example, on average; a fraction where several codes share a byte.
        mse: mean squared error (see `squared_errors`).
        mse_error: its standard error over examples; None of a single one.
        psnr: of the same in dB; None for vectors.
    """

    setting: str
    size: float
    mse: float
    mse_error: float | None = None
    psnr: Figure | None = None


@dataclass(frozen=True)
class Quantiser:
    """A uniform scalar quantiser of each coordinate, over the range of given codes.

    Cell i of 2^b has the values from `l + i s` to `l + (i + 1) s`, `s = (h - l) / 2^b`, and stands for its middle:
    within the range no coordinate is off by more than s / 2. Values beyond it go to the nearest cell. Reference:
    Gersho & Gray 1992, *Vector Quantization and Signal Compression*, §5.4.

    Args:
        low: `(Z,)` smallest values l.
        high: `(Z,)` largest values h.
        bits: b of a coordinate.

    Raises:
        ConfigurationError: for b < 1.

    Example:
        >>> coder = Quantiser.over(torch.tensor([[0.0], [8.0]]), bits=2)
        >>> coder.indices(torch.tensor([[3.0], [9.0]])).flatten().tolist()
        [1, 3]
        >>> coder.values(torch.tensor([[1], [3]])).flatten().tolist()
        [3.0, 7.0]
    """

    low: Tensor
    high: Tensor
    bits: int

    def __post_init__(self) -> None:
        """Refuse codes of nothing."""
        if self.bits < 1:
            raise ConfigurationError(f"{self.bits} bits a coordinate: expected at least 1")

    @classmethod
    def over(cls, codes: Tensor, bits: int) -> Quantiser:
        """Return the quantiser over the range of codes `(N, Z)`.

        Raises:
            DataError: for no codes.
        """
        if not len(codes):
            raise DataError("no codes were given: a quantiser needs at least 1 to know their range")
        return cls(codes.amin(0), codes.amax(0), bits)

    def indices(self, z: Tensor) -> Tensor:
        """Return each coordinate's cell, `int64 (N, Z)`, 0 to 2^b - 1."""
        cells = 1 << self.bits
        width = torch.where(self.high > self.low, self.high - self.low, 1.0)
        return ((z - self.low) / width * cells).floor().clamp(0, cells - 1).long()

    def values(self, indices: Tensor) -> Tensor:
        """Return the middle of each cell, `(N, Z)`."""
        return self.low + (indices + 0.5) * (self.high - self.low) / (1 << self.bits)

    def __call__(self, z: Tensor) -> Tensor:
        """Return codes as they come back, `(N, Z)`."""
        return self.values(self.indices(z))


def point(setting: str, size: float, test: Examples, rebuilt: Examples) -> Point:
    """Return what rebuilt examples say of a coder's setting."""
    errors = squared_errors(test, rebuilt)
    quality = psnr(errors, f"test-{len(test)}") if test.event.is_image else None
    return Point(setting, size, *mean_and_error(errors), quality)


def model_curve(model: Reconstructor, train: Examples, test: Examples, bits: Iterable[int] = BITS) -> list[Point]:
    """Return the rate-distortion curve of a model's codes: quantised, then decoded.

    An example costs `latent · b / 8` bytes, and `log₂(classes) / 8` for its label if the model is conditioned on
    one. Reference: Hinton & Salakhutdinov 2006, *Reducing the Dimensionality of Data with Neural Networks*, for
    codes as compression; Theis et al. 2017, *Lossy Image Compression with Compressive Autoencoders*, §2, for
    quantising them.

    Args:
        model: encodes and decodes.
        train: examples whose codes give the quantiser's range.
        test: examples that are measured.
        bits: b of a coordinate.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("digits")
        >>> curve = model_curve(tp.VAE(train.event, latent=8), train, test, bits=[1, 4])
        >>> [p.size for p in curve]
        [1.0, 4.0]
    """
    known, z = model.encode(train), model.encode(test)
    label_bits = math.log2(model.classes) if model.classes else 0.0
    curve = []
    for b in bits:
        own = test.labels if model.conditional else None
        rebuilt = model.decode(Quantiser.over(known, b)(z), label=own, levels=shades(model.event))
        curve.append(point(f"{model.latent} × {b} bits", (model.latent * b + label_bits) / 8, test, rebuilt))
    return curve


def pca_curve(
    train: Examples, test: Examples, components: Iterable[int] = COMPONENTS, bits: Iterable[int] = BITS
) -> list[Point]:
    """Return the lower envelope of principal component analysis with k components of b bits each.

    The components are of the scaled training examples; their values are quantised over the training range, as a
    model's codes are. Of all (k, b) those are kept that no smaller code betters on the test examples, which favours
    this yardstick a little.

    Args:
        train: examples that the components are fitted to.
        test: examples that are measured.
        components: k, as far as the data have so many.
        bits: b of a component.

    Example:
        >>> import triptych as tp
        >>> train, test = tp.data.load("digits")
        >>> curve = pca_curve(train, test)
        >>> curve[0].setting, curve[0].size
        ('1 × 1 bits', 0.125)
    """
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    event = test.event.graded(shades(test.event))
    x, y = (test.event.scaled(part.data).flatten(1).numpy() for part in (train, test))
    most = min(*x.shape)
    counts = [k for k in components if k <= most]
    fitted = PCA(max(counts), random_state=0).fit(x)
    known, z = (torch.from_numpy(fitted.transform(part)).float() for part in (x, y))
    axes, mean = (torch.from_numpy(part).float() for part in (fitted.components_, fitted.mean_))
    curve = []
    for b in bits:
        values = Quantiser.over(known, b)(z)
        for k in counts:
            rebuilt = (values[:, :k] @ axes[:k] + mean).view(len(z), *event.shape)
            made = Examples(event.restored(rebuilt), event)
            curve.append(point(f"{k} × {b} bits", k * b / 8, test, made))
    return envelope(curve)


def envelope(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other betters: by size, each with less error than all smaller ones.

    Example:
        >>> points = [Point("", size, mse) for size, mse in ((3, 0.2), (1, 0.5), (2, 0.6), (1, 0.7))]
        >>> [p.size for p in envelope(points)]
        [1, 3]
    """
    kept: list[Point] = []
    for one in sorted(points, key=lambda p: (p.size, p.mse)):
        if not kept or one.mse < kept[-1].mse:
            kept.append(one)
    return kept


def best_within(points: Sequence[Point], size: float) -> Point | None:
    """Return the point of least error among those of at most so many bytes; None if there is none."""
    return min((p for p in points if p.size <= size), key=lambda p: p.mse, default=None)


def jpeg_curves(test: Examples, qualities: Iterable[int] = QUALITIES) -> tuple[list[Point], list[Point]]:
    """Return the rate-distortion curves of JPEG: by the bytes of whole files, and of their entropy-coded data alone.

    A file's headers (tables, above all) are about 620 bytes (330 of a grey image), the same in every file of one
    quality: small images are judged fairly only without them. Reference: ITU-T T.81 (1992), annex B, for the format.

    Args:
        test: images of 1 or 3 colours.
        qualities: of Pillow, from 1 to 95.

    Raises:
        DataError: for vectors, or other numbers of colours.

    Example:
        >>> import triptych as tp
        >>> whole, data = jpeg_curves(tp.data.load("digits")[1][:20], qualities=[50])
        >>> whole[0].size > 300 > 30 > data[0].size
        True
    """
    event = test.event
    if not event.is_image or event.shape[0] not in (1, 3):
        raise DataError(f"JPEG is for images of 1 or 3 colours, the examples are a {event}")
    full = event.graded(SHADES)
    pixels = full.restored(event.scaled(test.data)).permute(0, 2, 3, 1)
    curves: tuple[list[Point], list[Point]] = ([], [])
    for quality in qualities:
        files = [_jpeg(one.squeeze(2).numpy(), quality) for one in pixels]
        decoded = torch.stack([torch.tensor(decode_image(file, colours=event.shape[0])) for file in files])
        rebuilt = Examples(decoded, full)
        for curve, measure in zip(curves, (len, entropy_coded), strict=True):
            curve.append(point(f"quality {quality}", sum(map(measure, files)) / len(files), test, rebuilt))
    return curves


def _jpeg(pixels: Any, quality: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def entropy_coded(file: bytes) -> int:
    """Return the bytes of a baseline JPEG's scan: what is between its last header and its end marker."""
    at = 2  # past the start marker come segments: a marker of 2 bytes, then their length
    while file[at + 1] != _SCAN:
        at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    begin = at + 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    return len(file) - len(_END) - begin
