"""Feature extractors: what the distance between two sets is measured in. Any function plugs in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError, did_you_mean
from triptych.evaluation.figure import Figure
from triptych.event import Event
from triptych.running.progress import slices

_CHUNK = 500
_LARGEST = 32

NAMES = ("auto", "pixels", "labels-net", "autoencoder", "inception")
"""What can be asked for by name on any data; `<data>-net` and `<data>-code` are the networks under their own names."""

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
    if max(event.shape[1:]) <= _LARGEST:
        return Extractor("pixels", event.scaled, "pixels in [-1, 1], no network")
    note = f"pixels averaged to {_LARGEST}×{_LARGEST}, no network"
    return Extractor(f"pixels-{_LARGEST}", lambda x: shrunk(event.scaled(x)), note)


def shrunk(x: Tensor) -> Tensor:
    """Average scaled images `(B, C, H, W)` down to 32×32; smaller ones and vectors stay as they are."""
    if x.dim() < 4 or max(x.shape[2:]) <= _LARGEST:
        return x
    height, width = (min(side, _LARGEST) for side in x.shape[2:])
    return nn.functional.adaptive_avg_pool2d(x, (height, width))


def resolve_extractor(
    given: str | Function | Extractor,
    train: Examples,
    test: Examples,
    *,
    data: str = "data",
    seed: int = 0,
    cache: Path | None = None,
) -> Extractor:
    """Return the extractor that is asked for.

    "auto" is the classifier where there are labels of two classes: features that tell classes apart see what people
    look for. Without them it is the autoencoder's code for images, whose pixels are far apart for a shift that no one
    notices; for vectors it is the coordinates, which mean something each.

    Args:
        given: "auto"; "pixels" (of vectors the coordinates); "labels-net" or `<data>-net`, the classifier that is
            trained on the labels; "autoencoder" or `<data>-code`, the code of one that is trained on the examples;
            "inception"; `file.py:function` or `package.module:name`, a user's own; or a function or module (named by
            its own name), or an `Extractor`.
        train: what a network is trained on.
        test: what its accuracy or its error is measured on.
        data: name of the data, for the networks': `digits` gives `digits-net` and `digits-code`.
        seed: of a network's training.
        cache: folder of trained networks; None for `$TRIPTYCH_CACHE`, or `~/.cache/triptych`.

    Raises:
        ConfigurationError: for an unknown name, or one that cannot be had.
        DataError: if a classifier is asked for on data of fewer than two labelled classes.

    Example:
        >>> vectors = Examples(torch.zeros(4, 2), Event((2,)))
        >>> resolve_extractor("auto", vectors, vectors).name
        'coordinates'
    """
    if isinstance(given, Extractor):
        return given
    if not isinstance(given, str):
        return Extractor(getattr(given, "__name__", type(given).__name__), given)
    name = _automatic(train) if given == "auto" else given
    plain = pixels(train.event)
    if name in ("pixels", plain.name):
        return plain
    if name in ("labels-net", f"{data}-net"):
        if not _labelled(train):
            raise DataError(f"{name} needs training data of at least 2 labelled classes: try 'autoencoder' or 'pixels'")
        from triptych.evaluation.classifier import labels_net

        return labels_net(train, test, data=data, seed=seed, cache=cache)
    if name in ("autoencoder", f"{data}-code"):
        from triptych.evaluation.code_net import code_net

        return code_net(train, test, data=data, seed=seed, cache=cache)
    if name == "inception":
        from triptych.evaluation.inception import inception

        return inception(train.event)
    if ":" in name:
        from triptych.evaluation.own_extractor import own_extractor

        return own_extractor(name)
    raise ConfigurationError(
        f"no feature extractor {name!r}; {did_you_mean(name, [*NAMES, f'{data}-net', f'{data}-code'])}"
        "; your own is file.py:function"
    )


def _automatic(train: Examples) -> str:
    if _labelled(train):
        return "labels-net"
    return "autoencoder" if train.event.is_image else "pixels"


def _labelled(train: Examples) -> bool:
    """Return whether there are labels of at least two classes."""
    return train.labels is not None and train.labels.dim() == 1 and len(torch.unique(train.labels)) >= 2
