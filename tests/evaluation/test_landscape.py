"""The density over the plane: it is the model's own, at the right places, the right way up."""

from __future__ import annotations

import pytest
import torch

import triptych as tp
from triptych.evaluation.landscape import SIDE, frame, landscape, places
from triptych.event import Event

DATA = torch.tensor([[0.0, 0.0], [4.0, 2.0]])


def test_places_go_row_by_row_from_the_top() -> None:
    at = places(DATA, 4)
    left, right, bottom, top = frame(DATA)
    assert (left, right, bottom, top) == pytest.approx((-0.6, 4.6, -0.3, 2.3))
    assert at[0, 0] < at[1, 0] and at[0, 1] == at[1, 1] and at[0, 1] > at[4, 1]
    assert at.mean(0).tolist() == pytest.approx([2.0, 1.0])


def test_the_density_is_the_models_own() -> None:
    model = tp.build("fvbn", Event((2,)), seed=1)
    found = landscape(model, DATA)
    assert found is not None and found.shape == (SIDE, SIDE)
    lower = model.log_prob_bounds(places(DATA)).lower  # type: ignore[attr-defined]
    assert torch.allclose(found.flatten(), lower)


def test_a_conditional_models_is_the_mean_over_labels() -> None:
    model = tp.build("vae", Event((2,)), latent=2, hidden=8, classes=2)
    found = landscape(model, DATA, seed=3)
    each = [
        model.log_prob_bounds(places(DATA), label=one, samples=16, seed=3).lower.exp()  # type: ignore[attr-defined]
        for one in (0, 1)
    ]
    assert found is not None and torch.allclose(found.exp().flatten(), (each[0] + each[1]) / 2, rtol=1e-4)


def test_who_has_no_density_has_no_picture() -> None:
    assert landscape(tp.build("gan", Event((2,)), hidden=8), DATA) is None
    assert landscape(tp.build("vae", Event((3,)), hidden=8), torch.zeros(2, 3)) is None
