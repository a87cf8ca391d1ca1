"""Modes covered: by hand, and of the mixtures themselves."""

from __future__ import annotations

import math

import pytest
import torch

from triptych.data import load, toy_modes
from triptych.errors import DataError
from triptych.evaluation.modes import modes_covered


def test_by_hand() -> None:
    """Three modes: one has a sample at 2.9 σ, one has none but at 3.1 σ, one has two samples."""
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    samples = torch.tensor([[0.029, 0.0], [1.0, 0.031], [0.0, 1.0], [0.01, 1.0]])
    assert modes_covered(samples, centres, 0.01) == (2, 3, 0.75)


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_of_the_data_themselves(name: str, modes: int) -> None:
    """The share within 3 σ of a round Gaussian in the plane is 1 - e^(-9/2)."""
    centres, spread = toy_modes(name)
    test = load(name, progress=False)[1]
    covered, of, good = modes_covered(test.data, centres, spread)
    share = 1 - math.exp(-4.5)
    assert covered == of == modes
    assert abs(good - share) < 4 * math.sqrt(share * (1 - share) / len(test))


def test_one_mode_is_one_mode() -> None:
    """However many samples there are."""
    centres, spread = toy_modes("grid")
    assert modes_covered(centres[:1].expand(100, 2), centres, spread) == (1, 25, 1.0)


def test_nothing_to_count() -> None:
    """Refused in one line."""
    centres, spread = toy_modes("ring")
    for samples in (torch.zeros(0, 2), torch.zeros(5, 3)):
        with pytest.raises(DataError, match="expected"):
            modes_covered(samples, centres, spread)
