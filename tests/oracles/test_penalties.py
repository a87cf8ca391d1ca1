"""Penalties in closed form, and what a penalised critic estimates against exact optimal transport."""

import numpy as np
import ot
import pytest
import torch
from torch import nn

import triptych as tp
from triptych.errors import ConfigurationError
from triptych.noise import Noise
from triptych.objectives.adversarial import wasserstein
from triptych.objectives.penalties import PENALTIES, dragan, gradient, r1, r2, resolve_penalties

REAL, FAKE = Noise.of(1).normal((6, 2, 3)), 2 * Noise.of(2).normal((6, 2, 3)) + 1
W = torch.linspace(-1, 2, 6).view(2, 3)


def linear(x):
    return (x * W).flatten(1).sum(1) + 7


def quadratic(x):
    """Its gradient is x · W."""
    return 0.5 * (x**2 * W).flatten(1).sum(1)


def norm(x):
    return x.flatten(1).norm(dim=1)


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_a_linear_critic_pays_by_its_slope_alone(name, scale):
    slope = scale * float(W.norm())
    expected = slope**2 / 2 if name in ("r1", "r2") else (slope - 1) ** 2
    paid = PENALTIES[name](lambda x: scale * linear(x), REAL, FAKE, Noise.of(0), weight=3.0)
    assert paid.shape == (6,) and torch.allclose(paid, torch.tensor(3 * expected), rtol=1e-4)


@pytest.mark.parametrize("scale", [0.1, 3.0])
def test_a_one_sided_penalty_lets_flat_critics_pass(scale):
    paid = gradient(lambda x: scale * linear(x), REAL, FAKE, Noise.of(0), sided="one", weight=1.0)
    excess = max(0.0, scale * float(W.norm()) - 1)
    assert torch.allclose(paid, torch.tensor(excess**2))


def test_a_quadratic_critic_pays_where_each_penalty_looks():
    noise = Noise.of(5)
    u = noise.uniform((6, 1, 1))
    between = u * REAL + (1 - u) * FAKE
    assert torch.allclose(gradient(quadratic, REAL, FAKE, Noise.of(5)), 10 * (norm(between * W) - 1) ** 2, rtol=1e-4)
    near = REAL + 0.5 * REAL.std(unbiased=False) * Noise.of(5).normal(REAL.shape)
    assert torch.allclose(dragan(quadratic, REAL, FAKE, Noise.of(5)), 10 * (norm(near * W) - 1) ** 2, rtol=1e-4)
    assert torch.allclose(r1(quadratic, REAL, FAKE, Noise.of(5)), 5 * norm(REAL * W) ** 2)
    assert torch.allclose(r2(quadratic, REAL, FAKE, Noise.of(5)), 5 * norm(FAKE * W) ** 2)


@pytest.mark.parametrize("name", PENALTIES)
def test_the_gradient_to_the_critic_s_parameters_is_that_of_finite_differences(name):
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Softplus(), nn.Linear(5, 1)).double()
    real, fake = REAL.double(), FAKE.double()

    def paid(w):
        judge = lambda x: torch.func.functional_call(net, {"1.weight": w}, (x,)).squeeze(1)  # noqa: E731
        return PENALTIES[name](judge, real, fake, Noise.of(0)).sum()

    assert torch.autograd.gradcheck(paid, net[1].weight.detach().requires_grad_(), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", PENALTIES)
def test_a_flat_critic_has_finite_gradients_and_examples_none(name):
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    w = torch.zeros(2, 3, requires_grad=True)
    paid = PENALTIES[name](lambda x: (x * w).flatten(1).sum(1), real, fake, Noise.of(0)).sum()
    to_critic, *to_examples = torch.autograd.grad(paid, [w, real, fake], allow_unused=True)
    assert torch.isfinite(to_critic).all() and to_examples == [None, None]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("gradient:weight=-1", "'gradient' was given weight=-1: expected 0 or more"),
        ("dragan:spread=-1", "'dragan' was given spread=-1"),
        ("r1:weight=nan", "'r1' was given weight=nan"),
        ("r2:weight=-0.5", "'r2' was given weight=-0.5"),
        ("gradient:sided=three", "sided=three: expected two or one"),
        ("r1+gradient+r1:weight=1", "'r1' was given twice"),
        ("r3", "no penalty 'r3'"),
    ],
)
def test_what_cannot_be_paid_is_refused_at_once(spec, said):
    with pytest.raises(ConfigurationError, match=said):
        resolve_penalties(spec)


