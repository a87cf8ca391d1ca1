"""Sums and differences of codes: what two labels differ in, added to an example."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.models.questions import Decoder, Label, Reconstructor
from triptych.queries.codes import Decoded, decode_rows

IMAGE = "image"
"""The name, in an expression, of what was given to be changed."""


class Expression(NamedTuple):
    """`plus - minus + base`, in names of labels."""

    base: str
    """What is changed: `IMAGE`, or a label."""
    plus: tuple[str, ...]
    minus: tuple[str, ...]
    """As many as `plus`."""


def parse(expression: str) -> Expression:
    """Return what an expression such as `3 - 5 + image` says.

    Terms are joined by a plus or minus with a space on either side, so that names may have both. `image` is what is
    changed; without it, the last term with a plus is.

    Raises:
        ConfigurationError: unless it is a base and as many labels added as subtracted.

    Example:
        >>> parse("3 - 5 + image")
        Expression(base='image', plus=('3',), minus=('5',))
        >>> parse("smiling woman - woman + man").base
        'man'
    """
    expected = f"expression {expression!r}: expected A - B + C, of labels and {IMAGE}, with spaces around - and +"
    terms = re.split(r"\s+([-+\u2212])\s+", f" + {expression.strip()}")
    signs, names = terms[1::2], [name.strip() for name in terms[2::2]]
    if not all(names):
        raise ConfigurationError(expected)
    plus = [name for sign, name in zip(signs, names, strict=True) if sign == "+"]
    minus = [name for sign, name in zip(signs, names, strict=True) if sign != "+"]
    if not minus or len(plus) != len(minus) + 1 or IMAGE in minus or plus.count(IMAGE) > 1:
        raise ConfigurationError(expected)
    base = IMAGE if IMAGE in plus else plus[-1]
    at = len(plus) - 1 - plus[::-1].index(base)
    return Expression(base, (*plus[:at], *plus[at + 1 :]), tuple(minus))


def attribute_vector(model: Reconstructor, plus: Examples, minus: Examples, *, label: Label = None) -> Tensor:
    """Return the mean code of some examples less that of others, such as with and without an attribute.

    `v = mean_A z - mean_B z`. Reference: Larsen et al. 2016, *Autoencoding beyond pixels*, §4.2;
    Radford et al. 2016, §6.3.2.

    Args:
        model: encodes.
        plus: examples of A.
        minus: examples of B.
        label: of a conditional model, unless the examples carry their own.

    Returns:
        `(Z,)`.

    Raises:
        DataError: for no examples of either.

    Example:
        >>> import triptych as tp
        >>> train, _ = tp.data.load("digits")
        >>> model = tp.VAE(train.event, latent=4)
        >>> attribute_vector(model, train[train.labels == 3], train[train.labels == 5]).shape
        torch.Size([4])
    """
    if not len(plus) or not len(minus):
        raise DataError(f"{len(plus)} and {len(minus)} examples were given: a mean code needs at least 1")
    return model.encode(plus, label=label).mean(0) - model.encode(minus, label=label).mean(0)


def shift(
    model: Reconstructor, x: Examples, vector: Tensor, amounts: Sequence[float] = (0, 0.5, 1), *, label: Label = None
) -> Decoded:
    """Add a vector to the codes of examples, by several amounts, and decode: `g(z + a v)`.

    Args:
        model: encodes and decodes.
        x: N examples.
        vector: v, `(Z,)`, such as an `attribute_vector`.
        amounts: factors a.
        label: of a conditional model, unless the examples carry their own.

    Returns:
        A row for each example. An amount of 0 is the reconstruction.

    Raises:
        DataError: for a vector of another length, amounts that are not finite, or missing labels.

    Example:
        >>> import triptych as tp
        >>> train, _ = tp.data.load("digits")
        >>> model = tp.VAE(train.event, latent=4)
        >>> len(shift(model, train[:2], torch.ones(4)).examples)
        6
    """
    codes = model.encode(x, label=label)
    return shift_codes(model, codes, vector, amounts, label=x.labels if label is None and model.conditional else label)


def shift_codes(
    model: Decoder, codes: Tensor, vector: Tensor, amounts: Sequence[float] = (0, 0.5, 1), *, label: Label = None
) -> Decoded:
    """Add a vector to codes, by several amounts, and decode: `g(z + a v)`.

    For a model that finds no codes itself: those of samples, whose means are added and subtracted (Radford et al. 2016,
    §6.3.2), or of examples that were inverted.

    Args:
        model: decodes.
        codes: `(N, Z)`.
        vector: v, `(Z,)`, such as the difference of two means of codes.
        amounts: factors a.
        label: of a conditional model: one for all, or one for each code.

    Returns:
        A row for each code.

    Raises:
        DataError: for codes or a vector of another length, amounts that are not finite, or missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("gan", tp.Event((1, 8, 8), levels=17), latent=4, channels=4)
        >>> z = model.sample_codes(9, seed=0)
        >>> woman = z[:3].mean(0) - z[3:6].mean(0)
        >>> shift_codes(model, z[6:].mean(0, keepdim=True), woman, [0, 1]).codes.shape
        torch.Size([1, 2, 4])
    """
    if vector.shape != (model.latent,):
        raise DataError(f"a vector of shape {tuple(vector.shape)} was given, this model's codes are ({model.latent},)")
    if endless := [amount for amount in amounts if not math.isfinite(amount)]:
        raise DataError(f"an amount of {endless[0]:g} was given: expected finite numbers")
    return decode_rows(model, codes.unsqueeze(1) + torch.tensor(amounts).view(-1, 1) * vector, label)
