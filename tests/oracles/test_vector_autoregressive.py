"""FVBN, NADE and MADE against enumeration, literal loops and scikit-learn."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from triptych import data
from triptych.catalogue import build
from triptych.data.batches import Batch
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.autoregressive.base import Repeated
from triptych.networks.dense_causal import SharedHidden
from triptych.noise import Noise, mix
from triptych.testing import check_model, examples_of

BINARY = Event((1, 4, 5), 2)
DIGITS = Event((1, 4, 4), 17)
COLOUR = Event((3, 3, 2), 256)
VECTOR = Event((5,), centre=(1.0, 0.0, -5.0, 2.0, 0.0), spread=(2.0, 1.0, 10.0, 0.5, 3.0))

SMALL = {
    "fvbn": ("fvbn", {}),
    "nade": ("nade", {"hidden": 12}),
    "nade, sigmoid": ("nade", {"hidden": 12, "activation": "sigmoid"}),
    "made": ("made", {"hidden": 24, "direct": False}),
    "made, direct": ("made", {"hidden": 24, "layers": 3}),
    "made, masks": ("made", {"hidden": 24, "masks": 3}),
    "made, orders": ("made", {"hidden": 24, "masks": 3, "orders": "each"}),
}
each = pytest.mark.parametrize("kind", SMALL)


def small(kind, event, scale=0.5, **more):
    """Return a model with weights far from zero, so that a missing or wrong one shows."""
    name, arguments = SMALL[kind]
    model = build(name, event, **{**arguments, **more})
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def members(model):
    return [model.member(m) for m in range(getattr(model, "masks", 1))] if hasattr(model, "member") else [model]


def every_image(event):
    return torch.tensor(list(itertools.product(range(event.levels), repeat=event.dims)), dtype=torch.uint8).view(
        -1, *event.shape
    )


# --- every configuration obeys the laws


@pytest.mark.parametrize(
    ("kind", "event", "more"),
    [
        ("fvbn", DIGITS, {"ordering": "random"}),
        ("fvbn", COLOUR, {"pixels": "logistic-mixture"}),
        ("nade", COLOUR, {"pixels": "logistic-mixture", "ordering": "reverse", "classes": 3}),
        ("nade", VECTOR, {"ordering": [3, 0, 4, 1, 2]}),
        ("made, direct", COLOUR, {"pixels": "logistic-mixture", "ordering": "random"}),
        ("made, masks", DIGITS, {"classes": 3, "ordering": "reverse"}),
        ("made, orders", BINARY, {"ordering": "random", "orders": "any", "masks": 1}),
    ],
)
def test_they_obey_the_laws(kind, event, more):
    name, arguments = SMALL[kind]
    checked = check_model(build(name, event, **arguments | more))
    assert "a pass tells what the parallel pass says" in checked


@pytest.mark.parametrize(
    ("event", "more"), [(BINARY, {"ordering": "random"}), (VECTOR, {"classes": 3, "orders": "any"})]
)
def test_ensembles_of_orders_obey_the_laws(event, more):
    model = build("made", event, hidden=24, masks=3, **{"orders": "each"} | more)
    # What comes first in the order of one member comes later in others': nothing is completed exactly.
    assert "completion is exact where it says so" not in check_model(model)
    assert not model.completes_exactly(model.order.restored(torch.arange(event.dims).view(1, *event.shape) < 2)[0])


SIZES = [((1, 2, 2), 2), ((1, 2, 2), 3), ((1, 3, 2), 2), ((1, 3, 2), 3), ((3, 2, 1), 2), ((3, 2, 1), 3)]


@each
@pytest.mark.parametrize(("shape", "levels"), SIZES)
def test_probabilities_sum_to_one(kind, shape, levels):
    event = Event(shape, levels)
    model = small(kind, event, ordering="random")
    assert abs(float(model.log_prob(every_image(event)).double().exp().sum()) - 1) < 1e-5


@each
def test_probabilities_of_pixels_drawn_whole_sum_to_one(kind):
    event = Event((3, 2, 1), 3)
    model = small(kind, event, pixels="logistic-mixture", scale=0.3)
    assert abs(float(model.log_prob(every_image(event)).double().exp().sum()) - 1) < 1e-5


# --- causality


def sensitivity(model, event):
    """Return whether the features of site i move with the value of site j, `(sites, sites)`."""
    x = torch.rand(1, *event.shape, generator=torch.Generator().manual_seed(2)) - 0.5
    sites = model.order.by_site(x, model.law.joint)

    def features(values):
        found = model.features(model.order.from_sites(values, model.law.joint), None)
        return model.by_site(found)[0]

    jacobian = torch.autograd.functional.jacobian(features, sites)  # (sites, P, 1, sites, V)
    return (jacobian != 0).any(4).any(2).any(1)


@each
@pytest.mark.parametrize(
    ("event", "more"),
    [
        (BINARY, {}),
        (BINARY, {"ordering": "random"}),
        (COLOUR, {"pixels": "discretized-gaussian", "ordering": "reverse"}),
        (COLOUR, {"pixels": "logistic-mixture"}),
        (VECTOR, {"ordering": "random"}),
    ],
)
def test_no_site_sees_itself_or_a_later_one(kind, event, more):
    model = small(kind, event, **more)
    assert model.sites > 1
    for member in members(model):
        seen = sensitivity(member, event)
        assert not seen.triu().any()
        assert seen.any()
        if kind in ("fvbn", "nade, sigmoid", "made, direct"):
            assert seen.equal(torch.ones_like(seen).tril(-1)), "a site before does not matter"


# --- passes


@each
@pytest.mark.parametrize(
    ("event", "more"),
    [
        (BINARY, {}),
        (DIGITS, {"ordering": "reverse", "classes": 3}),
        (COLOUR, {"pixels": "categorical"} | {"classes": 2}),
        (COLOUR, {"pixels": "logistic-mixture", "ordering": "random"}),
        (COLOUR, {"pixels": "auto"}),
        (VECTOR, {"ordering": [3, 0, 4, 1, 2], "classes": 3}),
    ],
)
@torch.no_grad()
def test_features_seen_in_steps_are_those_of_the_parallel_pass(kind, event, more):
    model = small(kind, event, scale=0.2, **more)
    n = 5
    label = torch.arange(n) % model.classes if model.classes else None
    for member in members(model)[:2]:
        x = member.order.arranged(examples_of(event, n).data)
        scaled = member.order.event.scaled(x)
        expected = member.by_site(member.features(scaled, label))
        steps = member.steps(n, label)
        values = member.order.by_site(scaled, member.law.joint)
        for site in range(member.sites):
            assert torch.allclose(steps.features(site), expected[:, site], atol=1e-4)
            assert torch.allclose(steps.features(site), expected[:, site], atol=1e-4), "asked twice"
            steps.tell(site, values[:, site])


@each
@pytest.mark.parametrize("event", [BINARY, DIGITS, COLOUR, VECTOR], ids=["binary", "digits", "colour", "vector"])
def test_a_seed_gives_the_same_example_as_the_naive_pass(kind, event, monkeypatch):
    model = small(kind, event, scale=0.2, ordering="random")
    drawn = model.sample(6, seed=3).data
    monkeypatch.setattr(type(model), "steps", lambda self, n, label: Repeated(self, n, label))
    again = model.sample(6, seed=3).data
    if event.is_image:  # rounding may move one draw at the edge of two levels, and what is drawn after it
        assert int((drawn == again).flatten(1).all(1).sum()) >= 5
    else:
        assert torch.allclose(drawn, again, atol=1e-3)


# --- FVBN against scikit-learn


def test_fvbn_of_binary_pixels_is_a_logistic_regression_each():
    train, _ = data.load("digits", binarize="threshold")
    x = train.data[:, :, 2:5, 2:6]  # 12 pixels, none of which can be separated from those before it
    event = Event((1, 3, 4), 2)
    flat = x.flatten(1).numpy()
    first = flat[:, 0].mean()
    nats = -len(flat) * (first * np.log(first) + (1 - first) * np.log(1 - first))
    for i in range(1, flat.shape[1]):
        fitted = LogisticRegression(C=np.inf, tol=1e-8, max_iter=2000).fit(flat[:, :i], flat[:, i])
        nats -= fitted.predict_log_proba(flat[:, :i])[np.arange(len(flat)), flat[:, i]].sum()
    expected = nats / len(flat)
    model = build("fvbn", event)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        loss = model.objective(Batch(x, None), Noise.of(0))["nll"].mean()
        loss.backward()
        optimizer.step()
    reached = -float(model.log_prob(x).mean())
    assert expected - 1e-4 < reached < 1.005 * expected  # the maximum is a bound, too


# --- NADE against Algorithm 1


@pytest.mark.parametrize("sites", [3, 16, 17, 40])
def test_nade_is_algorithm_1_of_the_paper(sites):
    event = Event((1, 1, sites), 2)
    model = small("nade", event, scale=0.4, activation="sigmoid")
    x = examples_of(event, 7).data
    w, v = model.network.weight_in[:, 0], model.network.weight_out[:, 0]
    b, c = model.network.bias_out[:, 0], model.network.bias_in
    for row, found in zip(x, model.log_prob(x), strict=True):
        a, log_p = c.clone(), 0.0
        for i, value in enumerate(row.flatten().tolist()):
            h = torch.sigmoid(a)
            p = float(torch.sigmoid(b[i] + v[i] @ h).detach())
            log_p += math.log(p if value else 1 - p)
            a = a + w[i] * (2 * value - 1)
        assert abs(log_p - float(found)) < 1e-4


def test_nade_computed_twice_has_the_same_gradient(monkeypatch):
    def gradients():
        model = small("nade", COLOUR, classes=2)
        examples = examples_of(COLOUR, 4, classes=2)
        model.objective(Batch(examples.data, examples.labels), Noise.of(0))["nll"].sum().backward()
        return [p.grad for p in model.parameters()]

    kept = gradients()
    monkeypatch.setattr(SharedHidden, "KEPT", 0)
    monkeypatch.setattr(SharedHidden, "BLOCK", 5)
    for a, b in zip(kept, gradients(), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-3)


# --- MADE


def test_made_is_the_paper_s_network_of_masks():
    """Against matrices built entry by entry from eq. 12 and 13."""
    event = Event((1, 1, 6), 2)
    model = small("made, direct", event)
    degrees = [d.tolist() for d in model.network.wiring(torch.Generator().manual_seed(0)).degrees]
    assert degrees[0] == [1, 2, 3, 4, 5, 6]
    assert all(1 <= d <= 5 for layer in degrees[1:-1] for d in layer)
    assert all(min(b) >= min(a) for a, b in itertools.pairwise(degrees[1:-1]))
    assert degrees[-1] == [0, 1, 2, 3, 4, 5]
    wiring = model.network.wiring(torch.Generator().manual_seed(0))
    x = torch.rand(1, 6, 1)
    h = x.flatten()
    for number, layer in enumerate(model.network.linear):
        below = h if number == 0 else h.clamp(min=0)
        h = layer.bias.clone()
        for k, j in itertools.product(range(len(h)), range(len(below))):
            if degrees[number + 1][k] >= degrees[number][j]:
                h[k] += layer.weight[k, j] * below[j]
    for d, j in itertools.product(range(6), range(6)):
        if d > j:
            h[d] += model.network.direct[d, j] * x[0, j, 0]
    assert torch.allclose(model.network(x, None, wiring).flatten(), h, atol=1e-4)


def test_no_unit_of_made_sees_fewer_sites_than_all_below_it():
    network = build("made", Event((1, 1, 9), 2), hidden=2, layers=3).network
    seen = [
        [int(d.min()) for d in network.wiring(torch.Generator().manual_seed(seed)).degrees[1:-1]] for seed in range(20)
    ]
    assert all(least == sorted(least) for least in seen)
    assert max(least[0] for least in seen) > 2


@pytest.mark.parametrize("kind", ["made, masks", "made, orders"])
def test_an_ensemble_is_the_mean_of_its_members(kind):
    model = small(kind, BINARY, ordering="random")
    x = examples_of(BINARY, 9).data
    each_log_p = torch.stack([model.member(m).log_prob(x) for m in range(3)])
    assert (each_log_p[0] - each_log_p[1]).abs().min() > 1e-3, "the members are one"
    assert torch.allclose(model.log_prob(x), torch.logsumexp(each_log_p, 0) - math.log(3), atol=1e-4)


def test_nats_per_site_of_an_ensemble_of_masks_add_up():
    model = small("made, masks", COLOUR, pixels="discretized-gaussian")
    x = examples_of(COLOUR, 4).data
    nats = model.nll_map(x, None)
    assert nats.shape == x.shape
    assert torch.allclose(nats.flatten(1).sum(1), -model.log_prob(x), rtol=1e-5)
    changed = x.clone()
    changed[:, :, 2] = 255 - changed[:, :, 2]  # the last row: nothing before it moves
    again = model.nll_map(changed, None)
    assert torch.allclose(nats[:, :, :2], again[:, :, :2], atol=1e-4)


def test_nats_per_site_of_an_ensemble_of_orders_are_shares():
    model = small("made, orders", BINARY, ordering="random")
    x = examples_of(BINARY, 4).data
    nats = model.nll_map(x, None)
    assert torch.allclose(nats.flatten(1).sum(1), -model.log_prob(x), rtol=1e-5)
    # Of members that are all one, a site's share is that of the one: it is found at its own place.
    one = small("made, orders", BINARY, ordering="random", masks=1, direct=False)
    several = small("made, orders", BINARY, ordering="random", direct=False)
    with torch.no_grad():
        for model in (one, several):
            for layer in model.network.linear:
                layer.weight.zero_()
    assert torch.allclose(one.nll_map(x, None), several.nll_map(x, None), atol=1e-5)


def test_members_of_an_order_agnostic_model_have_orders_of_their_own():
    model = build("made", BINARY, hidden=8, masks=4, orders="each")
    orders = {tuple(m.order.permutation.tolist()) for m in members(model)[1:]}
    assert len(orders) == 3
    assert model.member(0).order.permutation is None


def test_any_order_is_trained_and_each_minibatch_has_another():
    model = small("made, orders", BINARY, orders="any")
    x = examples_of(BINARY, 4).data
    nats = {round(float(model.objective(Batch(x, None), Noise.of(seed))["nll"].sum().detach()), 3) for seed in range(8)}
    assert len(nats) == 8


def test_each_minibatch_of_an_ensemble_has_one_member_and_all_are_trained():
    model = small("made, masks", BINARY)
    x = examples_of(BINARY, 8).data
    each_nll = torch.stack([-model.member(m).log_prob(x) for m in range(3)])
    seen = set()
    for seed in range(20):
        nll = model.objective(Batch(x, None), Noise.of(seed))["nll"]
        match = [m for m in range(3) if torch.allclose(nll, each_nll[m], atol=1e-4)]
        assert len(match) == 1
        seen |= set(match)
    assert seen == {0, 1, 2}
    # Two processes share a minibatch: both take the member that one process would take.
    halves = [
        model.objective(Batch(half, None), Noise(Noise.of(1).generator, rank, 2))["nll"]
        for rank, half in enumerate(x.chunk(2))
    ]
    whole = model.objective(Batch(x, None), Noise.of(1))["nll"]
    assert torch.allclose(torch.cat(halves), whole, atol=1e-4)


def chi_square(drawn, p):
    seen = torch.bincount((drawn.flatten(1).long() * 2 ** torch.arange(3, -1, -1)).sum(1), minlength=16).double()
    expected = p.double() * len(drawn)
    assert seen[expected == 0].sum() == 0
    return float(((seen - expected) ** 2 / expected)[expected > 0].sum())


def conditional(p, images, known, given):
    """Return p(image | known part of `given`) by enumeration."""
    agrees = (images[:, known] == given[known]).all(1)
    return p * agrees / (p * agrees).sum()


SQUARE = Event((1, 2, 2), 2)
MASKS = [[0, 1, 0, 0], [1, 0, 0, 1], [0, 0, 0, 1], [0, 1, 1, 1]]


@pytest.mark.parametrize("mask", MASKS)
def test_an_order_agnostic_model_completes_any_region_in_an_order_that_begins_with_it(mask):
    model = small("made, orders", SQUARE, scale=0.6, direct=False)
    known = torch.tensor(mask, dtype=torch.bool).view(1, 2, 2)
    given = torch.tensor([1, 1, 0, 1], dtype=torch.uint8).view(1, 1, 2, 2)
    images = every_image(SQUARE)
    # By definition: the network's own answer for each site, its masks laid in this order.
    order = [i for i in range(4) if mask[i]] + [i for i in range(4) if not mask[i]]
    wiring = model.network.wiring(torch.Generator().manual_seed(mix(0, 0)), torch.argsort(torch.tensor(order)))
    logits = model.network(images.view(16, 4, 1) * 2.0 - 1, None, wiring)[:, :, 0]
    ones = images.view(16, 4) == 1
    p = torch.where(ones, logits.sigmoid(), (-logits).sigmoid()).prod(1).detach()
    assert abs(float(p.sum()) - 1) < 1e-5
    one = model.complete(given.expand(4000, -1, -1, -1), known, seed=0)
    assert not one.exact  # of this order, not of the mean of three
    assert one.method == "approximate: in one order, which begins with what is known"
    assert chi_square(one.data, conditional(p, images, known, given[0])) < 44.3  # p = 1e-4 of 15 degrees
    many = model.complete(given.expand(2000, -1, -1, -1), known, seed=0, candidates=64)
    expected = conditional(model.log_prob(images).exp(), images, known, given[0])
    seen = torch.stack([(many.data == image).flatten(1).all(1).double().mean() for image in images])
    assert (seen - expected).abs().max() < 0.045  # four standard errors of 2,000 draws


def test_a_model_of_any_order_is_exact_where_its_order_begins():
    model = small("made, orders", SQUARE, masks=1, orders="any", ordering="reverse")
    last = torch.tensor([[[False, False], [False, True]]])
    assert model.completes_exactly(last)
    assert not model.completes_exactly(~last)
    assert not small("made, orders", SQUARE, ordering="reverse").completes_exactly(last)


@pytest.mark.parametrize(("mask", "exact"), [([1, 1, 0, 0], True), ([0, 0, 1, 1], False)])
def test_an_ensemble_of_masks_completes_as_its_density_says(mask, exact):
    """Of a prefix at once; elsewhere with many candidates."""
    model = small("made, masks", SQUARE, scale=1.0)
    known = torch.tensor(mask, dtype=torch.bool).view(1, 2, 2)
    given = torch.tensor([1, 0, 0, 1], dtype=torch.uint8).view(1, 1, 2, 2)
    images = every_image(SQUARE)
    p = conditional(model.log_prob(images).exp(), images, known, given[0])
    done = model.complete(given.expand(2000, -1, -1, -1), known, seed=0, candidates=1 if exact else 64)
    assert done.exact == exact
    seen = torch.stack([(done.data == image).flatten(1).all(1).double().mean() for image in images])
    assert (seen - p).abs().max() < 0.045  # four standard errors of 2,000 draws


def test_a_part_that_splits_pixels_is_completed_where_colours_are_drawn_apart():
    red_alone = torch.zeros(COLOUR.shape, dtype=torch.bool)
    red_alone[0] = True
    x = examples_of(COLOUR, 2)
    done = small("made, orders", COLOUR).complete(x, red_alone, seed=0, candidates=2)
    assert torch.equal(done.data[:, 0], x.data[:, 0])
    with pytest.raises(DataError, match="splits the colours"):
        small("made, orders", COLOUR, pixels="logistic-mixture").complete(x, red_alone, seed=0)


def test_a_sharper_ensemble_draws_sharper():
    model = small("made, masks", SQUARE, scale=1.0)
    zeros = torch.zeros(300, 1, 2, 2, dtype=torch.uint8)
    none = torch.zeros(1, 2, 2, dtype=torch.bool)
    with model.asking():
        cold = model._complete(zeros, none, None, Noise.of(0), Sharpness(0.01)).x
    assert len(cold.flatten(1).unique(dim=0)) <= 3  # one example a member


# --- what a user may give


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("nade", {"hidden": 0}), ("made", {"hidden": 0}), ("made", {"layers": 0}), ("made", {"masks": 0})],
)
def test_sizes_below_one_are_refused(name, wrong):
    with pytest.raises(ConfigurationError, match="expected at least 1"):
        build(name, BINARY, **wrong)


def test_orders_that_are_none_are_named():
    with pytest.raises(ConfigurationError, match="no orders 'eech'; did you mean each"):
        build("made", BINARY, orders="eech")


def test_an_activation_that_is_none_is_named():
    with pytest.raises(ConfigurationError, match="no activation 'sigmoids'; did you mean sigmoid"):
        build("nade", BINARY, activation="sigmoids")


@pytest.mark.parametrize("name", ["fvbn", "nade", "made"])
def test_auto_means_two_numbers_a_sub_pixel_for_many_levels(name):
    assert build(name, COLOUR).law.__name__ == "DiscretizedGaussian"
    assert build(name, DIGITS).law.__name__ == "Categorical"
    assert build(name, VECTOR).law.__name__ == "GaussianMixture"
