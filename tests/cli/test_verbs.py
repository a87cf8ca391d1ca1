"""Every verb of the program, as a newcomer would type it."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.program import call, run
from triptych.objectives.adversarial import LOSSES, hinge

TINY = {
    "pixelcnn": ["--channels", 8, "--layers", 2],
    "vae": ["--latent", 2, "--hidden", 16, "--encoder", "mlp", "--decoder", "mlp"],
    "gan": ["--latent", 4, "--hidden", 16, "--generator", "mlp", "--critic", "mlp"],
}


def well(*arguments):
    code, out, err = call(*arguments)
    assert code == 0, err
    return out, err


def refused(*arguments):
    """Return the one line with which a user's error ends."""
    code, out, err = call(*arguments)
    assert code == 2, (code, out, err)
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), err
    return lines[0]


pytestmark = pytest.mark.xdist_group("verbs")  # so that the runs are made once


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    for name, options in TINY.items():
        more = ["--classes", 10] if name == "vae" else []
        well("train", name, "--data", "digits", "--steps", 12, *options, *more, "--quiet", "--out", place / name)
    return place


def test_models_lists_what_each_answers():
    out, _ = well("models")
    assert "pixelcnn" in out and "lower bound" in out and "van den Oord" in out
    listed = json.loads(well("models", "--json")[0])
    assert listed["gan"]["likelihood"] == "none" and "encode" in listed["vae"]["answers"]


def test_explain_tells_of_a_model_and_of_a_run(runs):
    out, _ = well("explain", "vae")
    assert "Kingma & Welling" in out and "--latent" in out and "dimensions of the code; None for 32" in out
    out, _ = well("explain", "gan")
    assert "parts of --tricks" in out and "replay:size=512\n      Half of the critic's made examples" in out
    out, _ = well("explain", runs / "gan")
    assert "8×8 image, 17 levels" in out and "critic/adversarial" in out and "spec=digits" in out
    assert "neither a model nor a run directory; did you mean gan" in refused("explain", "gann")


def test_help_lists_a_models_own_options_with_their_text():
    out, _ = well("train", "vae", "--help")
    for said in ("--latent", "Dimensions of the code;", "--ema", "--binarize", "[default: 400]"):
        assert said in out
    assert "--critic-steps" in well("train", "gan", "--help")[0]


def test_help_names_the_parts_that_are_registered():
    help_of_norm = well("train", "gan", "--help")[0].split("--generator-norm")[1].split("--generator-labels")[0]
    assert "virtual" in help_of_norm and "spectral" not in help_of_norm, "a critic's alone"
    LOSSES.register("flipped")(lambda real, fake: hinge(fake, real))
    try:
        assert "flipped" in well("train", "gan", "--help")[0] and "flipped" in well("explain", "gan")[0]
    finally:
        del LOSSES["flipped"]


def test_samples_go_into_a_picture_a_file_or_a_directory(tmp_path, runs):
    well("sample", runs / "vae", "-n", 9, "--seed", 3, "--label", 7, "-o", tmp_path / "grid.png")
    assert min(Image.open(tmp_path / "grid.png").size) > 3 * 8
    for name in ("a.npz", "b.npz"):
        well("sample", runs / "vae", "-n", 5, "--seed", 3, "--label", 7, "-o", tmp_path / name)
    a, b = (np.load(tmp_path / name) for name in ("a.npz", "b.npz"))
    assert a["x"].shape == (5, 1, 8, 8) and a["x"].dtype == np.uint8 and a["x"].max() <= 16
    assert (a["y"] == 7).all() and (a["x"] == b["x"]).all()
    well("sample", runs / "gan", "-n", 3, "-o", tmp_path / "images")
    assert len(list((tmp_path / "images").glob("*.png"))) == 3


def test_nothing_is_overwritten_unasked(tmp_path, runs):
    kept = tmp_path / "kept.png"
    kept.write_text("precious")
    assert "already there" in refused("sample", runs / "gan", "-o", kept)
    assert kept.read_text() == "precious"
    well("sample", runs / "gan", "-o", kept, "--overwrite")


def test_evaluate_prints_a_table_or_json(runs):
    out, _ = well("evaluate", runs / "pixelcnn", runs / "vae")
    assert "exact" in out and "lower bound" in out
    found = json.loads(well("evaluate", runs / "pixelcnn", runs / "gan", "--data", "digits", "--json")[0])
    pixelcnn, gan = (m["figures"] for m in found["models"])
    assert -300 < pixelcnn["nats"]["value"] < -80 and pixelcnn["nats"]["error"] > 0
    assert pixelcnn["bits-per-dim"]["value"] == pytest.approx(-pixelcnn["nats"]["value"] / 64 / np.log(2))
    assert gan["nats"]["value"] is None and "does not answer" in gan["nats"]["note"]
    assert found["protocol"]["samples"] == 449


