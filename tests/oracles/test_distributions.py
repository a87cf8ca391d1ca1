"""Laws of examples and codes against SciPy, torch.distributions and enumeration."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from triptych.distributions import LAWS, DiagonalNormal, resolve_law
from triptych.distributions.discretized import LOG_SCALE_MAX, LOG_SCALE_MIN, Logistic, Normal, expected_level
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise

IMAGE_LAWS = ["categorical", "logistic-mixture", "discretized-gaussian"]
VECTORS = Event((2,), centre=(3.0, -1.0), spread=(2.0, 3.0))  # whose units do not cancel


def features(law, event, n=1, scale=1.0, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(n, law.channels(event), *event.shape[1:], generator=generator)


def every_level(levels, colours=1):
    return torch.tensor(list(itertools.product(range(levels), repeat=colours)), dtype=torch.uint8).view(
        -1, colours, 1, 1
    )


def probabilities(law, event, given_features):
    """Return the probability of every pixel, for one pixel's features."""
    pixels = every_level(event.levels, event.shape[0])
    return law(given_features.expand(len(pixels), -1, -1, -1), event).log_prob(pixels).double().exp()


@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0, 30.0])
@pytest.mark.parametrize("levels", [2, 3, 17, 256])
@pytest.mark.parametrize("name", [*IMAGE_LAWS, "bernoulli"])
def test_probabilities_of_all_levels_sum_to_one(name, levels, scale):
    if name == "bernoulli" and levels != 2:
        return
    event = Event((1, 1, 1), levels)
    for seed in range(5):
        law = LAWS[name]
        total = probabilities(law, event, features(law, event, scale=scale, seed=seed)).sum()
        assert float(total) == pytest.approx(1, abs=2e-5)


@pytest.mark.parametrize("name", IMAGE_LAWS)
def test_probabilities_of_all_colours_sum_to_one(name):
    event = Event((3, 1, 1), 6)
    law = LAWS[name]
    for seed in range(5):
        assert float(probabilities(law, event, features(law, event, seed=seed)).sum()) == pytest.approx(1, abs=1e-5)


def test_each_conditional_of_the_mixture_sums_to_one_and_depends_on_the_colours_before():
    event = Event((3, 1, 1), 9)
    law = LAWS["logistic-mixture"]
    joint = probabilities(law, event, features(law, event, seed=1)).view(9, 9, 9)
    green_given_red = joint.sum(2) / joint.sum((1, 2)).unsqueeze(1)
    assert torch.allclose(green_given_red.sum(1), torch.ones(9).double(), atol=1e-5)
    assert float((green_given_red[0] - green_given_red[8]).abs().max()) > 0.01
    blue = joint / joint.sum(2, keepdim=True)
    assert torch.allclose(blue.sum(2), torch.ones(9, 9).double(), atol=1e-5)


@pytest.mark.parametrize("mean,log_scale", [(0.0, -1.0), (0.3, -4.0), (-1.5, -2.0), (0.99, -6.9), (0.0, 2.0)])
@pytest.mark.parametrize("levels", [17, 256])
@pytest.mark.parametrize("name,oracle", [("discretized-gaussian", stats.norm), ("logistic-mixture", stats.logistic)])
def test_bins_against_scipy(name, oracle, levels, mean, log_scale):
    event = Event((1, 1, 1), levels)
    law = LAWS[name]
    if name == "logistic-mixture":
        given_features = torch.tensor([0.0, mean, log_scale]).repeat(law.components).view(1, -1, 1, 1)
    else:
        given_features = torch.tensor([mean, log_scale]).view(1, -1, 1, 1)
    step = 2 / (levels - 1)
    edges = np.concatenate([[-np.inf], -1 + step * (np.arange(levels - 1) + 0.5), [np.inf]])
    upper = edges > mean  # differences of survival functions keep their digits in the upper tail
    cdf, sf = (f(edges, loc=mean, scale=math.exp(log_scale)) for f in (oracle.cdf, oracle.sf))
    expected = np.where(upper[:-1], sf[:-1] - sf[1:], cdf[1:] - cdf[:-1])
    found = law(given_features.expand(levels, -1, -1, -1), event).log_prob(every_level(levels)).double().numpy()
    visible = expected > 1e-30
    # float32 edges: a relative error of 1e-7 in (edge - mean) / scale is multiplied by up to e^6.9.
    assert np.allclose(found[visible], np.log(expected[visible]), rtol=2e-4, atol=2e-3)


def test_bernoulli_and_categorical_against_torch_distributions():
    event = Event((1, 4, 4), 2)
    law = LAWS["bernoulli"]
    given_features = features(law, event, 3)
    x = law(given_features, event).sample(Noise.of(0))
    expected = torch.distributions.Bernoulli(logits=given_features).log_prob(x.float()).sum((1, 2, 3))
    assert torch.allclose(law(given_features, event).log_prob(x), expected, atol=1e-5)

    event = Event((3, 4, 4), 17)
    law = LAWS["categorical"]
    given_features = features(law, event, 3)
    x = law(given_features, event).sample(Noise.of(0))
    logits = given_features.view(3, 3, 17, 4, 4).movedim(2, -1)  # colour by colour
    expected = torch.distributions.Categorical(logits=logits).log_prob(x.long()).sum((1, 2, 3))
    assert torch.allclose(law(given_features, event).log_prob(x), expected, atol=1e-4)


