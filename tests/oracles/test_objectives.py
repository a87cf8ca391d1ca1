"""Adversarial losses and bounds against closed forms."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from triptych.errors import ConfigurationError
from triptych.objectives.adversarial import LOSSES, Play
from triptych.objectives.game import generator_sees_real, resolve_loss
from triptych.objectives.likelihood import bits_per_dim, importance_bound


@pytest.mark.parametrize("name", LOSSES)
@given(real=st.floats(-200, 200), fake=st.floats(-200, 200))
def test_losses_and_gradients_are_finite_and_one_number_an_example(name, real, fake):
    logits = [torch.full((3,), value, requires_grad=True) for value in (real, fake)]
    play = LOSSES[name](*logits)
    for side in play:
        assert side.shape == (3,) and torch.isfinite(side).all()
    gradients = torch.autograd.grad(play.critic.sum() + play.generator.sum(), logits)
    assert all(torch.isfinite(g).all() for g in gradients)


@pytest.mark.parametrize("name", LOSSES)
def test_the_critic_raises_real_above_fake_and_the_generator_raises_fake(name):
    real, fake = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    play = LOSSES[name](real, fake)
    up, down = torch.autograd.grad(play.critic.sum(), [real, fake], retain_graph=True)
    assert float(up) < 0, "lowering its loss, the critic raises its output on real examples"
    assert float(down) >= 0
    (pull,) = torch.autograd.grad(play.generator.sum(), [fake])
    assert float(pull) < 0, "lowering its loss, the generator raises the critic's output on its examples"


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "least-squares", "hinge"])
def test_losses_at_three_points(name):
    """Worked out by hand at (real, fake) = (-1, 2), (1, 0), (4, -2)."""
    real, fake = torch.tensor([-1.0, 1.0, 4.0]), torch.tensor([2.0, 0.0, -2.0])
    play = LOSSES[name](real, fake)
    by_hand = {
        "minimax": (torch.log1p(torch.exp(-real)) + torch.log1p(torch.exp(fake)), -torch.log1p(torch.exp(fake))),
        "non-saturating": (torch.log1p(torch.exp(-real)) + torch.log1p(torch.exp(fake)), torch.log1p(torch.exp(-fake))),
        "least-squares": (torch.tensor([4.0, 0.0, 6.5]), torch.tensor([0.5, 0.5, 4.5])),
        "hinge": (torch.tensor([5.0, 1.0, 0.0]), torch.tensor([-2.0, 0.0, 2.0])),
    }[name]
    assert torch.allclose(play.critic, by_hand[0]) and torch.allclose(play.generator, by_hand[1])


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
@given(p=st.floats(0.02, 0.98))
def test_the_critic_of_the_original_game_is_best_at_the_log_ratio(name, p):
    """On one point with densities p and 1-p the optimum is log p/(1-p), its value 2 JS - log 4 negated."""
    at = torch.linspace(-6, 6, 2001, dtype=torch.float64)
    zeros = torch.zeros_like(at)
    loss = p * LOSSES[name](at, zeros).critic + (1 - p) * LOSSES[name](zeros, at).critic
    best = float(at[loss.argmin()])
    assert best == pytest.approx(math.log(p / (1 - p)), abs=0.02)


def test_minimax_saturates_where_non_saturating_does_not():
    sure = torch.full((1,), -20.0, requires_grad=True)
    slow, fast = (
        torch.autograd.grad(LOSSES[n](sure, sure).generator.sum(), sure)[0] for n in ("minimax", "non-saturating")
    )
    assert abs(float(slow)) < 1e-8 and float(fast) == pytest.approx(-1)


def test_a_loss_that_looks_at_real_is_noticed():
    for blind in ("minimax", "non-saturating", "least-squares", "hinge"):
        assert not generator_sees_real(LOSSES[blind])
    assert generator_sees_real(lambda real, fake: Play(fake - real, real.detach() - fake))


def test_an_unknown_loss_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigurationError, match="did you mean hinge"):
        resolve_loss("hing")


def test_the_importance_bound_is_the_log_of_the_mean_weight():
    log_weights = torch.randn(100, 3)
    assert torch.allclose(importance_bound(log_weights), log_weights.exp().mean(0).log(), atol=1e-5)


def test_uniform_bytes_take_eight_bits():
    assert float(bits_per_dim(torch.tensor(-3072 * math.log(256.0)), 3072)) == pytest.approx(8)
