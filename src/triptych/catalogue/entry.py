"""What a name of the catalogue stands for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, is_dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from triptych.models.base import Model


@dataclass(frozen=True)
class Entry:
    """One name of the catalogue.

    Args:
        family: "autoregressive", "variational", "adversarial" or "hybrid".
        where: `module:Class` below `triptych.models`.
        reference: the paper.
        summary: what it is, in one line.
        arguments: constructor arguments that the name stands for, where they are not the defaults.
    """

    family: str
    where: str
    reference: str
    summary: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def presets_beside(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments that the name stands for, but for those in settings that are given as a whole."""
        from triptych.config import settings_of

        known = settings_of(self.model)
        whole = {name for name, value in given.items() if is_dataclass(value)}
        return {name: value for name, value in self.arguments.items() if known[name].path[0] not in whole}

    @property
    def model(self) -> type[Model]:
        """The model's class."""
        module, name = self.where.split(":")
        found: type[Model] = getattr(import_module(f"triptych.models.{module}"), name)
        return found
