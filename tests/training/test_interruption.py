"""Runs that are killed, interrupted, damaged or out of space, in real processes."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.forked import Forked
from tests.program import ENVIRONMENT, call, forked, start

pytestmark = pytest.mark.xdist_group("forked")  # so that the uninterrupted run is made once, and one server forks

STEPS = 150
TRAIN = (
    "train", "gan", "--data", "digits", "--steps", STEPS, "--batch-size", 32, "--latent", 8, "--critic-steps", 2,
    "--generator", "dcgan", "--critic", "dcgan", "--channels", 4, "--ema", 0.9, "--schedule", "cosine",
    "--checkpoint-every", 1, "--sample-every", 25, "--log-every", 10, "--quiet",
)  # fmt: skip


def outcome(directory: Path):
    """Return everything in a run directory that must not depend on interruptions."""
    files = {p.relative_to(directory): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}
    metrics = files.pop(Path("metrics.jsonl"))
    files = {path: content for path, content in files.items() if path.suffix != ".seconds"}
    timing = ("seconds", "images_per_s")
    records = [json.loads(line) for line in metrics.decode().splitlines()]
    return files, [{k: v for k, v in r.items() if k not in timing} for r in records]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    directory = tmp_path_factory.mktemp("runs") / "whole"
    code, _, err = call(*TRAIN, "--out", directory)
    assert code == 0, err
    files, records = outcome(directory)
    assert any("verdicts/auc" in record for record in records), "the doctor is to be interrupted, too"
    return files, records


def newest(directory):
    return max((path.name for path in (directory / "checkpoints").glob("step*")), default="")


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, uninterrupted):
    directory = tmp_path / "killed"
    moment = random.Random()
    kills = 0
    while kills < 6:
        process = forked(*TRAIN, "--out", directory, "--resume")
        before = newest(directory)
        while newest(directory) == before and process.poll() is None:
            time.sleep(0.005)  # until it has begun to move on
        time.sleep(moment.uniform(0, 0.2))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 5, "the run ended too early to be killed often enough"
    code, _, err = call(*TRAIN, "--out", directory, "--resume")
    assert code == 0, err
    assert outcome(directory) == uninterrupted


DIE = """
import os, signal, sys
from triptych.training import files
place, count = sys.argv.pop(1), int(sys.argv.pop(1))
real = getattr(os, place)
def dying(*arguments):
    global count
    if os.path.basename(str(arguments[0])).startswith(".step") or place == "fsync":
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments)
setattr(files.os, place, dying)
from triptych.cli.program import main
main()
"""


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_run_killed_inside_a_checkpoint_write_ends_with_the_same_bytes(tmp_path, uninterrupted, place):
    """Killed before the content is on the disk, and between that and the file's getting its name."""
    directory = tmp_path / "killed"
    killed = Forked(["-c", DIE, place, "41", *map(str, TRAIN), "--out", str(directory)], ENVIRONMENT)
    _, err = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, err
    assert list(directory.rglob(".*.partial")), "the kill left no half-written file: it came too late or too early"
    code, _, err = call(*TRAIN, "--out", directory, "--resume")
    assert code == 0, err
    assert outcome(directory) == uninterrupted


def test_ctrl_c_saves_and_exits_and_the_run_goes_on_exactly(tmp_path, uninterrupted):
    directory = tmp_path / "stopped"
    process = start(*TRAIN, "--out", directory)
    while not list((directory / "checkpoints").glob("step-0000000[2-9]*")):
        time.sleep(0.02)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1].startswith("stopped after step") and "--resume" in err
    assert "Traceback" not in err
    code, _, err = call(*TRAIN, "--out", directory, "--resume")
    assert code == 0, err
    assert outcome(directory) == uninterrupted


CTRL_C_AGAIN = """
import atexit, os, signal, sys
from triptych.cli import loading, program
from triptych.training.seat import Seat
def ctrl_c(function=None, *given):
    os.kill(os.getpid(), signal.SIGINT)
    return function and function(*given)
owner, name = (Seat, "gradient") if sys.argv[1] == "train" else (loading, "load")
real = getattr(owner, name)
def first(*given):
    setattr(owner, name, real)
    return ctrl_c(real, *given)
setattr(owner, name, first)
said = program._say
program._say = lambda line: ctrl_c(said, line)
atexit.register(ctrl_c)
program.main()
"""


CTRL_C_AT_IMPORT = """
import os, signal, sys
class Watcher:
    def find_spec(self, name, *_):
        if name == module:
            os.kill(os.getpid(), signal.SIGINT)
            print(name, "goes on")
module = sys.argv.pop(1)
sys.meta_path.insert(0, Watcher)
Watcher.find_spec = Watcher().find_spec
from triptych.cli.program import main
main()
"""


