"""What models are asked: refusals, derived queries, and the exact likelihood of a latent-variable model."""

import itertools

import pytest
import torch
from torch import nn

import triptych as tp
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.models.completion import _resampled
from triptych.noise import Noise
from triptych.queries import interpolate, likelihood_kind
from triptych.testing import LAWS

EVENT = tp.Event((1, 8, 8), 17)


def test_a_question_that_is_not_answered_names_those_that_are():
    gan = tp.build("gan", EVENT, hidden=8)
    with pytest.raises(
        UnsupportedQuery, match="it answers sample, sample_codes, decode, judge; for a likelihood train"
    ):
        gan.log_prob(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    assert not hasattr(gan, "encode") and hasattr(gan, "sample")
    with pytest.raises(AttributeError, match="no attribute 'smaple'"):
        gan.smaple(3)
    assert (likelihood_kind(gan), likelihood_kind(tp.VAE), likelihood_kind(tp.PixelCNN)) == (
        "none",
        "lower bound",
        "exact",
    )
    exact = tp.PixelCNN(EVENT, channels=4, layers=2)
    assert set(exact.answers) == {"sample", "log_prob", "log_prob_bounds", "complete"}
    context = tp.build("context-autoencoder", EVENT, hidden=8, adversarial=0.1)
    assert context.answers == ("encode", "complete"), "its critic is its own affair"


def test_a_model_answers_what_it_declares_and_not_what_happens_to_have_the_name():
    class Named(tp.ContextAutoencoder):
        def judge(self, x):
            return x

    model = Named.of(EVENT, {"hidden": 8})
    assert "judge" not in model.answers
    with pytest.raises(AssertionError, match="judge is not declared, but is there"):
        LAWS["undeclared queries are refused"](model)

    class Coded(tp.VAE):
        @property
        def answers(self):
            return tuple(name for name in super().answers if name != "log_prob_bounds")

    assert LAWS["undeclared queries are refused"](Coded.of(EVENT, {"hidden": 8})), "an instance has the last word"
    with pytest.raises(UnsupportedQuery, match="Coded does not answer log_prob_bounds"):
        Coded.of(EVENT, {"hidden": 8}).log_prob_bounds(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))


def test_examples_of_another_event_are_refused():
    model = tp.PixelCNN(EVENT, channels=4, layers=2)
    with pytest.raises(DataError, match=r"have shape \(1, 9, 8\), the model takes \(1, 8, 8\)"):
        model.log_prob(torch.zeros(2, 1, 9, 8, dtype=torch.uint8))
    with pytest.raises(DataError, match="torch.float32, the model takes torch.uint8"):
        model.log_prob(torch.zeros(2, 1, 8, 8))
    with pytest.raises(DataError, match="a level 17, the model takes 0 to 16"):
        model.log_prob(torch.full((2, 1, 8, 8), 17, dtype=torch.uint8))


def test_exact_bounds_coincide_and_a_bounds_upper_side_is_infinite():
    x = torch.randint(17, (4, 1, 8, 8), dtype=torch.uint8)
    pixelcnn, vae = tp.PixelCNN(EVENT, channels=4, layers=2), tp.VAE(EVENT, latent=2)
    lower, upper = pixelcnn.log_prob_bounds(x)
    assert torch.equal(lower, upper) and torch.equal(lower, pixelcnn.log_prob(x))
    assert torch.isinf(vae.log_prob_bounds(x).upper).all()


class Linear(nn.Module):
    """A linear map to and from flattened examples."""

    def __init__(self, weight, shape):
        super().__init__()
        self.weight, self.shape = nn.Parameter(weight), shape

    def forward(self, x):
        return (x.flatten(1) @ self.weight.T).view(len(x), *self.shape)


def test_the_bound_against_the_exact_likelihood_by_quadrature():
    """A one-dimensional code can be integrated out: all 16 images of 2×2, on a grid of z."""
    generator = torch.Generator().manual_seed(0)
    event = tp.Event((1, 2, 2), 2)
    encoder = Linear(torch.randn(2, 4, generator=generator) * 0.1, (2,))
    decoder = Linear(torch.randn(4, 1, generator=generator) * 2, (1, 2, 2))
    vae = tp.VAE(event, latent=1, encoder=encoder, decoder=decoder)
    images = torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=torch.uint8).view(16, 1, 2, 2)
    z = torch.linspace(-8, 8, 4001).view(-1, 1)
    with torch.no_grad():
        given_z = torch.stack([vae.likelihood(z, None).log_prob(x.expand(len(z), -1, -1, -1)) for x in images])
    prior = torch.distributions.Normal(0, 1).log_prob(z.view(-1))
    exact = torch.logsumexp(given_z.double() + prior.double(), 1) + torch.log(z[1, 0] - z[0, 0]).double()
    assert float(exact.exp().sum()) == pytest.approx(1, abs=1e-4)
    bounds = [vae.log_prob_bounds(images.repeat(100, 1, 1, 1), samples=k, seed=1).lower for k in (1, 10, 400)]
    means = [b.double().view(100, 16).mean(0) for b in bounds]
    errors = [b.double().view(100, 16).std(0) / 100**0.5 for b in bounds]
    for mean, error in zip(means, errors, strict=True):
        assert bool((mean <= exact + 4 * error).all()), "a bound lies above the exact likelihood"
    assert bool((means[0] < means[1]).all()) and bool((means[1] < means[2] + 3 * errors[2]).all())
    assert torch.allclose(means[2], exact, atol=0.02)