def test_compare_trains_measures_and_reports_and_does_not_train_twice(tmp_path, runs):
    out = tmp_path / "report"
    compare = ["compare", "--data", "digits", "vae", "gan", runs / "pixelcnn", "--steps", 10, "--out", out]
    table, _ = well(*compare)
    page = (out / "report.html").read_text()
    stored = json.loads((out / "report.json").read_text())
    assert [m["name"] for m in stored["models"]] == ["vae", "gan", "pixelcnn"]
    assert "https://" not in page and "http://" not in page
    assert stored["commands"][0].startswith("triptych compare --data digits vae gan")
    weights = (out / "vae" / "model.safetensors").stat().st_mtime_ns
    metrics = (out / "vae" / "metrics.jsonl").read_bytes()
    well(*compare, "--quiet")
    assert (out / "vae" / "metrics.jsonl").read_bytes() == metrics
    again = json.loads((out / "report.json").read_text())
    for before, after in zip(stored["models"], again["models"], strict=True):
        for key in ("nats", "fid", "near-copies"):
            assert before["figures"][key] == after["figures"][key], "the same runs have the same figures"
    assert weights and "Fréchet" in table
    assert "Validation share" in page and "Batch size" in page
    well("compare", "--data", "digits", runs / "pixelcnn", "--out", tmp_path / "of-runs", "--quiet")
    of_runs = (tmp_path / "of-runs" / "report.html").read_text()
    assert "Validation share" not in of_runs and "Batch size" not in of_runs  # nothing was trained for it


def test_compare_keeps_budgets_equal_and_splits_apart(tmp_path, runs):
    out = tmp_path / "report"
    compare = ["compare", "--data", "digits", "vae", "--out", out, "--quiet"]
    well(*compare, "--steps", 6)
    assert "trained under another budget (steps: 6 there, 3 here)" in refused(*compare, "--steps", 3)
    assert "another split of digits (data_seed: 0 there, 1 here)" in refused(
        "evaluate", runs / "pixelcnn", "--data", "digits", "--data-seed", 1
    )
    assert "--binarize was given without --data" in refused("evaluate", runs / "pixelcnn", "--binarize", "threshold")
    assert "nowhere is not a trained model" in refused("evaluate", tmp_path / "nowhere")


def test_seeds_of_a_model_share_their_test_split(tmp_path):
    for seed in (1, 2):
        well(
            "train",
            "vae",
            "--data",
            "ring",
            "--count",
            300,
            "--steps",
            2,
            "--seed",
            seed,
            "--quiet",
            "--out",
            tmp_path / f"s{seed}",
        )
    out, _ = well("evaluate", tmp_path / "s1", tmp_path / "s2")
    assert "s1" in out and "s2" in out


def test_a_model_that_diverges_is_reported_and_never_recommended(tmp_path, monkeypatch):
    import triptych.comparison.compare

    real = triptych.comparison.compare.fit

    def hot(model, *arguments, **options):
        return real(model, *arguments, **options, **({"lr": 1e6} if type(model).__name__ == "VAE" else {}))

    monkeypatch.setattr(triptych.comparison.compare, "fit", hot)
    out, _ = well("compare", "--data", "digits", "vae", "gan", "--steps", 30, "--out", tmp_path / "report")
    stored = json.loads((tmp_path / "report" / "report.json").read_text())
    assert "became" in stored["models"][0]["findings"][0] and "vae: model's" in out
    assert all("vae" not in (v["winner"] or "") for v in stored["verdicts"])


def test_unwritable_places_are_one_line(tmp_path, runs):
    file = tmp_path / "file"
    file.write_text("x")
    train = ["train", "vae", "--data", "digits", "--steps", 2, "--quiet", "--out"]
    for place in (file, file / "below"):
        assert str(file) in refused(*train, place)
    assert "error" in refused("sample", runs / "gan", "-o", file / "x.png")
    assert "accelerator=cuda" in refused(*train, tmp_path / "new", "--accelerator", "cuda")


