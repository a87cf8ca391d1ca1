"""Approximate posteriors against numerical Jacobians, quadrature and a linear-Gaussian model's closed forms."""

import math

import pytest
import torch

from triptych.catalogue import build
from triptych.distributions import DiagonalNormal
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoencoders.posteriors import POSTERIORS, PosteriorSetting
from triptych.models.autoencoders.posteriors.conditional import ConditionalNormal
from triptych.models.autoencoders.posteriors.hamiltonian import force, leapfrog
from triptych.models.autoencoders.posteriors.planar import planar
from triptych.models.autoencoders.posteriors.sylvester import reflected
from triptych.models.autoencoders.vae import VAE
from triptych.noise import Noise
from triptych.testing import check_model

FLOWS = ["planar", "sylvester", "iaf", "spline"]
ALL = [*FLOWS, "auxiliary", "hamiltonian"]


def made(name, latent=2, transforms=3, hidden=16, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return POSTERIORS[name](PosteriorSetting(latent, hidden, transforms))


def features_of(posterior, rows, size=1.0, seed=0):
    return size * torch.randn(rows, posterior.features, generator=torch.Generator().manual_seed(seed))


def nowhere(z):
    raise AssertionError("a flow does not look at log p(x, z)")


class LinearGaussian:
    """`p(z) = N(0, I)`, `p(x | z) = N(W z + b, s² I)`: evidence, posterior and best bounds in closed form."""

    weight = torch.tensor([[1.2, 0.8], [0.9, 0.4], [0.3, 1.0]])
    bias = torch.tensor([0.3, -0.2, 0.1])
    spread = 0.5
    x = torch.tensor([[1.0, 0.5, -0.5], [-0.6, 0.1, 0.4]])

    @property
    def precision(self):
        return torch.eye(2) + self.weight.T @ self.weight / self.spread**2

    @property
    def posterior_mean(self):
        return (self.x - self.bias) @ self.weight / self.spread**2 @ torch.linalg.inv(self.precision)

    @property
    def evidence(self):
        covariance = self.weight @ self.weight.T + self.spread**2 * torch.eye(3)
        return torch.distributions.MultivariateNormal(self.bias, covariance).log_prob(self.x)

    @property
    def mean_field_gap(self):
        """What the best diagonal Gaussian lacks: its precisions are those of Λ's diagonal, KL ½ log ∏ Λ_ii / |Λ|."""
        return 0.5 * float(self.precision.diagonal().log().sum() - torch.logdet(self.precision))

    def joint(self, copies):
        x = self.x.repeat_interleave(copies, 0)
        given = torch.distributions.Normal(0.0, 1.0)

        def log_p(z):
            error = torch.distributions.Normal(z @ self.weight.T + self.bias, self.spread)
            return error.log_prob(x).sum(1) + given.log_prob(z).sum(1)

        return log_p


@pytest.mark.parametrize("latent", [1, 4])
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_follows_the_change_of_variables(name, latent):
    """log q(z | x) = log N(ε) - log |det ∂z/∂ε|, the Jacobian by automatic differentiation in double precision."""
    posterior = made(name, latent).double()
    features = features_of(posterior, 6).double()
    features[:, :latent] *= 0.3
    drawn = posterior.draw(features, Noise.of(3), nowhere)
    epsilon, away = Noise.of(3).normal((6, latent)).double(), []
    for row in range(6):
        own = features[row : row + 1]
        jacobian = torch.autograd.functional.jacobian(
            lambda e, own=own: posterior.moved(e[None], own)[0][0], epsilon[row]
        )
        sign, log_det = torch.linalg.slogdet(jacobian)
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(epsilon[row]).sum() - log_det
        assert sign > 0 and float(drawn.log_q[row].detach()) == pytest.approx(float(expected), abs=5e-6)
        away.append(float((jacobian - torch.eye(latent) * jacobian.diagonal()).abs().max()))
    assert latent == 1 or max(away) > 0.01, "these are diagonal Gaussians: nothing was tested"


@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_s_density_integrates_to_one_over_the_plane(name):
    """The areas of a grid's cells are measured where the flow takes them; no derivative is used."""
    posterior = made(name).double()
    features = features_of(posterior, 1, 0.7).double()
    side = torch.linspace(-6, 6, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        z, log_det = posterior.moved(grid, features.expand(len(grid), -1))
    log_q = torch.distributions.Normal(0.0, 1.0).log_prob(grid).sum(1) - log_det
    z, q = z.view(241, 241, 2), log_q.exp().view(241, 241)
    one, other = z[1:, 1:] - z[:-1, :-1], z[:-1, 1:] - z[1:, :-1]
    areas = 0.5 * (one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0])
    at_cells = (q[1:, 1:] + q[:-1, :-1] + q[:-1, 1:] + q[1:, :-1]) / 4
    assert bool((areas > 0).all()), "the flow folds the plane"
    assert float((areas * at_cells).sum()) == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("size", [1e-6, 1.0, 30.0])
def test_a_planar_step_is_invertible_and_finite_for_any_numbers(size):
    generator = torch.Generator().manual_seed(0)
    z, u, w = (size * torch.randn(500, 3, generator=generator) for _ in range(3))
    against = torch.cat([u, -5 * w, torch.zeros_like(w)])  # the second wants to fold space over
    given = [against, w.repeat(3, 1), torch.zeros(1500, 1)]
    moved, log_det = planar(z.repeat(3, 1), *given)
    assert torch.isfinite(moved).all() and torch.isfinite(log_det).all()
    still = planar(torch.zeros(3, 3), torch.zeros(3, 3), w[:3], torch.ones(3, 1))
    assert torch.allclose(still[0], torch.zeros(3, 3), atol=1e-6 / min(size, 1)), "u = 0 moves nothing"
    along = w / w.norm(dim=1, keepdim=True)
    steps = torch.linspace(-2, 2, 41) / max(size, 1)
    line = along[:, None] * steps[:, None]
    ahead, _ = planar(line.flatten(0, 1), *(g.repeat_interleave(41, 0) for g in (-5 * w, w, torch.zeros(500, 1))))
    progress = (ahead.view(500, 41, 3) * along[:, None]).sum(2).diff(dim=1)
    assert bool((progress >= -1e-5 / size).all()), "codes change places along w"


def test_reflections_are_orthogonal_and_undone_in_reverse():
    generator = torch.Generator().manual_seed(0)
    mirrors = [torch.nn.functional.normalize(torch.randn(4, 3, generator=generator), dim=1) for _ in range(3)]
    z = torch.randn(4, 3, generator=generator)
    there = reflected(z, mirrors)
    assert torch.allclose(there.norm(dim=1), z.norm(dim=1)) and not torch.allclose(there, z, atol=0.1)
    assert torch.allclose(reflected(there, mirrors[::-1]), z, atol=1e-6)


@pytest.mark.parametrize(("latent", "reflections"), [(1, 0), (2, 1), (9, 8), (12, 8)])
def test_a_sylvester_step_has_as_many_reflections_as_make_any_rotation_or_eight(latent, reflections):
    """By the numbers that it takes: b, two triangles with their diagonals, the axes of the reflections."""
    each = latent + latent * (latent + 1) + latent * reflections
    assert made("sylvester", latent, transforms=3).features == 2 * latent + 3 * each


@pytest.mark.parametrize("name", ["iaf", "spline"])
def test_coordinates_of_an_autoregressive_step_see_those_before_and_the_order_turns(name):
    posterior = made(name, latent=4, transforms=1, hidden=64)
    features = features_of(posterior, 1)
    jacobian = torch.autograd.functional.jacobian(
        lambda e: posterior.moved(e[None], features)[0][0], torch.tensor([0.3, -0.7, 0.9, 0.1])
    )
    below = jacobian.tril(-1)[torch.ones(4, 4).tril(-1).bool()]
    assert bool((jacobian.triu(1) == 0).all()) and bool((below != 0).all())
    posterior = made(name, latent=4, transforms=2, hidden=64)
    jacobian = torch.autograd.functional.jacobian(
        lambda e: posterior.moved(e[None], features)[0][0], torch.tensor([0.3, -0.7, 0.9, 0.1])
    )
    assert bool((jacobian != 0).all()), "two steps in opposite orders join all coordinates"


def test_a_conditional_gaussian_is_in_the_units_of_the_one_that_it_starts_from():
    law, (z, context) = ConditionalNormal(2, 3, 8), (torch.randn(5, 2), torch.randn(5, 3))
    one, far = (
        law(z, context, DiagonalNormal(torch.full((5, 2), m), torch.full((5, 2), s)))
        for m, s in [(0.0, 0.0), (7.0, 3.0)]
    )
    assert torch.allclose(far.mean, 7 + math.exp(3) * one.mean, atol=1e-4)
    assert torch.allclose(far.log_scale, 3 + one.log_scale, atol=1e-5) and one.mean.abs().min() > 0


@pytest.mark.parametrize("transforms", [1, 8])
@pytest.mark.parametrize("name", FLOWS)
def test_a_flow_starts_near_its_gaussian(name, transforms):
    posterior = made(name, latent=6, transforms=transforms, hidden=64)
    features = features_of(posterior, 2000, 0.05)
    with torch.no_grad():
        drawn = posterior.draw(features, Noise.of(0), nowhere)
        assert torch.allclose(drawn.z.std(0), torch.ones(6), atol=0.25)
        assert bool((posterior.code(features).abs().mean(0) < 0.25).all())


@pytest.mark.parametrize("name", ALL)
def test_the_mean_weight_is_the_evidence(name):
    """E p(x, z) / q = p(x): with auxiliary variables, too, whatever r is; the posteriors are untrained."""
    world, posterior, copies = LinearGaussian(), made(name), 20_000
    features = features_of(posterior, 2, 0.5)
    gaussian = slice(4, 8) if name == "auxiliary" else slice(0, 4)
    features[:, gaussian] = torch.cat([world.posterior_mean, torch.full((2, 2), -0.4)], 1)  # wider than the posterior
    log_p = world.joint(copies)
    with torch.no_grad():
        drawn = posterior.draw(features.repeat_interleave(copies, 0), Noise.of(0), log_p)
    ratio = (log_p(drawn.z) - drawn.log_q).view(2, copies).double().exp() / world.evidence.exp()[:, None]
    error = ratio.std(1) / math.sqrt(copies)
    assert bool((error < 0.04).all()), f"too uncertain to tell: {error}"
    assert bool(((ratio.mean(1) - 1).abs() < 4 * error).all()), f"{ratio.mean(1)} ± {error}"


@pytest.mark.parametrize("name", ALL)
def test_training_closes_the_gap_that_a_diagonal_gaussian_leaves(name):
    """The exact posterior is correlated; the best diagonal Gaussian's bound is known, and each family beats it."""
    world, posterior, copies = LinearGaussian(), made(name, transforms=4), 64
    features = torch.nn.Parameter(features_of(posterior, 2, 0.1))
    log_p = world.joint(copies)
    optimizer = torch.optim.Adam([features, *posterior.parameters()], lr=0.02)
    steps = 400 if name in ("auxiliary", "hamiltonian") else 150
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.02 * (1 - step / steps)
        drawn = posterior.draw(features.repeat_interleave(copies, 0), Noise.of(step), log_p)
        optimizer.zero_grad()
        (drawn.log_q - log_p(drawn.z)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        log_p = world.joint(4000)
        drawn = posterior.draw(features.repeat_interleave(4000, 0), Noise.of(9), log_p)
    gap = float((world.evidence - (log_p(drawn.z) - drawn.log_q).view(2, -1).mean(1)).mean())
    assert -0.02 < gap < 0.25 * world.mean_field_gap, f"{gap:.3f} nats, mean field {world.mean_field_gap:.3f}"


def test_leapfrog_preserves_volume_and_leads_back():
    torch.manual_seed(0)
    well = torch.tensor([[2.0, 0.6], [0.6, 1.0]], dtype=torch.float64)

    def push(z):  # of the energy ½ zᵀAz + Σ z⁴ / 4
        return -z @ well - z**3

    steps, mass = torch.tensor([0.1, 0.2, 0.15]).double(), torch.tensor([1.0, 3.0]).double()
    state = torch.tensor([0.5, -1.0, 0.7, 0.2], dtype=torch.float64)

    def flow(state):
        return torch.cat(leapfrog(state[None, :2], state[None, 2:], steps, mass, push), 1)[0]

    jacobian = torch.autograd.functional.jacobian(flow, state)
    assert float(torch.linalg.det(jacobian)) == pytest.approx(1, abs=1e-12)
    assert float((jacobian - torch.eye(4)).abs().max()) > 0.1
    z, v = leapfrog(state[None, :2], state[None, 2:], steps, mass, push)
    back, momentum = leapfrog(z, -v, steps.flip(0), mass, push)
    assert torch.allclose(back[0], state[:2], atol=1e-12) and torch.allclose(-momentum[0], state[2:], atol=1e-12)


def test_leapfrog_turns_an_oscillator_with_an_error_of_second_order():
    """z'' = -z / m has the solution cos(t / √m); halving the step divides the error and the energy's drift by 4."""
    mass, errors, drifts = 2.0, [], []
    for count in (10, 20, 40):
        steps = torch.full((count,), 1.5 / count, dtype=torch.float64)
        start = torch.ones(1, 1, dtype=torch.float64)
        z, v = leapfrog(start, torch.zeros_like(start), steps, torch.tensor([mass]).double(), lambda z: -z)
        errors.append(abs(float(z) - math.cos(1.5 / math.sqrt(mass))))
        drifts.append(abs(float(v**2 / (2 * mass) + z**2 / 2) - 0.5))
    for one in (errors, drifts):
        assert one[0] < 1e-2 and [a / b for a, b in zip(one, one[1:], strict=False)] == pytest.approx([4, 4], rel=0.05)


def test_the_force_is_the_joint_s_gradient_and_reaches_the_model_only_while_it_learns():
    """d/dz log p of a linear-Gaussian model is Λ (mean - z)."""
    world = LinearGaussian()
    z = torch.tensor([[0.3, -0.2], [1.0, 0.4]])
    expected = (world.posterior_mean - z) @ world.precision
    with torch.no_grad():
        found = force(world.joint(1), z)
    assert torch.allclose(found, expected, atol=1e-5) and not found.requires_grad
    scale = torch.tensor(2.0, requires_grad=True)
    force(lambda at: scale * world.joint(1)(at), z).sum().backward()
    assert float(scale.grad) == pytest.approx(float(expected.sum()), abs=1e-4)


def test_without_steps_of_any_length_dynamics_leave_the_gaussian():
    """Then r is best at the momentum's own law, and log_q is that of q(z_0 | x)."""
    posterior = made("hamiltonian", latent=2)
    with torch.no_grad():
        posterior.step_logits.fill_(-100)
        for parameter in posterior.momentum_given.parameters():
            parameter.zero_()
    features = features_of(posterior, 4)
    drawn = posterior.draw(features, Noise.of(0), LinearGaussian().joint(2))
    mean, log_scale = features[:, :2], features[:, 2:4]
    expected = torch.distributions.Normal(mean, log_scale.exp()).log_prob(drawn.z).sum(1)
    assert torch.allclose(drawn.log_q, expected, atol=1e-5)
    assert torch.equal(posterior.code(features), mean)


def test_a_posterior_of_no_steps_or_an_unknown_name_is_refused_in_a_line():
    with pytest.raises(ConfigurationError, match="transforms=0: expected at least 1"):
        VAE(Event((3,)), posterior="planar", transforms=0)
    with pytest.raises(ConfigurationError, match="no posterior 'sylvestre'.*sylvester"):
        VAE(Event((3,)), posterior="sylvestre")
    with pytest.raises(ConfigurationError, match="takes a?.*[Gg]aussian"):
        VAE(Event((3,)), posterior="iaf", prior="vamp").log_prob_bounds(torch.zeros(2, 3))


@pytest.mark.parametrize("name", ALL)
def test_codes_of_one_number_given_labels_obey_the_laws(name):
    model = build("vae", Event((1, 2, 2), 2), latent=1, posterior=name, hidden=8, transforms=2, classes=2)
    assert "a bound lies below" in check_model(model)
