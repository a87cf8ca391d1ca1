"""Bounds and objectives of variational autoencoders against closed forms, quadrature and cases worked out by hand."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import triptych as tp
from triptych.data.batches import Batch
from triptych.distributions import (
    DiagonalNormal,
    DistributionPrior,
    LearnedMixture,
    StandardNormal,
    kl_divergence,
)
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks import CoderConfig
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound
from triptych.objectives.variational import RateWeight, doubly_reparameterised, split_rate
from triptych.testing import check_model, examples_of
from triptych.testing.parts import all_images, batch_of

D, Z, SIGMA = 3, 2, 0.7
VECTOR = Event((D,))


class LinearDecoder(nn.Module):
    """`p(x | z) = N(W z + b, σ² I)`, as the features of the Gaussian law."""

    def __init__(self, weight, bias):
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, z):
        mean = z @ self.weight.T + self.bias
        return torch.stack([mean, torch.full_like(mean, math.log(SIGMA))], 2).flatten(1)


class LinearEncoder(nn.Module):
    """`q(z | x) = N(A (x - c), diag s²)`."""

    def __init__(self, gain, centre, log_scale):
        super().__init__()
        self.gain, self.log_scale = nn.Parameter(gain), nn.Parameter(log_scale)
        self.centre = nn.Parameter(centre)

    def forward(self, x):
        mean = (x - self.centre) @ self.gain.T
        return torch.cat([mean, self.log_scale.expand(len(x), -1)], 1)


def linear_gaussian(weight, off=0.0, **arguments):
    """Return a model, its exact log p(x), the posterior's precision, and examples.

    Its q has the posterior's mean and the diagonal of its precision, moved by `off` in mean and log-scale.
    """
    bias = torch.tensor([0.5, -1.0, 2.0])
    precision = torch.eye(Z) + weight.T @ weight / SIGMA**2
    gain = torch.linalg.solve(precision, weight.T) / SIGMA**2
    log_scale = -0.5 * precision.diagonal().log() + off
    model = tp.build(
        "vae",
        VECTOR,
        latent=Z,
        decoder=LinearDecoder(weight.clone(), bias.clone()),
        encoder=LinearEncoder(gain, bias - off, log_scale),
        **arguments,
    )
    x = examples_of(VECTOR, 6, seed=3).data
    law = stats.multivariate_normal(bias.numpy(), (weight @ weight.T + SIGMA**2 * torch.eye(D)).numpy())
    return model, torch.as_tensor(law.logpdf(x.numpy())), precision, x


ORTHOGONAL = torch.tensor([[1.0, 1.0], [1.0, -1.0], [0.5, 0.0]])
OBLIQUE = torch.tensor([[1.0, 0.8], [0.5, 1.0], [0.3, 0.9]])


def test_every_bound_is_exact_at_the_true_posterior():
    model, exact, _, x = linear_gaussian(ORTHOGONAL)
    for samples in (1, 7):
        assert torch.allclose(model.log_prob_bounds(x, samples=samples, seed=samples).lower.double(), exact, atol=1e-4)


def test_the_best_diagonal_posterior_has_the_known_gap_and_no_gradient():
    model, exact, precision, x = linear_gaussian(OBLIQUE)
    gap = 0.5 * float(precision.diagonal().log().sum() - torch.logdet(precision))
    assert gap > 0.1
    n = 20_000
    rows = x.repeat_interleave(n, 0)
    terms = model.objective(Batch(rows, None), Noise.of(0))
    elbo = -(terms["distortion"] + terms["rate"])
    assert torch.allclose(elbo.view(6, n).double().mean(1), exact - gap, atol=0.03)
    gradients = torch.autograd.grad(elbo.mean(), list(model.encoder.parameters()))
    assert all(float(g.abs().max()) < 0.03 for g in gradients)


def test_the_bound_falls_short_by_the_divergence_from_the_posterior_and_rises_with_the_codes():
    off = 0.4
    model, exact, precision, x = linear_gaussian(OBLIQUE, off)
    with torch.no_grad():
        q = model.posterior.law(model.features(x, None))
        mean = (x - model.decoder.bias) @ torch.linalg.solve(precision, OBLIQUE.T).T / SIGMA**2
    true = torch.distributions.MultivariateNormal(mean, precision_matrix=precision)
    divergence = torch.distributions.kl_divergence(
        torch.distributions.MultivariateNormal(q.mean, torch.diag_embed(q.log_scale.exp() ** 2)), true
    )
    n = 4000
    rows = x.repeat_interleave(n, 0)
    found = [model.log_prob_bounds(rows, samples=1, seed=0).lower.view(6, n).double().mean(1)]
    assert torch.allclose(found[0], exact - divergence.double(), atol=0.1)
    found += [model.log_prob_bounds(rows[::10], samples=k, seed=1).lower.view(6, -1).double().mean(1) for k in (4, 32)]
    found.append(model.log_prob_bounds(x, samples=20_000, seed=2).lower.double())
    for less, more in itertools.pairwise(found):
        assert bool((less < more + 0.01).all())
    assert torch.allclose(found[-1], exact, atol=0.05)


IMAGE = Event((1, 2, 2), 2)


@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp", "flow"])
def test_bounds_of_a_model_with_one_latent_dimension_against_quadrature(prior):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = tp.VAE(IMAGE, latent=1, prior=prior, components=3, networks=CoderConfig(hidden=8)).eval()
        with torch.no_grad():
            for parameter in model.decoder.parameters():
                parameter.mul_(2.5)
    x = all_images(IMAGE)[::5]
    z = torch.linspace(-14, 14, 8001).view(-1, 1)
    with torch.no_grad():
        exact, elbo = [], []
        for example in x:
            rows = example.expand(len(z), -1, -1, -1)
            joint = model.joint(rows, None)(z).double()
            log_q = model.posterior.law(model.features(example[None], None)).log_prob(z).double()
            grid = z.view(-1).double()
            exact.append(float(torch.trapezoid(joint.exp(), grid).log()))
            elbo.append(float(torch.trapezoid(log_q.exp() * (joint - log_q), grid)))
        n = 3000
        terms = model.objective(Batch(x.repeat_interleave(n, 0), None), Noise.of(0))
        found = -sum(terms.values()).view(len(x), n)
    error = found.std(1) / math.sqrt(n)
    assert ((found.mean(1) - torch.tensor(elbo)).abs() < 4.5 * error + 1e-3).all()
    tight = model.log_prob_bounds(x, samples=20_000, seed=0).lower
    assert torch.allclose(tight, torch.tensor(exact), atol=0.03)


def two_code_bound(mean, log_scale, log_joint):
    """Return E log ½ (w_1 + w_2) by Gauss-Hermite quadrature."""
    nodes, weights = (torch.as_tensor(a) for a in np.polynomial.hermite_e.hermegauss(60))
    z = mean + math.exp(log_scale) * nodes
    log_w = log_joint(z) + 0.5 * nodes**2 + log_scale + 0.5 * math.log(2 * math.pi)
    pair = torch.logsumexp(torch.stack(torch.broadcast_tensors(log_w[:, None], log_w[None])), 0) - math.log(2)
    total = (weights[:, None] * weights[None] * pair).sum() / weights.sum() ** 2
    return float(total)


def test_gradients_of_the_weighted_bound_against_quadrature_and_double_reparameterisation_varies_less():
    def log_joint(z):  # one observation x = 1 of z with noise, and a standard normal prior
        return -0.5 * z**2 - 2 * (1 - z) ** 2

    at, step = (0.3, -0.2), 1e-4
    truth = [
        (two_code_bound(*np.add(at, step * unit), log_joint) - two_code_bound(*np.subtract(at, step * unit), log_joint))
        / (2 * step)
        for unit in np.eye(2)
    ]
    n = 40_000
    epsilon = Noise.of(0).normal((2 * n, 1))
    spread = {}
    for doubly in (False, True):
        leaves = [torch.full((n, 1), value, requires_grad=True) for value in at]
        q = DiagonalNormal(*(leaf.repeat_interleave(2, 0) for leaf in leaves))
        z = q.mean + q.log_scale.exp() * epsilon
        joint = lambda z: log_joint(z).sum(1)  # noqa: E731
        if doubly:
            bound = doubly_reparameterised(q, z, joint, 2)
        else:
            bound = importance_bound((joint(z) - q.log_prob(z)).view(n, 2).T)
        found = torch.autograd.grad(bound.sum(), leaves)
        for gradient, expected in zip(found, truth, strict=True):
            assert float(gradient.mean()) == pytest.approx(expected, abs=4.5 * float(gradient.std()) / math.sqrt(n))
        spread[doubly] = [float(gradient.var()) for gradient in found]
    assert all(less < 0.5 * more for less, more in zip(spread[True], spread[False], strict=True))


@pytest.mark.parametrize("samples", [1, 8])
def test_the_doubly_reparameterised_gradient_vanishes_at_the_true_posterior(samples):
    gradients = {}
    for doubly in (False, True) if samples > 1 else (True,):
        model, exact, _, x = linear_gaussian(ORTHOGONAL, importance=samples, doubly_reparameterised=doubly)
        terms = model.objective(Batch(x, None), Noise.of(0))
        assert torch.allclose(-terms["bound"].double(), exact, atol=1e-4)
        terms["bound"].mean().backward()
        gradients[doubly] = [max(float(p.grad.abs().max()) for p in part.parameters()) for part in
                             (model.encoder, model.decoder)]  # fmt: skip
    assert gradients[True][0] < 1e-5 < 0.01 < gradients[True][1]
    if samples > 1:
        assert gradients[False][0] > 0.01


def test_double_reparameterisation_changes_neither_value_nor_the_decoders_and_priors_gradients():
    gradients, values = [], []
    for doubly in (False, True):
        model = tp.build("vae", IMAGE, latent=2, hidden=8, prior="mixture", importance=4, doubly_reparameterised=doubly)
        bound = model.objective(batch_of(model), Noise.of(0))["bound"]
        values.append(bound)
        parts = [*model.decoder.parameters(), *model.prior.parameters(), *model.encoder.parameters()]
        gradients.append(torch.autograd.grad(bound.mean(), parts))
    same = len(gradients[0]) - 4
    assert torch.allclose(*values, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(gradients[0][:same], gradients[1][:same], strict=True))
    assert not torch.allclose(gradients[0][-1], gradients[1][-1], atol=1e-4)


def test_the_objective_of_many_codes_is_the_bound_that_is_reported():
    model = tp.build("iwae", IMAGE, latent=2, hidden=8)
    x = all_images(IMAGE)
    term = model.objective(Batch(x, None), Noise.of(3))["bound"]
    assert torch.allclose(-term, model.log_prob_bounds(x, samples=5, seed=3).lower, atol=1e-5)


def test_every_code_of_an_example_is_weighed_by_its_own_label():
    model = tp.build("conditional-vae", VECTOR, latent=2, hidden=8, classes=3)
    x, label, k = examples_of(VECTOR, 4).data, torch.tensor([0, 2, 1, 1]), 3
    with torch.no_grad():
        found = model._weights(x, label, Noise.of(0), k)
        z = model.posterior.draw(model.features(x, label).repeat_interleave(k, 0), Noise.of(0), None).z.view(4, k, 2)
        for i in range(4):
            own = model.likelihood(z[i], label[i : i + 1].expand(k)).log_prob(x[i : i + 1].expand(k, -1))
            assert torch.allclose(found.log_likelihood[i], own, atol=1e-5)


RATE = torch.tensor([[0.1, 2.0, 0.0], [0.3, 4.0, 0.2]], requires_grad=True)  # means 0.2, 3, 0.1; in all 3.3


@pytest.mark.parametrize(
    ("weight", "number", "counted", "slopes"),
    [
        (RateWeight(beta=4), None, 4 * 3.3, (4, 4, 4)),
        (RateWeight(kl_warmup=10), 0, 0.0, (0, 0, 0)),
        (RateWeight(beta=2, kl_warmup=10), 5, 3.3, (1, 1, 1)),
        (RateWeight(beta=2, kl_warmup=10), 10, 6.6, (2, 2, 2)),
        (RateWeight(beta=2, kl_warmup=10), None, 6.6, (2, 2, 2)),
        (RateWeight(free_bits=0.5), None, 0.5 + 3.0 + 0.5, (0, 1, 0)),
        (RateWeight(free_bits=0.15), None, 0.2 + 3.0 + 0.15, (1, 1, 0)),
        (RateWeight(free_bits=0.5, kl_warmup=2), 1, 2.0, (0, 0.5, 0)),
        (RateWeight(beta=10, capacity=5), None, 10 * 1.7, (-10, -10, -10)),
        (RateWeight(beta=10, capacity=5, capacity_steps=100), 20, 10 * 2.3, (10, 10, 10)),
        (RateWeight(beta=10, capacity=5, capacity_steps=100), 0, 10 * 3.3, (10, 10, 10)),
        (RateWeight(beta=10, capacity=5, capacity_steps=100), 200, 10 * 1.7, (-10, -10, -10)),
    ],
)
def test_what_a_rate_counts_worked_out_by_hand(weight, number, counted, slopes):
    whole = (RATE.sum(1) + weight.excess(RATE, number)).mean()
    assert whole.item() == pytest.approx(counted, abs=1e-5)
    (gradient,) = torch.autograd.grad(whole, RATE)
    assert torch.allclose(gradient, torch.tensor(slopes).expand(2, 3) / 2.0, atol=1e-6)


def test_another_weight_leaves_distortion_and_rate_as_they_are():
    plain = tp.build("vae", IMAGE, latent=2, hidden=8)
    batch = batch_of(plain)
    before = plain.objective(batch, Noise.of(0))
    for arguments in (
        {"beta": 3.0},
        {"kl_warmup": 10},
        {"free_bits": 1.0},
        {"capacity": 2.0},
        {"total_correlation": 4.0},
    ):
        model = tp.build("vae", IMAGE, latent=2, hidden=8, **arguments)
        after = model.objective(batch._replace(number=5), Noise.of(0))
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert after["excess"].mean().abs() > 1e-3
    assert "excess" not in before


def test_the_three_parts_of_the_rate_are_those_of_a_gaussian_aggregate_and_sum_to_it():
    """Posteriors `N(m, s² I)` with m from N(0, S) make `q(z) = N(0, S + s² I)`."""
    count, s = 2000, 0.6
    covariance = torch.tensor([[1.0, 0.7], [0.7, 1.5]])
    whole = covariance + s**2 * torch.eye(2)
    noise = Noise.of(0)
    means = noise.normal((count, 2)) @ torch.linalg.cholesky(covariance).T
    q = DiagonalNormal(means, torch.full_like(means, math.log(s)))
    z = q.sample(noise)
    log_prior = DiagonalNormal.standard(count, 2).log_prob(z)
    parts = split_rate(z, q, log_prior)
    assert torch.allclose(sum(parts), q.log_prob(z) - log_prior, atol=1e-4)
    variances = whole.diagonal()
    expected = (
        0.5 * float(torch.logdet(whole) - 2 * math.log(s**2)),
        0.5 * float(variances.log().sum() - torch.logdet(whole)),
        0.5 * float((variances - 1 - variances.log()).sum()),
    )
    found = [float(part.mean()) for part in parts]
    assert found == pytest.approx(expected, abs=0.05)
    assert expected[1] > 0.1


def test_total_correlation_alone_is_weighed():
    model = tp.build("vae", IMAGE, latent=3, hidden=8, total_correlation=5.0)
    batch = batch_of(model)
    excess = model.objective(batch, Noise.of(1))["excess"]
    features = model.features(batch.x, None)
    z = model.posterior.draw(features, Noise.of(1), model.joint(batch.x, None)).z
    law = model.posterior.law(features)
    densities = torch.stack([DiagonalNormal(m[None], s[None]).log_prob_by_dimension(z) for m, s in
                             zip(law.mean, law.log_scale, strict=True)])  # fmt: skip
    joint = densities.sum(2).exp().mean(0).log()
    assert torch.allclose(excess, 4 * (joint - densities.exp().mean(0).log().sum(1)), atol=1e-4)


def test_the_parts_of_the_rate_teach_posteriors_and_codes():
    epsilon = Noise.of(2).normal((5, 2)).double()

    def parts(mean, log_scale):
        q = DiagonalNormal(mean, log_scale)
        z = mean + log_scale.exp() * epsilon
        return tuple(split_rate(z, q, -0.5 * (z**2).sum(1)))

    given = [0.5 * Noise.of(seed).normal((5, 2)).double() for seed in (0, 1)]
    assert torch.autograd.gradcheck(parts, [g.requires_grad_() for g in given])


def laplace(dims=3):
    return torch.distributions.Independent(torch.distributions.Laplace(torch.ones(dims), 2 * torch.ones(dims)), 1)


@pytest.mark.parametrize("prior", [StandardNormal(3), DistributionPrior(laplace())])
def test_closed_form_divergences_against_draws_and_torch(prior):
    q = DiagonalNormal(torch.tensor([[0.5, -2.0, 0.0]]), torch.tensor([[0.3, -1.0, 0.0]]))
    known = kl_divergence(q, prior)
    assert known.shape == (1, 3)
    n = 100_000
    z = DiagonalNormal(q.mean.expand(n, -1), q.log_scale.expand(n, -1)).sample(Noise.of(0))
    drawn = q.log_prob(z) - prior.log_prob(z)
    assert float(known.sum()) == pytest.approx(float(drawn.mean()), abs=4.5 * float(drawn.std()) / math.sqrt(n))
    scipys = stats.norm if isinstance(prior, StandardNormal) else stats.laplace(1, 2)
    for j in range(3):
        mean, scale = float(q.mean[0, j]), math.exp(float(q.log_scale[0, j]))
        grid = np.linspace(mean - 10 * scale, mean + 10 * scale, 20_001)
        density = stats.norm.pdf(grid, mean, scale)
        integrand = density * (stats.norm.logpdf(grid, mean, scale) - scipys.logpdf(grid))
        assert float(known[0, j]) == pytest.approx(float(np.trapezoid(integrand, grid)), abs=1e-4)


def test_divergences_without_a_closed_form_are_none():
    q = DiagonalNormal.standard(1, 3)
    student = torch.distributions.Independent(torch.distributions.StudentT(torch.full((3,), 5.0)), 1)
    correlated = torch.distributions.MultivariateNormal(torch.zeros(3), torch.eye(3))
    for prior in (LearnedMixture(3), DistributionPrior(student), DistributionPrior(correlated)):
        assert kl_divergence(q, prior) is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"beta": -1.0}, "beta=-1"),
        ({"encoder": nn.Flatten}, "given as a network: expected 'auto'"),
        ({"decoder": None}, "None was given as a network"),
        ({"capacity": math.inf}, "capacity=inf"),
        ({"capacity_steps": 5}, "without a capacity"),
        ({"free_bits": 0.5, "capacity": 5.0}, "free_bits and capacity were given"),
        ({"total_correlation": 2.0, "capacity": 5.0}, "capacity and total_correlation were given"),
        ({"importance": 0}, "importance=0: expected at least 1"),
        ({"importance": 5, "beta": 4.0}, "importance=5 and a weight on the rate"),
        ({"doubly_reparameterised": True, "free_bits": 0.1}, "doubly_reparameterised and a weight"),
        ({"doubly_reparameterised": True, "posterior": "planar"}, "doubly_reparameterised takes a Gaussian posterior"),
        ({"total_correlation": 2.0, "posterior": "planar"}, "total_correlation takes a Gaussian posterior"),
    ],
)
def test_objectives_without_a_meaning_are_refused_in_one_line(arguments, line):
    with pytest.raises(ConfigurationError, match=line) as refusal:
        tp.build("vae", VECTOR, latent=2, **arguments)
    assert "\n" not in str(refusal.value)


def test_settings_that_need_each_other_are_given_in_any_order():
    names = ("capacity_steps", "capacity")
    built = [tp.build("vae", VECTOR, latent=2, **{n: 5 for n in order}) for order in (names, names[::-1])]
    assert [model.bound.rate for model in built] == [RateWeight(capacity=5, capacity_steps=5)] * 2


@pytest.mark.parametrize(
    "arguments",
    [{"capacity": 3.0, "beta": 20.0}, {"free_bits": 0.2}, {"importance": 3, "doubly_reparameterised": True}],
    ids=["capacity", "free-bits", "doubly-reparameterised"],
)
def test_models_of_other_objectives_obey_the_laws(arguments):
    check_model(tp.build("vae", Event((3,)), latent=2, hidden=16, **arguments))
