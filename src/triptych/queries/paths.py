"""Walks through the space of codes."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.models.questions import Reconstructor


def interpolate(model: Reconstructor, start: Examples, end: Examples, steps: int = 8, path: str = "linear") -> Examples:
    """Walk from one example's code to another's and decode each step.

    Args:
        model: encodes and decodes.
        start: one example.
        end: another.
        steps: how many points, both ends included.
        path: "linear", or "spherical" (constant angle; White 2016, *Sampling Generative Networks*, §3.1).

    Returns:
        `steps` examples.

    Raises:
        ConfigurationError: for fewer than 2 steps, or another path.
        DataError: unless start and end are one example each.

    Example:
        >>> import triptych as tp
        >>> model = tp.VAE(tp.Event((1, 8, 8), levels=17), latent=4)
        >>> ends = model.sample(2, seed=0)
        >>> len(interpolate(model, ends[:1], ends[1:], steps=5))
        5
    """
    if steps < 2:
        raise ConfigurationError(f"{steps} steps were asked for: expected at least the 2 ends")
    if len(start) != 1 or len(end) != 1:
        raise DataError(f"{len(start)} and {len(end)} examples were given: expected one for each end")
    a, b = model.encode(start), model.encode(end)
    t = torch.linspace(0, 1, steps).view(-1, 1)
    if path == "linear":
        z = (1 - t) * a + t * b
    elif path == "spherical":
        z = _spherical(a, b, t)
    else:
        raise ConfigurationError(f"no path {path!r}: there is linear and spherical")
    label = start.labels.expand(steps) if model.classes and start.labels is not None else None
    return model.decode(z, label=label)


def _spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Return `sin((1-t)ω)/sin ω a + sin(tω)/sin ω b`, ω the angle between a and b; the chord where they align."""
    cosine = torch.nn.functional.cosine_similarity(a, b).clamp(-1, 1)
    omega = torch.arccos(cosine).view(-1, 1)
    if float(torch.sin(omega)) < 1e-6:
        return (1 - t) * a + t * b
    return (torch.sin((1 - t) * omega) * a + torch.sin(t * omega) * b) / torch.sin(omega)
