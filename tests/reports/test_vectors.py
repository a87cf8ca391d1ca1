"""Pictures of vectors: contours hold what they say, correlations are Pearson's, the same data give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from triptych.data import Examples
from triptych.evaluation.landscape import frame
from triptych.event import Event
from triptych.reports.correlations import correlation_picture, correlations, difference
from triptych.reports.plane import contours, density_pictures, plane_picture

POINTS = torch.randn(3000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 3.0])
PLANE = Examples(POINTS, Event((2,)))


def test_contours_enclose_their_share_of_the_data() -> None:
    density, levels = contours(POINTS)
    left, right, bottom, top = frame(POINTS)
    column = ((POINTS[:, 0] - left) / (right - left) * 64).long()
    row = ((POINTS[:, 1] - bottom) / (top - bottom) * 64).long()
    at = density[row, column]
    assert [float((at >= level).double().mean()) for level in levels] == pytest.approx([0.9, 0.5], abs=0.03)


def test_pictures_are_the_same_bytes() -> None:
    assert plane_picture(PLANE[:50], PLANE) == plane_picture(PLANE[:50], PLANE)
    one = density_pictures([torch.zeros(96, 96)], PLANE)
    assert one == density_pictures([torch.zeros(96, 96)], PLANE) and one[0].startswith(b"\x89PNG")


def test_a_density_of_any_height_is_drawn() -> None:
    """What overflows, is nowhere or is no number must not stop a report."""
    odd = torch.full((96, 96), -torch.inf)
    odd[0, 0], odd[1, 1] = 900.0, torch.nan
    assert len(density_pictures([odd, torch.full((96, 96), -torch.inf)], PLANE)) == 2


def test_points_in_one_place_have_a_picture() -> None:
    same = Examples(torch.ones(30, 2), Event((2,)))
    assert plane_picture(same, same).startswith(b"\x89PNG")


def test_correlations_are_numpys() -> None:
    x = torch.randn(200, 5, generator=torch.Generator().manual_seed(1)) @ torch.rand(5, 5)
    assert torch.allclose(correlations(x), torch.from_numpy(np.corrcoef(x.double().numpy().T)), atol=1e-9)
    x[0, 0] = torch.nan
    rest = np.corrcoef(x[1:].double().numpy().T)
    assert torch.allclose(correlations(x), torch.from_numpy(rest), atol=1e-9)


def test_a_constant_coordinate_goes_with_none() -> None:
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(2))
    x[:, 1] = 7.7
    found = correlations(x)
    assert found[1].tolist() == [0, 1, 0]
    assert correlations(x[:1]).tolist() == torch.eye(3).tolist()


def test_the_pair_that_differs_most_is_named() -> None:
    real, made = torch.eye(3), torch.eye(3)
    made[0, 2] = made[2, 0] = 0.6
    found = difference(real, made)
    assert found.pair == (0, 2) and (found.real, found.made) == pytest.approx((0.0, 0.6))
    assert found.typical == pytest.approx((0.36 / 3) ** 0.5)


def test_many_coordinates_are_drawn_without_names() -> None:
    x = Examples(torch.randn(20, 60, generator=torch.Generator().manual_seed(3)), Event((60,)))
    assert correlation_picture(x, tuple(f"x{i}" for i in range(60))).startswith(b"\x89PNG")
