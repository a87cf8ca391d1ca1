"""Labels with names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.errors import ConfigurationError, DataError, did_you_mean


@dataclass(frozen=True)
class Labels:
    """A number of labels, and their names if they have any.

    Args:
        size: how many labels there are.
        names: of each of them, in order; empty if they have none.

    Raises:
        DataError: for another number of names.

    Example:
        >>> pets = Labels(2, ("cat", "dog"))
        >>> pets.number("dog"), Labels(10).number("7")
        (1, 7)
    """

    size: int
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse names that are not one for each label."""
        if self.names and len(self.names) != self.size:
            raise DataError(f"{self.size} labels have {len(self.names)} names: expected one each")

    def number(self, name: str) -> int:
        """Return the number of the label that a person typed: its name, or else its number.

        Raises:
            ConfigurationError: for neither.

        Example:
            >>> Labels(2, ("cat", "dog")).number("cow")
            Traceback (most recent call last):
            triptych.errors.ConfigurationError: no label 'cow'; there is: cat, dog
        """
        if name in self.names:
            return self.names.index(name)
        if name.isdecimal() and len(name) < 10:
            return int(name)
        names = self.names or [str(number) for number in range(self.size)]
        raise ConfigurationError(f"no label {name!r}; {did_you_mean(name, names)}")

    def matched(self, labels: Tensor, names: Sequence[str]) -> Tensor:
        """Return labels of data whose labels have these names as labels of this space, matched by name.

        Args:
            labels: `int64 (N,)`, numbers of the data's own.
            names: of the data's labels, in order; as they are if either side has none.

        Raises:
            DataError: for a label that is there and has no counterpart.

        Example:
            >>> Labels(2, ("cat", "dog")).matched(torch.tensor([0, 0, 1]), ("dog", "cat"))
            tensor([1, 1, 0])
        """
        if not (self.names and names) or tuple(names) == self.names or labels.dim() != 1:
            return labels
        table = torch.tensor([self.names.index(name) if name in self.names else -1 for name in names])
        found = table[labels]
        if bool((found < 0).any()):
            strange = names[int(labels[found < 0][0])]
            raise DataError(f"the data has a label {strange!r}, the model's are {', '.join(self.names)}")
        return found
