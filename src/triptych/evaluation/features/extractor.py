"""A feature extractor: a named function from examples to what the distance between two sets is measured in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.event import Event
from triptych.metrics.figure import Figure
from triptych.metrics.resolution import LARGEST, shrunk
from triptych.running.progress import slices

_CHUNK = 500

Function = Callable[[Tensor], Tensor]
"""From examples as stored, `(B, *event.shape)`, to `(B, …)` numbers."""


@dataclass(frozen=True, eq=False)
class Extractor:
    """A named function from examples to features.

    Args:
        name: part of the protocol name of all that is measured on it.
        function: from examples as the data holds them, `uint8 (B, C, H, W)` or `float32 (B, D)`, to
            `(B, …)` numbers; a `nn.Module` is put in evaluation mode.
        note: what a reader must know of it, for the report.
        accuracy: test accuracy in %, of a classifier.
        reconstruction: mean squared error on test examples, of an autoencoder.

    Example:
        >>> mean = Extractor("mean-ink", lambda x: x.float().mean((1, 2, 3)))
        >>> mean(torch.ones(5, 1, 8, 8, dtype=torch.uint8)).shape
        torch.Size([5, 1])
    """

    name: str
    function: Function
    note: str = ""
    accuracy: Figure | None = None
    reconstruction: Figure | None = None

    def __call__(self, examples: Examples | Tensor) -> Tensor:
        """Return `(N, F)` float32 features, on the CPU.

        Raises:
            DataError: if the function does not give each example its features, or some are not finite.
        """
        x = examples.data if isinstance(examples, Examples) else examples
        parts = list(self.stream(x))
        widths = sorted({part.shape[1] for part in parts})
        if len(widths) > 1:
            raise DataError(
                f"{self.name} gave {' and '.join(map(str, widths))} features: expected as many of each example"
            )
        features = torch.cat(parts) if parts else torch.empty(0, 0)
        finite = torch.isfinite(features).all(1)
        if not bool(finite.all()):
            bad = int((~finite).sum())
            raise DataError(f"{self.name}: the features of {bad} of {len(x)} examples are not finite")
        return features

    def stream(self, examples: Examples | Tensor) -> Iterator[Tensor]:
        """Yield `(B, F)` float32 features of one chunk of examples after another, so that not all are in memory.

        Raises:
            DataError: if the function does not give each example its features.
        """
        x = examples.data if isinstance(examples, Examples) else examples
        if isinstance(self.function, nn.Module):
            self.function.eval()
        for part in slices(x, _CHUNK, "computing features"):
            yield self._of(part)

    def _of(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            features = self.function(x)
        if not isinstance(features, Tensor) or features.dim() < 1 or len(features) != len(x):
            got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise DataError(f"{self.name} gave {got} for {len(x)} examples: expected ({len(x)}, features)")
        if features.is_complex() or not features.numel():
            wrong = "complex numbers" if features.is_complex() else "no features"
            raise DataError(f"{self.name} gave {wrong}: expected one real number or more of each example")
        return features.reshape(len(x), -1).float().cpu()


def pixels(event: Event) -> Extractor:
    """Return the extractor of the scaled examples themselves, flattened: F = D, or less for large images.

    Images above 32×32 are averaged down to 32×32 first, and the name says so. Vectors' coordinates are
    standardised by the training split.

    Example:
        >>> pixels(Event((1, 8, 8), 17)).name, pixels(Event((3, 64, 64), 256)).name, pixels(Event((2,))).name
        ('pixels', 'pixels-32', 'coordinates')
    """
    if not event.is_image:
        return Extractor("coordinates", event.scaled, "standardised coordinates, no network")
    if max(event.shape[1:]) <= LARGEST:
        return Extractor("pixels", event.scaled, "pixels in [-1, 1], no network")
    note = f"pixels averaged to {LARGEST}×{LARGEST}, no network"
    return Extractor(f"pixels-{LARGEST}", lambda x: shrunk(event.scaled(x)), note)
