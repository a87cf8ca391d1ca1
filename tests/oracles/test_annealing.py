"""Annealed importance sampling against closed forms: of a linear-Gaussian model, of one of discrete codes, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

import triptych as tp
from triptych.data import Examples
from triptych.evaluation import METRICS, Protocol, Subject, Unanswered
from triptych.evaluation.studies.annealed import Annealer, annealing
from triptych.evaluation.studies.observation import Observation, made_points, observation_of
from triptych.evaluation.studies.parzen import points_of
from triptych.metrics.annealing import (
    PILOTS,
    Annealed,
    chain_error,
    forward,
    log_mean,
    mean_of_chains,
    reverse,
    schedule,
)
from triptych.metrics.hamiltonian import Target, moved, state_at
from triptych.noise import Noise

DIMS, LATENT, SCALE = 10, 2, 0.5
MIXING = Noise.of(3).normal((DIMS, LATENT))
COVARIANCE = MIXING @ MIXING.T + SCALE**2 * torch.eye(DIMS)
LAW = MultivariateNormal(torch.zeros(DIMS), COVARIANCE)
ENTROPY = 0.5 * float(torch.logdet(2 * math.pi * math.e * COVARIANCE.double()))


def drawn(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return codes of the model and examples of them."""
    noise = Noise.of(seed)
    z = noise.normal((n, LATENT))
    return z, z @ MIXING.T + SCALE * noise.normal((n, DIMS))


def target_of(x: Tensor, rows: int) -> Target:
    repeated = x.repeat_interleave(rows, 0)

    def target(z: Tensor) -> tuple[Tensor, Tensor]:
        prior = -0.5 * z.square().sum(1) - LATENT / 2 * math.log(2 * math.pi)
        squares = ((repeated - z @ MIXING.T) / SCALE).square().sum(1)
        return prior, -0.5 * squares - DIMS * math.log(SCALE * math.sqrt(2 * math.pi))

    return target


def annealed(x: Tensor, steps: int, chains: int, seed: int) -> Annealed:
    noise, rows = Noise.of(seed), PILOTS + chains
    start = noise.normal((len(x) * rows, LATENT))
    with torch.no_grad():
        return forward(target_of(x, rows), start, schedule(steps), chains, noise)


def test_annealing_gives_the_closed_form_within_a_tenth_of_a_nat() -> None:
    _, x = drawn(50, 0)
    exact = LAW.log_prob(x).double()
    found = annealed(x, 1000, 16, 1)
    assert float((log_mean(found.log_weights) - exact).abs().mean()) < 0.1
    assert abs(float(found.acceptance.mean()) - 0.65) < 0.05, "the step size was adapted"
    error = chain_error(found.log_weights)
    assert error is not None
    assert abs(float((log_mean(found.log_weights) - exact).mean())) < 3 * error.size < 0.1


def test_weights_are_unbiased_estimates_of_p_of_x_however_few_the_steps() -> None:
    """Of one example the mean of many chains is p(x) itself, not its logarithm's bound."""
    _, x = drawn(1, 2)
    for steps in (1, 3, 10):
        weights = (annealed(x, steps, 20_000, 3).log_weights[0] - float(LAW.log_prob(x))).exp()
        assert abs(float(weights.mean()) - 1) < 4 * float(weights.std()) / math.sqrt(20_000), steps
    one_step = annealed(x, 1, 5000, 4).log_weights[0]
    by_hand = target_of(x, 5000)(Noise.of(9).normal((5000, LATENT)))[1].double()
    assert float(one_step.mean()) == pytest.approx(float(by_hand.mean()), rel=0.1)  # draws of the prior, weighed


