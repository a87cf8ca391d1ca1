"""How many threads a computation gets: by definition, with clocks of our own."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import torch

from triptych.errors import ConfigurationError
from triptych.running import progress, threads, watchdog
from triptych.running.watchdog import Listener, Watchdog
from triptych.training.throughput import Schedule, Threads, check


@pytest.mark.parametrize("most, tried", [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (4, [1, 2, 4]), (6, [1, 2, 4, 6])])
def test_powers_of_two_and_the_most_are_tried(most, tried):
    assert threads.candidates(most) == tried


@pytest.mark.parametrize(
    "times, number",
    [
        ({1: 1.0}, 1),
        ({1: 1.0, 2: 0.95}, 1),
        ({1: 1.0, 2: 0.8}, 2),
        ({1: 2.0, 2: 1.05, 4: 1.0}, 2),
        ({1: 1.0, 2: 1.4}, 1),
    ],
)
def test_the_fewest_within_a_tenth_of_the_fastest_are_taken(times, number):
    assert threads.fewest(times) == number


def test_numbers_are_read_and_others_refused():
    assert threads.read("auto") is None and threads.read("1") == 1 and threads.read(1) == 1
    for wrong in ("0", "-1", "two", "1.5", "", threads.processors() + 1):
        with pytest.raises(ConfigurationError, match="expected auto, or a number from 1 to"):
            threads.read(wrong)


def test_within_a_context_torch_and_blas_have_the_number():
    from threadpoolctl import threadpool_info

    before = torch.get_num_threads()
    with threads.using(1):
        assert torch.get_num_threads() == 1
        assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
    assert torch.get_num_threads() == before


@pytest.fixture
def two(monkeypatch):
    """A machine on which two threads may be used."""
    monkeypatch.setattr(threads, "processors", lambda: 2)
    before, most, now = torch.get_num_threads(), threads._Set.most, threads._Set.now
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    threads._Set.most, threads._Set.now = most, now


def test_the_number_that_a_user_has_set_is_the_most(two):
    assert threads.available() == 2
    with threads.using(1):
        assert threads.available() == 2, "what this program has set is not the user's number"
    torch.set_num_threads(1)
    assert threads.available() == 1


def test_work_is_timed_with_each_number(two, monkeypatch):
    """Work that takes half as long with two threads."""
    clock = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[0])

    def work():
        clock[0] += 0.01 if torch.get_num_threads() == 2 else 0.02

    times = threads.timed(work, 2)
    assert times == {1: pytest.approx(0.02), 2: pytest.approx(0.01)}
    assert threads.fewest(times) == 2


@pytest.fixture(autouse=True)
def crowd(monkeypatch):
    """A machine that is as crowded as a test says, whatever else this one does."""
    said = {"crowded": False}
    monkeypatch.setattr(threads, "crowded", lambda since: said["crowded"])
    return said


def watched(dog, each, windows):
    """Let a watchdog see windows of rounds, each of which takes `each(threads)` seconds; return its numbers."""
    numbers = []
    for _ in range(windows):
        number = dog.number
        for _ in range(100):
            dog.saw(each(number))
            if not dog.rounds:  # a window has ended
                break
        numbers.append(dog.number)
    return numbers


def test_threads_are_stepped_down_when_throughput_collapses():
    dog = Watchdog(2, 2, {1: 0.1, 2: 0.06})
    assert watched(dog, {2: 0.06, 1: 0.1}.get, 5) == [2] * 5, "nothing is wrong, nothing changes"
    assert watched(dog, {2: 0.5, 1: 0.1}.get, 4)[-1] == 1
    assert "2 threads" in dog.told and "going on with 1 thread" in dog.told


def test_a_step_down_that_gains_nothing_is_taken_back():
    """As when rounds become more expensive by themselves: fewer threads are no remedy."""
    dog = Watchdog(2, 2, {1: 0.1, 2: 0.06})
    numbers = watched(dog, {2: 0.2, 1: 0.35}.get, 20)
    assert 1 in numbers and numbers[-1] == 2 and numbers.count(1) == 1 and not dog.told


def test_more_threads_are_tried_now_and_then_and_kept_if_they_gain():
    dog = Watchdog(1, 2, {1: 0.1, 2: 0.3})
    numbers = watched(dog, {1: 0.1, 2: 0.1}.get, 100)
    assert numbers[-1] == 1 and 1 <= numbers.count(2) <= 2, "tried, gained nothing, taken back, and tried more rarely"
    dog = Watchdog(1, 2, {1: 0.1, 2: 0.3})
    assert watched(dog, {1: 0.1, 2: 0.06}.get, 100)[-1] == 2, "the other process has ended"


def test_on_a_crowded_machine_threads_are_left_to_others(crowd):
    """Although two are a little faster for this process: the others would do the same, and all would be slower."""
    crowd["crowded"] = True
    dog = Watchdog(2, 2, {1: 0.1, 2: 0.07})
    assert watched(dog, {2: 0.09, 1: 0.1}.get, 4)[-1] == 1
    assert watched(dog, {2: 0.07, 1: 0.1}.get, 100)[-1] == 1, "more are not tried while it is crowded"
    crowd["crowded"] = False
    assert watched(dog, {2: 0.07, 1: 0.1}.get, 100)[-1] == 2


def test_a_number_that_crowds_the_machine_is_not_chosen(two, crowd):
    crowd["crowded"] = True
    assert set(threads.timed(lambda: None, 2)) == {1}


def test_a_listener_watches_the_innermost_task(two, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock[0])
    said = []
    monkeypatch.setattr(progress, "say", said.append)
    seconds = {2: 0.1, 1: 0.1}
    with threads.using(2), progress.listening(Listener()):
        for part in progress.track(range(200), "scoring"):
            clock[0] += seconds[threads.now()]
            if part == 50:
                seconds = {2: 5.0, 1: 0.12}  # another process begins
        assert threads.now() == 1
    assert len(said) == 1 and said[0].startswith("scoring: ") and "going on with 1 thread" in said[0]


def test_a_schedule_reads_what_it_writes():
    for text in ("1", "2", "1,2@340", "2,1@3,2@9"):
        assert str(Schedule(text)) == text == str(Schedule(f"auto:{text}"))
    for wrong in ("", "x", "1@5", "1,1", "1,x@3", "1,1@", "0"):
        with pytest.raises(ConfigurationError, match="threads="):
            Schedule(wrong)
    schedule = Schedule("1")
    schedule.change(7, 1)
    assert str(schedule) == "1", "no change is none"
    with pytest.raises(ConfigurationError, match="from 1 to"):
        check(f"1,{threads.processors() + 1}@5")


@pytest.mark.parametrize(
    "asked, kept, kept_now",
    [
        ("auto", "auto:2,1@30", "auto:2,1@30"),
        ("auto", "2", "2"),
        ("1", "auto:2", "2,1@50"),
        ("2", "auto:2,1@30", "2,1@30,2@50"),
        ("2,1@30", "2,1@30", "2,1@30"),
    ],
)
def test_a_resumed_run_goes_on_with_the_numbers_that_it_used(two, asked, kept, kept_now):
    assert str(Threads(asked, kept, 50)) == kept_now


def test_a_run_of_a_larger_machine_keeps_what_it_used_there(two):
    team = Threads("auto", "auto:64", 50)
    assert team.schedule is None, "to be chosen anew"
    team.choose(lambda: None, 3, None)
    assert str(team) == "auto:64,1@50"


def test_nothing_is_timed_where_there_is_no_choice(two):
    assert str(Threads("auto", "", 0, world=2)) == "1", "two processes share the processors"
    assert str(Threads("auto", "", 0, fixed=True)) == "2"
    assert Threads("auto", "", 0).schedule is None


def test_a_budget_too_short_to_gain_from_timing_has_one_thread(two):
    team = Threads("auto", "", 0)
    team.choose(lambda: None, 3, None)
    assert str(team) == "auto:1"


def test_a_run_changes_its_threads_at_the_same_steps_when_it_is_resumed_or_replayed(two, tmp_path):
    """Whatever numbers a run used, the same numbers give the same bytes."""
    import triptych as tp
    from triptych.training.rundir import read_config

    train, _ = tp.data.load("digits", progress=False)

    def fit(name, steps, **options):
        model = tp.build("vae", train.event, seed=0, latent=2, hidden=64)
        tp.fit(model, train, steps=steps, checkpoint_every=1, run=tmp_path / name, progress=False, **options)
        numbers = read_config(tmp_path / name / "config.yaml")["training"]["threads"]
        return numbers, (tmp_path / name / "model.safetensors").read_bytes()

    whole = fit("whole", 9, threads="1,2@5")
    assert whole[0] == "1,2@5"
    fit("broken", 3, threads="1,2@5")
    assert fit("broken", 9, resume=True) == whole, "auto takes up what the run used"
    assert fit("other", 3, threads=2)[0] == "2"
    assert fit("other", 9, threads=1, resume=True)[0] == "2,1@3", "another number holds from here on"
    assert fit("chosen", 3)[0] == "auto:1", "too short a budget to time"
    assert fit("chosen", 9, resume=True)[0] == "auto:1"
    assert fit("replayed", 9, threads="auto:1,2@5")[1] == whole[1], "as a config.yaml has it"


def test_a_training_says_which_threads_it_goes_on_with(two, crowd, tmp_path, monkeypatch, capsys):
    """When the trial is judged, not when it begins; once for each change that lasts."""
    import triptych as tp

    train, _ = tp.data.load("digits", progress=False)
    monkeypatch.setattr(watchdog, "WINDOW", 0.0)  # each round is a window, and any number of threads is fast enough
    monkeypatch.setattr(watchdog, "PATIENCE", 0.0)
    monkeypatch.setattr(threads, "WITHIN", 1e9)
    for steps in (1, 9):
        model = tp.build("vae", train.event, seed=0, latent=2, hidden=8)
        tp.fit(model, train, steps=steps, threads=2 if steps == 1 else "auto", run=tmp_path / "run", resume=steps > 1)
        config = tmp_path / "run" / "config.yaml"
        config.write_text(config.read_text().replace("threads: '2'", "threads: auto:2"))
        crowd["crowded"] = True
    assert "threads: auto:2,1@" in config.read_text()
    lines = [line for line in capsys.readouterr().err.splitlines() if "going on with" in line]
    assert len(lines) == 1
    assert re.fullmatch(r".+: [\d,.]+ a second with 2 threads, [\d,.]+ with 1 thread: going on with 1 thread", lines[0])


def test_rounds_that_time_threads_leave_no_trace(two, tmp_path, monkeypatch):
    """A run whose number was chosen has the bytes of one that was told it."""
    import triptych as tp
    from triptych.training import throughput

    monkeypatch.setattr(throughput, "WORTH", 0.0)
    train, _ = tp.data.load("digits", progress=False)

    def weights(**options):
        model = tp.build("gan", train.event, seed=0, latent=4, hidden=16, tricks="replay", critic_norm="spectral")
        run = tp.fit(model, train, steps=4, ema=0.9, run=tmp_path / str(options), progress=False, **options)
        number = throughput.stored(run.directory).removeprefix("auto:")
        checkpoint = max((run.directory / "checkpoints").glob("*.safetensors"))
        return number, checkpoint.read_bytes()

    number, chosen = weights()
    assert weights(threads=number)[1] == chosen


@pytest.mark.parametrize("is_crowded, number", [(False, "2"), (True, "1")])
def test_long_rounds_are_not_timed(two, crowd, monkeypatch, is_crowded, number):
    from triptych.training import throughput

    monkeypatch.setattr(throughput, "LONG", 0.0)
    crowd["crowded"] = is_crowded
    layer, calls = torch.nn.Linear(2, 2), []
    team = Threads("auto", "", 0)
    team.choose(lambda: (calls.append(1), layer(torch.zeros(1, 2))), None, 60.0)
    assert str(team) == f"auto:{number}" and len(calls) == 1


def test_waiting_threads_sleep():
    """OpenMP reads its policy when torch is imported, so the program sets it before; a user's own stays."""
    code = "import os, triptych, torch; print(os.environ['OMP_WAIT_POLICY'], os.environ.get('GOMP_SPINCOUNT'))"
    for given, policy in ((None, "PASSIVE 1000"), ("ACTIVE", "ACTIVE None")):
        environment = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
        environment |= {} if given is None else {"OMP_WAIT_POLICY": given}
        ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
        assert ended.stdout.strip() == policy, ended.stderr
