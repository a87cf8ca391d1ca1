"""Coordinates of a code: how much each matters, what it does, and what two of them do together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.models.questions import Decoder, Label
from triptych.noise import Noise
from triptych.queries.codes import Decoded, Spread, decode_rows, shades
from triptych.queries.reconstruction import squared_errors
from triptych.running.progress import track


def importance(model: Decoder, codes: Tensor, *, label: Label = None, seed: int = 0) -> Tensor:
    """Return how much each coordinate of the code matters to what is decoded.

    `I_j = E 1/D ‖g(z) - g(z_1, …, z'_j, …, z_Z)‖²`: the mean squared change of the decoded example g(z) if coordinate j
    alone is replaced by that of another code z'. For independent coordinates it is twice the total effect of
    variance-based sensitivity analysis. Reference: Jansen 1999, *Analysis of variance designs for model output*;
    Saltelli et al. 2010, table 2 (f).

    Args:
        model: decodes.
        codes: `(N, Z)`, N ≥ 2: drawn from the prior, or of examples; the other code is one of them.
        label: of a conditional model: one for all, or one for each code.
        seed: of which code is another's other.

    Returns:
        `(Z,)`, in the units of `squared_errors`: 1 is as much as black to white in every pixel.

    Raises:
        DataError: for fewer than 2 codes, codes of another length, or missing labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> importance(model, model.sample_codes(10, seed=0)).shape
        torch.Size([4])
    """
    if len(codes) < 2:
        raise DataError(f"{len(codes)} codes were given: to replace a coordinate by another code's, expected 2 or more")
    order = Noise.of(seed).uniform((len(codes),)).argsort()
    other = torch.empty_like(codes)
    other[order] = codes[order.roll(1)]  # one cycle through all: no code is its own other
    fine = shades(model.event)
    before = model.decode(codes, label=label, levels=fine)
    found = []
    for j in track(range(codes.shape[1]), "replacing coordinates"):
        replaced = codes.clone()
        replaced[:, j] = other[:, j]
        found.append(squared_errors(before, model.decode(replaced, label=label, levels=fine)).mean())
    return torch.stack(found)


def traverse(
    model: Decoder,
    centre: Tensor,
    coordinates: Sequence[int],
    steps: int = 9,
    extent: float = 3.0,
    spread: Spread | None = None,
    label: Label = None,
) -> Decoded:
    """Move along single coordinates of a code, the others unchanged, and decode each step.

    Coordinate j takes the values `m_j + t s_j`, t = -extent … extent.
    Reference: Higgins et al. 2017, *beta-VAE*, fig. 1.

    Args:
        model: decodes.
        centre: a code `(Z,)`.
        coordinates: which, each 0 … Z-1.
        steps: how many values of each.
        extent: standard deviations to either side.
        spread: m and s; None for those of N(0, I).
        label: of a conditional model.

    Returns:
        A row for each coordinate.

    Raises:
        ConfigurationError: for fewer than 2 steps, an extent that is not positive and finite, or
            a coordinate that is not there.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> traverse(model, torch.zeros(4), [1], steps=3).codes[0, :, 1]
        tensor([-3.,  0.,  3.])
    """
    t = standard_values(steps, extent)
    check_coordinates(coordinates, len(centre))
    mean, scale = spread or Spread.standard(len(centre))
    codes = centre.repeat(len(coordinates), steps, 1)
    for row, j in enumerate(coordinates):
        codes[row, :, j] = mean[j] + t * scale[j]
    return decode_rows(model, codes, label)


def standard_values(steps: int, extent: float) -> Tensor:
    """Return the values that a standardised coordinate takes, evenly from -extent to extent, `(steps,)`.

    Raises:
        ConfigurationError: for fewer than 2 steps, or an extent that is not positive and finite.

    Example:
        >>> standard_values(3, 2.0)
        tensor([-2.,  0.,  2.])
    """
    if steps < 2 or not 0 < extent < math.inf:
        raise ConfigurationError(
            f"steps={steps}, extent={extent:g}: expected at least 2 steps, and a finite extent above 0"
        )
    return torch.linspace(-extent, extent, steps)


def manifold(
    model: Decoder,
    coordinates: Sequence[int] = (0, 1),
    side: int = 15,
    spread: Spread | None = None,
    label: Label = None,
) -> Decoded:
    """Decode a square of codes: the quantiles of two coordinates, the others at their means.

    Coordinate i takes the values `m_i + s_i Φ⁻¹((k + ½)/side)`, k = 0 … side-1, so that each code stands for an equal
    share of N(m_i, s_i²). Reference: Kingma & Welling 2014, *Auto-Encoding Variational Bayes*, fig. 4.

    Args:
        model: decodes.
        coordinates: i and j; i rises from left to right, j from the bottom row to the top one.
        side: codes along a side.
        spread: m and s; None for those of N(0, I).
        label: of a conditional model.

    Returns:
        `side` rows of as many codes, the top row first.

    Raises:
        ConfigurationError: for side < 1, or coordinates that are not two of the code's.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=2)
        >>> manifold(model, side=2).codes[0]   # the top row
        tensor([[-0.6745,  0.6745],
                [ 0.6745,  0.6745]])
    """
    if side < 1:
        raise ConfigurationError(f"side={side}: expected at least 1")
    if len(coordinates) != 2:
        raise ConfigurationError(f"{len(coordinates)} coordinates were given: a manifold is drawn of 2")
    check_coordinates(coordinates, model.latent)
    mean, scale = spread or Spread.standard(model.latent)
    normal = torch.special.ndtri((torch.arange(side, dtype=torch.float64) + 0.5) / side).float()
    i, j = coordinates
    codes = mean.repeat(side, side, 1)
    codes[:, :, i] = mean[i] + scale[i] * normal
    codes[:, :, j] = (mean[j] + scale[j] * normal).flip(0).unsqueeze(1)
    return decode_rows(model, codes, label)


def check_coordinates(coordinates: Sequence[int], latent: int) -> None:
    """Raise `ConfigurationError` unless they are different coordinates of a code of that length.

    >>> check_coordinates([0, 3], latent=4)
    """
    outside = [j for j in coordinates if not 0 <= j < latent]
    if outside:
        raise ConfigurationError(f"no coordinate {outside[0]}: a code of this model has 0 to {latent - 1}")
    if len(set(coordinates)) < len(coordinates):
        raise ConfigurationError(f"coordinates {', '.join(map(str, coordinates))}: one is there twice")
