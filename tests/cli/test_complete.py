"""`triptych complete`, as a newcomer would type it."""

import numpy as np
import pytest
from PIL import Image

from tests.program import refused, well
from triptych.pictures import TINT

pytestmark = pytest.mark.xdist_group("complete")  # so that the runs are made once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    train = ["--data", "digits", "--steps", 4, "--quiet", "--out"]
    small = ["--channels", 8, "--layers", 2, "--kernel-size", 3]
    well("train", "pixelcnn", *train, place / "grey", *small)
    well("train", "pixelcnn", *train, place / "binary", *small, "--binarize", "threshold")
    well("train", "pixelcnn", *train, place / "chance", *small, "--binarize", "stochastic")
    well("train", "pixelcnn", *train, place / "labelled", *small, "--classes", 10)
    well("train", "gan", *train, place / "gan", "--hidden", 8, "--generator", "mlp", "--critic", "mlp")
    well("train", "pixelcnn", "--data", "ring", "--count", 100, "--batch-size", 16, *train[2:], place / "ring", *small)
    return place


def completed(*arguments, out):
    told = well("complete", *arguments, "-o", out)
    return told, np.load(out)


def picture(path, values):
    Image.fromarray(np.asarray(values, dtype=np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("keep", "known", "how"),
    [
        ("top", np.s_[:4, :], "exact: drawn from p(unknown | known)"),
        ("bottom", np.s_[4:, :], "approximate: each unknown part"),
        ("left", np.s_[:, :4], "approximate: each unknown part"),
        ("right", np.s_[:, 4:], "approximate: each unknown part"),
    ],
)
def test_what_is_kept_stays_and_the_rest_varies(tmp_path, runs, keep, known, how):
    told, found = completed(runs / "grey", "--keep", keep, "-n", 3, "--count", 2, out=tmp_path / "x.npz")
    assert "3 completions of 2 images" in told and how in told
    mask = np.zeros((8, 8), bool)
    mask[known] = True
    assert (found["known"][0] == mask).all()
    x, given = found["x"], found["given"]
    assert x.shape == (2, 3, 1, 8, 8) and given.shape == (2, 1, 8, 8)
    assert (x[..., mask] == given[:, None][..., mask]).all()
    rest = x[..., ~mask]
    assert (rest[:, 0] != rest[:, 1]).any() and (rest[:, 1] != rest[:, 2]).any()


def test_the_seed_fixes_the_draw_and_sharpness_changes_it(tmp_path, runs):
    drawn = {}
    for name, more in {
        "a": ["--seed", 3],
        "b": ["--seed", 3],
        "other": ["--seed", 4],
        "sharp": ["--seed", 3, "--temperature", 0.1],
        "nucleus": ["--seed", 3, "--top-p", 0.01],
    }.items():
        drawn[name] = completed(runs / "grey", "-n", 2, "--count", 2, *more, out=tmp_path / f"{name}.npz")
    x = {name: found["x"] for name, (_, found) in drawn.items()}
    assert (x["a"] == x["b"]).all() and (x["a"] != x["other"]).any() and (x["a"] != x["sharp"]).any()
    assert (x["nucleus"][:, 0] == x["nucleus"][:, 1]).all(), "one level is left at each pixel"
    assert "sharpened: temperature 0.1" in drawn["sharp"][0]


def test_candidates_are_told(tmp_path, runs):
    told, _ = completed(
        runs / "grey", "--keep", "left", "--candidates", 5, "-n", 2, "--count", 1, out=tmp_path / "x.npz"
    )
    assert "one of 5 proposals" in told
    told, _ = completed(
        runs / "grey", "--keep", "top", "--candidates", 5, "-n", 2, "--count", 1, out=tmp_path / "y.npz"
    )
    assert "exact" in told


def test_a_written_sample_is_read_back_to_the_same_levels(tmp_path, runs):
    well("sample", runs / "grey", "-n", 3, "--seed", 1, "-o", tmp_path / "one")
    well("sample", runs / "grey", "-n", 3, "--seed", 1, "-o", tmp_path / "x.npz")
    images = [part for file in sorted((tmp_path / "one").iterdir()) for part in ("--image", file)]
    _, found = completed(runs / "grey", *images, "-n", 1, out=tmp_path / "y.npz")
    assert (found["given"] == np.load(tmp_path / "x.npz")["x"]).all()


def test_an_image_is_binarised_as_the_training_data_were(tmp_path, runs):
    grey = np.arange(64).reshape(8, 8) * 4
    file = picture(tmp_path / "grey.png", grey)
    _, found = completed(runs / "binary", "--image", file, "-n", 1, out=tmp_path / "x.npz")
    assert (found["given"][0, 0] == (grey >= 127.5)).all()
    draws = [
        completed(runs / "chance", "--image", file, "-n", 1, "--seed", seed, out=tmp_path / f"{seed}.npz")[1]["given"]
        for seed in range(40)
    ]
    assert np.abs(np.mean(draws, 0)[0, 0] - grey / 255).mean() < 0.1, "the mean of the draws is the intensity"


def test_a_mask_file_says_what_is_known(tmp_path, runs):
    mask = np.zeros((8, 8))
    mask[2:6, 3:] = 255
    _, found = completed(
        runs / "grey", "--keep", picture(tmp_path / "m.png", mask), "-n", 2, "--count", 1, out=tmp_path / "x.npz"
    )
    assert (found["known"][0] == (mask > 0)).all()
    assert (found["x"][0, :, 0][:, mask > 0] == found["given"][0, 0][mask > 0]).all()


def test_the_picture_shows_image_kept_part_and_completions(tmp_path, runs):
    _, found = completed(runs / "grey", "-n", 2, "--count", 2, "--keep", "left", out=tmp_path / "x.npz")
    well("complete", runs / "grey", "-n", 2, "--count", 2, "--keep", "left", "-o", tmp_path / "x.png")
    shown = np.asarray(Image.open(tmp_path / "x.png").convert("RGBA"))
    scale, side = 7, 56
    assert shown.shape[:2] == (2 * side + 2, 4 * side + 2 + 14 + 2)
    starts = (0, side + 2, 2 * side + 2 + 14, 3 * side + 4 + 14)
    for row in range(2):
        tiles = [
            shown[row * (side + 2) : row * (side + 2) + side, start : start + side][::scale, ::scale, :3]
            for start in starts
        ]
        grey = np.round(found["given"][row, 0] * 255.0 / 16)[..., None]
        assert (tiles[0] == grey).all()
        assert (tiles[1][:, :4] == grey[:, :4]).all() and (tiles[1][:, 4:] == TINT).all()
        for column in range(2):
            assert (tiles[2 + column] == np.round(found["x"][row, column, 0] * 255.0 / 16)[..., None]).all()
    assert (shown[:, 2 * side + 2 : 2 * side + 16, 3] == 0).all(), "the gap is transparent"


def test_an_image_of_another_size_or_other_levels_is_fitted_only_if_asked(tmp_path, runs):
    wide = np.zeros((12, 20, 3))
    wide[:, 4:16] = 130  # its central square is flat
    file = picture(tmp_path / "wide.png", wide)
    said = refused("complete", runs / "grey", "--image", file, "-o", tmp_path / "x.npz")
    assert "wide.png is 20×12, the model takes 8×8" in said and "--fit" in said
    levels = picture(tmp_path / "levels.png", np.full((8, 8), 130))
    said = refused("complete", runs / "grey", "--image", levels, "-o", tmp_path / "x.npz")
    assert "more levels than the model's 17 (such as 130 of 255)" in said and "--fit" in said
    _, found = completed(runs / "grey", "--fit", "--image", file, "--image", levels, "-n", 1, out=tmp_path / "x.npz")
    assert (found["given"] == round(130 * 16 / 255)).all()


def test_labels_come_from_the_examples_or_the_option(tmp_path, runs):
    file = picture(tmp_path / "black.png", np.zeros((8, 8)))
    _, found = completed(runs / "labelled", "-n", 2, "--count", 3, out=tmp_path / "x.npz")
    assert (
        found["y"].shape == (3, 2) and (found["y"][:, 0] == found["y"][:, 1]).all() and len(set(found["y"][:, 0])) > 1
    )
    _, found = completed(runs / "labelled", "--image", file, "--label", 7, "-n", 2, out=tmp_path / "y.npz")
    assert (found["y"] == 7).all()
    assert "give --label" in refused("complete", runs / "labelled", "--image", file, "-o", tmp_path / "z.npz")


@pytest.mark.parametrize(
    ("run", "arguments", "said"),
    [
        ("grey", ["--keep", "lefty"], "--keep lefty: no such part, and no such mask file; did you mean left?"),
        ("grey", ["--keep", "all.png"], "all.png keeps all"),
        ("grey", ["--keep", "nothing.png"], "nothing.png keeps nothing"),
        ("grey", ["--keep", "small.png"], "small.png is 4×6, the model takes 8×8"),
        ("grey", ["--keep", "text.png"], "text.png cannot be read: it is not an image"),
        ("grey", ["--image", "nowhere.png"], "nowhere.png cannot be read: No such file"),
        ("grey", ["--image", "text.png"], "text.png cannot be read: it is not an image"),
        ("grey", ["-n", 0], "expected at least 1"),
        ("grey", ["--count", 0], "expected at least 1"),
        ("grey", ["--temperature", 0], "temperature=0"),
        ("grey", ["--top-p", 2], "top_p=2"),
        ("grey", ["--candidates", 0], "candidates=0"),
        ("grey", ["--label", 3], "model without labels"),
        ("labelled", ["--label", 10], "label 10 is out of range"),
        ("grey", ["-o", "there.png"], "there.png is already there"),
        ("grey", ["-o", "x.jpg"], "expected a .png or an .npz"),
        ("gan", [], "does not answer complete"),
        ("ring", [], "vector of 2, and completes in Python"),
        ("nowhere", [], "there is no such directory"),
    ],
)
def test_a_users_error_is_one_line(tmp_path, monkeypatch, runs, run, arguments, said):
    monkeypatch.chdir(tmp_path)
    picture("all.png", np.full((8, 8), 255))
    picture("nothing.png", np.zeros((8, 8)))
    picture("small.png", np.zeros((6, 4)))
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "there.png").write_text("precious")
    assert said in refused("complete", runs / run, *arguments)
    assert not (tmp_path / "completed.png").exists() and (tmp_path / "there.png").read_text() == "precious"


def test_samples_take_temperature_and_top_p(tmp_path, runs):
    for name, more in {"plain": [], "sharp": ["--temperature", 0.02], "sure": ["--top-p", 0.01]}.items():
        said = well("sample", runs / "grey", "-n", 40, *more, "-o", tmp_path / f"{name}.npz")
        assert (", temperature " in said) == bool(more), "what is not the model's own distribution says so"
    x = {name: np.load(tmp_path / f"{name}.npz")["x"] for name in ("plain", "sharp", "sure")}
    assert (x["sure"] == x["sure"][:1]).all(), "one level is left at each pixel"
    assert x["sharp"].std(0).mean() < 0.8 * x["plain"].std(0).mean()
    assert "temperature=-1" in refused("sample", runs / "grey", "--temperature", -1, "-o", tmp_path / "y.png")
    assert "has no temperature" in refused("sample", runs / "gan", "--temperature", 0.5, "-o", tmp_path / "y.png")
