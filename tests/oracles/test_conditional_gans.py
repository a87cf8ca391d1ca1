"""Auxiliary-classifier, Info, coupled and SD-GAN against closed forms: what they minimise, draw and share."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from sklearn.metrics import log_loss
from torch import nn

import triptych as tp
from triptych.catalogue import build
from triptych.data.batches import Batch
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.adversarial.coupled import by_domain
from triptych.models.adversarial.layout import Layout
from triptych.models.adversarial.semantic import partners
from triptych.networks.critics import Critic
from triptych.noise import Noise
from triptych.testing.parts import examples_of
from triptych.training import fit

POINT = Event((3,))
SMALL = {"hidden": 8, "layers": 1, "latent": 4}


def batch(classes: int, n: int = 32, event: Event = POINT) -> Batch:
    examples = examples_of(event, n, classes)
    return Batch(examples.data, examples.labels)


def refused(model, labels, message):
    examples = Examples(torch.randn(64, 3), POINT, labels)
    with pytest.raises(DataError, match=message):
        fit(model, examples, steps=1, batch_size=16, progress=False)


def test_an_auxiliary_classifier_minimises_the_log_loss_of_both_sources():
    model = build("auxiliary-classifier-gan", POINT, classes=3, hidden=8, layers=1, latent=4).eval()
    given_ = batch(3)
    seen = []
    scores = model.adversary.scores
    model.adversary.scores = lambda view: seen.append(view.x) or scores(view)
    critic = model.critic_objective(given_, Noise.of(0))
    generator = model.generator_objective(given_, Noise.of(0))
    for x, term in zip(
        seen[:3], (critic["class_of_real"], critic["class_of_fake"], generator["class_of_fake"]), strict=True
    ):
        told = (
            model.adversary.heads[0].classifier(model.adversary.critic.features(x)).softmax(1).detach().double().numpy()
        )
        told /= told.sum(1, keepdims=True)
        assert float(term.detach().mean()) == pytest.approx(log_loss(given_.label, told, labels=range(3)), rel=1e-5)
    assert set(generator) == {"adversarial", "class_of_fake"}


def test_an_auxiliary_classifiers_critic_is_not_told_the_class():
    model = build("auxiliary-classifier-gan", Event((1, 8, 8), 17), classes=3, channels=8).eval()
    x = examples_of(model.event, 4).data
    assert torch.equal(model.judge(x, label=0), model.judge(x, label=2))
    codes = torch.randn(8, 64)
    assert not torch.allclose(model._decode(codes, torch.tensor([0] * 8)), model._decode(codes, torch.tensor([2] * 8)))


def test_codes_are_drawn_from_their_prior():
    layout = Layout("3,2", 2)
    drawn = layout.draw(6000, Noise.of(0)).double()
    assert drawn.shape == (6000, 7)
    for code in layout.codes:
        own = drawn[:, code.part]
        if code.kind == "categorical":
            assert bool((own.sum(1) == 1).all())
            assert stats.chisquare(own.sum(0).numpy()).pvalue > 1e-3
        else:
            assert stats.kstest(own[:, 0].numpy(), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    pairs = drawn[:, :3].argmax(1) * 2 + drawn[:, 3:5].argmax(1)
    assert stats.chisquare(torch.bincount(pairs, minlength=6).numpy()).pvalue > 1e-3, "the codes are not independent"


def test_the_bound_is_the_mutual_information_for_the_true_posterior_and_below_it_for_others():
    layout = Layout("3", 0)
    channel = np.array([[0.8, 0.15, 0.05], [0.1, 0.6, 0.3], [0.2, 0.2, 0.6]])  # p(x | c)
    joint = channel / 3
    information = float((joint * np.log(joint / joint.sum(0) / joint.sum(1, keepdims=True))).sum())
    posterior = torch.from_numpy(joint / joint.sum(0)).T  # p(c | x), a row each x

    def bound(q):
        c, x = torch.eye(3).repeat_interleave(3, 0), torch.arange(3).repeat(3)
        cross = layout.cross_entropies(q.log()[x], c)["c1"].double()
        return layout.entropies["c1"] - float((cross * torch.from_numpy(joint).reshape(-1)).sum())

    assert bound(posterior) == pytest.approx(information, abs=1e-6)
    assert bound(0.9 * posterior + 0.1 / 3) < information - 1e-4


def test_the_bound_of_a_continuous_code_is_below_its_mutual_information_by_quadrature():
    """x = c + N(0, s²), Q(c | x) = N(a x, b²) with the least squares a and b: Q is not the posterior."""
    layout, s = Layout("none", 1), 0.5
    density = lambda x: (stats.norm.cdf((x + 1) / s) - stats.norm.cdf((x - 1) / s)) / 2  # noqa: E731
    entropy = -integrate.quad(lambda x: density(x) * math.log(density(x)), -4, 4, limit=200)[0]
    information = entropy - float(stats.norm(0, s).entropy())
    a = (1 / 3) / (1 / 3 + s**2)
    b = math.sqrt(1 / 3 - a / 3)
    c = 2 * torch.rand(400_000, 1, generator=torch.Generator().manual_seed(0)) - 1
    x = c + s * torch.randn(c.shape, generator=torch.Generator().manual_seed(1))
    said = torch.cat([a * x, torch.full_like(x, math.log(b))], 1)  # the scale is a smooth maximum with exp(-5)
    bound = layout.entropies["c1"] - float(layout.cross_entropies(said, c)["c1"].double().mean())
    expected = math.log(2) - (0.5 * math.log(2 * math.pi * math.e) + math.log(b))
    assert bound == pytest.approx(expected, abs=0.02)
    assert 0.2 < bound < information


def test_what_infogan_minimises_and_what_it_logs():
    model = build("infogan", POINT, categorical="4,2", continuous=1, information=2.0, **SMALL)
    terms = model.generator_objective(batch(0), Noise.of(0))
    means = {name: float(term.detach().mean()) for name, term in terms.items()}
    cross = [means[f"cross_entropy_c{i}"] for i in (1, 2, 3)]
    weighted = 2 * (cross[0] + cross[1]) + 0.1 * cross[2]
    assert sum(means.values()) - means["adversarial"] == pytest.approx(weighted, abs=1e-5)
    told = model.adversary.figures(means)
    assert told["information_c1"] == pytest.approx(math.log(4) - cross[0])
    assert told["information"] == pytest.approx(math.log(4) + 2 * math.log(2) - sum(cross))


def test_infogan_logs_the_bound_of_the_window():
    model = build("infogan", POINT, categorical="3", continuous=0, **SMALL)
    record = fit(model, examples_of(POINT, 64), steps=4, log_every=4, batch_size=16, progress=False).records[-1]
    assert record["generator/information"] == pytest.approx(math.log(3) - record["generator/cross_entropy_c1"])
    assert "critic/information" not in record


def test_infogan_learns_to_tell_the_modes_of_a_mixture_without_labels():
    centres = torch.tensor([[4.0, 0.0], [-4.0, 4.0], [-4.0, -4.0]])
    labels = torch.arange(600) % 3
    data = centres[labels] + 0.2 * torch.randn(600, 2, generator=torch.Generator().manual_seed(0))
    model = build("infogan", Event((2,)), categorical="3", continuous=0, hidden=64, latent=4, seed=1)
    done = fit(model, Examples(data, model.event), steps=400, batch_size=64, progress=False, seed=0)
    assert done.records[-1]["generator/information"] > 0.9 * math.log(3)
    told = model.encode(data)[:, :3].argmax(1)
    assert [len(told[labels == k].unique()) for k in range(3)] == [1, 1, 1]


@pytest.mark.parametrize(("categorical", "continuous"), [("none", 0), ("1", 0), ("ten", 2), ("10", -1)])
def test_codes_that_are_none_are_refused(categorical, continuous):
    with pytest.raises(ConfigurationError, match="expected"):
        build("infogan", POINT, categorical=categorical, continuous=continuous)


def test_infogan_refuses_fakes_whose_codes_it_does_not_know():
    with pytest.raises(ConfigurationError, match="leave out the trick 'replay'"):
        build("infogan", POINT, tricks="replay")


def test_a_head_needs_a_critic_that_tells_its_features():
    for name in ("infogan", "auxiliary-classifier-gan", "coupled-gan"):
        with pytest.raises(ConfigurationError, match="a critic that is a Linear: expected one with features"):
            build(name, POINT, critic=nn.Linear(3, 1))
    own = build("infogan", POINT, critic=Critic(nn.Linear(3, 5), 5), **SMALL)
    assert own.encode(torch.zeros(2, 3)).shape == (2, own.latent)


def test_coupled_networks_share_all_but_what_is_next_to_the_example():
    model = build("coupled-gan", Event((1, 8, 8), 17), classes=3, channels=8, latent=4).eval()
    z = torch.randn(5, 4)
    shared = model.generator.shared(z)
    for label in range(3):
        own = model.generator.own[label](shared)
        assert torch.allclose(model.generator(z, torch.full((5,), label)), own)
    count = sum(p.numel() for p in model.generator.own[0].parameters())
    total = sum(p.numel() for p in model.generator.parameters())
    assert total - 3 * count == sum(p.numel() for p in model.generator.shared.parameters())
    # what moves one domain's own layers leaves the others' examples alone
    before = model.decode(z, label=1).data
    nn.init.normal_(model.generator.own[0][-1].weight)
    assert torch.equal(model.decode(z, label=1).data, before)


def test_examples_go_through_the_part_of_their_domain_and_keep_their_order():
    parts = nn.ModuleList(nn.Linear(3, 2) for _ in range(4))
    x, label = torch.randn(20, 3), torch.tensor([0, 3, 1, 3] * 5)  # nobody in domain 2
    expected = torch.stack([parts[int(d)](one) for one, d in zip(x, label, strict=True)])
    assert torch.allclose(by_domain(parts, x, label), expected, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=2, max_size=24), st.integers(0, 1000))
def test_partners_are_two_of_one_identity_and_never_one_twice(labels, seed):
    label = torch.tensor(labels)
    counts = torch.bincount(label, minlength=6)
    if int(counts.max()) < 2:
        assert partners(label, Noise.of(seed)) is None
        return
    first, second = partners(label, Noise.of(seed))
    assert len(first) == len(second) == len(label)
    assert bool((label[first] == label[second]).all()) and not bool((first == second).any())
    has_partner = counts[label] > 1
    assert torch.equal(first[has_partner], torch.arange(len(label))[has_partner])
    assert not set(first.tolist() + second.tolist()) & set((~has_partner).nonzero()[:, 0].tolist())


def test_partners_are_drawn_evenly():
    label = torch.tensor([0, 0, 0, 0, 1, 1])
    met = [int(partners(label, Noise.of(seed))[1][0]) for seed in range(900)]
    assert stats.chisquare(np.bincount(met, minlength=4)[1:4]).pvalue > 1e-3


class Watching(nn.Module):
    """A critic of pairs that remembers what it was shown."""

    def __init__(self):
        super().__init__()
        self.layer, self.shown = nn.Linear(2, 1), []

    def forward(self, pairs):
        self.shown.append(pairs.detach())
        return self.layer(pairs[:, :, 0])


def test_an_sd_gans_critic_sees_pairs_of_one_identity():
    watching = Watching()
    model = build("sd-gan", Event((1,)), identity=3, hidden=8, layers=1, latent=4, critic=watching)
    label = torch.tensor([5, 5, 9, 9, 9, 7])
    x = label[:, None] + 0.1 * torch.arange(6.0)[:, None]
    model.critic_objective(Batch(x, label), Noise.of(0))
    real, fake = watching.shown[-2:]
    assert real.shape == fake.shape == (6, 2, 1)
    assert torch.equal(real[..., 0].floor()[:, 0], real[..., 0].floor()[:, 1]) and 7.0 not in real.floor()
    assert not bool((real[:, 0] == real[:, 1]).any())
    codes = model.codes.draw_views(6, Noise.of(1))
    assert torch.equal(codes[:, 0, :3], codes[:, 1, :3]) and not torch.equal(codes[:, 0, 3:], codes[:, 1, 3:])
    assert torch.allclose(model.generate(codes, None)[:, 1], model.generate(codes[:, 1], None), atol=1e-6)


def test_an_sd_gan_asks_for_labels_in_training_alone():
    model = build("sd-gan", POINT, identity=2, **SMALL)
    assert model.sample(3, seed=0).labels is None
    with pytest.raises(ConfigurationError, match="without labels"):
        model.sample(3, label=1)
    fit(model, examples_of(POINT, 64, 4), steps=2, batch_size=16, progress=False)
    refused(model, None, "sd-gan learns from labels, but the data has no labels")
    refused(model, torch.arange(64), "no two of the 64 examples have the same label")


def test_a_minibatch_without_pairs_asks_nothing_of_an_sd_gan():
    model = build("sd-gan", POINT, identity=2, **SMALL)
    batch = Batch(examples_of(POINT, 4, 4).data, torch.arange(4))
    for player in model.players:
        terms = player.objective(batch, Noise.of(0))
        sum(term.sum() for term in terms.values()).backward()
        assert all(not term.any() for term in terms.values())
        assert all(p.grad is None or not p.grad.any() for p in player.parameters())


@pytest.mark.parametrize("name", ["auxiliary-classifier-gan", "coupled-gan", "sd-gan"])
def test_labels_that_teach_nothing_are_refused_in_a_line(name):
    model = build(name, POINT, **({} if name == "sd-gan" else {"classes": 2}), hidden=8)
    refused(model, torch.zeros(64, dtype=torch.long), "one class only: an? ")
    refused(model, torch.randn(64, 2), "labelled by vectors: leave classes out")
    if name != "sd-gan":
        refused(model, torch.arange(64) % 3, "has a label 2, the model classes=2")


def test_more_classes_than_the_data_has_are_refused():
    train = tp.data.load("ring", count=400)[0]
    with pytest.raises(DataError, match="the data has 8 classes, the model classes=10: give --classes 8"):
        fit(build("conditional-gan", train.event, hidden=8), train, steps=1, progress=False)
