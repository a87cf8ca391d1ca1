"""How long a code is."""

from __future__ import annotations

from triptych.errors import ConfigurationError
from triptych.event import Event

LATENT = 32
"""Dimensions of a code if nobody chooses, where an example has as many."""


def latent_of(latent: int | None, event: Event) -> int:
    """Return the dimensions of a model's code.

    Args:
        latent: as asked for; None for 32, or as many as an example has if those are fewer.
        event: what one example is.

    Raises:
        ConfigurationError: for less than 1, or more than an example has: such a code need not leave anything out.

    Example:
        >>> latent_of(None, Event((1, 8, 8), 17)), latent_of(None, Event((2,)))
        (32, 2)
    """
    if latent is None:
        return min(LATENT, event.dims)
    if latent < 1:
        raise ConfigurationError(f"latent={latent}: expected at least 1 dimension")
    if latent > event.dims:
        raise ConfigurationError(
            f"latent={latent}: a {event} has only {event.dims} dimensions, expected a code of at most as many"
        )
    return latent
