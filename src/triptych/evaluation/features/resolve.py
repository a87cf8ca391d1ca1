"""Feature extractors by name; any function plugs in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError, did_you_mean
from triptych.evaluation.features.extractor import Extractor, Function, pixels

NAMES = ("auto", "pixels", "labels-net", "autoencoder", "inception")
"""What can be asked for by name on any data; `<data>-net` and `<data>-code` are the networks under their own names."""


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
        >>> from triptych.event import Event
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
    trained = _trained(name, data, train)
    if trained is not None:
        return trained(train, test, data=data, seed=seed, cache=cache)
    if name == "inception":
        from triptych.evaluation.features.inception import inception

        return inception(train.event)
    if ":" in name:
        from triptych.evaluation.features.own_extractor import own_extractor

        return own_extractor(name)
    raise ConfigurationError(
        f"no feature extractor {name!r}; {did_you_mean(name, [*NAMES, f'{data}-net', f'{data}-code'])}"
        "; your own is file.py:function"
    )


def _trained(name: str, data: str, train: Examples) -> Callable[..., Extractor] | None:
    """Return the function that trains the network of this name; None if none has it."""
    if name in ("labels-net", f"{data}-net"):
        if not _labelled(train):
            raise DataError(f"{name} needs training data of at least 2 labelled classes: try 'autoencoder' or 'pixels'")
        from triptych.evaluation.features.classifier import labels_net

        return labels_net
    if name in ("autoencoder", f"{data}-code"):
        from triptych.evaluation.features.code_net import code_net

        return code_net
    return None


def _automatic(train: Examples) -> str:
    if _labelled(train):
        return "labels-net"
    return "autoencoder" if train.event.is_image else "pixels"


def _labelled(train: Examples) -> bool:
    """Return whether there are labels of at least two classes."""
    return train.labels is not None and train.labels.dim() == 1 and len(torch.unique(train.labels)) >= 2
