"""What is done to an example before a denoising autoencoder sees it.

A corruption takes scaled examples `(B, ...)` and a stream of randomness and returns others of the same shape. To
add one by name, write a function `(x, noise, amount) -> x` and put `@CORRUPTIONS.register("my-name")` above it; or
give an autoencoder a function `(x, noise) -> x` of your own as `corruption`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.specs import Registry

Corruption = Callable[[Tensor, Noise], Tensor]
"""From scaled examples and randomness to scaled examples of the same shape."""
Named = Callable[[Tensor, Noise, float], Tensor]
"""The same with an amount."""

CORRUPTIONS: Registry[Named] = Registry("corruption")
"""Every corruption by the name that a user can type."""


@CORRUPTIONS.register("gaussian")
def gaussian(x: Tensor, noise: Noise, amount: float) -> Tensor:
    """Add normal noise: `x + s ε`, s being `amount` of the range from black to white, or of a vector's spread.

    Reference: Vincent et al. 2010, *Stacked Denoising Autoencoders*, §3.3 (GS).

    Args:
        x: scaled images `(B, C, H, W)`, which then stay in [-1, 1], or vectors `(B, D)`.
        noise: where ε comes from.
        amount: standard deviation.

    Example:
        >>> x = torch.zeros(1000, 2)
        >>> round(float(gaussian(x, Noise.of(0), 0.5).std()), 1)
        0.5
    """
    shift = amount * noise.normal(x.shape).to(x)
    return (x + 2.0 * shift).clamp(-1.0, 1.0) if x.dim() == 4 else x + shift


@CORRUPTIONS.register("masking")
def masking(x: Tensor, noise: Noise, amount: float) -> Tensor:
    """Set positions to black (of a vector: to its mean), each with probability `amount`.

    Reference: Vincent et al. 2008, *Extracting and Composing Robust Features with Denoising Autoencoders*, §2.3.

    Args:
        x: scaled images `(B, C, H, W)`, whose pixels lose all their colours at once, or vectors `(B, D)`.
        noise: which positions.
        amount: probability.

    Example:
        >>> masking(torch.ones(2, 3), Noise.of(0), 1.0)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    gone = noise.uniform(_positions(x)).to(x) < amount
    return torch.where(gone, -1.0 if x.dim() == 4 else 0.0, x)


@CORRUPTIONS.register("salt-and-pepper")
def salt_and_pepper(x: Tensor, noise: Noise, amount: float) -> Tensor:
    """Set pixels to white or to black, each with probability `amount / 2`.

    Reference: Vincent et al. 2010, *Stacked Denoising Autoencoders*, §3.3 (SP).

    Args:
        x: scaled images `(B, C, H, W)`.
        noise: which pixels.
        amount: probability.

    Example:
        >>> x = salt_and_pepper(torch.zeros(1, 1, 100, 100), Noise.of(0), 0.8)
        >>> [round(float((x == value).float().mean()), 1) for value in (-1, 0, 1)]
        [0.4, 0.2, 0.4]
    """
    u = noise.uniform(_positions(x)).to(x)
    return torch.where(u < amount / 2, 1.0, torch.where(u < amount, -1.0, x))


def _positions(x: Tensor) -> Sequence[int]:
    """Return the shape of one number a position: colours of a pixel share it."""
    return (len(x), 1, *x.shape[2:]) if x.dim() == 4 else x.shape


def resolve_corruption(corruption: str | Corruption, amount: float, event: Event) -> Corruption | None:
    """Return the corruption that a constructor argument names, or the user's own function, watched; None for "none".

    Args:
        corruption: a name in `CORRUPTIONS`, "none", or a function `(x, noise) -> x`.
        amount: of one chosen by name.
        event: what is corrupted.

    Raises:
        ConfigurationError: for an unknown name, pixels asked of vectors, or an amount out of its range; when it is
            applied, for a function that returns anything but finite numbers of the shape it was given.

    Example:
        >>> event = Event((4,))
        >>> resolve_corruption("masking", 0.5, event)(torch.ones(1, 4), Noise.of(0)).shape
        torch.Size([1, 4])
        >>> resolve_corruption(lambda x, noise: x[:1], 0.5, event)(torch.ones(2, 4), Noise.of(0))
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: the corruption was given numbers of shape (2, 4) and returned (1, 4): ...
    """
    if not isinstance(corruption, str):
        return partial(_watched, corruption)
    if corruption == "none":
        return None
    chosen = CORRUPTIONS.find(corruption, "none")
    if corruption == "salt-and-pepper" and not event.is_image:
        raise ConfigurationError(f"salt-and-pepper makes pixels white or black, and a {event} has none: try masking")
    most = math.inf if corruption == "gaussian" else 1.0
    if not 0 < amount <= most or math.isinf(amount):
        expected = "a standard deviation above 0" if corruption == "gaussian" else "a probability above 0, at most 1"
        raise ConfigurationError(f"amount={amount:g} of {corruption}: expected {expected}")
    return lambda x, noise: chosen(x, noise, amount)


def _watched(corruption: Corruption, x: Tensor, noise: Noise) -> Tensor:
    given = corruption(x, noise)
    if not isinstance(given, Tensor) or given.shape != x.shape:
        got = tuple(given.shape) if isinstance(given, Tensor) else f"a {type(given).__name__}"
        shape = tuple(x.shape)
        raise ConfigurationError(
            f"the corruption was given numbers of shape {shape} and returned {got}: expected the same shape"
        )
    if not torch.isfinite(given).all():
        raise ConfigurationError("the corruption returned numbers that are not finite: expected scaled examples")
    return given


def corrupted(x: Tensor, event: Event, corruption: Corruption, noise: Noise) -> Tensor:
    """Return corrupted examples as examples: of the event's own levels, as a user's own image would be.

    Args:
        x: `(B, *event.shape)` examples.
        event: what one example is.
        corruption: what is done to them.
        noise: where it draws from.

    Example:
        >>> event = Event((1, 2, 2), 17)
        >>> x = torch.full((1, 1, 2, 2), 16, dtype=torch.uint8)
        >>> corrupted(x, event, resolve_corruption("masking", 1.0, event), Noise.of(0)).flatten()
        tensor([0, 0, 0, 0], dtype=torch.uint8)
    """
    return event.restored(corruption(event.scaled(x), noise))
