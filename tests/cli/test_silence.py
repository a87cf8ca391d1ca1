"""The laws of long work: no verb is silent for two seconds, and every verb ends within two seconds of a signal."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import pytest

from tests.program import ENVIRONMENT, call, well
from triptych.cli.app import app
from triptych.running.progress import MARK

pytestmark = [
    pytest.mark.xdist_group("silence"),
    pytest.mark.skipif(sys.platform != "linux", reason="forks, and a lock that is laid out as on Linux"),
]

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
        "manifold": ["manifold", vae, "--side", "3", "-o", out / "manifold.png"],
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


def watch(mode, typed, cache, calls=0):
    """Run verbs side by side in slowed or stuck processes; return what was seen of each."""
    asked = {"mode": mode, "calls": calls, "commands": {name: list(map(str, verb)) for name, verb in typed.items()}}
    environment = {**ENVIRONMENT, "TRIPTYCH_CACHE": str(cache)}  # features are trained anew
    ended = subprocess.run(
        [sys.executable, "-m", "tests.zygote"], input=json.dumps(asked), env=environment, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_every_verb_is_here(runs, tmp_path):
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    assert set(commands(runs, tmp_path)) == known | {"train", "evaluate", "compare"}


def test_no_verb_is_silent_for_two_seconds(runs, tmp_path):
    seen = watch("slow", commands(runs, tmp_path), tmp_path)
    for name, of in seen.items():
        assert of["code"] == 0, (name, of["lines"])
        assert of["gap"] <= 2, f"{name} was silent for {of['gap']:.1f} s: {of['lines']}"
        if name not in QUICK:
            assert of["seconds"] > 2.5, f"{name} was not slow enough to tell: {of['seconds']:.1f} s"
            far = [line for line in of["lines"] if re.search(rf"^{MARK}.*(\d+ of \d+|\d+%)", line)]
            assert far, f"{name} never said how far it was: {of['lines']}"


def test_quiet_verbs_print_results_alone(runs, tmp_path):
    typed = ["sample", runs / "pixelcnn", "-n", "4", "--quiet", "-o", tmp_path / "x.png"]
    seen = watch("slow", {"sample": typed}, tmp_path)
    assert seen["sample"]["code"] == 0 and seen["sample"]["lines"] == []


def test_every_verb_ends_two_seconds_after_a_signal(runs, tmp_path):
    """Although it is inside one operation that does not return."""
    typed = {name: verb for name, verb in commands(runs, tmp_path).items() if name not in QUICK}
    seen = watch("stuck", typed, tmp_path, calls=3)
    for name, of in seen.items():
        assert of["ending"] is not None, f"{name} did not get stuck: {of['lines']}"
        assert of["ending"] <= 2 and of["code"] == 128 + signal.SIGTERM, (name, of["ending"], of["code"])
        assert re.match("interrupted|stopped", of["lines"][-1]), (name, of["lines"])


TRAIN = ["train", *RUNS["gan"], "--critic-steps", "2", "--ema", "0.9", "--data", "digits", "--batch-size", "16"]
VALIDATED = ["train", *RUNS["vae"], "--validate", "0.2", "--data", "digits", "--batch-size", "16"]


def files(run):
    """Return all bytes of a run, and its records without their times."""
    found = {p.relative_to(run): p.read_bytes() for p in run.rglob("*") if p.is_file() and p.suffix != ".seconds"}
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    del found[next(p for p in found if p.name == "metrics.jsonl")]
    return found, [{k: v for k, v in r.items() if k not in ("seconds", "images_per_s")} for r in records]


@pytest.mark.parametrize("verb, calls", [(TRAIN, 60), (VALIDATED, 34), (VALIDATED, 45)], ids=["turn", "a", "b"])
def test_a_round_that_never_ends_loses_nothing(tmp_path, verb, calls):
    """Stuck inside a turn or a validation, the run is saved as it was before, and goes on exactly."""
    more = ["--steps", "8", "--log-every", "4", "--sample-every", "4", "--checkpoint-every", "1"]
    typed = [*verb, *more, "--out", tmp_path / "stuck"]
    seen = watch("stuck", {"train": typed}, tmp_path, calls)["train"]
    assert seen["ending"] is not None and seen["ending"] <= 2, seen
    saved = re.match(r"stopped after step (\d+); saved in .* --resume", seen["lines"][-1])
    assert saved and int(saved[1]) >= 1, seen["lines"]
    well(*verb, *more, "--quiet", "--resume", "--out", tmp_path / "stuck")
    well(*verb, *more, "--quiet", "--out", tmp_path / "whole")
    assert files(tmp_path / "stuck") == files(tmp_path / "whole")


def test_ctrl_c_in_a_validation_owes_it_to_the_resumed_run(tmp_path, monkeypatch):
    """The weights that are kept as the best are those that an uninterrupted run keeps."""
    import os

    from triptych.training.state import State

    considered, asked = State.consider, []

    def consider(self, value):
        asked.append(value)
        if len(asked) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        considered(self, value)

    more = ["--steps", "8", "--log-every", "4", "--checkpoint-every", "1", "--quiet", "--out"]
    with monkeypatch.context() as patch:
        patch.setattr(State, "consider", consider)
        code, _, err = call(*VALIDATED, *more, tmp_path / "stopped")
    assert code == 130 and "go on with --resume" in err, err
    assert len(asked) == 3, "it went on validating"
    well(*VALIDATED, *more, tmp_path / "stopped", "--resume")
    well(*VALIDATED, *more, tmp_path / "whole")
    assert files(tmp_path / "stopped") == files(tmp_path / "whole")
