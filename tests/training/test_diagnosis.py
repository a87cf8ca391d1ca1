"""What goes wrong without a loss saying so is found, told once, and only where it is there."""

import json

import pytest
import torch

import triptych as tp
from tests.program import well
from triptych.assessment import load_run
from triptych.training.diagnosis import ACTIVE, INACTIVE, Examiner, diagnosed
from triptych.training.files import read_tensors

FIT = {"batch_size": 32, "log_every": 10, "lr": 5e-3}


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")[0][:256]


def trained(examples, beta, steps=300, **options):
    model = tp.build("vae", examples.event, latent=4, hidden=32, beta=beta)
    return model, tp.fit(model, examples, steps=steps, **{**FIT, "progress": False, **options})


def test_a_collapsed_posterior_is_named_and_a_healthy_one_is_not(digits, tmp_path, capsys):
    model, run = trained(digits, 1000.0, run=tmp_path / "run", progress=True)
    assert len(run.notes) == 1 and run.notes[0].startswith("posterior collapse since round ")
    assert "0 of 4 units" in run.notes[0] and "--free-bits" in run.notes[0]
    assert float(model.encode(digits).var(0).max()) < 0.01  # it is true
    assert capsys.readouterr().err.count("posterior collapse since") == 1
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if ACTIVE in line] == list(range(30, 301, 30))
    assert lines[-1][ACTIVE] == 0 and lines[-1][INACTIVE] == 4
    assert load_run(tmp_path / "run").findings == tuple(run.notes)
    model, run = trained(digits, 1.0)
    assert run.notes == [] and run.records[-1][ACTIVE] == 4 == int((model.encode(digits).var(0) > 0.01).sum())


def test_a_comparison_says_so(tmp_path):
    config = {"model": "vae", "arguments": {}, "data": {}, "training": {}}
    model = tp.build("vae", tp.Event((2,)), hidden=8)
    tp.save(model, tmp_path / "lost")
    (tmp_path / "lost" / "config.yaml").write_text(json.dumps(config))
    lines = [record(step, 0, 2) for step in (100, 200, 300)]
    (tmp_path / "lost" / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    said = well("compare", tmp_path / "lost", "--data", "swiss-roll", "--count", 400, "--out", tmp_path / "report")
    assert "lost: posterior collapse since round 100: 0 of 2 units" in said
    assert "posterior collapse" in (tmp_path / "report" / "report.html").read_text()


def record(step, active, inactive):
    return {"step": step, "seconds": step / 100, ACTIVE: active, INACTIVE: inactive}


@pytest.mark.parametrize(
    ("active", "since"),
    [
        ([0, 0, 0, 0], 100),
        ([10, 0, 0, 0], 200),
        ([10, 0, 10, 1, 0], 400),  # what recovered does not count; one of ten is 90 % inactive
        ([0, 0, 0, 2], None),
        ([0, 0], None),  # too early to tell
    ],
)
def test_collapse_is_what_still_holds_and_began_last(active, since):
    records = [r for i, n in enumerate(active) for r in (record(100 * i + 100, n, 10 - n), {"step": 100 * i + 150})]
    found = diagnosed(records)
    assert [finding.since for finding in found] == ([] if since is None else [since])


def test_rounds_too_few_to_judge_by_are_not_judged():
    assert diagnosed([record(step, 0, 4) for step in (50, 100, 150, 199)]) == []


def test_only_codes_with_a_bound_are_examined(digits):
    assert Examiner(tp.build("autoencoder", digits.event, hidden=8), digits).figures() == {}
    model = tp.build("vae", digits.event, latent=4, hidden=8, classes=10).train()
    figures = Examiner(model, digits).figures()
    assert figures[ACTIVE] + figures[INACTIVE] == 4 and model.training
    assert Examiner(model, digits[:1]).figures()[INACTIVE] == 0, "one example says nothing of what varies"


def test_examinations_disturb_nothing_and_resume_where_they_were(digits, tmp_path):
    """The same weights whether examined or not; the same records whether interrupted between examinations or not."""
    options = {"checkpoint_every": 15, "ema": 0.9}
    trained(digits, 4.0, steps=100, run=tmp_path / "whole", **options)
    trained(digits, 4.0, steps=45, run=tmp_path / "broken", **options)
    trained(digits, 4.0, steps=100, run=tmp_path / "broken", resume=True, **options)
    trained(digits, 4.0, steps=100, run=tmp_path / "rarely", **{**options, "log_every": 100})
    whole, broken, rarely = (
        read_tensors(tmp_path / name / "model.safetensors")[0] for name in ("whole", "broken", "rarely")
    )
    assert all(torch.equal(whole[name], broken[name]) and torch.equal(whole[name], rarely[name]) for name in whole)
    told = [
        [
            (r["step"], r[ACTIVE])
            for r in map(json.loads, path.read_text().splitlines())
            if ACTIVE in r and r["step"] > 45
        ]
        for path in (tmp_path / "whole" / "metrics.jsonl", tmp_path / "broken" / "metrics.jsonl")
    ]
    assert told[0] == told[1] and [step for step, _ in told[0]] == [50, 60, 70, 80, 90, 100]
