"""Typed settings: nested dataclasses, and the flat names by which a command line, a file or `build` gives them.

A setting lies where it belongs, `GAN(event, adversary=AdversaryConfig(steps=5))`. Where people type, one flat name
says the same: `--critic-steps 5`, `build("gan", event, critic_steps=5)`, a line of `config.yaml`.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any

from triptych.errors import ConfigurationError, did_you_mean

REQUIRED = inspect.Parameter.empty


def setting(default: Any, name: str, known: Mapping[str, Callable[..., Any]] | None = None) -> Any:
    """Return a dataclass field whose flat name is another than its own, or that names one of several known parts.

    Args:
        default: its value if it is not given.
        name: its flat name.
        known: the parts that it can name, each with options of its own.

    Example:
        >>> @dataclass(frozen=True)
        ... class Critic:
        ...     steps: int = setting(1, "critic_steps")
        >>> list(settings_of(Critic))
        ['critic_steps']
    """
    return field(default=default, metadata={"name": name, "known": known or {}})


@dataclass(frozen=True)
class Setting:
    """One value that can be set.

    Args:
        name: its flat name.
        path: the parameter, then the fields, in which it lies.
        annotation: its type.
        default: its value if it is not given; `REQUIRED` for none.
        text: what it is, from the docstring of what takes it.
        known: the parts that it can name, by name; empty if it names none.
    """

    name: str
    path: tuple[str, ...]
    annotation: Any
    default: Any
    text: str
    known: Mapping[str, Callable[..., Any]]


@cache
def settings_of(function: Callable[..., Any]) -> dict[str, Setting]:
    """Return all that can be set of a function, or of a class's constructor, by flat name; `**options` are left out.

    Example:
        >>> @dataclass(frozen=True)
        ... class Critic:
        ...     '''A critic.
        ...
        ...     Args:
        ...         steps: of the critic
        ...             in a round.
        ...     '''
        ...     steps: int = setting(1, "critic_steps")
        >>> def game(latent: int = 64, critic: Critic = Critic(steps=5)): ...
        >>> {name: (found.path, found.default, found.text) for name, found in settings_of(game).items()}
        {'latent': (('latent',), 64, ''), 'critic_steps': (('critic', 'steps'), 5, 'of the critic in a round.')}
    """
    found = _settings(function, (), None)
    names = [setting.name for setting in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise TypeError(f"{function} has two settings called {min(twice)}: give one of them another flat name")
    return {setting.name: setting for setting in found}


def nested(function: Callable[..., Any], flat: Mapping[str, Any], what: str = "") -> dict[str, Any]:
    """Return keyword arguments for a function from values by flat name, or by the name of a whole dataclass.

    Args:
        function: takes them.
        flat: values by name.
        what: how errors call the function; its name if not given.

    Raises:
        ConfigurationError: for a name that it does not have.

    Example:
        >>> @dataclass(frozen=True)
        ... class Critic:
        ...     steps: int = setting(1, "critic_steps")
        >>> def game(latent: int = 64, critic: Critic = Critic(steps=5)): ...
        >>> nested(game, {"latent": 2}), nested(game, {"critic_steps": 3})
        ({'latent': 2}, {'critic': Critic(steps=3)})
        >>> nested(game, {"critc_steps": 3})
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: game has no option 'critc_steps'; did you mean critic_steps?
    """
    parameters = inspect.signature(function).parameters
    known = settings_of(function)
    arguments = {name: value for name, value in flat.items() if name in parameters and _is_config(value)}
    changes: dict[str, Any] = {}
    for name, value in flat.items():
        if name in arguments:
            continue
        if name not in known:
            who = what or getattr(function, "__name__", "")
            raise ConfigurationError(f"{who} has no option {name!r}; {did_you_mean(name, known)}")
        *way, last = known[name].path
        branch = changes
        for step in way:
            branch = branch.setdefault(step, {})
        branch[last] = value
    return arguments | {
        first: _changed(arguments.get(first, parameters[first].default), change) for first, change in changes.items()
    }


def flattened(function: Callable[..., Any], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments as values by flat name: the inverse of `nested`.

    Example:
        >>> @dataclass(frozen=True)
        ... class Critic:
        ...     steps: int = setting(1, "critic_steps")
        >>> def game(latent: int = 64, critic: Critic = Critic()): ...
        >>> flattened(game, {"latent": 2, "critic": Critic(3)})
        {'latent': 2, 'critic_steps': 3}
    """
    flat = {}
    for name, found in settings_of(function).items():
        first, *rest = found.path
        if first in arguments:
            value = arguments[first]
            expected = type(inspect.signature(function).parameters[first].default)
            if rest and not isinstance(value, expected):
                raise ConfigurationError(f"{first}={value!r}: expected settings, such as {expected.__name__}()")
            for step in rest:
                value = getattr(value, step)
            flat[name] = value
    return flat


def _changed(base: Any, change: Any) -> Any:
    """Return a dataclass with all changes of its fields made at once, or what takes the place of another value."""
    if not _is_config(base):
        return change
    return replace(base, **{name: _changed(getattr(base, name), value) for name, value in change.items()})


def _is_config(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _settings(owner: Callable[..., Any], path: tuple[str, ...], values: Any) -> list[Setting]:
    """Return the settings of a function, or of a dataclass whose defaults are the `values` of an instance."""
    hints = typing.get_type_hints(owner.__init__ if inspect.isclass(owner) else owner)
    texts = documented(owner)
    metadata = {f.name: f.metadata for f in fields(owner)} if is_dataclass(owner) else {}
    found = []
    for name, parameter in inspect.signature(owner).parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        default = parameter.default if values is None else getattr(values, name)
        annotation = hints.get(name, str)
        if _is_config(default):
            found += _settings(type(default), (*path, name), default)
            continue
        own: Mapping[str, Any] = metadata.get(name, {})
        where = (*path, name)
        text = texts.get(name, "")
        found.append(Setting(own.get("name", name), where, annotation, default, text, own.get("known", {})))
    return found


def documented(owner: Any) -> dict[str, str]:
    """Return what a docstring says of each argument, in one line."""
    from docstring_parser import DocstringStyle, parse

    parameters = parse(owner.__doc__ or "", DocstringStyle.GOOGLE).params
    return {entry.arg_name: " ".join((entry.description or "").split()) for entry in parameters}
