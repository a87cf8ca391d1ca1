"""Games with labels, codes, domains and identities, from the command line."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.program import refused, well

SHORT = ["--steps", 2, "--batch-size", 16, "--quiet"]
CONDITIONAL = {
    "conditional-gan": [],
    "projection-gan": [],
    "auxiliary-classifier-gan": [],
    "infogan": ["--categorical", "3,2", "--continuous", 1],
    "coupled-gan": ["--domains", "negative"],
    "sd-gan": ["--identity", 2],
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    for name, options in CONDITIONAL.items():
        own = ["--channels", 4, "--latent", 6, *options]
        well("train", name, "--data", "digits", "--out", place / name, *own, *SHORT)
    return place


@pytest.mark.parametrize("name", CONDITIONAL)
def test_what_was_typed_is_what_is_stored_and_sampled(name, runs, tmp_path):
    stored = json.loads((runs / name / "model.json").read_text())["arguments"]
    assert stored["latent"] == 6 and stored["channels"] == 4 and stored["loss"] in ("hinge", "non-saturating")
    well("sample", runs / name, "-n", 4, "-o", tmp_path / "four.png", "--quiet")
    assert (tmp_path / "four.png").stat().st_size > 0


@pytest.mark.parametrize(("name", "columns"), [("conditional-gan", 10), ("coupled-gan", 2), ("sd-gan", 8)])
def test_rows_of_examples_that_belong_together(name, columns, runs, tmp_path):
    assert f"3 rows, each {'observations' if name == 'sd-gan' else 'a code'}" in well(
        "joint", runs / name, "-n", 3, "-o", tmp_path / "rows.npz"
    )
    found = np.load(tmp_path / "rows.npz")
    assert found["x"].shape == (3, columns, 1, 8, 8)
    if name == "sd-gan":
        assert (found["codes"][:, :1, :2] == found["codes"][..., :2]).all()
        assert len(np.unique(found["codes"][..., 2:].reshape(-1, 4), axis=0)) == 3 * columns
    else:
        assert (found["codes"][:, :1] == found["codes"]).all() and (found["y"] == np.arange(columns)).all()


def test_studies_of_conditional_games(runs):
    for name, study, row in (("infogan", "matching", "c2"), ("coupled-gan", "domains", "samples")):
        assert row in well("evaluate", runs / name, "--metrics", study)


def test_what_cannot_be_is_said_in_a_line(runs, tmp_path):
    def train(*arguments):
        return refused("train", *arguments, "--out", tmp_path / "none", *SHORT)

    assert "classes=0: an auxiliary classifier" in train("auxiliary-classifier-gan", "--data", "digits", "--classes", 0)
    assert "has no labels" in train("auxiliary-classifier-gan", "--data", "swiss-roll")
    assert "the data has 8 classes, the model classes=10" in train("conditional-gan", "--data", "ring")
    assert "label 9, the model classes=2" in train("coupled-gan", "--data", "digits")
    assert "sd-gan learns from labels" in train("sd-gan", "--data", "swiss-roll")
    assert "ring holds vectors" in train("coupled-gan", "--data", "ring", "--domains", "edges")
    assert "categorical='x'" in train("infogan", "--data", "digits", "--categorical", "x")
    assert "has neither labels nor identities" in refused("joint", runs / "infogan", "-o", tmp_path / "none.png")
    assert "leave it out" in refused("joint", runs / "conditional-gan", "--each", 3, "-o", tmp_path / "none.png")
