"""`triptych score`, `denoise` and `compress`, as a newcomer would type them."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

import triptych as tp
from tests.program import refused, well
from triptych.data import hold_out
from triptych.queries import anomaly_scores, squared_errors

pytestmark = pytest.mark.xdist_group("apply")  # so that the runs are made once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    train = ["--data", "digits", "--steps", 10, "--quiet", "--hidden", 32, "--out"]
    well("train", "vae", *train, place / "vae", "--latent", 6, "--validate", 0.1, "--seed", 3)
    well("train", "vae", *train, place / "labelled", "--latent", 4, "--classes", 10)
    well("train", "vae", *train, place / "split", "--latent", 4, "--data-seed", 1)
    well("train", "denoising-autoencoder", *train, place / "dae", "--latent", 12, "--corruption", "masking")
    well("train", "gan", *train, place / "gan", "--generator", "mlp", "--critic", "mlp")
    ring = ["--data", "ring", "--count", 400, "--batch-size", 16, *train[2:]]
    well("train", "vae", *ring, place / "ring", "--latent", 1)
    return place


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_scores_are_the_models_and_the_threshold_is_of_the_held_out_share(tmp_path, runs):
    told = well("score", runs / "vae", "--importance", 5, "--seed", 2, "--false-alarm", 0.02, "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    train, test = tp.data.load("digits")
    model = tp.load(runs / "vae")
    expected = anomaly_scores(model, test, samples=5, seed=2)
    held_out = anomaly_scores(model, hold_out(train, 0.1, seed=3)[1], samples=5, seed=2)
    limit = held_out.sort().values[-2]  # the ⌈0.98 · 136⌉ = 134th of 135
    assert [float(row["score"]) for row in rows] == pytest.approx(expected.tolist(), rel=1e-6)
    assert [row["label"] for row in rows] == [str(label) for label in test.labels.tolist()]
    assert [row["flagged"] == "1" for row in rows] == (expected > limit).tolist()
    assert {row["source"] for row in rows} == {"test"} and [int(row["index"]) for row in rows] == list(range(449))
    assert f"threshold: {limit:,.5g} (nats), above which lies at most 2 % of 135 held-out training examples" in told
    assert f"% of {len(test)} test examples" in told and "AUROC" not in told


def test_both_splits_are_scored_one_after_the_other(tmp_path, runs):
    well("score", runs / "dae", "--split", "both", "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    assert [row["source"] for row in rows] == ["train"] * 1348 + ["test"] * 449
    assert [int(row["index"]) for row in rows] == [*range(1348), *range(449)]
    train, _ = tp.data.load("digits")
    model = tp.load(runs / "dae")
    expected = anomaly_scores(model, train)
    assert [float(row["score"]) for row in rows[:1348]] == pytest.approx(expected.tolist(), rel=1e-6)
    assert 1 <= sum(row["flagged"] == "1" for row in rows[:1348]) <= 13


def test_it_is_said_how_well_anomalies_are_found(tmp_path, runs):
    asked = ["--by", "reconstruction", "--anomalous", 3, "--anomalous", 5, "--false-alarm", 0.1]
    told = well("score", runs / "vae", *asked, "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    odd = [row for row in rows if row["label"] in "35"]
    ordinary = [row for row in rows if row["label"] not in "35"]
    wins = np.mean([[float(a["score"]) > float(b["score"]) for b in ordinary] for a in odd])
    assert f"% of {len(ordinary)} ordinary test examples" in told and f"% of {len(odd)} anomalous" in told
    area = float(told.split("AUROC: ")[1].split(" ")[0])
    assert area == pytest.approx(wins, abs=0.02)
    assert "the model may take them for ordinary" in told, "it was trained on them"
    limit = float(told.split("threshold: ")[1].split(" ")[0])
    train, _ = tp.data.load("digits")
    held_out = hold_out(train, 0.1, seed=3)[1]
    held_out = held_out[~torch.isin(held_out.labels, torch.tensor([3, 5]))]
    model = tp.load(runs / "vae")
    above = (anomaly_scores(model, held_out, by="reconstruction") > limit * 1.0001).double().mean()
    assert 0.1 - 2 / len(held_out) <= above <= 0.1, "anomalies have no part in the threshold"


def test_images_and_other_data_are_scored(tmp_path, runs):
    well("sample", runs / "vae", "-n", 2, "-o", tmp_path / "some")
    files = [tmp_path / "some" / f"0000{i}.png" for i in range(2)]
    told = well("score", runs / "vae", "--image", files[0], "--image", files[1], "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    assert [row["source"] for row in rows] == [str(file) for file in files] and "label" not in rows[0]
    assert "% of 2 images" in told and "% of 449 of the run's own test examples" in told
    arrays = tmp_path / "dark.npz"
    np.savez(arrays, x=np.zeros((12, 1, 8, 8), np.uint8))
    told = well("score", runs / "vae", "--data", arrays, "--by", "reconstruction", "-o", tmp_path / "y.csv")
    assert "% of 3 test examples" in told and len(table(tmp_path / "y.csv")) == 3
    assert "run's own test" in told


def test_a_labelled_model_scores_by_the_examples_labels_or_the_one_given(tmp_path, runs):
    well("score", runs / "labelled", "-o", tmp_path / "own.csv")
    well("score", runs / "labelled", "--label", 0, "-o", tmp_path / "zero.csv")
    own, zero = (table(tmp_path / f"{name}.csv") for name in ("own", "zero"))
    same = [a["score"] == b["score"] for a, b in zip(own, zero, strict=True)]
    assert same == [row["label"] == "0" for row in own]


def test_test_examples_are_corrupted_as_in_training_and_restored(tmp_path, runs):
    told = well("denoise", runs / "dae", "--count", 5, "--seed", 4, "-o", tmp_path / "x.npz")
    found = np.load(tmp_path / "x.npz")
    _, test = tp.data.load("digits")
    model = tp.load(runs / "dae")
    noisy = model.corrupt(test, seed=4)
    assert (found["clean"] == test.data[:5].numpy()).all() and (found["noisy"] == noisy.data[:5].numpy()).all()
    apart = found["restored"] != model.reconstruct(noisy[:5]).data.numpy()
    assert apart.sum() <= 1, "in a batch of another size one pixel may round to the next level"
    value = -10 * np.log10(float(squared_errors(test, noisy).mean()))
    assert f"noisy {value:.2f} ±" in told and "PSNR of 449 test examples" in told


@pytest.mark.parametrize(("corruption", "amount"), [("gaussian", 0.2), ("salt-and-pepper", 0.4), ("masking", 0.9)])
def test_a_corruption_is_chosen_for_a_model_that_was_trained_without(tmp_path, runs, corruption, amount):
    well(
        "denoise",
        runs / "vae",
        "--corruption",
        corruption,
        "--amount",
        amount,
        "--count",
        400,
        "-o",
        tmp_path / "x.npz",
    )
    x = np.load(tmp_path / "x.npz")
    changed = x["noisy"] != x["clean"]
    if corruption == "masking":
        assert (x["noisy"][changed] == 0).all() and ((x["noisy"] > 0) & changed).sum() == 0
        assert changed.sum() == pytest.approx(0.9 * (x["clean"] > 0).sum(), rel=0.02)
    elif corruption == "salt-and-pepper":
        assert set(np.unique(x["noisy"][changed])) == {0, 16}
        middle = (x["clean"] > 0) & (x["clean"] < 16)
        assert changed[middle].mean() == pytest.approx(0.4, abs=0.02)
    else:
        middle = x["clean"] == 8
        assert (x["noisy"][middle] / 16.0).std() == pytest.approx(0.2, abs=0.02)


def test_a_users_image_is_restored_as_it_is(tmp_path, runs):
    pixels = (np.arange(64).reshape(8, 8) % 17 * 15.9375).round().astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "noisy.png")
    told = well("denoise", runs / "dae", "--image", tmp_path / "noisy.png", "-o", tmp_path / "x.npz")
    x = np.load(tmp_path / "x.npz")
    assert set(x) == {"noisy", "restored", "median"} and "PSNR" not in told
    assert (x["noisy"][0, 0] == np.arange(64).reshape(8, 8) % 17).all()
    well("denoise", runs / "dae", "--image", tmp_path / "noisy.png", "-o", tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").size == (40, 3 * 40 + 2 * 2), "three rows of one tile"


def test_the_picture_has_a_row_for_each(tmp_path, runs):
    well("denoise", runs / "dae", "--count", 3, "-o", tmp_path / "x.png")
    well("denoise", runs / "dae", "--count", 3, "-o", tmp_path / "x.npz")
    x = np.load(tmp_path / "x.npz")
    shown = np.asarray(Image.open(tmp_path / "x.png"))[..., 0]
    for row, name in enumerate(["clean", "noisy", "restored", "median"]):
        for column in range(3):
            tile = shown[row * 42 : row * 42 + 40 : 5, column * 42 : column * 42 + 40 : 5]
            exact = x[name][column, 0] * 255.0 / 16
            assert np.abs(tile - exact).max() <= (8.5 if name == "restored" else 0.5), "restored in every shade"


def test_curves_of_several_runs_in_one_table(tmp_path, runs):
    told = well("compress", runs / "vae", runs / "dae", "--count", 60, "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    coders = list(dict.fromkeys(row["coder"] for row in rows))
    assert coders == [str(runs / "vae"), str(runs / "dae"), "PCA", "JPEG file", "JPEG data"]
    sizes = [float(row["bytes"]) for row in rows if row["coder"] == str(runs / "dae")]
    assert sizes == [12 * b / 8 for b in range(1, 9)]
    for row in rows:
        exact = float(row["mse"]) == 0  # no ratio, then
        assert (row["psnr"] == "") == exact
        assert exact or float(row["psnr"]) == pytest.approx(-10 * np.log10(float(row["mse"])), abs=1e-3)
    assert "of 60 test examples" in told and "12 × 8 bits" in told
    well("compress", runs / "vae", "--count", 60, "--quiet", "-o", tmp_path / "x.png")
    assert Image.open(tmp_path / "x.png").size[0] > 400


def test_vectors_are_compressed_beside_components_alone(tmp_path, runs):
    well("compress", runs / "ring", "-o", tmp_path / "x.csv")
    rows = table(tmp_path / "x.csv")
    assert {row["coder"] for row in rows} == {str(runs / "ring"), "PCA"} and {row["psnr"] for row in rows} == {""}
    well("compress", runs / "ring", "-o", tmp_path / "x.png")


@pytest.mark.parametrize(
    ("verb", "run", "arguments", "said"),
    [
        ("score", "vae", ["--by", "density"], "VAE does not answer log_prob"),
        ("score", "gan", [], "GAN does not answer log_prob_bounds"),
        ("score", "vae", ["--by", "elbo"], "no score by 'elbo'"),
        ("score", "vae", ["--false-alarm", 0], "false-alarm rate of 0: expected a number between 0 and 1"),
        ("score", "vae", ["--false-alarm", 0.001], "cannot be learnt from 135 examples: expected at least 999"),
        ("score", "vae", ["--importance", 0], "expected at least 1"),
        ("score", "vae", ["--anomalous", "eleven"], "--anomalous eleven: no such label"),
        ("score", "vae", ["--anomalous", 1, "--image", "there.png"], "image files have none"),
        ("score", "vae", ["--data", "digits", "--image", "there.png"], "choose one of them"),
        ("score", "vae", ["--data", "ring"], "ring holds a vector of 2, the model takes a 1×8×8 image"),
        ("score", "vae", ["--split", "tests"], "no --split tests; did you mean test?"),
        ("score", "vae", ["-o", "there.png"], "expected a .csv"),
        ("score", "ring", ["--image", "there.png"], "the model is of a vector of 2"),
        ("score", "nowhere", [], "there is no such directory"),
        ("denoise", "vae", [], "was trained without a corruption: give --corruption"),
        ("denoise", "vae", ["--corruption", "blur"], "no --corruption blur"),
        ("denoise", "vae", ["--corruption", "masking", "--amount", 2], "expected a probability above 0, at most 1"),
        ("denoise", "dae", ["--amount", 0.2], "--amount 0.2 was given without --corruption"),
        ("denoise", "dae", ["--amount", 0.2, "--image", "there.png"], "leave them, or leave --image"),
        ("denoise", "dae", ["--image", "there.png"], "there.png cannot be read"),
        ("denoise", "dae", ["--count", 0], "expected at least 1"),
        ("denoise", "dae", ["-o", "there.png"], "there.png is already there"),
        ("denoise", "gan", [], "does not answer reconstruct"),
        ("denoise", "ring", [], "only images are denoised"),
        ("compress", "gan", [], "does not answer reconstruct"),
        ("compress", "vae", ["--count", 1], "expected at least 2"),
        ("compress", "vae", ["-o", "there.png"], "there.png is already there"),
        ("compress", "vae", ["-o", "x.jpg"], "expected a .png or a .csv"),
        ("compress", "nowhere", [], "there is no such directory"),
    ],
)
def test_a_users_error_is_one_line(tmp_path, monkeypatch, runs, verb, run, arguments, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.png").write_text("precious")
    assert said in refused(verb, runs / run, *arguments)
    assert [file.name for file in tmp_path.iterdir()] == ["there.png"]
    assert (tmp_path / "there.png").read_text() == "precious"


def test_runs_of_other_data_are_not_compressed_together(tmp_path, monkeypatch, runs):
    monkeypatch.chdir(tmp_path)
    assert "choose runs on the same data" in refused("compress", runs / "vae", runs / "ring")
    assert "another split of digits" in refused("compress", runs / "vae", runs / "split")
    assert "was given twice" in refused("compress", runs / "vae", runs / "vae")
