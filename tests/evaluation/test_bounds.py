"""Bounds on log p(x): against the closed form of a linear-Gaussian model, by hand, and as the program shows them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import triptych as tp
from tests.program import call, refused, well
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.likelihood import nested_bounds, nested_sizes
from triptych.evaluation.studies.bounds import bounds
from triptych.models import likelihoods
from triptych.noise import Noise

DIMS, LATENT = 4, 2
MIXING = torch.tensor([[1.0, 0.3], [-0.5, 0.8], [0.2, -1.1], [0.6, 0.4]])
OFFSET = torch.tensor([0.5, -1.0, 0.0, 2.0])
NOISE_SCALE = torch.tensor([0.7, 0.5, 0.9, 0.6])


class LinearGaussian(nn.Module):
    """The features of p(x | z) = N(x; W z + b, diag σ²): mean and log-scale, coordinate by coordinate."""

    def forward(self, z: Tensor) -> Tensor:
        mean = z @ MIXING.T + OFFSET
        return torch.stack([mean, NOISE_SCALE.log().expand_as(mean)], 2).flatten(1)


class Posterior(nn.Module):
    """The features of a q(z | x) near the true posterior, but not equal to it."""

    precision = torch.eye(LATENT) + MIXING.T @ torch.diag(NOISE_SCALE**-2) @ MIXING
    gain = torch.linalg.solve(precision, MIXING.T @ torch.diag(NOISE_SCALE**-2))
    scale = 1.1 * precision.inverse().diagonal().sqrt()

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))  # a model's device is that of its parameters

    def mean(self, x: Tensor) -> Tensor:
        return (x - OFFSET) @ self.gain.T + 0.1

    def forward(self, x: Tensor) -> Tensor:
        mean = self.mean(x)
        return torch.cat([mean, self.scale.log().expand_as(mean)], 1)


@pytest.fixture(scope="module")
def linear() -> tuple[tp.VAE, Examples]:
    event = tp.Event((DIMS,))
    model = tp.VAE(event, latent=LATENT, pixels="gaussian", encoder=Posterior(), decoder=LinearGaussian())
    return model, model.sample(60, seed=0)


def test_the_largest_bound_is_the_closed_form_of_log_p(linear: tuple[tp.VAE, Examples]) -> None:
    model, x = linear
    exact = MultivariateNormal(OFFSET, MIXING @ MIXING.T + torch.diag(NOISE_SCALE**2)).log_prob(x.data).double()
    found = nested_bounds(model, x, samples=5000, seed=1)
    assert found.samples == (1, 10, 100, 1000, 5000)
    gaps = found.bounds - exact[:, None]
    errors = gaps.std(0) / math.sqrt(len(x))
    assert abs(float(gaps[:, -1].mean())) < 3 * float(errors[-1])
    assert float(errors[-1]) < 0.01
    assert float(gaps[:, 0].mean()) < -10 * float(errors[0])  # the ELBO of another posterior lies below


def test_distortion_and_rate_are_their_closed_forms(linear: tuple[tp.VAE, Examples]) -> None:
    model, x = linear
    found = nested_bounds(model, x, samples=1000, seed=2)
    mean, scale = Posterior().mean(x.data), Posterior.scale
    rate = kl_divergence(Normal(mean, scale), Normal(0.0, 1.0)).sum(1)
    spread = ((MIXING**2) @ (scale**2)) / NOISE_SCALE**2  # of the decoded mean, in units of the noise
    distortion = 0.5 * spread.sum() - Normal(mean @ MIXING.T + OFFSET, NOISE_SCALE).log_prob(x.data).sum(1)
    for estimate, truth in ((found.rate, rate), (found.distortion, distortion)):
        off = estimate - truth
        assert abs(float(off.mean())) < 4 * float(off.std()) / math.sqrt(len(x))
        assert float(off.std()) < 0.1
    assert torch.allclose(found.bounds[:, 0], -(found.distortion + found.rate), atol=1e-10)


def test_each_bound_is_the_mean_over_disjoint_groups_of_the_same_codes(linear: tuple[tp.VAE, Examples]) -> None:
    model, x = linear
    found = nested_bounds(model, x[:3], samples=200, seed=3)
    weights = model.weights(x[:3], samples=200, seed=Noise.of(3).generator).log_weights.double()
    for i in range(3):
        for column, k in enumerate((1, 10, 100, 200)):
            groups = [weights[i, start : start + k] for start in range(0, 200, k)]
            by_hand = sum(float(group.exp().mean().log()) for group in groups) / len(groups)
            assert float(found.bounds[i, column]) == pytest.approx(by_hand, abs=1e-9)
    assert bool((found.bounds.diff(dim=1) > 0).all())


def test_sizes_nest() -> None:
    assert nested_sizes(1) == (1,)
    assert nested_sizes(250) == (1, 10, 250)
    assert nested_sizes(1000) == (1, 10, 100, 1000)


def test_codes_are_weighed_in_chunks_of_bounded_size(
    linear: tuple[tp.VAE, Examples], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, x = linear
    seen: list[int] = []
    weigh = model._weights

    def watched(x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> likelihoods.Weights:
        seen.append(len(x) * samples)
        return weigh(x, label, noise, samples)

    monkeypatch.setattr(model, "_weights", watched)
    for limit, value, most in (("ROWS", 30, 30), ("NUMBERS", 7 * DIMS, 7)):
        with monkeypatch.context() as patched:
            patched.setattr(likelihoods, limit, value)
            for samples in (3, 70):
                assert model.weights(x[:20], samples=samples).log_weights.shape == (20, samples)
                assert max(seen) <= most and sum(seen) == 20 * samples
                seen.clear()


class OneDead(nn.Module):
    """A posterior whose first mean follows the example, and whose second moves by less than a tenth."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        first = x[:, :1]
        return torch.cat([first, 0.05 * torch.tanh(first), torch.zeros(len(x), 2)], 1)


