"""Parts that are named with their options: `gradient:weight=10,target=1`, or several joined by `+`."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from triptych.errors import ConfigurationError, did_you_mean

Part = TypeVar("Part", bound=Callable[..., Any])
Own = TypeVar("Own", bound=Callable[..., Any])


class Registry(dict[str, Part]):
    """Parts of one kind by the name that a user can type.

    Example:
        >>> powers: Registry[Callable[..., float]] = Registry()
        >>> @powers.register("square")
        ... def square(x):
        ...     return x**2
        >>> powers["square"](3), powers.name_of(square)
        (9, 'square')
    """

    def register(self, name: str) -> Callable[[Own], Own]:
        """Enter the function or class below under a name."""

        def enter(part: Own) -> Own:
            self[name] = part  # type: ignore[assignment]
            return part

        return enter

    def name_of(self, part: object) -> str:
        """Return the name of a part, or of one with its options given; "" for one that has none."""
        own = getattr(part, "func", part)
        return next((name for name, known in self.items() if known is own), "")


_WORDS = {"true": True, "false": False}
_EXPECTED: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number"}


def chosen(kind: str, spec: str, known: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """Return the function or class that a spec names, with the options that it gives.

    The options are the keyword-only parameters of the function or class; their annotations say what is read.

    Args:
        kind: how errors call such parts, such as "loss".
        spec: `NAME` or `NAME:OPTION=VALUE,OPTION=VALUE`.
        known: all such parts by name.

    Raises:
        ConfigurationError: for an unknown name or option, one given twice, or a value of another type.

    Example:
        >>> def powers(x, *, exponent: float = 2.0):
        ...     return x**exponent
        >>> chosen("function", "powers:exponent=3", {"powers": powers})(2)
        8.0
        >>> chosen("function", "power", {"powers": powers})
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: no function 'power'; did you mean powers?
    """
    _check_text(kind, spec)
    name, _, given = spec.partition(":")
    if name not in known:
        raise ConfigurationError(f"no {kind} {name!r}; {did_you_mean(name, known)}")
    options: dict[str, Any] = {}
    for entry in filter(None, given.split(",")):
        key, value = _option(kind, name, entry, known[name])
        if key in options:
            raise ConfigurationError(f"the {kind} {name!r} was given {key} twice: expected it once")
        options[key] = value
    return partial(known[name], **options) if options else known[name]


def several(kind: str, spec: str, known: Mapping[str, Callable[..., Any]]) -> list[Callable[..., Any]]:
    """Return what each part of a spec joined by `+` names; "none" names nothing.

    Raises:
        ConfigurationError: as `chosen` does, and for a part that is named twice.

    Example:
        >>> several("function", "none", {}), len(several("function", "abs+max", {"abs": abs, "max": max}))
        ([], 2)
    """
    if spec == "none":
        return []
    _check_text(kind, spec)
    parts = re.split(r"\+(?=[a-z])", spec)
    names = [part.partition(":")[0] for part in parts]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ConfigurationError(f"the {kind} {min(twice)!r} was given twice: expected it once")
    return [chosen(kind, part, known) for part in parts]


def listed(known: Mapping[str, Callable[..., Any]]) -> dict[str, str]:
    """Return what a user can type for each part, its options at their defaults, and the first line of its text.

    Example:
        >>> def powers(x, *, exponent: float = 2.0):
        ...     "Raise to a power."
        >>> listed({"powers": powers})
        {'powers:exponent=2.0': 'Raise to a power.'}
    """
    texts = {}
    for name, part in known.items():
        options = [p for p in inspect.signature(part).parameters.values() if p.kind is inspect.Parameter.KEYWORD_ONLY]
        given = ",".join(f"{p.name}={_typed(p.default)}" for p in options)
        texts[f"{name}:{given}" if given else name] = inspect.cleandoc(part.__doc__ or "").partition("\n")[0]
    return texts


def _check_text(kind: str, spec: object) -> None:
    """Refuse what is not text; whoever asks has seen that it is no part of the user's own."""
    if not isinstance(spec, str):
        raise ConfigurationError(f"{spec!r} was given as {kind}: expected a name, or a part of your own")


def _typed(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _option(kind: str, name: str, entry: str, part: Callable[..., Any]) -> tuple[str, Any]:
    """Return an option's name and its value, read as the part's signature says."""
    key, _, text = entry.partition("=")
    key = key.strip().replace("-", "_")
    parameters = inspect.signature(part).parameters
    options = [p for p in parameters if parameters[p].kind is inspect.Parameter.KEYWORD_ONLY]
    if key not in options:
        takes = did_you_mean(key, options) if options else "it has none"
        raise ConfigurationError(f"the {kind} {name!r} has no option {key!r}; {takes}")
    own = part.__init__ if isinstance(part, type) else part  # type: ignore[misc]
    read = typing.get_type_hints(own).get(key, str)
    try:
        return key, _WORDS[text] if read is bool else read(text)
    except (KeyError, ValueError):
        expected = _EXPECTED.get(read, f"a {read.__name__}")
        raise ConfigurationError(f"the {kind} {name!r} was given {entry!r}: expected {key} to be {expected}") from None
