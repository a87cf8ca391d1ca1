"""Variants of the GAN: classes with arguments of their own, besides all those of the game."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import TypeVar

from torch import nn

from triptych.errors import ConfigurationError
from triptych.models.adversarial.gan import GAN
from triptych.objectives.game import TellsFeatures

Variant = TypeVar("Variant", bound=type[GAN])


def variant(*without: str) -> Callable[[Variant], Variant]:
    """Let a subclass of GAN whose constructor ends in `**game` take every argument of GAN's, too, but for some.

    The arguments that it names itself keep its default and its text. The class then has one signature and one
    docstring that list all of them, from which the command line and the stored configuration are made.

    Args:
        without: arguments of GAN's that it does not take.

    Example:
        >>> @variant("classes")
        ... class Small(GAN):
        ...     def __init__(self, event, latent: int = 2, **game):
        ...         super().__init__(event, latent, **game)
        >>> taken = inspect.signature(Small).parameters
        >>> taken["latent"].default, "loss" in taken, "classes" in taken
        (2, True, False)
    """

    def extend(cls: Variant) -> Variant:
        own = inspect.signature(cls).parameters
        kept = [parameter for parameter in own.values() if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
        games = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for name, parameter in inspect.signature(GAN).parameters.items()
            if name not in own and name not in without
        ]
        cls.__signature__ = inspect.Signature([*kept, *games])  # type: ignore[attr-defined]
        hints = typing.get_type_hints(GAN.__init__)
        constructor = cls.__init__
        constructor.__annotations__ |= {parameter.name: hints[parameter.name] for parameter in games}
        cls.__doc__ = _documented(cls.__doc__ or "", {parameter.name for parameter in games})
        return cls

    return extend


def _documented(doc: str, names: set[str]) -> str:
    """Return a docstring with GAN's text for some arguments at the end of its own `Args:`."""
    lines = inspect.cleandoc(doc).splitlines()
    if "Args:" not in lines:
        return doc
    entries = re.findall(r"^    (\w+): ((?:.*\n)(?:     +.*\n)*)", inspect.cleandoc(GAN.__doc__ or "") + "\n", re.M)
    texts = [f"    {name}: {text.rstrip()}" for name, text in entries if name in names]
    end = next((i for i in range(lines.index("Args:") + 1, len(lines)) if not lines[i].startswith("    ")), len(lines))
    return "\n".join([*lines[:end], *texts, *lines[end:]])


def width_of(critic: nn.Module, what: str) -> int:
    """Return how many features a critic tells, for a head that reads them.

    Args:
        critic: of a game.
        what: reads the features, as the error names it.

    Raises:
        ConfigurationError: for a critic that does not tell its features.

    Example:
        >>> width_of(nn.Linear(2, 1), "infogan")
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: infogan was given a critic that is a Linear: expected one with features, ...
    """
    width = getattr(critic, "width", None)
    if not isinstance(critic, TellsFeatures) or not isinstance(width, int):
        raise ConfigurationError(
            f"{what} was given a critic that is a {type(critic).__name__}: expected one with features, judged and "
            "width, as triptych.networks.critics.Critic has; or a name, such as 'auto'"
        )
    return width
