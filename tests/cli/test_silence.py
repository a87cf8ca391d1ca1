"""The laws of long work: no verb is silent for two seconds, and every verb ends within two seconds of a signal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.program import ENVIRONMENT, well
from triptych.cli.app import app
from triptych.running.display import MARK

pytestmark = pytest.mark.xdist_group("silence")  # so that the verbs are watched once
if sys.platform != "linux":
    pytest.skip("forks, and a lock that is laid out as on Linux", allow_module_level=True)

MLP = ["--hidden", "16"]
RUNS = {
    "vae": ["vae", "--latent", "2", *MLP, "--encoder", "mlp", "--decoder", "mlp", "--classes", "10"],
    "gan": ["gan", "--latent", "4", *MLP, "--generator", "mlp", "--critic", "mlp"],
    "dae": ["denoising-autoencoder", "--latent", "4", *MLP, "--encoder", "mlp", "--decoder", "mlp"],
    "coupled": ["coupled-gan", "--classes", "10", "--latent", "4", "--channels", "4"],
    "pixelcnn": ["pixelcnn", "--channels", "4", "--layers", "2"],
}
QUICK = {"models", "explain", "recipes", "diagnose"}
"""Verbs that compute nothing."""


def commands(runs, place):
    """Return every verb as a newcomer would type it, the last argument being where the result goes."""
    vae, gan, dae, coupled, pixels = (runs / name for name in RUNS)
    out = place / "out"
    data = ["--data", "digits"]
    small = ["--steps", "12", "--batch-size", "16", "--quiet"]
    return {
        "models": ["models"],
        "explain": ["explain", vae],
        "recipes": ["recipes"],
        "diagnose": ["diagnose", gan],
        "train": ["train", *RUNS["vae"], *data, *small[:-1], "--validate", "0.1", "--out", out / "train"],
        "sample": ["sample", pixels, "-n", "4", "-o", out / "sample.png"],
        "complete": ["complete", pixels, "--count", "2", "-n", "2", "-o", out / "complete.png"],
        "reconstruct": ["reconstruct", vae, "-o", out / "reconstruct.png"],
        "encode": ["encode", vae, "-o", out / "encode.npz"],
        "invert": ["invert", gan, "--count", "2", "--steps", "30", "-o", out / "invert.png"],
        "interpolate": ["interpolate", vae, "-n", "2", "-o", out / "interpolate.png"],
        "traverse": ["traverse", vae, "-o", out / "traverse.png"],
        "manifold": ["manifold", vae, "--side", "30", "-o", out / "manifold.png"],
        "joint": ["joint", coupled, "-o", out / "joint.png"],
        "arithmetic": ["arithmetic", gan, "--grid", "--count", "9", "-o", out / "arithmetic.png"],
        "score": ["score", vae, "--importance", "2", "-o", out / "score.csv"],
        "classify": ["classify", vae, "--importance", "2", "-o", out / "classify.csv"],
        "quiz": ["quiz", gan, "-n", "3", "-o", out / "quiz.html"],
        "denoise": ["denoise", dae, "--count", "3", "-o", out / "denoise.png"],
        "compress": ["compress", vae, "--count", "20", "-o", out / "compress.csv"],
        "evaluate": ["evaluate", vae, "--test-count", "40", "--importance", "4", "--metrics", "bounds,nats-40"],
        "compare": ["compare", "gan", "vae", *data, "--steps", "3", "--out", out / "compare"],
    }


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    for name, options in RUNS.items():
        well("train", *options, "--data", "digits", "--steps", 4, "--batch-size", 16, "--quiet", "--out", place / name)
    return place


TRAIN = ["train", *RUNS["gan"], "--critic-steps", "2", "--ema", "0.9", "--data", "digits", "--batch-size", "16"]
VALIDATED = ["train", *RUNS["vae"], "--validate", "0.2", "--data", "digits", "--batch-size", "16"]
MORE = ["--steps", "8", "--log-every", "4", "--sample-every", "4", "--checkpoint-every", "1"]
ENDLESS = {"turn": (TRAIN, 60), "validation": (VALIDATED, 34), "later": (VALIDATED, 45)}
"""Trainings, and the operation in which each gets stuck."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    return tmp_path_factory.mktemp("places")


