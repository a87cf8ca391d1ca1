"""Directions in a code against singular vectors; named codes; and the verb that draws both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import triptych as tp
from tests.oracles.test_codes import Linear
from tests.program import refused, well
from triptych.errors import ConfigurationError, DataError
from triptych.models.adversarial.layout import NamedCode
from triptych.noise import Noise
from triptych.queries import Spread, along, code_path, principal_directions, sweep
from triptych.training import load


def test_directions_of_a_linear_decoder_are_its_right_singular_vectors():
    weight = Noise.of(0).normal((9, 4)) * torch.tensor([3.0, 1.0, 0.3, 0.1])
    model, codes = Linear(tp.Event((9,)), weight), Noise.of(1).normal((5, 4))
    found = principal_directions(model, codes)
    _, values, right = torch.linalg.svd(weight, full_matrices=False)
    assert torch.allclose((found.vectors * right).sum(1).abs(), torch.ones(4), atol=1e-3)
    assert found.change.numpy() == pytest.approx((values**2 / 9).numpy(), rel=1e-3)
    assert bool((found.vectors.gather(1, found.vectors.abs().argmax(1, keepdim=True)) > 0).all()), "signs are fixed"
    scale = torch.tensor([1.0, 10.0, 1.0, 1.0])
    wider = principal_directions(model, codes, spread=Spread(torch.zeros(4), scale))
    _, values, right = torch.linalg.svd(weight * scale, full_matrices=False)
    assert torch.allclose((wider.vectors * right).sum(1).abs(), torch.ones(4), atol=1e-3)
    moved = along(model, codes[0], wider.vectors[:1], 3, 1.0, Spread(torch.zeros(4), scale))
    change = (moved.examples.data[2] - moved.examples.data[1]).square().mean()
    assert float(change) == pytest.approx(float(wider.change[0]), rel=1e-3), "by one standard deviation"


def test_directions_of_a_network_are_those_of_its_jacobian():
    torch.manual_seed(0)
    event = tp.Event((1, 4, 4), 17)
    model = tp.build("gan", event, latent=3, hidden=16, generator="mlp:activation=tanh", critic="mlp", classes=2)
    codes, label = model.sample_codes(4, seed=0), torch.tensor([0, 1, 1, 0])
    found = principal_directions(model, codes, label=label)
    total = torch.zeros(3, 3)
    for code, own in zip(codes, label, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda z, own=own: model._decode(z[None], own[None]) / 16, code)
        total += jacobian.reshape(16, 3).T @ jacobian.reshape(16, 3) / 16 / 4
    assert torch.allclose(found.vectors.T @ found.change.diag() @ found.vectors, total, rtol=1e-2, atol=1e-7)
    with pytest.raises(DataError, match=r"expected \(N, 3\)"):
        principal_directions(model, codes[:, :2])


def test_named_codes_take_each_of_their_values():
    model = Linear(tp.Event((2,)), torch.eye(2).repeat(1, 3)[:, :5])
    parts = [NamedCode("c1", "categorical", 0, 3), NamedCode("c2", "continuous", 3, 1)]
    centre = torch.tensor([0.0, 1.0, 0.0, 0.5, 0.25])
    spread = Spread(torch.full((5,), 0.1), torch.full((5,), 2.0))
    first, second = sweep(model, centre, parts, extent=1.0, spread=spread).codes
    assert first.tolist() == [[*row, 0.5, 0.25] for row in torch.eye(3).tolist()]
    assert second[:, 3].tolist() == pytest.approx([-1.9, 0.1, 2.1]) and second[:, 1].tolist() == [1, 1, 1]
    assert len(sweep(model, centre, parts[1:], steps=7).codes[0]) == 7
    with pytest.raises(ConfigurationError, match="categories of 2 and 3 values"):
        sweep(model, centre, [parts[0], NamedCode("c3", "categorical", 3, 2)])
    with pytest.raises(ConfigurationError, match="at least one"):
        sweep(model, centre, [])


def test_the_verb_knows_names_and_principal_directions(tmp_path):
    few = ["--data", "digits", "--steps", 2, "--quiet", "--hidden", 16, "--latent", 4, "--generator", "mlp"]
    well("train", "infogan", *few, "--critic", "mlp", "--out", tmp_path / "infogan")
    well("train", "gan", *few, "--critic", "mlp", "--out", tmp_path / "gan")
    out = tmp_path / "x.npz"
    told = well("traverse", tmp_path / "infogan", "-o", out)
    found = np.load(out)["codes"]
    assert "c1, c2, c3 of a code of the prior" in told and found.shape == (3, 10, 16)
    assert (found[0, :, :10] == np.eye(10)).all()
    one = well("traverse", tmp_path / "infogan", "--coordinates", "c2", "--steps", 5, "-o", out, "--overwrite")
    assert one.startswith("c2 of") and np.load(out)["codes"].shape == (1, 5, 16)
    numbered = well("traverse", tmp_path / "infogan", "--coordinates", "10,11", "-o", out, "--overwrite")
    assert "2 of 16 coordinates" in numbered
    told = well("traverse", tmp_path / "gan", "--directions", "principal", "--count", 2, "-o", out, "--overwrite")
    model = load(tmp_path / "gan")
    exact = principal_directions(model, model.sample_codes(4096, seed=0)[:64])
    rows = np.load(out)["codes"]
    assert "2 principal directions of a code of the prior" in told and rows.shape == (2, 9, 4)
    assert np.allclose((rows[:, -1] - rows[:, 0]) / 6, exact.vectors[:2], atol=1e-5)
    refusals = {
        "no --directions principel; did you mean principal?": ["gan", "--directions", "principel"],
        "has no codes with names": ["gan", "--directions", "codes"],
        "choose one of them": ["gan", "--directions", "principal", "--coordinates", "0"],
        "no code 'c9'": ["infogan", "--coordinates", "c9"],
    }
    for said, (run, *arguments) in refusals.items():
        assert said in refused("traverse", tmp_path / run, *arguments, "-o", tmp_path / "y.npz")


def test_a_gan_walks_on_a_sphere_between_codes_and_between_inverted_examples(tmp_path):
    few = ["--data", "digits", "--steps", 2, "--quiet", "--hidden", 16, "--latent", 4, "--generator", "mlp"]
    well("train", "gan", *few, "--critic", "mlp", "--classes", 10, "--out", tmp_path / "gan")
    well("train", "gan", *few, "--critic", "mlp", "--prior", "uniform", "--out", tmp_path / "uniform")
    out = tmp_path / "x.npz"
    assert "2 spherical walks of 5 steps between codes" in well(
        "interpolate", tmp_path / "gan", "-n", 2, "--steps", 5, "-o", out
    )
    codes = np.load(out)["codes"]
    ends = load(tmp_path / "gan").sample_codes(4, seed=0)
    assert np.allclose(codes, code_path(ends[:2], ends[2:], 5, "spherical"))
    assert "linear" in well("interpolate", tmp_path / "uniform", "-n", 1, "-o", out, "--overwrite")
    told = well("interpolate", tmp_path / "gan", "--examples", "-n", 1, "--steps", 4, "-o", out, "--overwrite")
    found, (_, test) = np.load(out), tp.data.load("digits")
    assert "a spherical walk of 4 steps between test examples" in told
    assert found["y"][0].tolist() == [int(test.labels[0])] * 2 + [int(test.labels[1])] * 2
    exact = tp.queries.invert(load(tmp_path / "gan"), test[:2]).codes
    assert np.allclose(found["codes"][0][[0, -1]], exact, atol=1e-4)
