"""What a recipe is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from triptych.errors import ConfigurationError

if TYPE_CHECKING:
    from triptych.event import Event

DATA = {"mnist": "hub:ylecun/mnist", "cifar10": "hub:uoft-cs/cifar10"}
"""Where the data of recipes are, if nobody says that they are elsewhere."""
KINDS = {"mnist": ((1, 28, 28), 256), "cifar10": ((3, 32, 32), 256)}
"""Shape and levels of their examples; binarised ones have 2."""


@dataclass(frozen=True)
class Recipe:
    """A published figure and the settings that lead to it, as far as there are options for them.

    Args:
        model: name in the catalogue.
        data: name in `DATA`.
        figure: as published, in `unit`; None where the paper has none on these data.
        unit: "nats" per image, "bits/dim", or "%".
        reference: the paper, and the table that has the figure.
        note: what the paper does not say, or what is different here.
        arguments: constructor arguments of the model, where they are not the catalogue's.
        training: options of `fit`, with a budget among them.
        data_options: options of `data.load`.
        validate: share of the training split on which the best weights are chosen.
        protocol: how the figure was measured.
        measured: options of `triptych evaluate` that measure a run so: all test examples.
        better: 1 if more is better, -1 if less is: negative log-likelihoods.
    """

    model: str
    data: str
    figure: float | None
    unit: str
    reference: str
    note: str
    arguments: Mapping[str, Any]
    training: Mapping[str, Any]
    data_options: Mapping[str, Any] = field(default_factory=dict)
    validate: float = 1 / 6
    protocol: str = ""
    measured: str = "--test-count 10000"
    better: int = -1

    def check(self, event: Event) -> None:
        """Raise unless data are of the kind that the published figure is about.

        Raises:
            ConfigurationError: for other images.
        """
        shape, levels = KINDS[self.data]
        levels = 2 if "binarize" in self.data_options else levels
        if (event.shape, event.levels) != (shape, levels):
            raise ConfigurationError(
                f"the published figure is of {self.data}, {'×'.join(map(str, shape))} images of {levels} levels: "
                f"--data holds {event}; for other data name the model, `triptych train {self.model}`"
            )

    @property
    def result(self) -> str:
        """The figure with its unit and direction; "none" where none is published.

        Negative log-likelihoods are printed as papers print them; an arrow says that more is better.
        """
        if self.figure is None:
            return "none"
        return f"{self.figure:.2f} {self.unit}" if self.better < 0 else f"{self.figure:g} {self.unit} ↑"

    @property
    def published(self) -> str:
        """The same with its source, in a line."""
        return f"{self.result} ({self.reference})"
