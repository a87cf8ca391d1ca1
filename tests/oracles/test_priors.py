"""Priors of codes against quadrature, torch.distributions and what they are by definition."""

import math

import pytest
import torch
from scipy import stats

import triptych as tp
from tests.program import refused
from triptych.distributions import (
    PRIORS,
    DiagonalNormal,
    DistributionPrior,
    LearnedMixture,
    PriorSetting,
    resolve_prior,
)
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.noise import Noise
from triptych.testing import check_model

EVENT = Event((3,))


def made(name, latent, seed=0):
    """Return a prior whose parameters are not those that it starts with."""
    scale, moved = (0.7, 0.1) if name == "flow" else (1.5, 0.2)  # else its peaks need a finer grid

    def approximate(x):
        return DiagonalNormal(1.5 * x[:, :latent], 0.3 * x[:, 1 : 1 + latent] - 0.5)

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "own":
            import zuko

            prior = DistributionPrior(zuko.flows.MAF(latent, transforms=2, hidden_features=(8,)))
        else:
            prior = resolve_prior(name, PriorSetting(latent, EVENT, 3, approximate))
        with torch.no_grad():
            for parameter in prior.parameters():
                parameter.mul_(scale).add_(moved * torch.randn_like(parameter))
    return prior.requires_grad_(False)


NAMES = [*PRIORS, "own"]


@pytest.mark.parametrize("name", NAMES)
def test_a_prior_of_one_dimension_integrates_to_one_and_its_draws_follow_it(name):
    prior = made(name, 1)
    z = torch.linspace(-15, 15, 30_001)
    density = prior.log_prob(z.view(-1, 1)).double().exp()
    cumulative = torch.cumulative_trapezoid(density, z.double())
    assert float(cumulative[-1]) == pytest.approx(1, abs=1e-3)
    drawn = prior.sample(4000, Noise.of(1)).view(-1)
    uniform = cumulative[torch.searchsorted(z, drawn).clamp(1, len(cumulative)) - 1]
    assert stats.kstest(uniform.numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_a_prior_of_two_dimensions_integrates_to_one_and_its_draws_follow_it(name):
    prior = made(name, 2)
    cells, fine, edge = 8, 40, 8.0
    step = 2 * edge / (cells * fine)
    middle = torch.arange(cells * fine) * step - edge + step / 2
    z = torch.cartesian_prod(middle, middle)
    mass = prior.log_prob(z).double().exp().view(cells, fine, cells, fine).sum((1, 3)).view(-1) * step**2
    assert float(mass.sum()) == pytest.approx(1, abs=5e-3)
    n = 4000
    which = ((prior.sample(n, Noise.of(1)) + edge) / (2 * edge) * cells).long().clamp(0, cells - 1)
    seen = torch.bincount(which[:, 0] * cells + which[:, 1], minlength=cells**2).double()
    often = n * mass > 5
    chi_square = float(((seen - n * mass)[often] ** 2 / (n * mass)[often]).sum())
    assert chi_square < stats.chi2.ppf(1 - 1e-4, int(often.sum()))
    assert float(seen[~often].sum()) < n * float(mass[~often].sum()) + 40


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_gives_its_draws_whatever_torchs_own_generator_does_and_processes_share_them(name):
    prior = made(name, 2)
    state = torch.get_rng_state()
    whole = prior.sample(6, Noise.of(4))
    assert torch.equal(state, torch.get_rng_state()), "torch's generator was moved"
    torch.rand(3)
    halves = [
        prior.sample(3, Noise(torch.Generator().manual_seed(Noise.of(4).generator.initial_seed()), rank, 2))
        for rank in (0, 1)
    ]
    assert torch.allclose(whole, torch.cat(halves), atol=1e-5)
    assert not torch.equal(whole, prior.sample(6, Noise.of(5)))


def test_a_learned_mixture_is_torchs():
    prior = made("mixture", 2)
    theirs = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=prior.logits),
        torch.distributions.Independent(torch.distributions.Normal(prior.means, prior.log_scales.exp()), 1),
    )
    z = 3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(prior.log_prob(z), theirs.log_prob(z), atol=1e-5)


