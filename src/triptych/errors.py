"""What a user can do wrong, each said in one line: what was given, what was expected, what to try."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what was asked. The command line prints it as one line and exits with 2."""


class DataError(UserError, ValueError):
    """The data cannot be used as given."""


class ConfigurationError(UserError, ValueError):
    """An option or constructor argument is unknown or out of its range."""


class UnsupportedQuery(UserError, AttributeError):
    """A model was asked a question that it does not answer; the message names those it does."""


class CheckpointError(UserError, RuntimeError):
    """A run directory or checkpoint cannot be written, read or continued."""


class NonFiniteError(UserError, ArithmeticError):
    """A loss or a gradient became NaN or infinite; the message names player, term and step."""


class Interrupted(UserError):
    """Training was stopped by Ctrl-C or SIGTERM; what was done has been saved."""


def check_known(kind: str, name: str, names: Iterable[str]) -> None:
    """Raise `ConfigurationError`, with the nearest ones, unless a name is one of those that there are.

    Args:
        kind: what it is the name of.
        name: what was given.
        names: those that a user can give.

    Example:
        >>> check_known("model", "pixelcn", ["gan", "pixelcnn", "vae"])
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: no model 'pixelcn'; did you mean pixelcnn?
    """
    names = tuple(names)
    if not isinstance(name, str):
        raise ConfigurationError(f"{name!r} was given as {kind}: expected a name, one of {', '.join(names)}")
    if name not in names:
        raise ConfigurationError(f"no {kind} {name!r}; {did_you_mean(name, names)}")


def did_you_mean(given: str, names: Iterable[str]) -> str:
    """Return a hint with the nearest existing names, to end an error message with.

    >>> did_you_mean("pixelcn", ["gan", "pixelcnn", "vae"])
    'did you mean pixelcnn?'
    >>> did_you_mean("???", ["gan", "vae"])
    'there is: gan, vae'
    """
    names = sorted(names)
    near = difflib.get_close_matches(given, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there is: {', '.join(names)}" if names else "there is none"


def check_positive(**numbers: float | None) -> None:
    """Raise `ConfigurationError` for a number, by name, that is not above 0 and finite; None is passed over.

    >>> check_positive(lr=-1.0)
    Traceback (most recent call last):
    triptych.errors.ConfigurationError: lr=-1.0: expected a number above 0
    """
    for name, number in numbers.items():
        if number is not None and not 0 < number < math.inf:
            raise ConfigurationError(f"{name}={number}: expected a number above 0")
