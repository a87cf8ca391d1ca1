"""`triptych classify` and outliers of `evaluate --against`, as a newcomer would type them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import triptych as tp
from tests.program import refused, well
from triptych.data import hold_out
from triptych.queries.classification import bayes_classifier, class_prior

pytestmark = pytest.mark.xdist_group("classify")  # so that the runs are made once


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs")
    train = ["--data", "digits", "--steps", 20, "--quiet", "--hidden", 32, "--latent", 6, "--out"]
    well("train", "vae", *train, place / "labelled", "--classes", 10, "--validate", 0.1, "--seed", 3)
    well("train", "vae", *train, place / "plain")
    for seed, name in enumerate(("left", "right")):
        points = np.random.default_rng(seed).normal(size=(80, 2)) + 3 * seed
        np.savez(place / f"{name}.npz", x=points.astype(np.float32))
        few = ["--data", place / f"{name}.npz", "--steps", 40, "--batch-size", 16, "--quiet", "--hidden", 16]
        well("train", "vae", *few, "--latent", 1, "--out", place / name)
    return place


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_classes_are_those_of_bayes_rule_and_the_doubtful_are_declined(tmp_path: Path, runs: Path) -> None:
    told = well(
        "classify", runs / "labelled", "--reject", 0.1, "--seed", 2, "-o", tmp_path / "x.csv", "--importance", 5
    )
    rows = table(tmp_path / "x.csv")
    train, test = tp.data.load("digits")
    classifier = bayes_classifier(tp.load(runs / "labelled"), class_prior(train, 10), samples=5, seed=2)
    found = classifier(test)
    assert [int(row["class"]) for row in rows] == found.predicted.tolist()
    assert [float(row["posterior"]) for row in rows] == pytest.approx(found.confidence.tolist(), rel=1e-5)
    assert [float(row["log_evidence"]) for row in rows] == pytest.approx(found.log_evidence.tolist(), rel=1e-7)
    _, held_out = hold_out(train, 0.1, seed=3)
    assert held_out is not None and test.labels is not None
    limit = classifier(held_out).log_odds.sort().values[13 - 1]  # the 13.6th of 135, counted from below
    declined = found.log_odds < limit
    assert [row["rejected"] == "1" for row in rows] == declined.tolist()
    assert [row["label"] for row in rows] == [str(label) for label in test.labels.tolist()]
    share = float((found.predicted == test.labels)[~declined].double().mean())
    shown = float(told.split("right: ")[1].split(" ")[0])
    assert shown == pytest.approx(100 * share, abs=0.1) and f"of {int((~declined).sum())} answered" in told
    assert "135 held-out training examples" in told and "calibration error" in told and "log loss" in told


def test_a_picture_is_drawn_and_images_are_classified(tmp_path: Path, runs: Path) -> None:
    well("classify", runs / "labelled", "-o", tmp_path / "x.csv", "--picture", tmp_path / "x.png", "--by", "likelihood")
    assert Image.open(tmp_path / "x.png").size[0] > 800
    assert {row["rejected"] for row in table(tmp_path / "x.csv")} == {"0"}
    well("sample", runs / "plain", "-n", 2, "-o", tmp_path / "some")
    files = [tmp_path / "some" / f"0000{i}.png" for i in range(2)]
    told = well("classify", runs / "labelled", "--image", files[0], "--image", files[1], "-o", tmp_path / "y.csv")
    rows = table(tmp_path / "y.csv")
    assert [row["source"] for row in rows] == [str(file) for file in files] and "label" not in rows[0]
    assert "right:" not in told


def test_one_run_of_each_class_is_a_classifier(tmp_path: Path, runs: Path) -> None:
    told = well("classify", runs / "left", runs / "right", "-o", tmp_path / "x.csv", "--reject", 0.05)
    rows = table(tmp_path / "x.csv")
    assert [row["label"] for row in rows] == ["left"] * 20 + ["right"] * 20
    share = np.mean([row["label"] == row["class"] for row in rows])
    assert share > 0.9, "the classes are 3 deviations apart on both axes"
    assert "it has seen them" in told


def test_outliers_of_other_data_are_told_by_every_score(runs: Path) -> None:
    against = ["--against", "factors", "--features", "pixels", "--test-count", 100]
    told = well("evaluate", runs / "plain", "--metrics", "outliers", *against)
    assert "100 examples of factors against 100 test examples" in told
    for name in ("likelihood", "typicality", "complexity", "reconstruction"):
        assert name in told
    asked = ["--metrics", "outliers,reject", *against, "--background", runs / "plain"]
    told = " ".join(well("evaluate", runs / "labelled", *asked).split())
    assert "ratio" in told and "No reconstruction: a model with labels" in told and "by posterior" in told


def test_scores_by_every_remedy_are_written(tmp_path: Path, runs: Path) -> None:
    for by, more in (("typicality", []), ("complexity", []), ("ratio", ["--background", runs / "plain"])):
        well("score", runs / "labelled", "--by", by, *more, "-o", tmp_path / f"{by}.csv")
        assert len({row["score"] for row in table(tmp_path / f"{by}.csv")}) > 300
    assert min(float(row["score"]) for row in table(tmp_path / "typicality.csv")) >= 0


@pytest.mark.parametrize(
    ("verb", "run", "arguments", "said"),
    [
        ("classify", "plain", [], "no labels to tell apart"),
        ("classify", "labelled", ["--reject", 1], "expected a share from 0 to below 1"),
        ("classify", "labelled", ["--reject", 0.001], "cannot be learnt from 135 examples"),
        ("classify", "labelled", ["--by", "posteriors"], "did you mean posterior"),
        ("classify", "labelled", ["--data", "ring"], "the model takes a 1×8×8 image"),
        ("classify", "labelled", ["-o", "there.png"], "expected a .csv"),
        ("classify", "labelled", ["--picture", "there.png"], "there.png is already there"),
        ("classify", "labelled", ["--importance", 0], "expected at least 1"),
        ("classify", "left", ["left"], "there is no such directory"),
        ("evaluate", "plain", ["--metrics", "outliers"], "give --against DATA"),
        ("evaluate", "plain", ["--metrics", "fid", "--against", "digits"], "--against is for outliers"),
        ("evaluate", "plain", ["--metrics", "outliers", "--against", "ring"], "ring holds vectors"),
        ("evaluate", "plain", ["--metrics", "reject"], "not told classes"),
        ("score", "plain", ["--by", "ratio"], "give both or neither"),
        ("score", "left", ["--by", "complexity"], "only images are compressed"),
    ],
)
def test_a_users_error_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: Path, verb: str, run: str, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_text("precious")
    assert said in refused(verb, runs / run, *arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["there.png"]
    assert (tmp_path / "there.png").read_text() == "precious"