def test_a_configuration_is_replayed_to_the_same_bytes(tmp_path):
    train = ["train", "vae", "--data", "digits", "--steps", 8, "--validate", 0.1, "--ema", 0.9, "--seed", 4]
    well(*train, *TINY["vae"], "--quiet", "--out", tmp_path / "first")
    well("train", "--config", tmp_path / "first" / "config.yaml", "--out", tmp_path / "second", "--quiet")
    first, second = (tmp_path / name / "model.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("stored", "damaged", "said"),
    [
        ("steps: 2", "steps: abc", "says steps='abc': expected int"),
        ("batch_size: 64", "batch_size: many", "says batch_size='many': expected int"),
        ("critic_rate: 1.0", "critic_rate: fast", "says critic_rate='fast': expected float"),
        ("test_fraction: 0.25", "test_fraction: half", "says test_fraction='half': expected float"),
    ],
)
def test_a_configuration_with_text_for_a_number_is_refused_in_a_line(tmp_path, runs, stored, damaged, said):
    text = (runs / "gan" / "config.yaml").read_text()
    stored = stored if stored != "steps: 2" else next(line.strip() for line in text.splitlines() if " steps: " in line)
    assert stored in text
    (tmp_path / "config.yaml").write_text(text.replace(f"  {stored}\n", f"  {damaged}\n"))
    assert said in refused("train", "--config", tmp_path / "config.yaml", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_dimensional_toys_are_compared(tmp_path):
    out = tmp_path / "ring"
    well("compare", "--data", "ring", "--count", 400, "pixelcnn", "vae", "gan", "--steps", 10, "--out", out)
    assert json.loads((out / "report.json").read_text())["models"][0]["figures"]["bits-per-dim"]["value"] is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "vea", "--data", "digits"], "no model 'vea'; did you mean vae?"),
        (["train", "vae"], "--data"),
        (["train", "vae", "--data", "digitz"], "did you mean digits?"),
        (["train", "vae", "--data", "digits", "--latnt", 3], "No such option: --latnt"),
        (["train", "vae", "--data", "digits", "--latent", "many"], "Invalid value for '--latent'"),
        (["train", "vae", "--data", "digits", "--latent", 0], "latent=0: expected at least 1"),
        (["train", "vae", "--data", "digits", "--pixels", "bernouli"], "did you mean bernoulli?"),
        (["train", "vae", "--data", "digits", "--pixels", "bernoulli"], "2 levels"),
        (["train", "gan", "--data", "digits", "--loss", "wgan"], "no loss 'wgan'"),
        (["train", "gan", "--data", "digits", "--latent", 10**13], "not enough memory"),
        (["train", "gan", "--data", "digits", "--tricks", f"replay:size={10**13}"], "not enough memory"),
        (["train", "gan", "--data", ""], "named by nothing"),
        (["train", "pixelcnn", "--data", "digits", "--kernel-size", 4], "expected an odd number"),
        (["train", "vae", "--data", "digits", "--batch-size", 5000], "fewer examples than the batch"),
        (["train", "vae", "--data", "ring", "--encoder", "conv"], "takes images of at least 8×8"),
        (["train", "vae", "--data", "digits", "--steps", 5, "--minutes", 1], "a budget is one of"),
        (["train", "vae", "--data", "digits", "--classes", 3], "label 9, the model classes=3: give --classes 10"),
        (["train", "vae", "--data", "swiss-roll", "--classes", 3], "the data has no labels"),
        (["train", "conditional-gan", "--data", "swiss-roll"], "give data with labels, or --classes 0"),
        (["train", "vae", "--data", "digits", "--validate", 2], "expected a number from 0 to below 1"),
        (["train"], "no model was named"),
        (["train", "--config", "nowhere.yaml", "--out", "x"], "nowhere.yaml cannot be read"),
        (["sample", "nowhere"], "there is no such directory"),
        (["sample", "tests"], "it holds no model.json"),
        (["compare", "--data", "digits", "vae", "vae"], "given twice"),
        (["compare", "--data", "digits", "vae", "--batch-size", 0], "batch_size=0: expected a number above 0"),
        (["compare", "--data", "digits", "vae", "gann"], "neither a model nor a run directory; did you mean gan"),
        (["evaluate", "nowhere"], "nowhere"),
        (["frobnicate"], "no command 'frobnicate'"),
    ],
)
def test_a_users_error_is_one_line(tmp_path, arguments, said):
    out = ["--out", tmp_path / "out"] if arguments[0] in ("train", "compare") and "--out" not in arguments else []
    assert said in refused(*arguments, *(out if len(arguments) > 1 else []))
    assert not (tmp_path / "out").exists()


def test_a_run_is_one_however_its_path_is_written(tmp_path, runs):
    again = runs / ".." / runs.name / "vae"
    assert "was given twice" in refused("evaluate", runs / "vae", again)
    assert "was given twice" in refused("compare", "--data", "digits", runs / "vae", again, "--out", tmp_path / "out")


def test_errors_of_samples_name_what_was_asked(tmp_path, runs):
    assert "was asked of a model without labels" in refused(
        "sample", runs / "gan", "--label", 1, "-o", tmp_path / "x.png"
    )
    assert "label 10 is out of range" in refused("sample", runs / "vae", "--label", 10, "-o", tmp_path / "x.png")
    assert "expected at least 1" in refused("sample", runs / "vae", "-n", 0, "-o", tmp_path / "x.png")
    assert "expected a .png" in refused("sample", runs / "vae", "-o", tmp_path / "x.jpg")
    assert not list(tmp_path.iterdir())


def test_the_installed_program_runs_and_fails_alike(tmp_path):
    """The same in a process of its own, from another directory."""
    code, out, _ = run("train", "vae", "--data", "digits", "--steps", 2, *TINY["vae"], "--out", "here", cwd=tmp_path)
    assert code == 0 and (tmp_path / "here" / "model.safetensors").exists() and "saved in here" in out
    code, _, err = run("train", "vae", "--data", "digitz", cwd=tmp_path)
    assert code == 2 and len(err.strip().splitlines()) == 1


def test_debug_shows_the_traceback():
    code, _, err = run("train", "vae", "--data", "digits", "--latent", 0, "--debug", "--out", "/nonexistent/x")
    assert code != 0 and "Traceback" in err
