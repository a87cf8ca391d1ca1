"""The verbs on codes, as a person types them, against the queries that they stand for."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression

import triptych as tp
import triptych.cli.arithmetic
from tests.program import refused, well
from triptych.cli.arithmetic import of_label
from triptych.errors import ConfigurationError
from triptych.noise import Noise
from triptych.queries import code_path, importance, invert, squared_errors
from triptych.training import load

pytestmark = pytest.mark.xdist_group("codes")  # so that the runs are made once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    few = ["--steps", 20, "--hidden", 16, "--quiet", "--out"]
    dense = ["--encoder", "mlp", "--decoder", "mlp"]
    digits = ["--data", "digits", *dense]
    well("train", "vae", *digits, "--latent", 3, *few, place / "vae")
    well("train", "vae", *digits, "--latent", 2, "--classes", 10, *few, place / "labelled")
    well("train", "vae", *digits, "--latent", 1, *few, place / "one")
    well("train", "autoencoder", *digits, "--latent", 3, *few, place / "autoencoder")
    well("train", "vae", "--data", "ring", "--count", 200, *dense, "--latent", 2, *few, place / "ring")
    gan = ["--generator", "mlp", "--critic", "mlp", "--latent", 4]
    well("train", "gan", "--data", "digits", *gan, *few, place / "gan")
    well(
        "train", "pixelcnn", "--data", "digits", "--channels", 8, "--layers", 2, *few[:2], *few[-2:], place / "pixelcnn"
    )
    return place


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")


def arrays(verb, *arguments, out):
    return well(verb, *arguments, "-o", out), np.load(out)


def levels_alike(x, examples):
    """Return whether examples have the levels x: in a batch of another size one pixel may round to the next one."""
    return (x != examples.data.numpy()).sum() <= 1


def image(path, x, levels=17):
    Image.fromarray(np.round(x.numpy().squeeze() * 255.0 / (levels - 1)).astype(np.uint8)).save(path)
    return path


def test_reconstructions_are_the_models_and_their_error_is_said(tmp_path, runs, digits):
    told, found = arrays("reconstruct", runs / "vae", "--count", 5, out=tmp_path / "x.npz")
    model, given = load(runs / "vae"), digits[1][:5]
    assert (found["x"] == given.data.numpy()).all() and (found["y"] == given.labels.numpy()).all()
    done = model.reconstruct(given)
    assert levels_alike(found["reconstructed"], done)
    errors = squared_errors(given, done)
    assert f"mean squared error {float(errors.mean()):.2f}"[:-1] in told
    assert f"PSNR {-10 * np.log10(float(errors.mean())):.0f}"[:-1] in told and "5 reconstructions" in told
    well("reconstruct", runs / "vae", "--image", image(tmp_path / "a.png", given.data[0]), "-o", tmp_path / "b.png")
    assert Image.open(tmp_path / "b.png").size == (40, 81), "the original above the reconstruction"
    assert "PSNR" not in well("reconstruct", runs / "ring", "-o", tmp_path / "ring.png")


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
def test_codes_are_ready_for_scikit_learn(tmp_path, runs, digits, suffix):
    out = tmp_path / f"codes{suffix}"
    told = well("encode", runs / "vae", "-o", out)
    if suffix == ".npz":
        found = np.load(out)
        codes, labels, source = found["codes"], found["labels"], found["source"]
    else:
        if suffix == ".csv":
            with out.open(newline="") as lines:
                names, *rows = csv.reader(lines)
            table = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        else:
            parquet = pytest.importorskip("pyarrow.parquet")
            table = {name: np.array(column) for name, column in parquet.read_table(out).to_pydict().items()}
        codes = np.stack([table[f"z{j}"].astype(np.float32) for j in range(3)], 1)
        labels, source = table["label"].astype(int), table["source"]
    train, test = digits
    truth = load(runs / "vae").encode(train)
    assert "1,348 train and 449 test" in told
    assert np.allclose(codes[source == "train"], truth, atol=1e-5) and (labels[:1348] == train.labels.numpy()).all()
    probe = LogisticRegression(max_iter=300).fit(codes[source == "train"], labels[source == "train"])
    assert probe.score(codes[source == "test"], labels[source == "test"]) > 0.2


def test_codes_of_a_split_of_other_data_and_of_images(tmp_path, runs, digits):
    _, found = arrays("encode", runs / "vae", "--split", "test", out=tmp_path / "a.npz")
    assert set(found) == {"codes", "labels"} and len(found["codes"]) == 449
    points = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    np.savez(tmp_path / "own.npz", x=points)
    told, found = arrays("encode", runs / "ring", "--data", tmp_path / "own.npz", out=tmp_path / "b.npz")
    assert "with no labels" in told and set(found) == {"codes", "source"}
    codes = load(runs / "ring").encode(torch.from_numpy(points)).numpy()
    assert np.allclose(np.sort(found["codes"], 0), np.sort(codes, 0), atol=1e-5)
    files = [image(tmp_path / f"{i}.png", digits[1].data[i]) for i in range(2)]
    named = [part for file in files for part in ("--image", file)]
    _, found = arrays("encode", runs / "vae", *named, out=tmp_path / "c.npz")
    assert np.allclose(found["codes"], load(runs / "vae").encode(digits[1][:2]).numpy(), atol=1e-5)
    assert found["source"].tolist() == list(map(str, files))


def test_a_walk_goes_between_images_test_examples_or_random_codes(tmp_path, runs, digits):
    model, test = load(runs / "vae"), digits[1]
    _, found = arrays("interpolate", runs / "vae", "-n", 2, "--steps", 4, out=tmp_path / "a.npz")
    codes = model.encode(test[:4])
    assert np.allclose(found["codes"], code_path(codes[::2], codes[1::2], 4).numpy(), atol=1e-6)
    assert found["x"].shape == (2, 4, 1, 8, 8)
    assert levels_alike(found["x"][0, :1], model.reconstruct(test[:1]))
    ends = [part for i in (7, 9) for part in ("--image", image(tmp_path / f"{i}.png", test.data[i]))]
    _, found = arrays("interpolate", runs / "vae", *ends, "--path", "spherical", out=tmp_path / "b.npz")
    assert levels_alike(found["x"][0, [0, -1]], model.reconstruct(test[[7, 9]]))
    for run, asked in {"vae": ["--random"], "gan": []}.items():
        told, found = arrays("interpolate", runs / run, *asked, "-n", 2, "--seed", 5, out=tmp_path / f"{run}.npz")
        drawn = load(runs / run).sample_codes(4, seed=5).numpy()
        assert "codes of the prior (seed 5)" in told
        assert (found["codes"][:, 0] == drawn[:2]).all() and (found["codes"][:, -1] == drawn[2:]).all()


def test_a_traversal_is_ordered_by_importance(tmp_path, runs, digits):
    told, found = arrays("traverse", runs / "vae", "--steps", 5, "--seed", 2, out=tmp_path / "a.npz")
    model = load(runs / "vae")
    matter = importance(model, model.sample_codes(4096, seed=2)[:128], seed=2)
    order = matter.argsort(descending=True).tolist()
    assert [int(line.split()[0]) for line in told.splitlines()[1:4]] == order
    centre = model.sample_codes(1, seed=2)[0].numpy()
    for row, j in zip(found["codes"], order, strict=True):
        assert np.allclose(row[:, j], [-3, -1.5, 0, 1.5, 3])
        assert (np.delete(row, j, 1) == np.delete(centre, j)).all()
    told, found = arrays("traverse", runs / "vae", "--coordinates", "2,0", "--extent", 1, out=tmp_path / "b.npz")
    assert len(found["codes"]) == 2 and "from −1 to 1" in told
    _, found = arrays("traverse", runs / "vae", "--count", 1, "--steps", 3, out=tmp_path / "c.npz")
    assert len(found["codes"]) == 1
    file = image(tmp_path / "x.png", digits[1].data[3])
    told, found = arrays("traverse", runs / "vae", "--image", file, out=tmp_path / "d.npz")
    own = model.encode(digits[1][3:4])[0].numpy()
    j = int(told.splitlines()[1].split()[0])
    assert np.allclose(np.delete(found["codes"][0], j, 1), np.delete(own, j), atol=1e-5)


def test_a_manifold_is_of_two_coordinates(tmp_path, runs):
    told, found = arrays("manifold", runs / "vae", "--side", 3, out=tmp_path / "a.npz")
    assert "which matter most; the others are at their means" in told and found["x"].shape == (3, 3, 1, 8, 8)
    still = [j for j in range(3) if f" {j} (" not in told]
    assert len(still) == 1 and (found["codes"][..., still] == 0).all()
    told, found = arrays("manifold", runs / "vae", "--coordinates", "2,1", "--side", 2, out=tmp_path / "b.npz")
    assert "coordinates 2 (across) and 1 (up)" in told
    assert np.allclose(found["codes"][0], [[0, 0.6745, -0.6745], [0, 0.6745, 0.6745]], atol=1e-4)
    well("manifold", runs / "gan", "--side", 4, "-o", tmp_path / "gan.png")
    assert Image.open(tmp_path / "gan.png").size == (4 * 42 - 2, 4 * 42 - 2)


def test_without_a_prior_codes_are_where_those_of_training_examples_are(tmp_path, runs, digits):
    model, (train, test) = load(runs / "autoencoder"), digits
    codes = model.encode(train)
    told, found = arrays("traverse", runs / "autoencoder", "--extent", 2, "--steps", 3, out=tmp_path / "a.npz")
    assert "the code of a test example" in told
    order = [int(line.split()[0]) for line in told.splitlines()[1:4]]
    assert order == importance(model, codes[:128]).argsort(descending=True).tolist()
    own = model.encode(test[:1])[0]
    for row, j in zip(found["codes"], order, strict=True):
        mean, scale = float(codes[:, j].mean()), float(codes[:, j].std())
        assert np.allclose(row[:, j], [mean - 2 * scale, mean, mean + 2 * scale], atol=1e-4)
        assert np.allclose(np.delete(row, j, 1), np.delete(own, j), atol=1e-5)
    _, found = arrays("manifold", runs / "autoencoder", "--side", 1, out=tmp_path / "b.npz")
    assert np.allclose(found["codes"][0, 0], codes.mean(0), atol=1e-4), "the median of each is its mean"


def test_arithmetic_of_a_gan_is_of_its_samples_by_number(tmp_path, runs):
    numbers = ["--plus", "3,7", "--minus", "1", "--base", "5,0"]
    told, found = arrays("arithmetic", runs / "gan", *numbers, "--count", 9, "--seed", 2, out=tmp_path / "a.npz")
    codes = load(runs / "gan").sample_codes(9, seed=2)
    vector = (codes[3] + codes[7]) / 2 - codes[1]
    expected = (codes[5] + codes[0]) / 2 + torch.linspace(0, 2, 5)[:, None] * vector
    assert np.allclose(found["codes"], expected[None], atol=1e-6) and "samples 3, 7 less 1, added to 5, 0" in told
    well("arithmetic", runs / "gan", "--grid", "--count", 9, "-o", tmp_path / "grid.png")
    assert Image.open(tmp_path / "grid.png").size == (3 * 48 - 8, 3 * (41 + 15 + 8) - 8)
    shown, sampled = (f(9, seed=2) for f in (load(runs / "gan").sample_codes, load(runs / "gan").sample))
    assert (load(runs / "gan").decode(shown).data == sampled.data).all(), "the grid's are those of triptych sample"


def test_arithmetic_of_a_gan_by_labels_inverts_examples(tmp_path, runs, digits, monkeypatch):
    monkeypatch.setattr(triptych.cli.arithmetic, "INVERTED", 3)
    _, found = arrays("arithmetic", runs / "gan", "3 - 5 + 8", "--count", 1, "--steps", 2, out=tmp_path / "a.npz")
    model, (train, test) = load(runs / "gan"), digits
    three, five = (invert(model, of_label(train, name)[:3]).codes.mean(0) for name in "35")
    base = invert(model, of_label(test, "8")[:1]).codes[0]
    assert np.allclose(found["codes"][0], torch.stack([base, base + 2 * (three - five)]), atol=1e-3)


def test_arithmetic_needs_labels_of_classes():
    vectors = tp.Examples(torch.zeros(2, 2), tp.Event((2,)), torch.zeros(2, 2), ("shape", "scale"))
    with pytest.raises(ConfigurationError, match="no labels by name"):
        of_label(vectors, "shape")


def test_arithmetic_adds_what_two_labels_differ_in(tmp_path, runs, digits):
    model, (train, test) = load(runs / "vae"), digits
    told, found = arrays("arithmetic", runs / "vae", "3 - 5 + 8", "--steps", 3, "--count", 2, out=tmp_path / "a.npz")
    assert "(3 − 5) added to 2 test examples of 8" in told
    mean = {label: model.encode(train[train.labels == label]).mean(0) for label in (3, 5)}
    base = model.encode(test[test.labels == 8][:2])
    for k, amount in enumerate((0, 1, 2)):
        assert np.allclose(found["codes"][:, k], base + amount * (mean[3] - mean[5]), atol=1e-4)
    _, short = arrays("arithmetic", runs / "vae", "--from", 5, "--to", 3, "--steps", 3, out=tmp_path / "b.npz")
    vector = found["codes"][:, 1] - found["codes"][:, 0]
    assert len(short["codes"]) == 4 and np.allclose(short["codes"][0, 1] - short["codes"][0, 0], vector, atol=1e-4)
    file = image(tmp_path / "x.png", test.data[0])
    for i, asked in enumerate((["3 - 5 + image"], ["--from", 5, "--to", 3])):
        _, own = arrays("arithmetic", runs / "vae", *asked, "--image", file, out=tmp_path / f"own{i}.npz")
        assert np.allclose(own["codes"][0, 0], model.encode(test[:1])[0], atol=1e-5)


def test_a_conditional_model_keeps_its_labels(tmp_path, runs, digits):
    run, test = runs / "labelled", digits[1]
    assert (arrays("reconstruct", run, out=tmp_path / "a.npz")[1]["y"] == test.labels[:8].numpy()).all()
    _, found = arrays("interpolate", run, "-n", 2, "--steps", 2, out=tmp_path / "b.npz")
    assert (found["y"].ravel() == test.labels[:4].numpy()).all(), "each end has its own"
    for verb in ("interpolate --random", "traverse", "manifold"):
        name, *more = verb.split()
        _, found = arrays(name, run, *more, "--label", 7, out=tmp_path / f"{name}.npz")
        assert (found["y"] == 7).all()
        _, drawn = arrays(name, run, *more, "--seed", 1, out=tmp_path / f"{name}-drawn.npz")
        assert (drawn["y"] == drawn["y"][:, :1]).all(), "one for a whole walk"
    _, found = arrays("arithmetic", run, "1 - 2 + 3", out=tmp_path / "c.npz")
    assert (found["y"] == 3).all()
    file = image(tmp_path / "x.png", test.data[0])
    for verb in ("reconstruct", "encode", "traverse"):
        assert "give --label" in refused(verb, run, "--image", file, "-o", tmp_path / "y.npz")
    assert "give --label" in refused("interpolate", run, "--image", file, "--image", file, "-o", tmp_path / "y.npz")


def test_every_walk_can_be_a_picture_or_an_animation_and_comes_again(tmp_path, runs):
    for verb, more in {"interpolate": [], "traverse": [], "arithmetic": ["3 - 5 + 5"]}.items():
        for suffix in (".png", ".gif"):
            out = tmp_path / f"{verb}{suffix}"
            well(verb, runs / "vae", *more, "-o", out)
            first = out.read_bytes()
            assert "already there" in refused(verb, runs / "vae", *more, "-o", out)
            well(verb, runs / "vae", *more, "-o", out, "--overwrite")
            assert out.read_bytes() == first
    assert Image.open(tmp_path / "traverse.gif").n_frames > 2
    for verb in ("interpolate", "traverse", "manifold"):
        assert well(verb, runs / "ring", "-o", tmp_path / f"ring-{verb}.png", "--quiet").count("ring-") == 0
        assert Image.open(tmp_path / f"ring-{verb}.png").width > 100
    assert "an animation shows images" in refused("interpolate", runs / "ring", "-o", tmp_path / "ring.gif")


@pytest.mark.parametrize(
    ("verb", "run", "arguments", "said"),
    [
        ("reconstruct", "gan", [], "GAN does not answer reconstruct"),
        ("reconstruct", "pixelcnn", [], "for reconstructions train a model that encodes and decodes"),
        ("reconstruct", "vae", ["--count", 0], "expected at least 1"),
        ("reconstruct", "vae", ["-o", "x.gif"], "x.gif: expected a .png or an .npz"),
        ("reconstruct", "ring", ["--image", "black.png"], "vector of 2"),
        ("reconstruct", "vae", ["--image", "small.png"], "small.png is 4×6, the model takes 8×8"),
        ("encode", "gan", [], "GAN does not answer encode"),
        ("encode", "vae", ["-o", "x.txt"], "expected an .npz, a .csv or a .parquet"),
        ("encode", "vae", ["--split", "tset"], "no --split tset; did you mean test?"),
        ("encode", "vae", ["--data", "ring"], "ring holds a vector of 2, the model takes a 1×8×8 image"),
        ("encode", "vae", ["--data", "digits", "--image", "black.png"], "choose one"),
        ("interpolate", "pixelcnn", [], "does not answer decode"),
        ("interpolate", "vae", ["--image", "black.png"], "--image was given 1×: expected --image twice"),
        ("interpolate", "vae", ["--image", "black.png", "--random"], "--random and --image were given"),
        ("interpolate", "vae", ["--path", "linaer"], "did you mean linear?"),
        ("interpolate", "vae", ["--steps", 1], "1 steps were asked for"),
        ("interpolate", "vae", ["-n", 0], "expected at least 1 walk"),
        ("interpolate", "autoencoder", ["--random"], "does not answer sample_codes"),
        ("interpolate", "vae", ["--random", "--label", 3], "model without labels"),
        ("interpolate", "labelled", ["--label", 10], "label 10 is out of range"),
        ("traverse", "vae", ["--coordinates", "a"], "--coordinates a: expected whole numbers"),
        ("traverse", "vae", ["--coordinates", "0,3"], "no coordinate 3: a code of this model has 0 to 2"),
        ("traverse", "vae", ["--coordinates", "1,1"], "one is there twice"),
        ("traverse", "vae", ["--count", 0], "expected at least 1"),
        ("traverse", "vae", ["--extent", -1], "extent=-1"),
        ("traverse", "vae", ["--steps", 1], "steps=1"),
        ("manifold", "one", [], "has codes of 1 number"),
        ("manifold", "vae", ["--coordinates", "1"], "1 coordinates were given: a manifold is drawn of 2"),
        ("manifold", "vae", ["--side", 0], "side=0"),
        ("manifold", "vae", ["-o", "x.gif"], "expected a .png or an .npz"),
        ("arithmetic", "pixelcnn", ["1 - 2 + 3"], "does not answer decode"),
        ("arithmetic", "autoencoder", ["--grid"], "does not answer sample_codes"),
        ("arithmetic", "ring", ["--grid"], "expected a model of images"),
        ("arithmetic", "gan", ["--plus", "3", "--minus", "4"], "--base was not given: expected numbers of the grid"),
        ("arithmetic", "gan", ["--plus", "3", "--minus", "4", "--base", "64"], "--base 64: expected numbers of"),
        ("arithmetic", "gan", ["--plus", "3", "--grid"], "give nothing else"),
        ("arithmetic", "vae", [], "expected an expression such as"),
        ("arithmetic", "vae", ["--from", 3], "or --from 5 --to 3"),
        ("arithmetic", "vae", ["1 - 2 + 3", "--from", 3, "--to", 5], "or --from 5 --to 3"),
        ("arithmetic", "vae", ["3 - 5"], "expected A - B + C"),
        ("arithmetic", "vae", ["3 - five + 3"], "no label 'five' in the run's data; there is: 0, 1"),
        ("arithmetic", "vae", ["3 - 5 + image"], "give --image FILE"),
        ("arithmetic", "vae", ["3 - 5 + 3", "--image", "black.png"], "name image in it"),
        ("arithmetic", "vae", ["3 - 5 + 3", "--steps", 1], "expected at least 2 columns"),
        ("traverse", "nowhere", [], "there is no such directory"),
    ],
)
def test_a_users_error_is_one_line(tmp_path, monkeypatch, runs, verb, run, arguments, said):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.zeros((8, 8), dtype=np.uint8)).save("black.png")
    Image.fromarray(np.zeros((6, 4), dtype=np.uint8)).save("small.png")
    assert said in refused(verb, runs / run, *arguments)
    assert {file.name for file in tmp_path.iterdir()} == {"black.png", "small.png"}


def test_drawn_labels_are_the_seeds(runs):
    from triptych.cli.codes import drawn_labels

    model = load(runs / "labelled")
    drawn = drawn_labels(model, None, 50, 3)
    assert torch.equal(drawn, Noise.of(3).integers(10, (50,))) and len(set(drawn.tolist())) > 5
