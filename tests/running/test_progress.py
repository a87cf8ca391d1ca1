"""What is under way is shown: on a terminal as bars, in a log as lines."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time

import pytest

from triptych.running import progress
from triptych.running.display import MARK
from triptych.running.progress import Task, clock, shown, task, track


def test_a_task_says_how_far_it_is(monkeypatch):
    moment = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    counted = Task("scoring", 2000)
    assert str(counted) == "scoring  0 of 2,000"
    moment[0] += 10
    counted.advance(500)
    assert str(counted) == "scoring  500 of 2,000  0:30 left"
    share = Task("vae", 1.0)
    share.done, share.note, share.left = 0.25, lambda: "step 7", lambda: 75.0
    assert str(share) == "vae  25%  step 7  1:15 left"
    unknown = Task("reading")
    moment[0] += 65
    assert str(unknown) == "reading  1:05"


def test_parts_are_counted_and_tasks_end_with_their_loops():
    parts = track(range(5), "counting")
    next(parts), next(parts), next(parts)
    assert progress.innermost().done == 2, "a part is done when the next one is asked for"
    parts.close()
    assert progress.innermost() is None
    with pytest.raises(ValueError), task("failing"):
        raise ValueError
    assert progress.innermost() is None
    assert [list(x) for x in progress.slices([1, 2, 3], 2, "adding")] == [[1, 2], [3]]


def test_a_log_has_a_line_a_second_and_only_while_something_is_shown(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    with task("hidden"):
        time.sleep(1.3)
    assert log.getvalue() == ""
    with shown(), task("outer", 4) as outer, shown(), task("inner"):
        outer.advance()
        time.sleep(2.6)
        progress.say("a line of its own")
    lines = log.getvalue().splitlines()
    assert lines[-1] == "a line of its own"
    assert len(lines[:-1]) >= 2 and all(line.startswith(f"{MARK}outer  1 of 4") for line in lines[:-1])
    assert all(" · inner" in line for line in lines[:-1])


def test_one_long_operation_cannot_silence_the_log():
    """The main thread never returns to Python meanwhile."""
    code = """
import torch
from triptych.running import progress
x = torch.rand(20_000_000)
with progress.shown(), progress.task("sorting"):
    x.sort()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr.count("sorting") >= 1, ended.stderr


def test_the_other_processes_of_a_training_do_not_speak(monkeypatch):
    log = io.StringIO()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with shown(), task("training"):
        progress.say("unheard")
    assert log.getvalue() == ""


def test_clocks():
    assert [clock(s) for s in (0, 0.2, 59.2, 3600, 7325)] == ["0:00", "0:01", "1:00", "1:00:00", "2:02:05"]


TERMINAL = """
import time
from triptych.running import progress
with progress.shown(), progress.task("outer", 2) as outer:
    for _ in progress.track(range(20), "inner"):
        time.sleep(0.1)
    print("a result")
    progress.say("a note")
"""


def test_a_terminal_shows_bars_and_leaves_the_results():
    """On a real terminal: a bar for each task, results above them, and nothing of the bars left at the end."""
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", TERMINAL], stdout=child, stderr=child, stdin=child)
    os.close(child)
    seen = b""
    while True:
        try:
            seen += os.read(parent, 65536)
        except OSError:  # the terminal is closed
            break
    assert process.wait() == 0
    text = seen.decode()
    assert "outer" in text and re.search(r"inner  \d+ of 20", text) and "━" in text
    assert text.count("a result") == 1 and text.count("a note") == 1
    assert "\x1b[?25h" in text, "the cursor is back"


def test_results_that_go_into_a_pipe_are_not_touched_by_bars():
    parent, child = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", TERMINAL], stdout=subprocess.PIPE, stderr=child, stdin=child)
    os.close(child)
    out = process.stdout.read()
    try:
        while os.read(parent, 65536):
            pass
    except OSError:
        pass
    assert process.wait() == 0 and out == b"a result\n"