def test_reverse_chains_bound_it_from_above_and_the_bracket_closes() -> None:
    z, x = drawn(100, 5)
    exact, gaps = LAW.log_prob(x).double(), []
    for steps in (10, 600):
        lower = annealed(x, steps, 8, 6)
        with torch.no_grad():
            start = z.repeat_interleave(8, 0)
            upper = reverse(target_of(x, 8), start, schedule(steps), lower.sizes, Noise.of(7))
        below, above = log_mean(lower.log_weights) - exact, -log_mean(upper.log_weights) - exact
        error = max(float(side.std()) / 10 for side in (below, above))
        assert float(below.mean()) < 2 * error and float(above.mean()) > -2 * error
        gaps.append(float((above - below).mean()))
        # 1/w is unbiased for 1/p(x) over the examples of the model
        if steps == 600:
            ratio = (upper.log_weights.logsumexp(1) - math.log(8) + exact).exp()
            assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / 10
    assert gaps[0] > 0.3 and abs(gaps[1]) < 0.1


def test_reverse_weights_are_unbiased_estimates_of_one_over_p_of_x_however_few_the_steps() -> None:
    """Of a likelihood so flat that 1/w has a variance: p(x | z) = exp(-z²/4), p(x) = 1.5^(-D/2)."""

    def target(z: Tensor) -> tuple[Tensor, Tensor]:
        return -0.5 * z.square().sum(1), -0.25 * z.square().sum(1)

    noise, betas = Noise.of(0), torch.tensor([0.0, 0.3, 0.7, 1.0], dtype=torch.float64)
    start = 1.5**-0.5 * noise.normal((40_000, 3))  # of the posterior
    found = reverse(target, start, betas, torch.full((1, 2), 1.2), noise)
    ratio = (found.log_weights[0] - 1.5 * math.log(1.5)).exp()
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / 200 < 0.01
    assert float(found.acceptance) < 0.8, "the transitions have something to refuse"


def test_a_trajectory_leaves_the_tempered_density_invariant() -> None:
    """The law at β is N(0, 1 / (1 + β 4)) here; the kernel keeps draws of it as they are, and forgets another start."""

    def target(z: Tensor) -> tuple[Tensor, Tensor]:
        return -0.5 * z.square().sum(1), -2.0 * z.square().sum(1)

    noise, variance = Noise.of(8), 1 / 3
    state = state_at(target, variance**0.5 * noise.normal((40_000, 1)))
    size = torch.full((40_000,), 0.7)  # large: a third is refused
    for _ in range(3):
        state, chance = moved(target, state, 0.5, size, noise)
    assert float(chance.mean()) < 0.9
    assert float(state.point.var()) == pytest.approx(variance, rel=0.03)
    assert float(state.point.mean()) == pytest.approx(0, abs=0.015)
    away = state_at(target, torch.full((4000, 1), 3.0))
    for _ in range(30):
        away, _ = moved(target, away, 0.5, size[:4000], noise)
    assert float(away.point.var()) == pytest.approx(variance, rel=0.15)


def test_a_point_without_a_likelihood_is_never_moved_to() -> None:
    def target(z: Tensor) -> tuple[Tensor, Tensor]:
        return -0.5 * z.square().sum(1), torch.where(z[:, 0] > 0, torch.nan, 0 * z[:, 0])

    noise = Noise.of(0)
    state = state_at(target, -torch.ones(500, 1))
    for _ in range(20):
        state, chance = moved(target, state, 1.0, torch.full((500,), 0.5), noise)
    assert bool((state.point <= 0).all()) and bool(torch.isfinite(chance).all())