def test_vector_laws_against_scipy_in_the_datas_own_units():
    law = LAWS["gaussian"]
    given_features = features(law, VECTORS, 4)
    mean, log_scale = given_features.view(4, 2, 2).unbind(2)
    x = law(given_features, VECTORS).sample(Noise.of(1))
    centre, spread = np.array(VECTORS.centre), np.array(VECTORS.spread)
    oracle = stats.norm(centre + spread * mean.numpy(), spread * log_scale.exp().numpy())
    assert np.allclose(law(given_features, VECTORS).log_prob(x), oracle.logpdf(x.numpy()).sum(1), atol=1e-4)

    law = LAWS["gaussian-mixture"]
    given_features = features(law, VECTORS, 4)
    logits, means, log_scales = given_features.view(4, 2, 3, law.components).unbind(2)
    x = law(given_features, VECTORS).sample(Noise.of(1))
    weights = torch.softmax(logits, 2).numpy()
    each = stats.norm(
        centre[None, :, None] + spread[None, :, None] * means.numpy(), spread[None, :, None] * log_scales.exp().numpy()
    ).pdf(x.numpy()[:, :, None])
    assert np.allclose(law(given_features, VECTORS).log_prob(x), np.log((weights * each).sum(2)).sum(1), atol=1e-4)


@pytest.mark.parametrize("name", [*IMAGE_LAWS, "bernoulli"])
def test_samples_follow_their_probabilities(name):
    levels, n = (2 if name == "bernoulli" else 5), 20_000
    colours = 2
    event = Event((colours, 1, 1), levels)
    law = LAWS[name]
    one = features(law, event, seed=3)
    expected = probabilities(law, event, one) * n
    drawn = law(one.expand(n, -1, -1, -1), event).sample(Noise.of(0)).view(n, colours).long()
    seen = torch.bincount(drawn[:, 0] * levels + drawn[:, 1], minlength=levels**colours).double()
    likely = expected > 5
    chi_square = float(((seen - expected)[likely] ** 2 / expected[likely]).sum())
    assert chi_square < stats.chi2.isf(1e-4, int(likely.sum()))


def test_samples_of_vectors_follow_their_density():
    law = LAWS["gaussian-mixture"]
    event = Event((1,), centre=(3.0,), spread=(2.0,))
    one = features(law, event, seed=5)
    drawn = law(one.expand(5000, -1), event).sample(Noise.of(0)).view(-1).numpy()
    grid = torch.linspace(-40, 40, 40_001)
    density = law(one.expand(len(grid), -1), event).log_prob(grid.view(-1, 1)).exp().numpy()
    cdf = np.cumsum(density) * float(grid[1] - grid[0])
    assert stats.kstest(drawn, lambda x: np.interp(x, grid.numpy(), cdf)).pvalue > 1e-4


@pytest.mark.parametrize("name", [*IMAGE_LAWS, "bernoulli"])
def test_the_mean_is_the_expected_level(name):
    levels = 2 if name == "bernoulli" else 17
    event = Event((1, 1, 1), levels)
    law = LAWS[name]
    for seed in range(5):
        one = features(law, event, seed=seed)
        expected = (probabilities(law, event, one) * torch.arange(levels)).sum()
        assert float(law(one, event).mean) == pytest.approx(float(expected), abs=1e-3)


@pytest.mark.parametrize("family", [Logistic, Normal])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_expected_level_is_a_sum_of_tails(family, levels):
    mean = torch.linspace(-1.5, 1.5, 61).repeat_interleave(121)
    log_scale = torch.linspace(LOG_SCALE_MIN, LOG_SCALE_MAX, 121).repeat(61)
    edges = torch.linspace(-1, 1, levels).double()[:-1] + 1 / (levels - 1)
    oracle = {Logistic: stats.logistic, Normal: stats.norm}[family]
    at = (mean.double()[:, None] - edges) / log_scale.double().exp()[:, None]
    found = expected_level(family, mean, log_scale, levels)
    assert np.abs(found.numpy() - oracle.cdf(at.numpy()).sum(1)).max() < 0.004, "it is a small difference of large ones"


def test_the_expected_level_of_a_wide_scale_takes_no_term_for_each_level():
    asked = 0

    class Counted(Logistic):
        @staticmethod
        def log_cdf(t):
            nonlocal asked
            asked += t.numel()
            return Logistic.log_cdf(t)

    expected_level(Counted, torch.zeros(100), torch.full((100,), -3.0), 256)
    assert asked < 1000


