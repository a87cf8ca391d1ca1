"""Command-line options made from settings: one signature and docstring serve Python and the command line."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer

from triptych.config import REQUIRED, settings_of
from triptych.errors import ConfigurationError


def typed(annotation: Any) -> Any:
    """Return the type by which the command line reads a parameter; None if it cannot be typed by a person.

    >>> typed(int | None), typed(str | type), typed(Callable[[int], int])
    (typing.Optional[int], <class 'str'>, None)
    """
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        members = typing.get_args(annotation)
        simple = next((m for m in (str, float, int) if m in members), None)
        if simple is None:
            return None
        return typing.Optional[simple] if type(None) in members else simple  # noqa: UP045 - as typer reads it
    return annotation if annotation in (bool, int, float, str) else None


def check_typed(where: str, given: Mapping[str, Any], function: Any) -> None:
    """Raise `ConfigurationError` for a stored value that is text where a number, or true or false, is read.

    Args:
        where: the values are from.
        given: values by parameter.
        function: a function or a class that takes them.

    Example:
        >>> def powers(exponent: float | None = None): ...
        >>> check_typed("config.yaml", {"exponent": "two"}, powers)
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: config.yaml says exponent='two': expected float
    """
    settings = settings_of(function)
    for name, value in given.items():
        kind = typed(settings[name].annotation if name in settings else str)
        read = [member for member in typing.get_args(kind) or (kind,) if member not in (None, type(None))]
        if isinstance(value, str) and read and str not in read:
            raise ConfigurationError(f"{where} says {name}={value!r}: expected {read[0].__name__}")


def parameters_of(
    function: Any, panel: str, without: Iterable[str] = (), defaults: Mapping[str, Any] | None = None
) -> list[inspect.Parameter]:
    """Return the settings of a function as typer options, each with its docstring's text and the parts it can name.

    Args:
        function: a function or a class.
        panel: the heading that help lists them under.
        without: names to leave out.
        defaults: values that differ from the signature's.
    """
    defaults = defaults or {}
    options = []
    for name, found in settings_of(function).items():
        default = defaults.get(name, found.default)
        kind = typed(found.annotation)
        if name in without or kind is None or default is REQUIRED:
            continue
        flag = f"--{name.replace('_', '-')}"
        flag = f"{flag}/--no-{flag[2:]}" if default is True else flag
        names = f" Names: {', '.join(found.known)}." if found.known else ""
        text = f"{found.text}{names}".replace("[", "\\[")  # brackets would be read as markup
        option = typer.Option(flag, help=text[:1].upper() + text[1:], rich_help_panel=panel)
        options.append(parameter(name, Annotated[kind, option], default))
    return options


def command(
    body: Callable[..., None], name: str, doc: str, parameters: Iterable[inspect.Parameter]
) -> Callable[..., None]:
    """Return a function that typer reads as a command with these parameters; it calls `body` with their values."""

    def verb(**given: Any) -> None:
        body(given)

    unique = {p.name: p for p in parameters}
    verb.__name__ = name
    verb.__doc__ = doc
    verb.__signature__ = inspect.Signature(list(unique.values()))  # type: ignore[attr-defined]
    verb.__annotations__ = {p.name: p.annotation for p in unique.values()}
    return verb


Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but results and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of all that is random.")]
Data = Annotated[
    str,
    typer.Option("--data", help="digits, factors, ring, grid, moons, swiss-roll, a folder, a file, or hub:owner/name."),
]
Features = Annotated[
    str,
    typer.Option(
        "--features",
        help="What samples and data are compared on: auto, pixels, labels-net, autoencoder, inception, "
        "or a function of your own, file.py:name.",
    ),
]


def parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    """Return one keyword parameter."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


COMMON = [parameter("quiet", Quiet, False), parameter("debug", Debug, False)]
"""Options that every verb has, besides `--seed`."""

DATA_ALONE = ("spec", "progress", "seed")
"""Parameters of `data.load` that the command line gives in its own way."""


def data_parameters() -> list[inspect.Parameter]:
    """Return the options of `data.load`."""
    from triptych.data import load

    seed = typer.Option("--data-seed", help="Seed of the split into training and test.", rich_help_panel="Data")
    return [*parameters_of(load, "Data", without=DATA_ALONE), parameter("data_seed", Annotated[int, seed], 0)]


def load_data(spec: str, given: Mapping[str, Any]) -> Any:
    """Load the data that a command line names, with those of its options that were given."""
    from triptych.data import load

    names = [n for n in inspect.signature(load).parameters if n not in DATA_ALONE]
    options = {name: given[name] for name in names if name in given}
    return load(spec, seed=given["data_seed"], progress=not given["quiet"], **options)
