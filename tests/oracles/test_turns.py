"""What each side of a game is shown in its turn, and what it minimises of it, by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus
from torch.nn.utils.parametrize import is_parametrized

import triptych as tp
from triptych.adversary import Adversary, View
from triptych.adversary.compatibility import normalised
from triptych.adversary.scores import Scores
from triptych.adversary.tricks import Setting, StepContext, Trick
from triptych.adversary.tricks.instance_noise import InstanceNoise
from triptych.adversary.tricks.path_length import PathLength
from triptych.adversary.tricks.replay import Replay
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.noise import Noise

EVENT = tp.Event((3,))
BATCH = Batch(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3)
CONDITIONAL = {"latent": 2, "hidden": 8, "classes": 3, "tricks": "instance-noise:std=0.5"}


def by_hand(model, seed):
    """Return what the critic is shown: noise is drawn for the codes, real examples and made ones, in this order."""
    noise = Noise.of(seed)
    codes = noise.normal((8, 2))
    real = EVENT.scaled(BATCH.x) + 0.5 * noise.normal((8, 3))
    return real, model.generate(codes, BATCH.label) + 0.5 * noise.normal((8, 3))


def test_a_critic_is_penalised_on_what_it_is_shown_and_by_the_labels_of_it():
    told = []

    def watch(judge, real, fake, noise):
        told.append((real, fake, judge(real), judge(fake)))
        return torch.zeros(len(real))

    model = tp.build("gan", EVENT, penalty=watch, **CONDITIONAL)
    terms = model.critic_objective(BATCH, Noise.of(3))
    real, fake = by_hand(model, 3)
    of_real, of_fake = (model.adversary.critic(x, BATCH.label)[:, 0] for x in (real, fake))
    for one, other in zip(told[0], (real, fake, of_real, of_fake), strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert torch.allclose(terms["adversarial"], softplus(-of_real) + softplus(of_fake), atol=1e-6)
    assert set(terms) == {"adversarial", "watch_penalty"}


def test_a_generator_is_judged_on_what_the_critic_is_shown():
    model = tp.build("gan", EVENT, **CONDITIONAL)
    noise = Noise.of(4)
    codes = noise.normal((8, 2))
    shown = model.generate(codes, BATCH.label) + 0.5 * noise.normal((8, 3))
    (term,) = model.generator_objective(BATCH, Noise.of(4)).values()
    assert torch.allclose(term, softplus(-model.adversary.critic(shown, BATCH.label)[:, 0]), atol=1e-6)


class Watching(Trick):
    """Remembers what it is shown."""


def test_replayed_fakes_are_not_said_to_be_made_of_this_turns_codes(monkeypatch):
    steps = []
    monkeypatch.setattr(Watching, "critic_terms", lambda self, terms, step: steps.append(step) or terms)
    batch = BATCH._replace(label=None)
    model = tp.build("gan", EVENT, latent=2, hidden=8, tricks=[Watching()])
    model.critic_objective(batch, Noise.of(0))
    assert torch.allclose(model.generate(steps[0].codes, None), steps[0].fake, atol=1e-6)
    model = tp.build("gan", EVENT, latent=2, hidden=8, tricks=[Replay(size=4), Watching()])
    for seed in (1, 2):
        model.critic_objective(batch, Noise.of(seed))
    step, made = steps[-1], model.generate(Noise.of(2).normal((8, 2)), None)
    assert step.codes is None and torch.allclose(step.made, made, atol=1e-6)
    assert torch.equal(step.fake[::2], step.made[::2]) and not bool((step.fake[1::2] == step.made[1::2]).any())


def test_each_players_optimiser_is_adam_with_the_rates_that_are_asked_for():
    model = tp.build("gan", EVENT, hidden=8, rate=0.5, beta1=0.3, beta2=0.7, critic_rate=4.0)
    critic, generator = model.players
    assert (critic.rate, generator.rate) == (4, 1)
    for player in model.players:
        defaults = player.optimizer(player.parameters()).defaults
        assert defaults["betas"] == pytest.approx((0.3, 0.7)) and defaults["lr"] == pytest.approx(0.5)
        assert not defaults["weight_decay"]


@pytest.mark.parametrize("name", ["infogan", "auxiliary-classifier-gan"])
def test_the_critic_owns_the_head_that_reads_its_features(name):
    model = tp.build(name, EVENT, hidden=8)
    critic, generator = (set(map(id, player.parameters())) for player in model.players)
    assert {id(p) for p in model.adversary.heads.parameters()} < critic and not critic & generator
    assert critic | generator == {id(p) for p in model.parameters()}


def test_a_uniform_prior_reaches_from_minus_1_to_1():
    codes = tp.build("gan", EVENT, latent=2, hidden=8, prior="uniform").sample_codes(5000, seed=0)
    assert float(codes.min()) == pytest.approx(-1, abs=0.01) and float(codes.max()) == pytest.approx(1, abs=0.01)
    assert abs(float(codes.mean())) < 0.03 and float(codes.std()) == pytest.approx(3**-0.5, abs=0.02)


def test_made_vectors_are_not_bounded():
    model = tp.build("gan", EVENT, latent=2, hidden=8)
    nn.init.constant_(model.generator.last.bias, 7.0)
    assert float(model.generate(torch.zeros(1, 2), None).detach().min()) > 5


def test_attention_leaves_a_wasserstein_critic_without_a_bound_on_its_slope():
    """Its layers are of norm 1, and γ goes where it likes: the critic's value would be any number."""
    game = {"loss": "wasserstein", "critic_norm": "spectral", "channels": 4, "classes": 0}
    tp.build("gan", tp.Event((1, 16, 16), 17), critic="resnet", **game)
    with pytest.raises(ConfigurationError, match="bound on the critic's slope.*'spectral' without attention"):
        tp.build("gan", tp.Event((1, 16, 16), 17), critic="resnet:attention=8", **game)
    tp.build("gan", tp.Event((1, 16, 16), 17), critic="resnet:attention=8", penalty="gradient", **game)