def test_the_mean_of_vectors_is_that_of_many_samples():
    for name in ("gaussian", "gaussian-mixture"):
        law = LAWS[name]
        one = features(law, VECTORS, seed=2)
        drawn = law(one.expand(50_000, -1), VECTORS).sample(Noise.of(0))
        error = drawn.std(0) / 50_000**0.5
        assert bool(((law(one, VECTORS).mean - drawn.mean(0)).abs() < 5 * error).all())


@pytest.mark.parametrize("name", LAWS)
@settings(max_examples=25, deadline=None)
@given(scale=st.sampled_from([1e-3, 1.0, 1e2, 1e4]), seed=st.integers(0, 1000))
def test_values_and_gradients_are_finite_at_extremes(name, scale, seed):
    law = LAWS[name]
    event = VECTORS if name.startswith("gaussian") else Event((1, 3, 3), 2 if name == "bernoulli" else 256)
    given_features = features(law, event, 4, scale, seed).requires_grad_()
    if event.is_image:
        x = torch.randint(event.levels, (4, *event.shape), generator=torch.Generator().manual_seed(seed)).to(
            torch.uint8
        )
        x[0], x[1] = 0, event.levels - 1
    else:
        x = event.restored(torch.randn(4, 2) * 3)
    log_prob = law(given_features, event).log_prob(x)
    (gradient,) = torch.autograd.grad(log_prob.sum(), given_features)
    assert torch.isfinite(log_prob).all() and torch.isfinite(gradient).all()


def test_scales_are_kept_where_single_precision_can_tell_bins_apart():
    event = Event((1, 1, 1), 256)
    law = LAWS["discretized-gaussian"]
    for beyond, kept in ((-50.0, LOG_SCALE_MIN), (50.0, LOG_SCALE_MAX)):
        a, b = (
            law(torch.tensor([0.1, s]).view(1, 2, 1, 1), event).log_prob(every_level(256)[3:4]) for s in (beyond, kept)
        )
        assert torch.equal(a, b)


@pytest.mark.parametrize("mean", [1e3, -1e5, 1e6])
@pytest.mark.parametrize("name", ["logistic-mixture", "discretized-gaussian"])
def test_bins_far_from_the_mean_keep_finite_gradients(name, mean):
    event = Event((1, 1, 1), 256)
    law = LAWS[name]
    for log_scale in (-20.0, 0.0, 3.0, 20.0):
        one = [0.0, mean, log_scale] * law.components if name == "logistic-mixture" else [mean, log_scale]
        given_features = torch.tensor(one).view(1, -1, 1, 1).requires_grad_()
        log_prob = law(given_features.expand(256, -1, -1, -1), event).log_prob(every_level(256))
        (gradient,) = torch.autograd.grad(log_prob.sum(), given_features)
        assert torch.isfinite(log_prob).all() and torch.isfinite(gradient).all()


def test_the_mean_of_coupled_colours_is_that_of_many_samples():
    """Within the levels' range, where nothing is clipped."""
    event = Event((3, 1, 1), 256)
    law = LAWS["logistic-mixture"]
    one = torch.tensor([0.0, 0.2, -0.1, 0.0, -4.0, -4.0, -4.0, 0.8, -0.6, 0.9]).repeat(law.components).view(1, -1, 1, 1)
    drawn = law(one.expand(20_000, -1, -1, -1), event).sample(Noise.of(0)).float().flatten(1)
    error = drawn.std(0) / 20_000**0.5
    assert bool(((law(one, event).mean.flatten() - drawn.mean(0)).abs() < 5 * error + 0.02).all())


def test_diagonal_normal_against_torch_distributions():
    q = DiagonalNormal(torch.randn(5, 3), torch.randn(5, 3))
    oracle = torch.distributions.Normal(q.mean, q.log_scale.exp())
    z = q.sample(Noise.of(0))
    assert torch.allclose(q.log_prob(z), oracle.log_prob(z).sum(1), atol=1e-4)
    standard = torch.distributions.Normal(torch.zeros(5, 3), torch.ones(5, 3))
    assert torch.allclose(q.kl_by_dimension(), torch.distributions.kl_divergence(oracle, standard), atol=1e-4)


def test_laws_are_refused_for_events_that_are_not_theirs():
    with pytest.raises(ConfigurationError, match="2 levels"):
        resolve_law("bernoulli", Event((1, 8, 8), 17))
    with pytest.raises(ConfigurationError, match="law over vectors"):
        resolve_law("gaussian", Event((1, 8, 8), 17))
    with pytest.raises(ConfigurationError, match="law over images"):
        resolve_law("categorical", VECTORS)
    with pytest.raises(ConfigurationError, match="did you mean categorical"):
        resolve_law("categoricl", Event((1, 8, 8), 17))


def test_scaling_round_trips():
    for levels in (2, 3, 17, 256):
        event = Event((1, 1, levels), levels)
        x = torch.arange(levels, dtype=torch.uint8).view(1, 1, 1, levels)
        assert torch.equal(event.restored(event.scaled(x)), x)
    x = torch.randn(10, 2) * 100
    assert torch.allclose(VECTORS.restored(VECTORS.scaled(x)), x, atol=1e-3)