@pytest.mark.parametrize("module", ["typer", "triptych.cli.app", "torch", "torch.optim"])
def test_ctrl_c_in_an_import_is_answered_but_not_halfway_through_it(module, tmp_path):
    """Raised in the middle it would leave half a module; in torch's own code it aborts the process."""
    code = [sys.executable, "-c", CTRL_C_AT_IMPORT, module]
    verb = ["train", "made", "--data", "digits", "--steps", "1", "--out", str(tmp_path / "run")]
    ended = subprocess.run(code + verb, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    assert (ended.returncode, ended.stderr.splitlines()[-1:]) == (130, ["interrupted"]), ended.stderr
    assert ended.stdout.splitlines() == [f"{module} goes on"], "the import was left halfway"


CTRL_C_BETWEEN_IMPORTS = """
import sys, threading
from triptych.running import interruption
def others():
    for i in range(100, 200):
        __import__(f"module_{i}")
with interruption.guarded(), interruption.raising():
    threading.Thread(target=others, daemon=True).start()
    try:
        for i in range(100):
            __import__(f"module_{i}")
    except KeyboardInterrupt:
        print(sum(f"module_{j}" in sys.modules for j in range(100)))
"""


def test_ctrl_c_is_answered_between_two_imports(tmp_path):
    """However soon one follows the other, and whatever another thread imports meanwhile."""
    for i in range(200):
        (tmp_path / f"module_{i}.py").write_text("import time\ntime.sleep(0.005)\n")
    with (tmp_path / "module_5.py").open("a") as module:
        module.write("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    ended = subprocess.run(
        [sys.executable, "-c", CTRL_C_BETWEEN_IMPORTS],
        capture_output=True, text=True, timeout=60, env={**ENVIRONMENT, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (ended.stdout, ended.stderr, ended.returncode) == ("6\n", "", 0)


CTRL_C_IN_A_DESTRUCTOR = """
import os, signal, time
from triptych.running import interruption
class Dying:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
with interruption.guarded(), interruption.raising():
    dying, begun = Dying(), time.monotonic()
    try:
        del dying
        time.sleep(30)
    except KeyboardInterrupt:
        assert time.monotonic() - begun < 1
        print("heard")
"""


def test_ctrl_c_in_a_destructor_is_heard():
    """Python ignores what a destructor raises, and prints its traceback."""
    ended = subprocess.run(
        [sys.executable, "-c", CTRL_C_IN_A_DESTRUCTOR], capture_output=True, text=True, env=ENVIRONMENT, timeout=60
    )
    assert (ended.stdout, ended.stderr, ended.returncode) == ("heard\n", "", 0)


@pytest.mark.parametrize("verb", ["train", "sample"])
def test_more_ctrl_c_do_not_disturb_the_last_words(tmp_path, verb):
    """One in the work, one while the program says its last line, and one while Python ends."""
    run = tmp_path / "run"
    if verb == "sample":
        assert call(*TRAIN, "--out", run)[0] == 0
    typed = {"train": [*TRAIN, "--out", run], "sample": ["sample", run, "--out", tmp_path / "samples.png"]}[verb]
    process = Forked(["-c", CTRL_C_AGAIN, *map(str, typed)], ENVIRONMENT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err and "Exception" not in err, err
    assert err.splitlines()[-1].startswith("interrupted" if verb == "sample" else "stopped after step"), err


CTRL_C_AT_THE_END = """
import atexit, os, signal
from triptych.cli.program import main
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
main()
"""


def test_ctrl_c_after_the_last_word_changes_nothing(tmp_path):
    code = [sys.executable, "-c", CTRL_C_AT_THE_END, "train", "made", "--data", "nowhere"]
    ended = subprocess.run(code, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    lines = [line for line in ended.stderr.splitlines() if not line.startswith("…")]
    assert ended.returncode == 2 and len(lines) == 1, ended.stderr


def test_a_damaged_newest_checkpoint_falls_back_and_says_so(tmp_path, uninterrupted):
    directory = tmp_path / "damaged"
    short = [60 if value == STEPS else value for value in TRAIN if value != "--quiet"]
    constant = [value for value in short]
    assert call(*constant, "--out", directory)[0] == 0
    damaged = sorted((directory / "checkpoints").glob("*.safetensors"))[-1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1  # one bit
    damaged.write_bytes(content)
    code, _, err = call(*constant, "--out", directory, "--resume")
    assert code == 0, err
    assert "does not match its checksum; going on from step 59" in err
    for path in (directory / "checkpoints").glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:100])
    code, _, err = call(*constant, "--out", directory, "--resume")
    assert code == 2 and "no checkpoint" in err and "--overwrite" in err and len(err.strip().splitlines()) == 1


LIMITED = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
del sys.argv[1]
from triptych.cli.program import main
main()
"""


def test_a_full_disk_ends_in_one_line_with_the_last_checkpoint_whole(tmp_path):
    """The kernel refuses to let the checkpoint grow beyond a limit, as a full disk does."""
    directory = tmp_path / "full"
    small = ["train", "vae", "--data", "digits", "--latent", "2", "--hidden", "8", "--quiet", "--out", str(directory)]
    assert call(*small, "--steps", 10)[0] == 0
    size = max(p.stat().st_size for p in (directory / "checkpoints").iterdir())
    before = {p: p.read_bytes() for p in directory.rglob("*.safetensors")}
    ended = Forked(["-c", LIMITED, str(size // 2), *small, "--steps", "20", "--resume"], ENVIRONMENT)
    _, err = ended.communicate(timeout=60)
    assert ended.returncode == 2, err
    assert "could not be written" in err and "--resume" in err
    assert len(err.strip().splitlines()) == 1
    assert {p: p.read_bytes() for p in directory.rglob("*.safetensors")} == before
    assert not list(directory.rglob(".*.partial"))
    assert call(*small, "--steps", 20, "--resume")[0] == 0


def test_a_directory_of_another_configuration_is_refused(tmp_path):
    directory = tmp_path / "taken"
    train = [
        "train",
        "vae",
        "--data",
        "digits",
        "--latent",
        2,
        "--hidden",
        8,
        "--steps",
        3,
        "--quiet",
        "--out",
        directory,
    ]
    assert call(*train)[0] == 0
    before = {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}
    for more, said in (
        ([], "already holds this run"),
        (["--lr", 0.1], "training.lr: None there, 0.1 here"),
        (["--lr", 0.1, "--resume"], "another configuration"),
    ):
        code, _, err = call(*train, *more)
        assert code == 2 and said in err and len(err.strip().splitlines()) == 1, err
    assert {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()} == before
    own = [directory / name for name in ("notes.txt", "samples/precious.txt", "checkpoints/mine.ckpt", "report.html")]
    for file in own:
        file.write_text("mine")
    assert call(*train, "--lr", 0.1, "--overwrite")[0] == 0
    assert all(file.read_text() == "mine" for file in own) and "lr: 0.1" in (directory / "config.yaml").read_text()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.tex").write_text("x")
    for more in ([], ["--overwrite"]):
        code, _, err = call(*train[:-1], foreign, *more)
        assert code == 2 and "files that are not a run's" in err
    assert [p.name for p in foreign.iterdir()] == ["thesis.tex"]


def test_a_run_killed_before_its_first_file_was_whole_can_be_started_again(tmp_path):
    directory = tmp_path / "run"
    train = [*map(str, TRAIN), "--out", str(directory)]
    killed = Forked(["-c", DIE, "fsync", "1", *train], ENVIRONMENT)
    _, err = killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL, err
    assert {path.name for path in directory.iterdir()} == {".lock", ".config.yaml.partial"}
    code, _, err = call(*["2" if value == str(STEPS) else value for value in train])
    assert code == 0, err
    assert not list(directory.rglob(".*.partial"))


def test_a_run_directory_is_written_by_one_process_at_a_time(tmp_path):
    directory = tmp_path / "run"
    process = forked(*TRAIN, "--out", directory)
    while not newest(directory):
        time.sleep(0.02)
        assert process.poll() is None
    code, _, err = call(*TRAIN, "--out", directory, "--resume")
    process.kill()
    process.communicate()
    assert code == 2 and "is being written by another process" in err


def test_a_budget_below_what_is_done_is_refused(tmp_path):
    train = ["train", "vae", "--data", "digits", "--latent", 2, "--hidden", 8, "--quiet", "--out", tmp_path / "run"]
    assert call(*train, "--steps", 12)[0] == 0
    code, _, err = call(*train, "--steps", 5, "--resume")
    assert code == 2 and "has done 12 steps" in err
    assert "steps: 12" in (tmp_path / "run" / "config.yaml").read_text()
    cosine = [*train[:-1], tmp_path / "cosine", "--schedule", "cosine"]
    assert call(*cosine, "--steps", 12)[0] == 0
    code, _, err = call(*cosine, "--steps", 24, "--resume")
    assert code == 2 and "training.steps: 12 there, 24 here" in err


def test_a_picture_that_takes_minutes_is_left_at_ctrl_c(tmp_path):
    """A PixelCNN draws a page of 128×128 images in many seconds."""
    directory = tmp_path / "run"
    slow = ["train", "pixelcnn", "--data", "digits", "--image-size", 128, "--minutes", 5, "--sample-every", 2]
    process = forked(*slow, "--layers", 4, "--batch-size", 2, "--quiet", "--out", directory)
    while not newest(directory):
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(3)  # by now it draws
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)  # the whole page would take longer
    assert process.returncode == 130
    assert not list(directory.glob("samples/*.png")), "the picture was finished: it was not left"


def test_a_run_can_be_made_longer(tmp_path):
    """Resumed with more steps, it ends as if it had been asked for them at once."""
    train = ["train", "vae", "--data", "digits", "--latent", 2, "--hidden", 8, "--quiet", "--out"]
    assert call(*train, tmp_path / "once", "--steps", 30)[0] == 0
    assert call(*train, tmp_path / "twice", "--steps", 12)[0] == 0
    assert call(*train, tmp_path / "twice", "--steps", 30, "--resume")[0] == 0
    once, twice = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("once", "twice"))
    assert once == twice
