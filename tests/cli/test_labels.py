"""`triptych sample` of conditional models: one label, or a row of each."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from tests.program import refused, well
from triptych.training import load


def test_a_row_of_each_label_has_the_same_codes(tmp_path):
    few = ["--data", "digits", "--steps", 2, "--quiet", "--hidden", 16]
    small = ["--latent", 4, "--generator", "mlp", "--critic", "mlp"]
    well("train", "conditional-gan", *few, *small, "--out", tmp_path / "cgan")
    well("train", "coupled-gan", *few, *small, "--domains", "negative", "--out", tmp_path / "coupled")
    well("train", "gan", *few, *small, "--out", tmp_path / "gan")
    well("train", "made", *few, "--classes", 10, "--out", tmp_path / "made")
    out = tmp_path / "x.npz"
    assert "3 samples of each of 10 labels" in well("sample", tmp_path / "cgan", "--by-label", "-n", 3, "-o", out)
    found, model = np.load(out), load(tmp_path / "cgan")
    codes = model.sample_codes(3, seed=0)
    assert found["y"].tolist() == [k for k in range(10) for _ in range(3)]
    apart = found["x"][21:24] != model.decode(codes, label=7).data.numpy()
    assert apart.sum() <= 1, "in a batch of another size one pixel may round to the next level"
    well("sample", tmp_path / "coupled", "--by-label", "-n", 5, "-o", tmp_path / "pairs.png")
    assert Image.open(tmp_path / "pairs.png").size == (5 * 42 - 2, 2 * 42 - 2), "a column is one code in both domains"
    well("sample", tmp_path / "made", "--by-label", "-n", 2, "-o", out, "--overwrite")
    rows = load(tmp_path / "made").sample(20, label=torch.arange(10).repeat_interleave(2), seed=0)
    assert (np.load(out)["x"] == rows.data.numpy()).all()
    well("sample", tmp_path / "cgan", "--label", 7, "-n", 4, "-o", out, "--overwrite")
    assert np.load(out)["y"].tolist() == [7] * 4
    assert (np.load(out)["x"] == model.sample(4, label=7, seed=0).data.numpy()).all()
    for said, run, more in (
        ("choose one of them", "cgan", ["--label", 3]),
        ("the model has no labels", "gan", []),
        ("has no temperature", "cgan", ["--temperature", 0.5]),
    ):
        assert said in refused("sample", tmp_path / run, "--by-label", *more, "-o", tmp_path / "y.npz")


def test_codes_that_have_labels_are_drawn_for_each(tmp_path):
    few = ["--data", "digits", "--steps", 2, "--quiet", "--hidden", 16, "--encoder", "mlp", "--decoder", "mlp"]
    well("train", "aae", *few, "--prior", "mixture", "--classes", 10, "--out", tmp_path / "aae")
    well("sample", tmp_path / "aae", "--by-label", "-n", 3, "-o", tmp_path / "x.npz")
    found = np.load(tmp_path / "x.npz")
    assert found["y"].tolist() == [k for k in range(10) for _ in range(3)]
    assert (found["x"][:3] != found["x"][3:6]).any()
    assert "neither labels nor identities" in refused("joint", tmp_path / "aae", "-o", tmp_path / "j.png")
