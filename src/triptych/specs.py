"""Parts that are named with their options: `gradient:weight=10,target=1`, or several joined by `+`."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from triptych.errors import ConfigurationError, check_known, did_you_mean

Part = TypeVar("Part")
Own = TypeVar("Own")


class Registry(dict[str, Part]):
    """Parts of one kind by the name that a user can type.

    Args:
        kind: what errors call such a part, such as "loss".
        wrap: what makes the part of what is registered, and of the facts that are registered with it.
        parts: by name, those that are written elsewhere, such as torch's.

    Example:
        >>> functions: Registry[Callable[..., float]] = Registry("function", abs=abs)
        >>> @functions.register("powers")
        ... def powers(x, *, exponent: float = 2.0):
        ...     "Raise to a power."
        ...     return x**exponent
        >>> functions["powers"](3), functions.name_of(powers), functions.chosen("powers:exponent=3")(2)
        (9.0, 'powers', 8.0)
        >>> functions.several("none"), len(functions.several("abs+powers"))
        ([], 2)
        >>> functions.find("power")
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: no function 'power'; did you mean powers?
    """

    def __init__(self, kind: str, wrap: Callable[..., Part] | None = None, /, **parts: Part) -> None:
        super().__init__(parts)
        self.kind, self.wrap = kind, wrap

    def register(self, name: str, *facts: Any, **options: Any) -> Callable[[Own], Own]:
        """Enter the function or class below under a name; `wrap` takes the rest."""

        def enter(part: Own) -> Own:
            self[name] = self.wrap(part, *facts, **options) if self.wrap else part  # type: ignore[assignment]
            return part

        return enter

    def name_of(self, part: object) -> str:
        """Return the name of a part, or of one with its options given; "" for one that has none."""
        own = getattr(part, "func", part)
        return next((name for name, known in self.items() if known is own), "")

    def find(self, name: str, *others: str) -> Part:
        """Return the part of a name.

        Args:
            name: what a user typed.
            others: what else could have been typed, for the hint.

        Raises:
            ConfigurationError: for an unknown name.
        """
        check_known(self.kind, name, [*others, *self])
        return self[name]

    def chosen(self, spec: str, *others: str) -> Callable[..., Any]:
        """Return the function or class that a spec names, with the options that it gives.

        The options are the keyword-only parameters of the function or class; their annotations say what is read.

        Args:
            spec: `NAME` or `NAME:OPTION=VALUE,OPTION=VALUE`.
            others: what else could have been typed, for the hint.

        Raises:
            ConfigurationError: for an unknown name or option, one given twice, or a value of another type.
        """
        self._check_text(spec)
        name, _, given = spec.partition(":")
        part: Any = self.find(name, *others)
        options: dict[str, Any] = {}
        for entry in filter(None, given.split(",")):
            key, value = _option(self.kind, name, entry, part)
            if key in options:
                raise ConfigurationError(f"the {self.kind} {name!r} was given {key} twice: expected it once")
            options[key] = value
        return partial(part, **options) if options else part

    def several(self, spec: str) -> list[Callable[..., Any]]:
        """Return what each part of a spec joined by `+` names; "none" names nothing.

        Raises:
            ConfigurationError: as `chosen` does, and for a part that is named twice.
        """
        if spec == "none":
            return []
        self._check_text(spec)
        parts = re.split(r"\+(?=[a-z])", spec)
        names = [part.partition(":")[0] for part in parts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigurationError(f"the {self.kind} {min(twice)!r} was given twice: expected it once")
        return [self.chosen(part) for part in parts]

    def _check_text(self, spec: object) -> None:
        """Refuse what is not text; whoever asks has seen that it is no part of the user's own."""
        if not isinstance(spec, str):
            raise ConfigurationError(f"{spec!r} was given as {self.kind}: expected a name, or a part of your own")


_BY_NAME = inspect.Parameter.KEYWORD_ONLY
_WORDS = {"true": True, "false": False}
_EXPECTED: dict[object, str] = {bool: "true or false", int: "a whole number", float: "a number"}


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
        options = [p for p in inspect.signature(part).parameters.values() if p.kind is _BY_NAME]
        given = ",".join(f"{p.name}={_typed(p.default)}" for p in options)
        texts[f"{name}:{given}" if given else name] = inspect.cleandoc(part.__doc__ or "").partition("\n")[0]
    return texts


def _typed(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _option(kind: str, name: str, entry: str, part: Callable[..., Any]) -> tuple[str, Any]:
    """Return an option's name and its value, read as the part's signature says."""
    key, _, text = entry.partition("=")
    key = key.strip().replace("-", "_")
    parameters = inspect.signature(part).parameters
    options = [p for p in parameters if parameters[p].kind is _BY_NAME]
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
