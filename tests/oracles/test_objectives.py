"""Adversarial losses and bounds against closed forms."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from triptych.adversary.compatibility import refuse_bounded
from triptych.errors import ConfigurationError
from triptych.objectives.adversarial import LOSSES, Play
from triptych.objectives.game import generator_sees_real, resolve_loss
from triptych.objectives.likelihood import bits_per_dim, importance_bound


@pytest.mark.parametrize("name", LOSSES)
@given(real=st.floats(-1e4, 1e4, width=32), fake=st.floats(-1e4, 1e4, width=32))
@example(real=-1e4, fake=1e4)
@example(real=1e4, fake=-1e4)
@settings(max_examples=30, deadline=None)
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


OTHERS = ["fgan-kl:generator=direct", "fgan-jeffreys:generator=direct", "fgan-alpha:alpha=0.5", "fgan-alpha:alpha=-2"]
SMOOTHED = ["minimax:real_label=0.9", "non-saturating:real_label=0.9,fake_label=0.1", "relativistic:real_label=0.9"]


LABELLED = ["least-squares", "fgan-pearson"]
"""Losses of labels, which pull back what is beyond them."""


@pytest.mark.parametrize("spec", [*LOSSES, *OTHERS, *SMOOTHED])
@given(st.lists(st.floats(-3, 3), min_size=4, max_size=4))
@settings(max_examples=20, deadline=None)
def test_no_player_is_pulled_the_wrong_way(spec, logits):
    real, fake = (torch.tensor(half, requires_grad=True) for half in (logits[:2], logits[2:]))
    if spec == "least-squares":
        fake = fake.clamp(max=1)
    play = resolve_loss(spec)(real, fake)
    (pull,) = torch.autograd.grad(play.generator.sum(), fake, retain_graph=True)
    assert (pull <= 1e-6).all()
    if spec not in SMOOTHED + LABELLED:
        up, down = torch.autograd.grad(play.critic.sum(), [real, fake])
        assert (up <= 1e-6).all() and (down >= -1e-6).all()


@pytest.mark.parametrize("spec", [*LOSSES, *OTHERS])
def test_losses_follow_a_permutation_of_the_batch(spec):
    real, fake = torch.randn(5, generator=torch.Generator().manual_seed(0)), torch.linspace(-1, 2, 5)
    order = torch.tensor([3, 0, 4, 2, 1])
    for one, other in zip(resolve_loss(spec)(real, fake), resolve_loss(spec)(real[order], fake[order]), strict=True):
        assert torch.allclose(one[order], other, atol=1e-6)


@pytest.mark.parametrize("spec", [*LOSSES, *OTHERS])
def test_the_generator_is_shown_real_examples_where_its_term_has_a_gradient_to_them(spec):
    real, fake = torch.tensor([0.3, -1.0], requires_grad=True), torch.tensor([0.7, 0.2], requires_grad=True)
    term = resolve_loss(spec)(real, fake).generator.sum()
    (to_real,) = torch.autograd.grad(term, [real], allow_unused=True)
    assert generator_sees_real(resolve_loss(spec)) == (to_real is not None and bool(to_real.any()))


@pytest.mark.parametrize("spec", ["relativistic", "relativistic-average", "wasserstein", "hinge", "fgan-kl"])
def test_relative_losses_do_not_change_with_a_shift_of_all_outputs(spec):
    real, fake = torch.tensor([0.3, -1.0]), torch.tensor([0.7, 0.2])
    loss = resolve_loss(spec)
    same = torch.allclose(loss(real, fake).critic, loss(real + 2, fake + 2).critic, atol=1e-6)
    assert same == (spec not in ("hinge", "fgan-kl"))


@pytest.mark.parametrize("name", ["minimax", "non-saturating", "least-squares", "wasserstein", "hinge", "relativistic"])
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.floats(0, 1))
def test_the_critic_s_loss_is_convex_in_its_outputs(name, ends, share):
    ends = torch.tensor(ends, dtype=torch.float64).view(2, 2, 1)
    middle = share * ends[0] + (1 - share) * ends[1]
    at = [float(LOSSES[name](*logits).critic) for logits in (ends[0], ends[1], middle)]
    assert at[2] <= share * at[0] + (1 - share) * at[1] + 1e-9


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


def best_logit(spec, p):
    """Return the logit at which a critic's loss is least on one point with densities p and 1 - p."""
    at = torch.linspace(-6, 6, 24001, dtype=torch.float64)
    zeros = torch.zeros_like(at)
    loss = resolve_loss(spec)
    return float(at[(p * loss(at, zeros).critic + (1 - p) * loss(zeros, at).critic).argmin()])


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
@given(p=st.floats(0.05, 0.95), real=st.floats(0.6, 1), fake=st.floats(0, 0.4))
@settings(max_examples=20, deadline=None)
def test_with_smoothed_labels_the_best_critic_gives_their_mixture(name, p, real, fake):
    """Salimans et al. 2016, §3.4: `(real_label p + fake_label q) / (p + q)`."""
    share = min(max(real * p + fake * (1 - p), 0.01), 0.99)
    best = best_logit(f"{name}:real_label={real},fake_label={fake}", p)
    assert 1 / (1 + math.exp(-best)) == pytest.approx(share, abs=1e-2 if share in (0.01, 0.99) else 1e-3)