def test_the_jackknife_is_that_of_the_definition_and_sees_one_weight_alone() -> None:
    log_weights = 3 * torch.randn(6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 500
    kept = [[j for j in range(5) if j != k] for k in range(5)]
    without = torch.stack([log_mean(log_weights[:, rest]) for rest in kept], 1)
    variance = 4 / 5 * (without - without.mean(1, keepdim=True)).square().sum(1)
    found = chain_error(log_weights)
    assert found is not None
    assert found.spread == pytest.approx(float(variance.sum().sqrt()) / 6)
    assert found.bias == pytest.approx(-4 * float((without.mean(1) - log_mean(log_weights)).mean()))
    alone = torch.tensor([[0.0, -1000.0, -1000.0]], dtype=torch.float64)
    error = chain_error(alone)
    assert error is not None and error.spread > 100
    impossible = torch.tensor([[0.0, -math.inf, -math.inf], [0.0, 0.0, 0.0]], dtype=torch.float64)
    assert chain_error(impossible) is None and all(map(math.isfinite, mean_of_chains(impossible)))
    assert chain_error(log_weights[:, :1]) is None and mean_of_chains(log_weights[:1])[1] is None


@pytest.mark.parametrize("steps", [5, 40])
def test_error_bars_cover_the_truth(steps: int) -> None:
    """Of 40 repeats of 50 examples at 2 errors: the chains' error covers these examples' mean log p(x), and the
    figure's error that of all examples; a good and a bad schedule."""
    _, x = drawn(40 * 50, 11)
    exact, found = LAW.log_prob(x).double(), annealed(x, steps, 8, 12)
    same, all_of_them = 0, 0
    for repeat in range(40):
        part = slice(50 * repeat, 50 * (repeat + 1))
        own = found.log_weights[part]
        error, (mean, whole) = chain_error(own), mean_of_chains(own)
        assert error is not None and whole is not None
        same += abs(float((log_mean(own) - exact[part]).mean())) < 2 * error.size
        all_of_them += abs(mean + ENTROPY) < 2 * whole
    assert same >= 34 and all_of_them >= 34


class LinearGenerator(nn.Module):
    """From codes to scaled examples: G(z) = W z."""

    def __init__(self) -> None:
        super().__init__()
        self.mixing = nn.Parameter(MIXING.clone())

    def forward(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        return z @ self.mixing.T


@pytest.fixture(autouse=True)
def _cache(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path))


def test_a_generator_is_given_the_best_gaussian_and_its_density_is_the_closed_form() -> None:
    event = tp.Event((DIMS,))
    x = Examples(drawn(140, 13)[1], event)
    train, test = x[:80], x[80:]
    model = tp.build("gan", event, latent=LATENT, generator=LinearGenerator(), critic="mlp", hidden=8)
    scale = observation_of(model, train, 0).scale
    found = [observation_of(model, train, seed).scale for seed in range(4)]
    assert abs(sum(math.log(scale / SCALE) for scale in found if scale) / 4) < 0.15 and all(found)
    protocol = Protocol.prepare(train, test, extractor="pixels").changed(annealing=(100, 8))
    figure = METRICS["ais"](Subject(model, protocol))
    covariance = MIXING @ MIXING.T + scale**2 * torch.eye(DIMS)
    exact = MultivariateNormal(torch.zeros(DIMS), covariance).log_prob(test.data)
    assert figure.value == pytest.approx(float(exact.mean()), abs=0.1)
    assert figure.protocol == "ais-100x8-gaussian@test-60" and "not comparable to probabilities" in figure.note


def test_simulated_examples_are_draws_of_the_gaussian() -> None:
    model = tp.build("gan", tp.Event((DIMS,)), latent=LATENT, generator=LinearGenerator(), critic="mlp", hidden=8)
    codes, made = Observation(model, SCALE).simulated(4000, None, Noise.of(21))
    away = (made - codes @ MIXING.T).detach()
    assert float(away.std()) == pytest.approx(SCALE, rel=0.03)
    assert float((away.T @ codes / 4000).abs().max()) < 0.05, "what is added knows nothing of the code"


@pytest.mark.parametrize("levels", [2, 256])
def test_what_a_model_makes_lies_where_examples_do(levels: int) -> None:
    """Both black at 0 and white at 1: the points of a code's image are within half a level of it."""
    torch.manual_seed(0)
    model = tp.build("gan", tp.Event((1, 8, 8), levels), latent=2, hidden=8)
    z = Noise.of(22).normal((5, 2))
    with model.asking():
        made = made_points(model, z, None)
    away = (made - points_of(model.decode(z))).abs()
    assert float(away.max()) < 0.51 / (levels - 1)


def test_a_density_is_in_the_datas_own_units() -> None:
    """Of data ten times as wide log p(x) is D log 10 less."""
    values = []
    for spread in (1.0, 10.0):
        event = tp.Event((DIMS,), None, (0.0,) * DIMS, (spread,) * DIMS)
        x = Examples(spread * drawn(40, 14)[1], event)
        model = tp.build("gan", event, latent=LATENT, generator=LinearGenerator(), critic="mlp", hidden=8)
        protocol = Protocol.prepare(x[:20], x[20:], extractor="pixels").changed(annealing=(30, 4))
        values.append(METRICS["ais"](Subject(model, protocol)).value)
    assert values[0] - values[1] == pytest.approx(DIMS * math.log(10), abs=1e-3)


@pytest.mark.parametrize("name", ["uniform", "infogan"])
def test_codes_that_are_not_normal_are_those_of_their_prior(name: str) -> None:
    """By brute force: the mean of p(x | z) over many draws of the model's own prior."""
    event = tp.Event((2,))
    torch.manual_seed(0)
    if name == "uniform":
        model = tp.build("gan", event, latent=2, prior="uniform", hidden=8)
    else:
        model = tp.build("infogan", event, latent=1, categorical="3", continuous=1, hidden=8)
    x, scale, rows, noise = model.sample(4, seed=0), 0.1, PILOTS + 100, Noise.of(2)
    with model.asking():
        start = model.code_space.prior.sample(4 * rows, noise)
        target = Observation(model, scale).target(x.data, None, rows)
        found = log_mean(forward(target, start, schedule(50), 100, noise).log_weights)
        made = model._decode(model.sample_codes(200_000, seed=1), None)
    squares = (made[None] - x.data[:, None]).square().sum(2).double()
    exact = torch.logsumexp(-0.5 * squares / scale**2, 1) - math.log(len(made)) - math.log(2 * math.pi * scale**2)
    assert found.tolist() == pytest.approx(exact.tolist(), abs=0.1)


class Law(nn.Module):
    """The features of p(x | z) = N(x; W z, σ² I): mean and log-scale, coordinate by coordinate."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor) -> Tensor:
        mean = z @ MIXING.T
        return torch.stack([mean, torch.full_like(mean, math.log(SCALE))], 2).flatten(1)


def test_a_vae_is_bracketed_by_its_own_law() -> None:
    event = tp.Event((DIMS,))
    model = tp.build("vae", event, latent=LATENT, pixels="gaussian", decoder=Law(), encoder="mlp", hidden=8)
    x = Examples(drawn(60, 15)[1], event)
    protocol = Protocol.prepare(x[:30], x[30:], extractor="pixels").changed(annealing=(500, 8))
    subject = Subject(model, protocol)
    rows = {name: row[0] for name, row in annealing(subject).rows.items()}
    assert rows["test, nats"].value == pytest.approx(float(LAW.log_prob(x[30:].data).mean()), abs=0.1)
    assert rows["test, nats"].protocol == "ais-500x8@test-30" and rows["test, nats"].kind == "≈"
    gap = rows["gap between the two, nats"]
    assert gap.value is not None and gap.error is not None and -3 * gap.error < gap.value < 0.2
    assert "σ of the observation" not in rows
    nested = METRICS["iwae"](subject)
    assert (nested.value or 0) <= (rows["test, nats"].value or 0) + (nested.error or 0)


def test_a_trained_model_of_images_is_at_least_its_bound() -> None:
    train, test = tp.data.load("digits")
    model = tp.build("vae", train.event, latent=3, hidden=32, encoder="mlp", decoder="mlp")
    tp.fit(model, train, steps=300, progress=False)
    protocol = Protocol.prepare(train, test, extractor="pixels", importance=2000, scored=20)
    subject = Subject(model, protocol.changed(annealing=(100, 8)))
    estimate, bound = METRICS["ais"](subject), METRICS["iwae"](subject)
    weights = Annealer(model, subject.protocol).of_test().log_weights
    error = chain_error(weights)
    assert estimate.value is not None and bound.value is not None and error is not None
    assert bound.value - 3 * error.size < estimate.value < bound.value + 5
    with pytest.raises(Unanswered, match="no prior"):
        annealing(Subject(tp.build("autoencoder", train.event), subject.protocol))
