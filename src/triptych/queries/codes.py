"""Codes in rows, and where a model's codes lie."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.event import Event
from triptych.models.questions import Decoder, Label


class Decoded(NamedTuple):
    """R rows of S codes, and what they stand for."""

    codes: Tensor
    """`(R, S, Z)`."""
    examples: Examples
    """`R · S` examples, those of the first row first."""


SHADES = 256
"""Levels in which expected images are drawn and compared: those between the data's tell of doubt."""


def shades(event: Event) -> int | None:
    """Return the levels in which expected examples are shown: `SHADES` for images.

    >>> shades(Event((1, 8, 8), 2)), shades(Event((2,)))
    (256, None)
    """
    return SHADES if event.is_image else None


def decode_rows(model: Decoder, codes: Tensor, label: Label = None) -> Decoded:
    """Decode rows of codes.

    Args:
        model: decodes.
        codes: `(R, S, Z)`.
        label: of a conditional model: one for all, one for each row `(R,)`, or one for each code `(R, S)`; of a
            model of vectors with one more dimension.

    Raises:
        DataError: for codes of another length, or missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> len(decode_rows(model, torch.zeros(2, 3, 4)).examples)
        6
    """
    rows, steps = codes.shape[:2]
    if label is not None and model.conditional:
        label = torch.as_tensor(label)
        own = 1 if model.embedding else 0  # dimensions of one label
        if label.dim() == own + 1:
            label = label.repeat_interleave(steps, 0)
        elif label.dim() == own + 2:
            label = label.flatten(0, 1)
    return Decoded(codes, model.decode(codes.reshape(rows * steps, -1), label=label))


class Spread(NamedTuple):
    """Where codes lie, coordinate by coordinate."""

    mean: Tensor
    """`(Z,)`."""
    scale: Tensor
    """`(Z,)`, standard deviations."""

    @classmethod
    def standard(cls, latent: int) -> Spread:
        """Return that of N(0, I)."""
        return cls(torch.zeros(latent), torch.ones(latent))


_ERRORS = 5.0  # standard errors: N(0, I) is missed once in a million coordinates


def spread_of(codes: Tensor) -> Spread:
    """Return mean and standard deviation of codes; those of N(0, I) exactly, where it may well be what they are from.

    The standard errors are `1/√N` of the mean, and `1/√(2N)` of the standard deviation, of a normal distribution.
    If all coordinates are within 5 of them, the codes count as drawn from N(0, I).

    Args:
        codes: `(N, Z)`, drawn from a prior, or of examples.

    Raises:
        DataError: for fewer than 2 codes, or codes that are not finite.

    Example:
        >>> from triptych.noise import Noise
        >>> draws = Noise.of(0).normal((1000, 2))
        >>> spread_of(draws).mean.tolist(), spread_of(3 + 0 * draws).mean.tolist()
        ([0.0, 0.0], [3.0, 3.0])
    """
    if len(codes) < 2:
        raise DataError(f"{len(codes)} codes were given: their spread needs at least 2")
    if not torch.isfinite(codes).all():
        raise DataError("a code is not finite: train the model again, with a smaller learning rate")
    mean, scale = codes.mean(0), codes.std(0)
    limit = _ERRORS / math.sqrt(len(codes))
    if bool((mean.abs() < limit).all()) and bool(((scale - 1).abs() < limit / math.sqrt(2)).all()):
        return Spread.standard(codes.shape[1])
    return Spread(mean, scale)