@given(p=st.floats(0.02, 0.98), real=st.floats(0.1, 2), fake=st.floats(-2, 0))
@settings(max_examples=20, deadline=None)
def test_least_squares_regress_to_the_mixture_of_the_labels(p, real, fake):
    """Mao et al. 2017, eq. 3: `(b p + a q) / (p + q)`."""
    assert best_logit(f"least-squares:real_label={real},fake_label={fake}", p) == pytest.approx(
        real * p + fake * (1 - p), abs=1e-3
    )


def test_the_average_of_a_relativistic_game_is_that_of_the_batch():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 0.0])
    critic, generator = LOSSES["relativistic-average"](real, fake)
    cross_entropy = torch.nn.functional.binary_cross_entropy_with_logits
    over, under = real + 0.5, fake - 2.0
    ones, zeros = torch.ones(2), torch.zeros(2)
    by_hand = [
        cross_entropy(over, y, reduction="none") + cross_entropy(under, 1 - y, reduction="none") for y in (ones, zeros)
    ]
    assert torch.allclose(critic, by_hand[0]) and torch.allclose(generator, by_hand[1])
    critic, generator = LOSSES["relativistic"](real, fake)
    assert torch.allclose(critic, cross_entropy(real - fake, ones, reduction="none"))
    assert torch.allclose(generator, cross_entropy(fake - real, ones, reduction="none"))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("minimax:real_label=1.1", "real_label=1.1, fake_label=0: expected the real one above, both within 0 to 1"),
        ("non-saturating:fake_label=-0.1", "fake_label=-0.1"),
        ("non-saturating:real_label=0.2,fake_label=0.3", "expected the real one above"),
        ("least-squares:fake_label=1", "expected the real one above"),
        ("least-squares:target=-1", "expected the target above"),
        ("relativistic:real_label=0.5", "above 0.5"),
        ("relativistic-average:real_label=nan", "real_label=nan"),
        ("hinge:real_label=0.9", "the loss 'hinge' has no option 'real_label'"),
        ("wasserstein:fake_label=0.1", "has no option"),
    ],
)
def test_labels_that_have_no_meaning_are_refused_when_the_game_is_made(spec, said):
    with pytest.raises(ConfigurationError, match=said) as refused:
        generator_sees_real(resolve_loss(spec))
    assert "\n" not in str(refused.value)


class Ending(nn.Module):
    """A critic that ends as told, in a way that only tracing it shows."""

    def __init__(self, end):
        super().__init__()
        self.line, self.gate, self.end = nn.Linear(3, 1), nn.Sigmoid(), end

    def forward(self, x, label=None):
        return self.end(self.line(x) * self.gate(x[:, :1])).view(-1)


@pytest.mark.parametrize(
    "end", [nn.Sigmoid(), nn.Tanh(), nn.Softmax(dim=1), torch.sigmoid, torch.tanh, lambda x: x.sigmoid()]
)
def test_a_critic_that_ends_in_a_bounded_activation_is_refused(end):
    for critic in (Ending(end), nn.Sequential(Ending(end), nn.Identity())):
        with pytest.raises(ConfigurationError, match="the critic ends in .*'wasserstein' takes logits"):
            refuse_bounded(critic, LOSSES["wasserstein"])
        with pytest.raises(ConfigurationError, match="'least-squares' takes logits"):
            refuse_bounded(critic, resolve_loss("least-squares:fake_label=-1"))
        refuse_bounded(critic, lambda real, fake: Play(fake - real, -fake))


@pytest.mark.parametrize("end", [nn.Identity(), nn.LeakyReLU(), lambda x: 2 * x, lambda x: x if x.sum() > 0 else -x])
def test_another_critic_is_not(end):
    refuse_bounded(Ending(end), LOSSES["wasserstein"])


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
