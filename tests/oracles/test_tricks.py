"""The tricks of games against their equations, worked out by other means."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

import triptych as tp
from triptych.adversary.scores import Scores
from triptych.adversary.tricks import Setting, StepContext
from triptych.adversary.tricks.feature_matching import FeatureMatching
from triptych.adversary.tricks.historical_averaging import HistoricalAveraging
from triptych.adversary.tricks.instance_noise import InstanceNoise
from triptych.adversary.tricks.minibatch import Closeness, MinibatchDiscrimination, Spread
from triptych.adversary.tricks.path_length import PathLength
from triptych.adversary.tricks.replay import Replay
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.noise import Noise

EVENT = tp.Event((3,))


def turn(real=None, fake=None, codes=None, made=None, noise=None, n=4):
    """A turn of the generator; what the critic says of examples is their sum, read from themselves."""
    said = [None if x is None else Scores(x.sum(1), x) for x in (real, fake)]
    batch = Batch(torch.zeros(n, 3), None)
    return StepContext(batch, noise or Noise.of(0), codes, real, fake, said[0], said[1], fake if made is None else made)


def test_feature_matching_is_the_squared_distance_of_the_means():
    real, fake = torch.randn(4, 3), torch.randn(4, 3)
    terms = {"adversarial": torch.ones(4), "information": torch.ones(4)}
    matched = FeatureMatching(weight=2.0).generator_terms(terms, turn(real, fake))
    expected = 2 * np.sum((real.numpy().mean(0) - fake.numpy().mean(0)) ** 2)
    assert matched["feature_matching"].tolist() == pytest.approx([expected] * 4, rel=1e-5)
    assert set(matched) == {"information", "feature_matching"}
    kept = FeatureMatching(keep=True).generator_terms(terms, turn(real, fake))
    assert set(kept) == {"adversarial", "information", "feature_matching"}


def test_features_are_matched_on_real_examples_of_the_minibatch():
    """Played through a model: the generator's own term, against the critic's features by hand."""
    model = tp.build("gan", EVENT, latent=2, hidden=8, tricks="feature-matching")
    batch = Batch(torch.randn(16, 3), None)
    (term,) = model.generator_objective(batch, Noise.of(5)).values()
    fake = model.generator(Noise.of(5).normal((16, 2)))
    apart = model.adversary.critic.features(EVENT.scaled(batch.x)).mean(0) - model.adversary.critic.features(fake).mean(
        0
    )
    assert torch.allclose(term, apart.square().sum().expand(16), atol=1e-6)
    assert not any(p.grad is not None for p in model.parameters())


def test_closeness_is_the_published_kernel_averaged_over_the_minibatch():
    layer, x = Closeness(4, kernels=3, kernel_size=2), torch.randn(5, 4)
    out = layer(x).detach().numpy()
    seen = np.einsum("bf,fkc->bkc", x.numpy(), layer.weight.detach().numpy())
    for i in range(5):
        for kernel in range(3):
            expected = np.mean([np.exp(-np.abs(seen[i, kernel] - seen[j, kernel]).sum()) for j in range(5)])
            assert out[i, 4 + kernel] == pytest.approx(expected, rel=1e-5)
    assert np.array_equal(out[:, :4], x.numpy())
    assert torch.equal(layer(x[:1].expand(5, 4))[:, 4:], torch.ones(5, 3))  # a collapsed minibatch


def test_spread_is_the_mean_standard_deviation():
    x = torch.randn(6, 4)
    out = Spread(4)(x)
    assert out[:, 4].tolist() == pytest.approx([float(x.numpy().std(0).mean())] * 6, rel=1e-5)
    assert float(Spread(4)(x[:1].expand(6, 4))[0, 4]) < 1e-3


def test_players_are_drawn_to_the_mean_of_all_that_they_were():
    player = nn.Linear(3, 2)
    trick = HistoricalAveraging(weight=0.5)
    trick.begin(Setting(EVENT, EVENT.shape, {"critic": player, "generator": nn.Linear(1, 1)}))
    past = []
    for step in range(4):
        now = torch.cat([p.detach().flatten() for p in player.parameters()])
        past.append(now)
        apart = now - torch.stack(past).mean(0)
        paid = trick.critic_terms({}, turn(fake=torch.zeros(4, 3)))["historical_averaging"]
        gradient = torch.cat([g.flatten() for g in torch.autograd.grad(paid.mean(), list(player.parameters()))])
        assert paid.tolist() == pytest.approx([0.5 * float(apart.square().sum())] * 4, abs=1e-5)
        assert torch.allclose(gradient, apart, atol=1e-5)
        with torch.no_grad():
            for p in player.parameters():
                p.add_(torch.randn(p.shape) * (step + 1))
        trick.after("critic")


@pytest.mark.parametrize(("number", "expected"), [(0, 0.4), (25, 0.3), (100, 0.0), (500, 0.0), (None, 0.0)])
def test_instance_noise_fades_linearly(number, expected):
    x = torch.zeros(2000, 5)
    shown = InstanceNoise(std=0.4, steps=100).show(x, Batch(x, None, number=number), Noise.of(0))
    assert float(shown.std()) == pytest.approx(expected, rel=0.03) and abs(float(shown.mean())) < 0.02


def replayed(trick, made, label, seed):
    return trick.fakes(made, Batch(made, label), Noise.of(seed))


def test_half_of_the_fakes_come_from_the_past_of_the_same_label():
    trick = Replay(size=12)
    trick.begin(Setting(EVENT, EVENT.shape, {}))
    kept = set()
    for number in range(40):
        label = torch.arange(8) % 3
        made = torch.full((8, 3), float(number))
        made[:, 1], made[:, 2] = label.float(), torch.arange(8.0)
        shown = replayed(trick, made, label, number)
        assert torch.equal(shown[::2], made[::2]), "every other one is new"
        assert torch.equal(shown[:, 1], made[:, 1]), "each is of the label that it is judged with"
        assert all(tuple(row) in kept for row in shown[1::2].tolist()) or number == 0
        if number == 0:
            assert torch.equal(shown, made)
        before = {tuple(row) for row in trick.past[: int(trick.filled)].tolist()}
        kept |= {tuple(row) for row in made[::2].tolist()}
        assert before <= kept, "nothing but what was made is in the buffer"
        assert {tuple(row) for row in made[::2].tolist()} <= before, "what is new is kept"
        assert len(before) == int(trick.filled) == min(12, 4 * (number + 1))
        assert torch.equal(trick.past[: len(before), 1].long(), trick.label[: len(before)])
    ages = [39 - row[0] for row in trick.past.tolist()]
    assert max(ages) > 3, "places are chosen at random: some of the past stays longer than a queue's would"


def test_a_label_of_which_there_is_no_past_is_shown_anew():
    trick = Replay(size=8)
    trick.begin(Setting(EVENT, EVENT.shape, {}))
    replayed(trick, torch.zeros(4, 3), torch.zeros(4, dtype=torch.long), 0)
    made = torch.ones(4, 3)
    assert torch.equal(replayed(trick, made, torch.ones(4, dtype=torch.long), 1), made)
    assert replayed(trick, made, torch.zeros(4, dtype=torch.long), 2)[1::2].eq(0).all()


@pytest.mark.parametrize("size", [3, 10])
def test_a_buffer_is_filled_to_its_brim_and_each_past_example_is_as_likely(size):
    trick = Replay(size=size)
    trick.begin(Setting(EVENT, EVENT.shape, {}))
    for number in range(4):
        replayed(trick, torch.arange(1.0, 9.0).view(8, 1).expand(8, 3) + 10 * number, None, number)
    assert int(trick.filled) == size and trick.past.ne(0).all()
    there = trick.past[:, 0].clone()
    seen = torch.cat([
        copy.deepcopy(trick).fakes(torch.zeros(8, 3), Batch(torch.zeros(8, 3), None), Noise.of(s))[1::2, 0]
        for s in range(500)
    ])  # fmt: skip
    counts = (seen[:, None] == there).sum(0)
    assert int(counts.sum()) == 2000 and float((counts / 2000 * size - 1).abs().max()) < 0.25


def test_path_length_of_a_linear_generator():
    """J is the matrix: lengths, their running mean and the gradient by hand, twice."""
    matrix = torch.randn(3, 2, dtype=torch.float64).float().requires_grad_()
    trick = PathLength(weight=0.5)
    trick.begin(Setting(EVENT, EVENT.shape, {}))
    mean = 0.0
    for seed in range(2):
        codes = torch.randn(4, 2).requires_grad_()
        made = codes @ matrix.T
        paid = trick.generator_terms({}, turn(fake=made, codes=codes, noise=Noise.of(seed)))["path_length"]
        drawn = Noise.of(seed).normal((4, 3)) / 3**0.5
        lengths = (drawn @ matrix).norm(dim=1)
        mean = 0.99 * mean + 0.01 * float(lengths.detach().mean())
        expected = 0.5 * (lengths - mean) ** 2
        assert torch.allclose(paid, expected, atol=1e-6) and float(trick.mean) == pytest.approx(mean, rel=1e-5)
        (one,), (other,) = (torch.autograd.grad(loss.mean(), matrix) for loss in (paid, expected))
        assert torch.allclose(one, other, atol=1e-6)


def test_path_length_is_no_matter_of_an_images_size():
    """`y` is drawn so that a generator that repeats one pixel has the same length at every resolution."""
    lengths = []
    for side in (8, 32):
        codes = torch.randn(2000, 1).requires_grad_()
        made = (
            codes.view(-1, 1, 1, 1) * torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0)).sign()
        )
        trick = PathLength()
        trick.begin(Setting(tp.Event((1, side, side), 2), (1, side, side), {}))
        trick.generator_terms({}, turn(fake=made.flatten(1), made=made, codes=codes))
        lengths.append(float(trick.mean) * 100)
    assert lengths == pytest.approx([(2 / np.pi) ** 0.5] * 2, rel=0.05)  # E|N(0, 1)|


MADE = []
"""What a counted model made, and whether with a graph: not in the model, which must be copied without it."""


class Counted(tp.GAN):
    """Tells what it makes."""

    def generate(self, z, label):
        out = super().generate(z, label)
        MADE.append((out, torch.is_grad_enabled()))
        return out


@pytest.mark.parametrize("tricks", ["none", "path-length+replay:size=8+instance-noise"])
@pytest.mark.parametrize("critic_steps", [1, 3])
def test_shared_fakes_are_made_once_and_judged_twice(critic_steps, tricks):
    model = Counted.of(EVENT, dict(latent=2, hidden=8, critic_steps=critic_steps, shared_fakes=True, tricks=tricks))
    batches = [Batch(torch.randn(8, 3), None, number=number) for number in range(2 * critic_steps)]
    critic, generator = model.players
    own = list(model.generator.parameters())
    for first in (0, critic_steps):
        MADE.clear()
        for p in own:
            p.requires_grad_(False)
        for batch in batches[first : first + critic_steps]:
            sum(t.mean() for t in critic.objective(batch, Noise.of(1)).values()).backward()
        assert not any(p.requires_grad or p.grad is not None for p in own), "it was the critic's turn"
        assert [followed for _, followed in MADE] == [False] * (critic_steps - 1) + [True]
        with torch.no_grad():
            for p in model.adversary.critic.parameters():
                p.add_(0.1 * torch.randn(p.shape))
        for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
            assert copied.adversary.fakes.kept is None and model.adversary.fakes.kept is not None
        for p in own:
            p.requires_grad_(True)
        terms = generator.objective(batch, Noise.of(2))
        assert model.adversary.fakes.kept is None and len(MADE) == critic_steps, (
            "nothing is left, and nothing was made anew"
        )
        (gradient,) = torch.autograd.grad(terms["adversarial"].mean(), own[0], retain_graph=True)
        if tricks == "none":
            by_hand = nn.functional.softplus(-model.adversary.critic(MADE[-1][0])).mean()
            (expected,) = torch.autograd.grad(by_hand, own[0])
            assert torch.allclose(gradient, expected, atol=1e-7)
        assert gradient.ne(0).any()
        for p in model.parameters():
            p.grad = None


def test_a_generator_without_a_critics_turn_before_it_makes_its_own():
    model = Counted.of(EVENT, dict(latent=2, hidden=8, shared_fakes=True))
    MADE.clear()
    old, new = (Batch(torch.randn(8, 3), None, number=number) for number in (0, 1))
    model.critic_objective(old, Noise.of(0))
    terms = model.generator_objective(new, Noise.of(1))
    assert len(MADE) == 2 and terms["adversarial"].requires_grad
    model.critic_objective(Batch(torch.randn(8, 3), None), Noise.of(0))  # outside of training
    assert model.adversary.fakes.kept is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"loss": "wasserstein"}, "bound on the critic's slope.*penalty='gradient'"),
        ({"penalty": "gradient", "tricks": "minibatch-stddev"}, "minibatch-stddev in the critic mixes examples"),
        ({"weight_clip": -0.1}, "weight_clip=-0.1: expected"),
        ({"critic_rate": 0.0}, "critic_rate=0: .*above 0"),
        ({"beta2": 1.0}, "beta2=1: expected"),
        ({"critic": nn.Linear(3, 1), "tricks": "feature-matching"}, "Linear the methods features"),
        ({"critic": nn.Linear(3, 1), "tricks": "minibatch-discrimination"}, "into your own Linear"),
        ({"critic": nn.utils.parametrizations.spectral_norm(nn.Linear(3, 1)), "weight_clip": 1.0}, "weight_clip=0"),
        (
            {"critic": nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)), "penalty": "gradient"},
            "batch normalisation in the critic .*critic_norm='layer'",
        ),
        ({"tricks": "reply"}, "no trick 'reply'; did you mean replay?"),
        ({"tricks": "replay:length=3"}, "no option 'length'; there is: size"),
        ({"tricks": [nn.Linear(1, 1)]}, "Linear was given as a trick"),
        ({"tricks": ["replay"]}, "str was given as a trick: expected names in one text, joined by"),
        ({"tricks": None}, "NoneType was given as a trick"),
        ({"penalty": ["r1", "r2"]}, r"\['r1', 'r2'\] was given as penalty: expected a name"),
        ({"loss": None}, "None was given as loss: expected a name"),
        *(
            ({"tricks": f"{trick}:{option}"}, f"{trick}:.*{option}.*: expected")
            for trick, option in [
                ("replay", "size=0"), ("feature-matching", "weight=0"), ("historical-averaging", "weight=-1"),
                ("path-length", "weight=inf"), ("minibatch-discrimination", "kernels=0"), ("instance-noise", "std=-1"),
            ]
        ),
    ],
)  # fmt: skip
def test_parts_that_do_not_go_together_are_refused_in_a_line(arguments, said):
    with pytest.raises(ConfigurationError, match=said) as refusal:
        tp.build("gan", EVENT, hidden=8, **arguments)
    assert "\n" not in str(refusal.value)


def test_what_holds_a_wasserstein_critic_is_accepted_and_its_weights_stay_within_the_bound():
    tp.build("gan", EVENT, hidden=8, loss="wasserstein", penalty="gradient")
    tp.build("gan", EVENT, loss="wasserstein", critic=nn.Linear(3, 1))  # a user's own may be held by itself
    model = tp.build("gan", EVENT, hidden=8, loss="wasserstein", weight_clip=0.02)
    examples = tp.testing.examples_of(EVENT, 64)
    tp.fit(model, examples, steps=5, batch_size=16, progress=False)
    most = max(float(p.detach().abs().max()) for p in model.adversary.critic.parameters())
    assert most == pytest.approx(0.02)


def test_a_trick_of_ones_own_is_typed_saved_and_loaded(tmp_path):
    trick = MinibatchDiscrimination(kernels=2)
    model = tp.build("gan", EVENT, latent=2, hidden=8, tricks=[trick, Replay(size=4)])
    tp.save(model, tmp_path)
    again = tp.load(tmp_path, tricks=[MinibatchDiscrimination(kernels=2), Replay(size=4)])
    assert torch.equal(again.sample(3, seed=0).data, model.sample(3, seed=0).data)


@pytest.mark.parametrize("trick", ["minibatch-discrimination", "minibatch-stddev"])
def test_a_minibatch_of_one_has_nothing_to_compare(trick):
    model = tp.build("gan", tp.Event((2,)), hidden=8, tricks=trick)
    critic = model.players[0]
    with pytest.raises(ConfigurationError, match="--batch-size 2"):
        critic.objective(Batch(torch.zeros(1, 2), None), Noise.of(0))
    assert model.judge(torch.zeros(1, 2)).shape == (1,)
