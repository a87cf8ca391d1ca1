"""Inversion against least squares, and of examples that the model itself made."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import triptych as tp
from tests.oracles.test_codes import Linear
from tests.program import refused, well
from triptych.errors import ConfigurationError, DataError
from triptych.noise import Noise, mix
from triptych.queries import invert, squared_errors


def test_a_linear_decoder_is_inverted_by_least_squares():
    weight = Noise.of(0).normal((6, 3))
    event = tp.Event((6,), None, (1.0,) * 6, (2.0, 1.0, 0.5, 1.0, 3.0, 1.0))
    model = Linear(event, weight, offset=0.7)
    x = tp.Examples(Noise.of(1).normal((5, 6)), event)
    found = invert(model, x, steps=1500)
    scale = torch.tensor(event.spread)
    scaled, target = weight / scale[:, None], (x.data - 0.7) / scale
    exact = torch.linalg.lstsq(scaled, target.T).solution.T
    assert torch.allclose(found.codes, exact, atol=2e-3)
    rest = (target - exact @ scaled.T).square().mean(1).sqrt()
    assert found.errors.numpy() == pytest.approx(rest.numpy(), abs=1e-4) and bool((found.drawn > found.errors).all())
    assert found.errors.numpy() == pytest.approx(squared_errors(model.decode(found.codes), x).sqrt().numpy(), abs=1e-5)
    ridge = invert(model, x, steps=1500, prior_weight=0.5).codes
    system = scaled.T @ scaled / 6 + 0.5 / (2 * 3) * torch.eye(3)
    assert torch.allclose(ridge, torch.linalg.solve(system, scaled.T @ target.T / 6).T, atol=2e-3), "λ/2Z ‖z‖²"


def test_no_step_is_taken_for_the_worse_and_the_nearest_code_of_the_prior_is_told():
    model = Linear(tp.Event((3,)), Noise.of(0).normal((3, 3)))
    x = tp.Examples(Noise.of(1).normal((4, 3)), model.event)
    found = invert(model, x, steps=3, rate=100.0)
    assert torch.allclose(found.errors, found.drawn), "of all codes on the way the best is kept: here the first"
    assert torch.allclose(found.codes, found.nearest)
    drawn = Noise.of(mix(0, 51)).normal((256, 3))
    errors = (model.decode(drawn).data - x.data.unsqueeze(1)).square().mean(2).sqrt()
    assert found.drawn.numpy() == pytest.approx(errors.amin(1).numpy(), rel=1e-5)
    assert torch.allclose(found.nearest, drawn[errors.argmin(1)])


def test_a_label_is_taken_into_account():
    model = Linear(tp.Event((2,)), torch.eye(2), classes=3)
    x = tp.Examples(torch.tensor([[201.0, 200.0], [0.5, -0.5]]), model.event, torch.tensor([2, 0]))
    assert torch.allclose(invert(model, x).codes, torch.tensor([[1.0, 0.0], [0.5, -0.5]]), atol=2e-3)
    three = tp.Examples(
        torch.tensor([[201.0, 200.0], [0.5, -0.5], [101.0, 99.0]]), model.event, torch.tensor([2, 0, 1])
    )
    found = invert(model, three, restarts=2).codes
    assert torch.allclose(found, torch.tensor([[1.0, 0.0], [0.5, -0.5], [1.0, -1.0]]), atol=2e-3)
    with pytest.raises(DataError, match="needs the label"):
        invert(model, tp.Examples(x.data, model.event))


def test_what_a_model_made_itself_is_found_again():
    torch.manual_seed(0)
    model = tp.build("gan", tp.Event((1, 8, 8), 256), latent=4, hidden=32, generator="mlp", critic="mlp", classes=3)
    x = model.sample(6, seed=3)
    first = invert(model, x, steps=300, seed=1)
    assert bool((first.errors < 0.004).all()), "rounding to a level costs 0.29/255 = 0.001"
    assert bool((first.drawn > 2 * first.errors).all())
    again = invert(model, x, steps=300, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True)), "the seed decides"
    alone = invert(model, x[:1], steps=300, seed=1)
    assert torch.allclose(alone.errors, first.errors[:1], atol=1e-3), "examples do not see each other"
    assert not any(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"restarts": 0}, {"restarts": 257}, {"rate": 0}, {"prior_weight": -1}]
)
def test_options_out_of_range(options):
    with pytest.raises(ConfigurationError, match="expected"):
        invert(Linear(tp.Event((2,)), torch.eye(2)), tp.Examples(torch.zeros(1, 2), tp.Event((2,))), **options)


def test_the_verb_prints_draws_and_stores(tmp_path):
    event = tp.data.load("digits")[0].event
    few = ["--steps", 2, "--hidden", 16, "--quiet", "--out"]
    small = ["--generator", "mlp", "--critic", "mlp", "--latent", 4]
    well("train", "gan", "--data", "digits", "--classes", 10, *small, *few, tmp_path / "gan")
    quick = ["--steps", 5, "--restarts", 2, "--count", 3]
    told = well("invert", tmp_path / "gan", *quick, "-o", tmp_path / "x.npz", "--codes", tmp_path / "z.npz")
    stored, codes = np.load(tmp_path / "x.npz"), np.load(tmp_path / "z.npz")
    assert "nearest of 256 samples" in told and f"{stored['rmse'][0]:.4f}" in told
    assert (codes["codes"] == stored["codes"]).all() and (codes["labels"] == stored["y"]).all()
    model = tp.load(tmp_path / "gan")
    x = tp.Examples(torch.from_numpy(stored["x"]), event, torch.from_numpy(stored["y"]))
    found = invert(model, x, steps=5, restarts=2)
    assert np.allclose(found.errors, stored["rmse"]) and stored["inverted"].shape == (3, 1, 8, 8)
    well("invert", tmp_path / "gan", *quick, "-o", tmp_path / "x.png", "--quiet")
    assert (tmp_path / "x.png").stat().st_size > 500
    assert "already there" in refused("invert", tmp_path / "gan", "-o", tmp_path / "x.png")
    assert "restarts=0" in refused("invert", tmp_path / "gan", "--restarts", 0, "-o", tmp_path / "y.png")
    well("train", "gan", "--data", "ring", "--count", 100, *small, *few, tmp_path / "ring")
    assert "root mean squared error" in well("invert", tmp_path / "ring", *quick, "-o", tmp_path / "ring.png")