@pytest.mark.parametrize("penalty", ["none", "gradient:weight=0", "r1:weight=0+r2:weight=0"])
def test_a_penalty_of_weight_0_is_no_bound_on_the_slope(penalty):
    with pytest.raises(ConfigurationError, match="without a bound on the critic's slope"):
        tp.build("gan", tp.Event((2,)), loss="wasserstein", penalty=penalty)
    tp.build("gan", tp.Event((2,)), loss="wasserstein", penalty="gradient:weight=0.5")


def test_several_penalties_are_terms_of_their_own():
    (one, first), (two, second) = resolve_penalties("gradient:target=0,weight=1+r1:weight=2")
    assert (one, two) == ("gradient_penalty", "r1_penalty")
    for penalty in (first, second):
        assert torch.allclose(penalty(linear, REAL, FAKE, Noise.of(0)), (W**2).sum())
    assert resolve_penalties(lambda *_: torch.zeros(6))[0][0] == "own_penalty" and not resolve_penalties("none")


def points():
    """Two point sets in the plane: a ring of 8 and a shifted, wider square of 25."""
    angle = 2 * np.pi * np.arange(8) / 8
    ring = np.stack([np.cos(angle), np.sin(angle)], 1)
    side = np.linspace(-1, 1, 5)
    grid = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2) + [1.5, 0.5]
    return ring, grid


def estimate(critic, penalty, lr, steps):
    """Return what a Wasserstein critic, trained on all points at once, estimates."""
    ring, grid = (torch.tensor(x, dtype=torch.float32) for x in points())
    rows = torch.arange(200)
    real, fake, noise = ring[rows % 8], grid[rows % 25], Noise.of(0)
    judge = lambda x: critic(x).squeeze(1)  # noqa: E731
    optimizer = torch.optim.Adam(critic.parameters(), lr=lr, betas=(0.5, 0.99))
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, steps)
    for _ in range(steps):
        fake = fake[torch.randperm(200, generator=noise.generator)]
        loss = wasserstein(judge(real), judge(fake)).critic.mean()
        if penalty is not None:
            loss = loss + penalty(judge, real, fake, noise).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        return -float(wasserstein(judge(real), judge(fake)).critic.mean())


def exact():
    ring, grid = points()
    return ot.emd2([], [], ot.dist(ring, grid, metric="euclidean"))


def leaky_critic(held=lambda layer: layer):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        act = nn.LeakyReLU(0.2)
        return nn.Sequential(held(nn.Linear(2, 64)), act, held(nn.Linear(64, 64)), act, held(nn.Linear(64, 1)))


@pytest.mark.parametrize("sided", ["two", "one"])
def test_a_critic_with_a_gradient_penalty_estimates_the_wasserstein_distance(sided):
    penalty = resolve_penalties(f"gradient:weight=100,sided={sided}")[0][1]
    assert estimate(leaky_critic(), penalty, 5e-3, 300) == pytest.approx(exact(), rel=0.05)


def test_a_light_penalty_overestimates_by_what_it_costs_to_be_steeper():
    """Of critics `s D`, with D of slope 1, the best of `s W - λ (s - 1)²` has `s = 1 + W / 2λ`."""
    steeper = 1 + exact() / (2 * 10)
    assert estimate(leaky_critic(), gradient, 5e-3, 300) == pytest.approx(steeper * exact(), rel=0.03)


def test_a_spectrally_normalised_critic_estimates_the_wasserstein_distance():
    critic = leaky_critic(nn.utils.parametrizations.spectral_norm)
    assert estimate(critic, None, 5e-3, 600) == pytest.approx(exact(), rel=0.05)