def test_the_objective_is_the_negative_bound():
    from triptych.data import Batch
    from triptych.noise import Noise

    vae = tp.build("vae", EVENT, latent=2, hidden=8)
    x = torch.randint(17, (2000, 1, 8, 8), dtype=torch.uint8)
    with torch.no_grad():
        terms = vae.eval().objective(Batch(x, None), Noise.of(0))
    elbo = vae.log_prob_bounds(x, seed=1).lower
    gap = elbo + terms["distortion"] + terms["rate"]
    assert abs(float(gap.mean())) < 4 * float(gap.std()) / 2000**0.5


def test_interpolation_ends_at_its_ends():
    model = tp.VAE(EVENT, latent=3)
    ends = model.sample(2, seed=0)
    for path in ("linear", "spherical"):
        walk = interpolate(model, ends[:1], ends[1:], steps=5, path=path)
        assert walk.codes.shape == (1, 5, 3) and len(walk.examples) == 5
        apart = walk.examples.data[[0, -1]] != model.reconstruct(ends).data
        assert int(apart.sum()) <= 1, "in a batch of another size one pixel may round to the next level"
    with pytest.raises(ConfigurationError, match="linear and spherical"):
        interpolate(model, ends[:1], ends[1:], path="curved")
    with pytest.raises(DataError, match="one for each end"):
        interpolate(model, ends, ends[1:])


def test_completion_refuses_masks_that_ask_nothing():
    model = tp.PixelCNN(EVENT, channels=4, layers=2)
    x = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    for known, said in (
        (torch.ones(8, 8), "keeps all"),
        (torch.zeros(8, 8), "keeps nothing"),
        (torch.ones(3, 3), "shape"),
    ):
        with pytest.raises(DataError, match=said):
            model.complete(x, known)


@pytest.mark.parametrize(("colours", "levels"), [(1, 2), (3, 5)])
def test_no_output_of_a_pixelcnn_depends_on_its_own_or_a_later_sub_pixel(colours, levels):
    """The Jacobian of the features by the (continuous) input, colour after colour in raster order."""
    event = tp.Event((colours, 5, 5), levels)
    model = tp.build("pixelcnn", event, channels=30, layers=3, kernel_size=3, pixels="categorical")
    x = torch.randn(1, colours, 5, 5, generator=torch.Generator().manual_seed(0))
    jacobian = torch.autograd.functional.jacobian(lambda t: model.network(t, None), x)
    # (C, L, H, W) by (C, H, W) -> order (pixel, colour) on both sides
    size = colours * 25
    dependence = jacobian.view(colours, levels, 25, colours, 25).abs().amax(1)
    dependence = dependence.permute(1, 0, 3, 2).reshape(size, size)
    assert bool((dependence.triu() == 0).all())
    left = dependence.view(25, colours, 25, colours)
    for place in (p for p in range(25) if p % 5):  # every pixel that has one to its left
        assert bool((left[place, :, place - 1] > 0).all()), "a pixel does not see the one to its left"


def test_a_grown_seed_stream_is_not_its_neighbours():
    from triptych.noise import Noise

    a, b = Noise.of(0).normal((1000,)), Noise.of(1).normal((1000,))
    assert abs(float(torch.corrcoef(torch.stack([a, b]))[0, 1])) < 0.15
    whole = Noise.of(3).uniform((8, 2))
    halves = [Noise(Noise.of(3).generator, rank, 2).uniform((4, 2)) for rank in (0, 1)]
    assert torch.equal(whole, torch.cat(halves))


@pytest.mark.parametrize("candidates", [1, 3])
def test_proposals_without_weight_are_not_kept(candidates):
    impossible = torch.full((2 * candidates,), -torch.inf)
    impossible[:candidates] = 0.0  # the first example's can be, the second's cannot
    with pytest.raises(DataError, match="probability zero"):
        _resampled([impossible], candidates, Noise.of(0))
    impossible[-1] = -3.0
    assert _resampled([impossible], candidates, Noise.of(0))[1] == 2 * candidates - 1
