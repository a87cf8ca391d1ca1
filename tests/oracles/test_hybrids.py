"""Adversarial autoencoder, BiGAN and ALI: what they minimise by hand, and that codes match a prior."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

import triptych as tp
from triptych.adversary import Adversary, Trick, View
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.metrics.sets import energy
from triptych.models.codes import ShapedCodes
from triptych.noise import Noise
from triptych.testing import examples_of

EVENT = tp.Event((3,))
BATCH = Batch(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), None)


def test_real_codes_lie_on_the_piece_of_their_label():
    label = torch.arange(10).repeat(50)
    z = ShapedCodes("mixture", 10).draw(500, Noise.of(0), label)
    angle = torch.atan2(z[:, 1], z[:, 0]).remainder(2 * math.pi) / (2 * math.pi) * 10
    assert bool(((angle.round().long() % 10) == label).float().mean() > 0.95)
    roll = ShapedCodes("swiss-roll", 4).draw(400, Noise.of(0), torch.arange(4).repeat(100))
    radius = roll.norm(dim=1).view(100, 4)
    assert bool((radius.mean(0).diff() > 0.5).all()), "later labels lie further out"


def test_the_mixture_is_as_it_says():
    z = ShapedCodes("mixture", 1).draw(20000, Noise.of(0))
    assert z.mean(0).tolist() == pytest.approx([4.0, 0.0], abs=0.03)
    assert z.std(0).tolist() == pytest.approx([1.0, 0.3], abs=0.02)


def test_an_autoencoder_pays_for_codes_that_the_critic_can_tell():
    model = tp.build("aae", EVENT, hidden=8, adversarial=0.5)
    terms = model.objective(BATCH, Noise.of(0))
    codes = model.encoder(BATCH.x)
    assert torch.allclose(terms["squared_error"], (model.decoder(codes) - BATCH.x).square().sum(1), atol=1e-5)
    by_hand = 0.5 * 3 * softplus(-model.adversary.critic(codes)[:, 0])
    assert torch.allclose(terms["adversarial"], by_hand, atol=1e-5)


def test_codes_are_the_fakes_and_the_prior_is_real():
    model = tp.build("aae", EVENT, hidden=8)
    term = model.critic_objective(BATCH, Noise.of(3))["adversarial"]
    real, critic = Noise.of(3).normal((8, 2)), model.adversary.critic
    by_hand = softplus(-critic(real)[:, 0]) + softplus(critic(model.encoder(BATCH.x))[:, 0])
    assert torch.allclose(term, by_hand, atol=1e-5)


def test_labels_without_pieces_of_the_prior_are_refused():
    for arguments in ({"classes": 3}, {"latent": 3, "prior": "swiss-roll"}):
        with pytest.raises(ConfigurationError, match="prior="):
            tp.build("aae", EVENT, **arguments)
    with pytest.raises(ConfigurationError, match="no prior 'mixtur'; did you mean mixture"):
        tp.build("aae", EVENT, prior="mixtur")
    with pytest.raises(ConfigurationError, match="components=0"):
        tp.build("aae", EVENT, components=0)


def test_samples_of_any_label_come_from_pieces_that_were_trained():
    model = tp.build("aae", EVENT, prior="mixture", classes=3)
    z = model.sample_codes(300, seed=0)
    angle = torch.atan2(z[:, 1], z[:, 0]).remainder(2 * math.pi) / (2 * math.pi) * 3
    assert set((angle.round().long() % 3).tolist()) == {0, 1, 2}
    assert float((angle - angle.round()).abs().mean()) < 0.1, "there are three pieces, not ten"


@pytest.mark.parametrize(
    ("name", "trick"),
    [("bigan", "replay"), ("ali", "replay"), ("aae", "path-length"), ("context-autoencoder", "path-length")],
)
def test_a_trick_that_does_not_suit_the_views_is_refused_when_the_model_is_built(name, trick):
    more = {"adversarial": 0.1} if name == "context-autoencoder" else {}
    with pytest.raises(ConfigurationError, match=f"{trick} .*leave it out"):
        tp.build(name, tp.Event((1, 8, 8), 17), tricks=trick, **more)


class Logging(Trick):
    """Logs one figure."""

    def figures(self, means):
        return {"seven": 7.0}


@pytest.mark.parametrize("name", ["gan", "bigan", "aae", "context-autoencoder"])
def test_figures_of_a_trick_are_logged_for_every_adversary(name):
    more = {"adversarial": 0.1} if name == "context-autoencoder" else {}
    model = tp.build(name, tp.Event((1, 8, 8), 17), tricks=[Logging()], channels=4, **more)
    run = tp.fit(model, examples_of(model.event, 32), steps=2, log_every=2, batch_size=8, threads=1, progress=False)
    assert any(value == 7 for key, value in run.records[-1].items() if key.endswith("/seven"))


def test_a_label_costs_no_slope():
    model = tp.build(
        "ali", EVENT, classes=3, latent=2, hidden=8, penalty="gradient:weight=1,target=0", critic_norm="none"
    )
    batch = Batch(BATCH.x, torch.arange(8) % 3)
    before = model.critic_objective(batch, Noise.of(0))["gradient_penalty"].detach()
    x = torch.zeros(8, 3)
    view = View(x, batch.label, torch.zeros(8, 2))
    row = torch.zeros(8, 5, requires_grad=True)
    logits = model.adversary._logits_of_rows(row, x.shape[1:], batch.label)
    (slope,) = torch.autograd.grad(logits.sum(), row)
    assert slope.shape == (8, 5) and torch.allclose(logits, model.adversary.scores(view).logits, atol=1e-6)
    assert before.shape == (8,) and bool((before > 0).all())


def test_codes_of_a_toy_match_the_prior():
    """By the energy distance they are as near to draws of the prior as few other things are."""
    examples = examples_of(tp.Event((3,)), 3000)
    model = tp.build("aae", examples.event, hidden=64, adversarial=1.0)
    prior, codes = model.sample_codes(1000, seed=0), lambda: model.encode(examples[:1000])
    before = energy(prior, codes())
    tp.fit(model, examples, steps=800, schedule="cosine", threads=1, progress=False)
    assert energy(prior, codes()) < 0.05 * before and energy(prior, 0.8 * prior) > energy(prior, codes())


@pytest.mark.parametrize("name", ["bigan", "ali"])
def test_generator_and_encoder_take_each_kind_of_pair_for_the_other(name):
    model = tp.build(name, EVENT, latent=2, hidden=8, critic_norm="none")
    terms = model.generator_objective(BATCH, Noise.of(1))
    noise = Noise.of(1)
    z = noise.normal((8, 2))
    found = model.encoder(BATCH.x)
    codes = found if name == "bigan" else found[:, :2] + found[:, 2:].exp() * noise.normal((8, 2))
    critic = model.adversary.critic
    by_hand = softplus(-critic(model.generator(z), z)) + softplus(critic(BATCH.x, codes))
    assert torch.allclose(terms["adversarial"], by_hand[:, 0], atol=1e-5)
    gradients = torch.autograd.grad(terms["adversarial"].mean(), [*model.encoder.parameters()], retain_graph=True)
    assert all(bool(g.ne(0).any()) for g in gradients), "the encoder learns"


def test_a_loss_that_cannot_be_turned_round_is_refused():
    for loss in ("least-squares", "fgan-kl"):
        with pytest.raises(ConfigurationError, match="pairs differently"):
            tp.build("bigan", EVENT, loss=loss)
    for loss in ("hinge", "relativistic-average"):
        assert tp.build("bigan", EVENT, loss=loss)


class Linear(nn.Module):
    """A critic of pairs, `3 x_1 + 4 z_1`."""

    def forward(self, x, z):
        return 3 * x[:, :1] + 4 * z[:, :1]


def test_a_penalty_is_on_the_slope_by_examples_and_codes_together():
    config = tp.AdversaryConfig(critic=Linear(), penalty="gradient:weight=1,target=0")
    adversary = Adversary(config, EVENT, lambda layers: config.critic, {}, codes="scored")
    real, fake = (View(torch.zeros(8, 3), codes=torch.zeros(8, 2)) for _ in range(2))
    term = adversary.critic_terms(real, fake, BATCH, Noise.of(0))["gradient_penalty"]
    assert term.tolist() == pytest.approx([25.0] * 8)
