"""Path length: closed forms of linear decoders, and what rounding would make of it."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.smoothness import path_lengths


def codes(n: int, dims: int, seed: int) -> Tensor:
    return torch.randn(n, dims, generator=torch.Generator().manual_seed(seed))


def test_a_linear_decoder_on_a_straight_way_moves_by_its_matrix() -> None:
    """|A (b - a)|² wherever on the way; its mean over standard normal codes is 2 |A|²."""
    matrix = codes(7, 5, 0)
    a, b = codes(4000, 5, 1), codes(4000, 5, 2)
    t = torch.rand(4000, generator=torch.Generator().manual_seed(3))
    found = path_lengths(lambda z: z @ matrix.T, a, b, t)
    exact = ((b - a) @ matrix.T).square().sum(1).double()
    assert torch.allclose(found, exact, rtol=0.02, atol=0.02)
    assert found.mean().item() == pytest.approx(exact.mean().item(), rel=1e-4)
    error = (found.std() / len(found) ** 0.5).item()
    assert found.mean().item() == pytest.approx(2 * matrix.square().sum().item(), abs=4 * error)


def test_on_a_spherical_way_the_speed_is_that_of_its_angle() -> None:
    """Of codes of length r at an angle ω the way is an arc: the speed is r ω everywhere."""
    a = torch.nn.functional.normalize(codes(200, 6, 0)) * 2
    b = torch.nn.functional.normalize(codes(200, 6, 1)) * 2
    omega = torch.arccos((a * b).double().sum(1) / 4)
    for t in (0.0, 0.4, 1.0):
        found = path_lengths(lambda z: z, a, b, torch.full((200,), t), "spherical")
        assert torch.allclose(found, (2 * omega).square(), rtol=5e-3)


def test_rounding_would_drown_what_is_measured() -> None:
    """Levels that are rounded hardly ever move, and then by a whole one: a few pairs of a huge number."""
    a, b = codes(300, 5, 0), codes(300, 5, 1)
    t = torch.rand(300, generator=torch.Generator().manual_seed(2))
    exact, rounded = (
        path_lengths(lambda z, f=f: f(16 * torch.sigmoid(z)), a, b, t) for f in (torch.nn.Identity(), torch.round)
    )
    assert (rounded > 0).double().mean() < 0.05 and rounded.max() >= 1e8
    assert exact.max() < 1e4


def test_single_precision_is_enough() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(5, 64), torch.nn.Tanh(), torch.nn.Linear(64, 30))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        for p in net.parameters():
            p.copy_(0.4 * torch.randn(p.shape))
        a, b = codes(300, 5, 0), codes(300, 5, 1)
        t = torch.rand(300, generator=torch.Generator().manual_seed(2))
        single = path_lengths(net, a, b, t, "spherical").mean().item()
        double = path_lengths(net.double(), a.double(), b.double(), t, "spherical").mean().item()
    assert math.isclose(single, double, rel_tol=2e-3)


def test_degenerate_and_wrong_input() -> None:
    a = codes(3, 2, 0)
    assert path_lengths(lambda z: z, a, a, torch.rand(3), "spherical").tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert path_lengths(lambda z: 0 * z, a, a + 1, torch.rand(3)).tolist() == [0, 0, 0]
    with pytest.raises(DataError, match="3 starts, 2 ends and 3 points"):
        path_lengths(lambda z: z, a, a[:2], torch.rand(3))
    with pytest.raises(DataError, match="not finite"):
        path_lengths(lambda z: z / 0, a, a + 1, torch.rand(3))
    with pytest.raises(ConfigurationError, match="linear and spherical"):
        path_lengths(lambda z: z, a, a, torch.rand(3), "round")
