"""Commands that are made only when they are run, so that listing them imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup

from triptych.errors import ConfigurationError, did_you_mean

HELP = {"help_option_names": ["-h", "--help"]}


class Lazy(NamedTuple):
    """A command that is not made yet."""

    summary: str
    """Its line in the list of commands."""
    make: Callable[[], Callable[..., None]]
    """Returns the function that typer reads."""


def lazy_group(commands: Mapping[str, Lazy], kind: str) -> type[TyperGroup]:
    """Return a group with these commands besides its own.

    Args:
        commands: by name.
        kind: what a name stands for, for the error about one that is not there.
    """

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return [*super().list_commands(ctx), *commands]

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            if cmd_name not in commands:
                return super().get_command(ctx, cmd_name)

            def listed() -> None: ...

            listed.__doc__ = commands[cmd_name].summary
            return _as_command(cmd_name, listed)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            name, *rest = args
            if name in commands:
                return name, _as_command(name, commands[name].make()), rest
            if name not in self.list_commands(ctx) and not name.startswith("-"):
                raise ConfigurationError(f"no {kind} {name!r}; {did_you_mean(name, self.list_commands(ctx))}")
            return super().resolve_command(ctx, args)

    return Group


def _as_command(name: str, function: Callable[..., None]) -> Any:
    app = typer.Typer(add_completion=False)
    app.command(name=name, context_settings=HELP)(function)
    return typer.main.get_command(app)
