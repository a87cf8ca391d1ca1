"""f-divergences against numerical maximisation, closed forms and quadrature."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special

from triptych.errors import ConfigurationError
from triptych.objectives.adversarial import minimax, non_saturating
from triptych.objectives.divergences import ACTIVATIONS, DIVERGENCES, divergence
from triptych.objectives.game import resolve_loss

SPECS = [*DIVERGENCES, "weighted-jensen-shannon:pi=0.2", *(f"alpha:alpha={a}" for a in (-1, 0.5, 0.75, 2, 3))]
ON_THE_LINE = {"pearson"}
"""Its f is taken over all numbers, as in the paper: ¼t² + t is the maximum over u < 0 too."""


def double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def slope_of_f(d, u):
    u = double(u).clone().requires_grad_()
    return torch.autograd.grad(d.f(u).sum(), u)[0]


def feasible(d, position):
    """Return a t of the conjugate's domain for a number from -4 to 4."""
    return float(d.output(double(position)).t)


@pytest.mark.parametrize("spec", SPECS)
@given(position=st.floats(-4, 4))
@settings(max_examples=20, deadline=None)
def test_conjugates_are_the_numerical_maximum(spec, position):
    """`sup_u (u t - f(u))`, over log u by Brent's method."""
    d = divergence(spec)
    t = feasible(d, position)
    if spec in ON_THE_LINE and t < -2:
        t = -2.0
    best = optimize.minimize_scalar(
        lambda log_u: float(d.f(double(math.exp(log_u)))) - t * math.exp(log_u),
        bounds=(-60, 60), method="bounded", options={"xatol": 1e-9},
    )  # fmt: skip
    others = [t * u - float(d.f(double(u))) for u in (1e-12, 1.0)]  # where the maximum is at an end, or has a kink
    assert float(d.conjugate(double(t))) == pytest.approx(max(-best.fun, *others), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("spec", SPECS)
@given(position=st.floats(-4, 4), log_u=st.floats(-8, 8))
@settings(max_examples=25, deadline=None)
def test_the_fenchel_young_inequality_holds_with_equality_at_the_slope(spec, position, log_u):
    d = divergence(spec)
    t, u = double(feasible(d, position)), double(math.exp(log_u))
    scale = 1 + abs(float(d.f(u))) + abs(float(u * t))
    assert float(d.f(u) + d.conjugate(t) - u * t) > -1e-9 * scale
    t = slope_of_f(d, u)
    assert float(d.f(u) + d.conjugate(t)) == pytest.approx(float(u * t), abs=1e-7 * (scale + abs(float(u * t))))


@pytest.mark.parametrize("spec", SPECS)
def test_f_is_convex_and_is_0_where_both_are_equal(spec):
    d = divergence(spec)
    u = torch.logspace(-3, 3, 200, dtype=torch.float64)
    assert (slope_of_f(d, u).diff() >= -1e-12).all()
    assert float(d.f(double(1.0))) == pytest.approx(-math.log(4) if spec == "gan" else 0, abs=1e-12)


@pytest.mark.parametrize("spec", SPECS)
def test_a_conjugate_is_infinite_outside_its_domain(spec):
    d = divergence(spec)
    if d.end < math.inf:
        assert d.conjugate(double([d.end + 0.1, d.end + 5])).isinf().all()
    assert torch.isfinite(d.conjugate(double([min(d.end, 1.0) - 0.4, 0.0 if d.end > 0 else -2.0]))).all()


P, Q = (0.0, 1.0), (0.3, 1.1)
"""Means and standard deviations of two Gaussians: all divergences of the one from the other are finite."""


def log_ratio(x):
    return 0.5 * ((x - Q[0]) / Q[1]) ** 2 - 0.5 * ((x - P[0]) / P[1]) ** 2 + math.log(Q[1] / P[1])


def density(x, law):
    return np.exp(-0.5 * ((x - law[0]) / law[1]) ** 2) / (law[1] * math.sqrt(2 * math.pi))


def power_integral(a):
    """Return `∫ p^a q^(1 - a)` in closed form."""
    precision = a / P[1] ** 2 + (1 - a) / Q[1] ** 2
    mean = (a * P[0] / P[1] ** 2 + (1 - a) * Q[0] / Q[1] ** 2) / precision
    exponent = 0.5 * (precision * mean**2 - a * (P[0] / P[1]) ** 2 - (1 - a) * (Q[0] / Q[1]) ** 2)
    return P[1] ** -a * Q[1] ** (a - 1) * precision**-0.5 * math.exp(exponent)


def kl(one, other):
    return math.log(other[1] / one[1]) + (one[1] ** 2 + (one[0] - other[0]) ** 2) / (2 * other[1] ** 2) - 0.5


def quadrature(of):
    return integrate.quad(lambda x: of(density(x, P), density(x, Q)), -12, 12, limit=200)[0]


def mixed(pi):
    """Return the divergences of both from their mixture, weighted."""
    return quadrature(
        lambda p, q: (
            pi * special.rel_entr(p, pi * p + (1 - pi) * q) + (1 - pi) * special.rel_entr(q, pi * p + (1 - pi) * q)
        )
    )


def alpha(a):
    return (power_integral(a) - 1) / (a * (a - 1))


TRUTH = {
    "kl": kl(P, Q),
    "reverse-kl": kl(Q, P),
    "pearson": power_integral(2) - 1,
    "neyman": power_integral(-1) - 1,
    "squared-hellinger": 2 - 2 * power_integral(0.5),
    "jeffreys": kl(P, Q) + kl(Q, P),
    "jensen-shannon": 2 * mixed(0.5),
    "weighted-jensen-shannon": mixed(0.5),
    "weighted-jensen-shannon:pi=0.2": mixed(0.2),
    "alpha": alpha(1.5),
    **{f"alpha:alpha={a}": alpha(a) for a in (-1, 0.5, 0.75, 2, 3)},
    "total-variation": quadrature(lambda p, q: abs(p - q) / 2),
    "gan": 2 * mixed(0.5) - math.log(4),
}
X = torch.linspace(-12, 12, 4001, dtype=torch.float64)
WEIGHTS = [torch.from_numpy(density(X.numpy(), law)) * (X[1] - X[0]) for law in (P, Q)]


def bound(d, logits, activation="auto"):
    """Return the bound with both means as sums over a grid."""
    of_real, of_fake = d.output(logits, activation), d.output(logits, activation)
    return (WEIGHTS[0] * of_real.t).sum() - (WEIGHTS[1] * d.at(of_fake)).sum()


def inverse(d, t, activation="auto"):
    """Return the logits of an activation's values, by bisection."""
    low, high = torch.full_like(t, -1e25), torch.full_like(t, 1e25)
    for _ in range(150):
        middle = (low + high) / 2
        above = d.output(middle, activation).t > t
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2


@pytest.mark.parametrize("spec", SPECS)
def test_the_best_critic_makes_the_bound_tight(spec):
    d = divergence(spec)
    best = inverse(d, slope_of_f(d, log_ratio(X).exp()))
    assert float(bound(d, best)) == pytest.approx(TRUTH[spec], rel=1e-2 if spec == "total-variation" else 1e-4)
    assert float(bound(d, best + 0.1 * torch.sin(X))) < float(bound(d, best)) + 1e-12


@pytest.mark.parametrize("spec", SPECS)
def test_a_critic_that_is_trained_reaches_the_divergence(spec):
    """Its family contains the best one: log p/q is quadratic, and without activation f' has powers of p/q besides."""
    d = divergence(spec)
    ratio = log_ratio(X).exp()
    powers = [ratio**k for k in (-1.0, 0.5, 1.0, 2.0)] if d.activation == "identity" else []
    if spec.startswith(("alpha", "weighted")) and d.activation == "softplus":  # of its best critic no power is simple
        powers = [inverse(d, slope_of_f(d, ratio))]
    features = torch.stack([torch.ones_like(X), X, X**2, *powers], 1)
    scale = (WEIGHTS[1].unsqueeze(1) * features**2).sum(0).sqrt()
    weights = torch.zeros(features.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=300, line_search_fn="strong_wolfe", tolerance_change=1e-14)

    def closure():
        optimizer.zero_grad()
        loss = -bound(d, features / scale @ weights)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert -float(closure().detach()) == pytest.approx(TRUTH[spec], rel=1e-2)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("spec", SPECS)
def test_every_activation_keeps_the_bound_a_bound_or_is_refused(spec, activation):
    d = divergence(spec)
    try:
        values = d.output(torch.linspace(-1e4, 1e4, 2001), activation)
    except ConfigurationError as error:
        assert f"activation={activation}: " in str(error) and "try" in str(error) and "\n" not in str(error)
        assert d.activation in str(error) or spec == "total-variation"
        return
    assert (values.t.diff() >= -1e-9).all() and torch.isfinite(d.at(values)).all()
    reachable = inverse(d, slope_of_f(d, log_ratio(X).exp()), activation)  # as near as its values come
    for logits in (reachable, torch.sin(X), 0 * X):
        assert float(bound(d, logits, activation)) <= TRUTH[spec] + 1e-6
    if d.end < math.inf and activation in ("softplus", "exponential"):
        assert float(bound(d, reachable, activation)) == pytest.approx(TRUTH[spec], rel=1e-3)


@pytest.mark.parametrize("activation", ["auto", *ACTIVATIONS])
@pytest.mark.parametrize("spec", SPECS)
def test_the_conjugate_of_an_activation_is_that_of_its_values(spec, activation):
    """What is computed from the gap to the domain's end is what the formula gives from t."""
    d = divergence(spec)
    try:
        output = d.output(torch.linspace(-6, 6, 101, dtype=torch.float64), activation)
    except ConfigurationError:
        return
    assert torch.allclose(d.at(output), d.conjugate(output.t), rtol=1e-6, atol=1e-8)


def test_the_paper_s_conjugates_at_points():
    """Table 6, typed again: W by SciPy."""
    t = np.array([-3.0, -1.0, -0.3, -1e-4])
    w = special.lambertw(np.exp(1 - t)).real
    pi = 0.2
    table = {
        "kl": np.exp(t - 1),
        "reverse-kl": -1 - np.log(-t),
        "pearson": t**2 / 4 + t,
        "neyman": 2 - 2 * np.sqrt(1 - t),
        "squared-hellinger": t / (1 - t),
        "jeffreys": w + 1 / w + t - 2,
        "jensen-shannon": -np.log(2 - np.exp(t)),
        "weighted-jensen-shannon:pi=0.2": (1 - pi) * np.log((1 - pi) / (1 - pi * np.exp(t / pi))),
        "gan": -np.log(1 - np.exp(t)),
        "alpha:alpha=0.5": 2 * ((-0.5 * t + 1) ** -1.0 - 1),
    }
    for spec, values in table.items():
        assert divergence(spec).conjugate(double(t)).numpy() == pytest.approx(values, rel=1e-9), spec


@given(t=st.floats(-1e6, 300))
def test_the_conjugate_of_jeffreys_is_precise_and_has_gradients(t):
    d = divergence("jeffreys")
    at = double(t).requires_grad_()
    (first,) = torch.autograd.grad(d.conjugate(at), at, create_graph=True)
    (second,) = torch.autograd.grad(first, at)
    u = float(first)  # at the maximum f'(u) = t, and the slope of f* is u
    assert math.log(u) + 1 - 1 / u == pytest.approx(t, rel=1e-9, abs=1e-9)
    assert float(second) == pytest.approx(u**2 / (1 + u), rel=1e-9)


@given(real=st.floats(-30, 30), fake=st.floats(-30, 30))
def test_the_game_of_gan_is_the_original_one(real, fake):
    logits = double([real]), double([fake])
    for spec, original in (("fgan-gan:generator=direct", minimax), ("fgan-gan", non_saturating)):
        for mine, theirs in zip(resolve_loss(spec)(*logits), original(*logits), strict=True):
            assert torch.allclose(mine, theirs, atol=1e-9)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("fgan-kl:generator=both", "no generator's objective 'both'"),
        ("fgan-reverse-kl:activation=identity", "finite only below 0.*try exponential or softplus"),
        ("fgan-kl:activation=relu", "no activation 'relu'"),
        ("fgan-alpha:alpha=1", "fgan-kl"),
        ("fgan-alpha:alpha=0", "fgan-reverse-kl"),
        ("fgan-alpha:alpha=nan", "expected a number"),
        ("fgan-weighted-jensen-shannon:pi=1", "pi=1: expected above 0 and below 1"),
        ("fgan-kl:pi=0.5", "no option 'pi'"),
    ],
)
def test_what_cannot_be_played_is_refused_in_one_line(spec, said):
    zeros = torch.zeros(1)
    with pytest.raises(ConfigurationError, match=said) as refused:
        resolve_loss(spec)(zeros, zeros)
    assert "\n" not in str(refused.value)
