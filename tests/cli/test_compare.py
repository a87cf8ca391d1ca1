"""`triptych compare`: several seeds, interruptions, what it refuses, and commands that give its figures again."""

import csv
import json
import os
import shlex
import sys
from dataclasses import replace

import pytest

import triptych.comparison.cache
import triptych.comparison.compare
from tests.program import refused, well
from triptych.errors import Interrupted
from triptych.evaluation import METRICS

pytestmark = pytest.mark.xdist_group("compare")
DIGITS = ["--data", "digits", "--features", "pixels", "--quiet"]
COMPARE = ["compare", *DIGITS, "vae", "gan", "--steps", 12]


def stored(out):
    return json.loads((out / "report.json").read_text())


FEW = ("nats", "fid", "near-copies", "reconstruction", "lost-progress", "speed")
"""Measures that are enough here: the others have tests of their own."""


@pytest.fixture(scope="module", autouse=True)
def few_measures():
    """Compare by a few measures."""
    whole = dict(METRICS)
    METRICS.update({key: replace(one, compared=key in FEW) for key, one in whole.items()})
    yield
    METRICS.update(whole)


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """A comparison of two models, each trained with two seeds."""
    out = tmp_path_factory.mktemp("twice") / "report"
    well(*COMPARE, "--seeds", 2, "--out", out)
    return out


def test_each_name_is_trained_with_each_seed_and_figures_are_means(twice):
    found = stored(twice)
    for model in found["models"]:
        name = model["name"]
        assert model["runs"] == [str(twice / name), str(twice / f"{name}-seed1")]
        assert [one["name"] for one in model["seeds"]] == [name, f"{name}-seed1"]
        first, second = (one["figures"]["fid"] for one in model["seeds"])
        mean = model["figures"]["fid"]
        assert first["value"] != second["value"]
        assert mean["value"] == pytest.approx((first["value"] + second["value"]) / 2)
        assert mean["error"] > abs(first["value"] - second["value"]) / 2 and mean["protocol"].endswith("|2-seeds")
    assert found["protocol"]["seeds"] == 2
    assert (twice / "vae" / "config.yaml").read_text() != (twice / "vae-seed1" / "config.yaml").read_text()


def test_the_command_beside_a_figure_gives_that_figure(twice):
    model = stored(twice)["models"][0]
    for key in ("nats", "fid", "near-copies", "reconstruction"):
        words = shlex.split(model["figures"][key]["command"])
        assert words[:2] == ["triptych", "evaluate"]
        (row,) = json.loads(well(*words[1:], "--quiet", "--json"))["figures"].values()
        for one in model["seeds"]:
            figure = one["figures"][key]
            assert {k: row[one["name"]][k] for k in figure} == figure