@pytest.fixture(scope="module")
def vectors() -> tuple[Examples, Examples]:
    data = Examples(Noise.of(0).normal((90, DIMS)), tp.Event((DIMS,)))
    return data[:60], data[60:]


def test_a_unit_that_hardly_moves_is_not_active(vectors: tuple[Examples, Examples]) -> None:
    model = tp.VAE(vectors[0].event, latent=2, encoder=OneDead(), decoder=LinearGaussian())
    table = bounds(Subject(model, Protocol.prepare(*vectors, importance=10)))
    assert table.rows["active units of 2"][0].value == 1
    assert "k = 10, bits/dim" not in table.rows  # vectors have densities


def test_models_that_weigh_no_codes_say_why_there_are_no_bounds(vectors: tuple[Examples, Examples]) -> None:
    protocol = Protocol.prepare(*vectors)
    for name, said in (("pixelcnn", "PixelCNN gives log p"), ("gan", "GAN gives no bound")):
        with pytest.raises(Unanswered, match=said):
            bounds(Subject(tp.build(name, vectors[0].event), protocol))


def test_bounds_that_are_not_finite_are_no_figures(vectors: tuple[Examples, Examples]) -> None:
    class Impossible(LinearGaussian):
        def forward(self, z: Tensor) -> Tensor:
            return super().forward(z) * torch.inf

    model = tp.VAE(vectors[0].event, latent=LATENT, encoder=Posterior(), decoder=Impossible())
    with pytest.raises(Unanswered, match="not finite for 30 of 30 test examples"):
        bounds(Subject(model, Protocol.prepare(*vectors, importance=2)))


def test_what_cannot_be_scored_is_refused(vectors: tuple[Examples, Examples]) -> None:
    with pytest.raises(ConfigurationError, match="importance=0: expected at least 1 code"):
        Protocol.prepare(*vectors, importance=0)
    with pytest.raises(DataError, match="31 test examples were to be scored: expected 1 to all 30"):
        Protocol.prepare(*vectors, scored=31)


def test_evaluate_shows_the_bounds_of_models_that_have_them(tmp_path: Path) -> None:
    tiny = ["--data", "digits", "--steps", 2, "--quiet", "--out"]
    well("train", "vae", "--latent", 2, "--hidden", 8, "--encoder", "mlp", "--decoder", "mlp", *tiny, tmp_path / "vae")
    well("train", "gan", "--latent", 2, "--hidden", 8, "--generator", "mlp", "--critic", "mlp", *tiny, tmp_path / "gan")
    runs = (tmp_path / "gan", tmp_path / "vae")
    found = json.loads(well("evaluate", *runs, "--importance", 20, "--test-count", 40, "--json"))
    assert list(found["bounds"]) == ["vae"]
    rows = {name: row["value"] for name, row in found["bounds"]["vae"]["rows"].items()}
    nats = found["models"][1]["figures"]["nats"]
    assert rows["k = 20, nats"] == nats and nats["protocol"] == "iwae-20@test-40"  # the same draws
    assert rows["ELBO, nats"]["value"] == pytest.approx(
        -(rows["distortion, nats"]["value"] + rows["rate, nats"]["value"])
    )
    assert rows["k = 20, bits/dim"]["value"] == pytest.approx(-nats["value"] / (64 * math.log(2)))
    table = well("evaluate", tmp_path / "vae", "--metrics", "bounds")
    assert "k = 100, bits/dim" in table and "active units of 2" in table and "Fréchet" not in table
    assert "GAN gives no bound" in refused("evaluate", tmp_path / "gan", "--metrics", "bounds")
    assert "an empty name: expected METRIC" in refused("evaluate", tmp_path / "gan", "--metrics", "bounds,")
    assert "did you mean summary" in refused("evaluate", tmp_path / "gan", "--metrics", "sumary")
    one = well("evaluate", tmp_path / "vae", "--metrics", "bounds", "--test-count", 1)
    assert "ELBO" in one and "active units" not in one  # of one example nothing varies
    both = [tmp_path / "vae", tmp_path / "gan", "--metrics", "bounds,disentanglement"]
    code, table, told = call("evaluate", *both, "--test-count", 40, "--quiet")
    assert code == 0 and "active units of 2" in table  # what was measured is shown
    assert "warning: gan has no bounds: GAN gives no bound" in told and "vae has no disentanglement" in told
