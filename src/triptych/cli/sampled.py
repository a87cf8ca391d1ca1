"""Samples whose codes are known: drawn with their numbers, and averaged by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.cli.codes import drawn_labels, write_walks
from triptych.cli.output import write_file
from triptych.errors import ConfigurationError, DataError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Samples:
    """Codes of a model's prior, numbered from 0, and the labels that go with them."""

    model: Any
    codes: Tensor
    labels: Tensor | None
    seed: int

    @classmethod
    def of(cls, model: Any, count: int, label: str | None, seed: int) -> Samples:
        """Draw as many codes.

        Raises:
            UnsupportedQuery: for a model without a prior.
        """
        return cls(model, model.sample_codes(count, seed=seed), drawn_labels(model, label, count, seed), seed)

    def draw(self, out: Path) -> str:
        """Draw all with their numbers, and say so."""
        from triptych.captions import captioned
        from triptych.pictures import png
        from triptych.queries import shades

        if not self.model.event.is_image or out.suffix != ".png":
            raise DataError(f"--grid -o {out}: expected a model of images, and a .png")
        shown = self.model.decode(self.codes, label=self.labels, levels=shades(self.model.event))
        write_file(out, png(captioned([shown], list(map(str, range(len(shown)))))))
        return f"{len(shown)} samples with their numbers (seed {self.seed})"

    def added(self, chosen: Mapping[str, str | None], amounts: Sequence[float], out: Path) -> str:
        """Add the mean code of some less that of others to the mean of a third, draw it, and say so."""
        from triptych.queries import shift_codes

        plus, minus, base = (self._numbers(option, text) for option, text in chosen.items())
        vector = self.codes[plus].mean(0) - self.codes[minus].mean(0)
        own = None if self.labels is None else self.labels[base[:1]]
        walks = shift_codes(self.model, self.codes[base].mean(0, keepdim=True), vector, amounts, label=own)
        write_walks(self.model, walks, out)
        named = [", ".join(map(str, numbers)) for numbers in (plus, minus, base)]
        difference = f"0 to {amounts[-1]:g} times samples {named[0]} less {named[1]}"
        return f"{difference}, added to {named[2]} (seed {self.seed})"

    def _numbers(self, option: str, text: str | None) -> list[int]:
        expected = f"expected numbers of the grid, 0 to {len(self.codes) - 1}, with commas between"
        try:
            found = [int(part) for part in (text or "").split(",")]
        except ValueError:
            raise ConfigurationError(f"{option} {text or 'was not given'}: {expected}") from None
        if not all(0 <= number < len(self.codes) for number in found):
            raise ConfigurationError(f"{option} {text}: {expected}")
        return found