def test_the_files_beside_the_page_have_the_same_figures(twice):
    found = stored(twice)
    with open(twice / "report.csv", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    for model in found["models"]:
        for key, figure in model["figures"].items():
            (line,) = [row for row in lines if (row["model"], row["measure"]) == (model["name"], key)]
            assert line["value"] == ("" if figure["value"] is None else repr(float(figure["value"])))
            assert (line["protocol"], line["command"], line["trainings"]) == (
                figure["protocol"],
                figure["command"],
                "2",
            )
    assert {row["model"] for row in lines} >= {"vae (first training)", "vae-seed1", "training data"}
    page = (twice / "report.md").read_text()
    assert all(v["headline"] in page for v in found["verdicts"])
    table = [line for line in page.splitlines() if line.startswith("|")]
    columns = [len(line.replace("\\|", "").strip("|").split("|")) for line in table]
    assert set(columns) == {3, 4}, "bars inside of cells are escaped"
    assert found["models"][0]["figures"]["fid"]["text"] in page


def test_ctrl_c_in_a_training_says_how_the_comparison_goes_on(tmp_path, monkeypatch):
    def stopped(*_, **__):
        raise Interrupted("stopped after step 3; saved in runs/vae: go on with --resume")

    monkeypatch.setattr(triptych.comparison.compare, "fit", stopped)
    with pytest.raises(AssertionError, match="step 3; saved in runs/vae: the same command goes on"):
        well(*COMPARE, "--out", tmp_path / "report")


def test_what_is_there_is_neither_trained_nor_measured_again(tmp_path, monkeypatch):
    """Interrupted while the first model's second seed was measured, it goes on there, with the same figures."""
    out = tmp_path / "report"
    real = triptych.comparison.cache.measure_subject
    names = []

    def measured(name, subject, stop="vae-seed1"):
        if name == stop:
            raise KeyboardInterrupt
        names.append(name)
        return real(name, subject)

    monkeypatch.setattr(triptych.comparison.cache, "measure_subject", measured)
    with pytest.raises(AssertionError):
        well(*COMPARE, "--seeds", 2, "--out", out)
    assert names == ["vae"] and not (out / "report.html").exists()
    kept = ("vae/metrics.jsonl", "vae-seed1/model.safetensors", "gan-seed1/model.safetensors")
    trained = {name: (out / name).read_bytes() for name in kept}
    monkeypatch.setattr(triptych.comparison.cache, "measure_subject", lambda name, subject: measured(name, subject, ""))
    well(*COMPARE, "--seeds", 2, "--out", out)
    assert names == ["vae", "vae-seed1", "gan", "gan-seed1"]
    first = stored(out)["models"]
    (out / "measures" / "model-vae.safetensors").write_bytes(b"damaged")
    well(*COMPARE, "--seeds", 2, "--out", out)
    assert names[4:] == ["vae"]
    assert stored(out)["models"][1] == first[1], "clocks included"
    assert all((out / name).read_bytes() == content for name, content in trained.items())


def test_other_weights_or_conditions_are_measured_anew(tmp_path):
    out = tmp_path / "report"
    gan = ["compare", *DIGITS, "gan", "--steps", 12, "--out", out]
    well(*gan)
    before = stored(out)["models"][0]["figures"]["fid"]["value"]
    well(*gan, "--seed", 3, "--overwrite")
    assert stored(out)["models"][0]["figures"]["fid"]["value"] != before


def test_features_of_the_same_name_that_are_others_are_measured_anew(tmp_path, monkeypatch):
    """Also where Python keeps bytecode, and the file has the same size and time."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    out, file = tmp_path / "report", tmp_path / "own.py"
    found = []
    for factor in (1, 3):
        file.write_text(f"def ink(x):\n    return {factor} * x.float().flatten(1)\n")
        os.utime(file, (1e9, 1e9))
        well(
            *("compare", "--data", "digits", "--quiet", "gan", "--steps", 2),
            *("--features", f"{file}:ink", "--out", out),
        )
        found.append(stored(out)["models"][0]["figures"]["fid"]["value"])
    assert found[1] == pytest.approx(9 * found[0])


def test_a_run_that_came_trained_is_beside_the_others_and_said_to_be(twice, tmp_path):
    out = tmp_path / "report"
    well("compare", *DIGITS, "gan", twice / "vae", "--steps", 12, "--out", out)
    found = stored(out)
    assert [model["name"] for model in found["models"]] == ["gan", "vae"]
    assert "came trained: their budget is their own" in found["notes"][0] and str(twice / "vae") in found["notes"][0]
    well("compare", *DIGITS, twice / "vae", "--out", tmp_path / "of-runs")
    assert stored(tmp_path / "of-runs")["notes"] == []


def test_what_is_refused(twice, tmp_path):
    out = tmp_path / "report"
    assert "0 seeds were asked for: expected at least 1" in refused(*COMPARE, "--seeds", 0, "--out", out)
    assert "no feature extractor" in refused(*COMPARE, "--features", "nosuch", "--out", out)
    assert "trained under another budget (steps: 12 there, 9 here)" in refused(
        "compare", *DIGITS, "vae", "--steps", 9, "--out", twice
    )
    assert "choose runs on the same data" in refused("compare", "--data", "ring", twice / "vae", "--out", out)
    assert "another split of digits (data_seed: 0 there, 1 here)" in refused(
        "compare", *DIGITS, "--data-seed", 1, twice / "vae", "--out", out
    )
    assert f"{twice / 'vae'} is a run" in refused(*COMPARE, "--out", twice / "vae")
    assert not out.exists()
    out.mkdir()
    (out / "report.md").write_text("my own")
    assert "holds a report.md that is no comparison's" in refused(*COMPARE, "--out", out)
    assert [entry.name for entry in out.iterdir()] == ["report.md"] and (out / "report.md").read_text() == "my own"
    file = tmp_path / "file"
    file.write_text("")
    assert "is a file: expected a directory" in refused(*COMPARE, "--out", file)


def test_tables_are_compared_by_the_names_of_their_columns(tmp_path):
    import random

    draw = random.Random(0)
    rows = [[draw.gauss(0, 1) for _ in range(4)] for _ in range(200)]
    table = tmp_path / "table.csv"
    table.write_text("height,weight,age,label\n" + "".join(f"{a},{a + b},{c},{int(d > 0)}\n" for a, b, c, d in rows))
    out = tmp_path / "report"
    well("compare", "--data", table, "gan", "--steps", 5, "--quiet", "--out", out)
    page = (out / "report.html").read_text()
    assert "What goes together" in page and "most: height and weight" in page
    assert stored(out)["notes"] == []


def test_test_examples_that_are_training_examples_are_told(tmp_path):
    import numpy as np

    x = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    np.savez(tmp_path / "leaky.npz", x_train=x, x_test=np.concatenate([x[:30], x[:30] + 5]))
    out = tmp_path / "report"
    well("compare", "--data", tmp_path / "leaky.npz", "gan", "--steps", 3, "--quiet", "--out", out)
    (note,) = stored(out)["notes"]
    assert (
        "the splits leak" in note and "30 exactly" in note and note.split(";")[0] in (out / "report.html").read_text()
    )