def test_layers_of_several_tricks_stand_one_behind_the_other():
    critic = tp.build(
        "gan", EVENT, hidden=8, tricks="minibatch-discrimination:kernels=5+minibatch-stddev"
    ).adversary.critic
    assert [type(layer).__name__ for layer in critic.further] == ["Closeness", "Spread"]
    assert critic.width == critic.head.in_features == 8 + 5 + 1
    assert critic.features(torch.randn(4, 3)).shape == (4, 14)


def test_each_side_pays_for_its_own_past():
    model = tp.build("gan", EVENT, latent=2, hidden=8, tricks="historical-averaging:weight=2")
    with torch.no_grad():
        next(model.adversary.critic.parameters()).add_(1.0)
    n = next(model.adversary.critic.parameters()).numel()
    paid = {"critic": 2.0 * n, "generator": 0.0}
    for side, objective in (("critic", model.critic_objective), ("generator", model.generator_objective)):
        term = objective(BATCH._replace(label=None), Noise.of(0))["historical_averaging"]
        assert term.tolist() == pytest.approx([paid[side]] * 8, rel=1e-5)


def test_noise_is_whole_at_the_first_minibatch_and_gone_after_the_last():
    show = InstanceNoise(std=0.5, steps=4).show
    drawn = Noise.of(0).normal((8, 3))
    for number, left in ((0, 1.0), (1, 0.75), (3, 0.25), (4, 0.0)):
        assert torch.allclose(show(0 * BATCH.x, BATCH._replace(number=number), Noise.of(0)), 0.5 * left * drawn)


@pytest.mark.parametrize("name", ["coupled-gan", "sd-gan"])
def test_every_matrix_of_a_variants_critic_is_normalised_if_any_is(name):
    model = tp.build(name, tp.Event((1, 8, 8), 17), channels=4, critic_norm="spectral")
    assert normalised(model.adversary.critic)
    assert not any(
        map(is_parametrized, tp.build(name, model.event, channels=4, critic_norm="none").adversary.critic.modules())
    )


def test_path_length_counts_pixels_and_not_their_colours():
    codes = torch.randn(8, 1).requires_grad_()
    trick = PathLength(weight=1.0)
    trick.begin(Setting(tp.Event((3, 4, 4), 2), (3, 4, 4), {}))
    made = codes.view(8, 1, 1, 1).expand(8, 3, 4, 4)
    said = Scores(torch.zeros(8), None)
    paid = trick.generator_terms({}, StepContext(BATCH, Noise.of(0), codes, None, made, None, said, made))[
        "path_length"
    ]
    lengths = (Noise.of(0).normal((8, 3, 4, 4)) / 16**0.5).sum((1, 2, 3)).abs()
    assert torch.allclose(paid, (lengths - 0.01 * lengths.mean()) ** 2, atol=1e-5)


def test_an_sd_gan_judges_an_example_as_a_pair_with_itself():
    model = tp.build("sd-gan", EVENT, identity=1, latent=3, hidden=8, layers=1).eval()
    x = BATCH.x
    assert torch.allclose(model.judge(x), model.adversary.critic(torch.stack([x, x], 1))[:, 0], atol=1e-6)


class Double(nn.Module):
    """A critic whose logit is twice the example."""

    def forward(self, x):
        return 2 * x


def test_a_relativistic_generator_is_compared_with_real_examples_that_carry_no_graph():
    real, fake = torch.tensor([3.0, 5.0]).requires_grad_(), torch.tensor([1.0, 2.0]).requires_grad_()
    config = tp.AdversaryConfig(loss="relativistic", critic=Double())
    adversary = Adversary(config, tp.Event((1,)), lambda layers: config.critic, {})
    batch = Batch(real.detach()[:, None], None)
    paid = adversary.opponent_terms(View(fake[:, None]), View(real[:, None]), batch, Noise.of(0))["adversarial"]
    assert torch.allclose(paid, softplus(2 * (real - fake)))
    to_real, to_fake = torch.autograd.grad(paid.sum(), [real, fake], allow_unused=True)
    assert to_real is None and bool((to_fake < 0).all())