@pytest.fixture(scope="module")
def seen(runs, places):
    """Run every verb slowed, and stuck, side by side; return what was seen of each."""
    jobs = {("slow", name): (typed, None) for name, typed in commands(runs, places / "slow").items()}
    quiet = ["sample", runs / "pixelcnn", "-n", "4", "--quiet", "-o", places / "quiet.png"]
    jobs["slow", "quiet"] = (quiet, None)
    stuck = commands(runs, places / "stuck").items()
    jobs |= {("stuck", name): (typed, 3) for name, typed in stuck if name not in QUICK}
    for name, (typed, calls) in ENDLESS.items():
        jobs["endless", name] = ([*typed, *MORE, "--out", places / "endless" / name], calls)
    asked = {" ".join(key): {"arguments": list(map(str, t)), "calls": calls} for key, (t, calls) in jobs.items()}
    environment = {**ENVIRONMENT, "TRIPTYCH_CACHE": str(places / "cache")}  # features are trained anew
    zygote = [sys.executable, "-m", "tests.zygote"]
    ended = subprocess.run(zygote, input=json.dumps(asked), env=environment, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    return {key: found[" ".join(key)] for key in jobs}


def test_every_verb_is_here(runs, tmp_path):
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(commands(runs, tmp_path)) == known | {"train", "evaluate", "compare"}


def test_no_verb_is_silent_for_two_seconds(seen):
    for name, of in [(name, of) for (mode, name), of in seen.items() if mode == "slow" and name != "quiet"]:
        assert of["code"] == 0, (name, of["lines"])
        assert of["gap"] <= 2, f"{name} was silent for {of['gap']:.1f} s: {of['lines']}"
        if name not in QUICK:
            assert of["seconds"] > 2.5, f"{name} was not slow enough to tell: {of['seconds']:.1f} s"
            far = [line for line in of["lines"] if re.search(rf"^{MARK}.*(\d+ of \d+|\d+%)", line)]
            assert far, f"{name} never said how far it was: {of['lines']}"


def test_quiet_verbs_print_results_alone(seen):
    of = seen["slow", "quiet"]
    assert of["code"] == 0 and of["seconds"] > 2.5 and of["lines"] == []


def test_every_verb_ends_two_seconds_after_a_signal(seen):
    """Although it is inside one operation that does not return."""
    for name, of in [(name, of) for (mode, name), of in seen.items() if mode == "stuck"]:
        assert of["ending"] is not None, f"{name} did not get stuck: {of['lines']}"
        assert of["ending"] <= 2 and of["code"] == 128 + signal.SIGTERM, (name, of["ending"], of["code"])
        assert re.match("interrupted|stopped", of["lines"][-1]), (name, of["lines"])


def files(run):
    """Return all bytes of a run, and its records without their times."""
    found = {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.suffix != ".seconds"}
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    del found[next(p for p in found if p.name == "metrics.jsonl")]
    return found, [{k: v for k, v in r.items() if k not in ("seconds", "images_per_s")} for r in records]


@pytest.mark.parametrize("name", ENDLESS)
def test_a_round_that_never_ends_loses_nothing(seen, places, name):
    """Stuck inside a turn or a validation, the run is saved as it was before, and goes on exactly."""
    of, verb, run = seen["endless", name], ENDLESS[name][0], places / "endless" / name
    assert of["ending"] is not None and of["ending"] <= 2, of
    saved = re.match(r"stopped after step (\d+); saved in .* --resume", of["lines"][-1])
    assert saved and int(saved[1]) >= 1, of["lines"]
    well(*verb, *MORE, "--quiet", "--resume", "--out", run)
    well(*verb, *MORE, "--quiet", "--out", places / "whole" / name)
    assert files(run) == files(places / "whole" / name)


CTRL_C = """
import os, signal
from triptych.training.state import State
considered, asked = State.consider, []
def consider(self, value):
    asked.append(value)
    if len(asked) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    assert len(asked) <= 3, "it went on validating"
    considered(self, value)
State.consider = consider
from triptych.cli.program import main
main()
"""


def test_ctrl_c_in_a_validation_owes_it_to_the_resumed_run(tmp_path):
    """The weights that are kept as the best are those that an uninterrupted run keeps."""
    more = ["--steps", "8", "--log-every", "4", "--checkpoint-every", "1", "--quiet", "--out"]
    typed = [sys.executable, "-c", CTRL_C, *VALIDATED, *more, tmp_path / "stopped"]
    stopped = subprocess.run(typed, env=ENVIRONMENT, capture_output=True, text=True)
    assert stopped.returncode == 130 and "go on with --resume" in stopped.stderr, stopped.stderr
    well(*VALIDATED, *more, tmp_path / "stopped", "--resume")
    well(*VALIDATED, *more, tmp_path / "whole")
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