def test_the_vamp_prior_is_the_mean_of_the_posteriors_of_its_pseudo_inputs():
    event = Event((1, 4, 4), 5)
    model = tp.build("vamp-vae", event, latent=2, hidden=8, components=5)
    inputs = model.prior.pseudo_inputs
    assert inputs.shape == (5, *event.shape) and bool((inputs.abs() < 1).all())
    posteriors = model.posterior.law(model.encoder(inputs))
    z = torch.randn(7, 2, generator=torch.Generator().manual_seed(0))
    each = torch.stack([DiagonalNormal(m[None], s[None]).log_prob(z) for m, s in
                        zip(posteriors.mean, posteriors.log_scale, strict=True)])  # fmt: skip
    assert torch.allclose(model.prior.log_prob(z), each.exp().mean(0).log(), atol=1e-5)
    gradients = torch.autograd.grad(model.prior.log_prob(z).sum(), [model.prior.learned, *model.encoder.parameters()])
    assert all(bool(g.ne(0).any()) for g in gradients), "the prior teaches pseudo-inputs and encoder"


def test_components_are_as_many_as_asked_for_or_as_the_prior_recommends():
    setting = PriorSetting(2, EVENT, None, lambda x: DiagonalNormal(x[:, :2], x[:, :2]))
    assert len(resolve_prior("mixture", setting).means) == 16
    assert len(resolve_prior("vamp", setting).learned) == 64
    assert len(resolve_prior("mixture", setting._replace(components=5)).means) == 5


class Uniform(tp.distributions.Prior):
    """A user's own prior, without a name."""

    def log_prob(self, z):
        return torch.where((z.abs() <= 4).all(1), -z.shape[1] * math.log(8), -torch.inf)

    def sample(self, n, noise):
        return 8 * noise.uniform((n, *self.event_shape)) - 4


def test_a_users_own_prior_and_distribution_make_a_model():
    model = tp.build("vae", EVENT, latent=2, hidden=8, prior=Uniform(2))
    codes = model.sample_codes(100, seed=0)
    assert float(codes.abs().max()) <= 4 < float(8 * codes.std())
    check_model(tp.build("vae", EVENT, latent=2, hidden=8, prior=made("own", 2).requires_grad_(True)))


@pytest.mark.parametrize("prior", ["mixture", "flow"])
def test_models_of_other_priors_obey_the_laws(prior):
    check_model(tp.build("vae", EVENT, latent=2, hidden=16, prior=prior, components=3))


def test_misfits_are_refused_in_one_line():
    from triptych.models.autoencoders.posteriors import POSTERIORS

    normal = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    cases = {
        "latent=3: expected": lambda: tp.VAE(EVENT, latent=3, prior=LearnedMixture(2)),
        "did you mean vamp": lambda: tp.VAE(EVENT, prior="vampp"),
        "components=0": lambda: tp.VAE(EVENT, prior="flow", components=0),
        "or a Prior": lambda: tp.VAE(EVENT, latent=2, prior=torch.distributions.Independent(normal, 1)),
        "Independent": lambda: DistributionPrior(normal),
        "int was given": lambda: DistributionPrior(3),
        "has no labels": lambda: tp.VAE(EVENT, prior="vamp", classes=3),
        "takes a Gaussian posterior": lambda: tp.VAE(
            EVENT, prior="vamp", posterior=next(name for name in POSTERIORS if name != "gaussian")
        ),
    }
    for line, attempt in cases.items():
        with pytest.raises(ConfigurationError, match=line) as refusal:
            attempt()
        assert "\n" not in str(refusal.value)


def test_the_command_line_refuses_a_prior_that_does_not_fit():
    line = refused("train", "vamp-vae", "--data", "digits", "--posterior", "planar", "--steps", 1, "--quiet")
    assert "takes a Gaussian posterior" in line
