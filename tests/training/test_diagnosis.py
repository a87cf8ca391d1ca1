"""What goes wrong without a loss saying so is found, told once, and only where it is there."""

import ast
import inspect
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import triptych as tp
from tests.program import refused, well
from triptych.comparison.assessment import load_run
from triptych.config import settings_of
from triptych.training.diagnosis import Examiner, common, diagnosed, games
from triptych.training.diagnosis.examination import ACTIVE, AUC, INACTIVE
from triptych.training.files import read_tensors
from triptych.training.logging import read_metrics

FIT = {"batch_size": 32, "log_every": 10, "lr": 5e-3, "progress": False, "sample_every": 10**6}


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")[0][:256]


def trained(examples, beta, steps=200, **options):
    model = tp.build("vae", examples.event, latent=4, hidden=32, beta=beta)
    return model, tp.fit(model, examples, steps=steps, **{**FIT, **options})


def test_a_collapsed_posterior_is_named_and_a_healthy_one_is_not(digits, tmp_path, capsys):
    model, run = trained(digits, 1000.0, run=tmp_path / "run", progress=True)
    assert len(run.notes) == 1 and run.notes[0].startswith("posterior collapse since round ")
    assert "0 of 4 units" in run.notes[0] and "--free-bits" in run.notes[0]
    assert float(model.encode(digits).var(0).max()) < 0.01  # it is true
    assert capsys.readouterr().err.count("posterior collapse since") == 1
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if ACTIVE in line] == list(range(20, 201, 20))
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


def test_figures_are_those_of_other_libraries():
    from scipy.stats import energy_distance
    from sklearn.metrics import roc_auc_score
    from sklearn.neighbors import NearestNeighbors

    from triptych.metrics.novelty import nearest
    from triptych.metrics.sets import advantage, effective, energy, variety

    draw = torch.Generator().manual_seed(0)
    real, made = torch.randn(40, 1, generator=draw), 0.5 + torch.randn(30, 1, generator=draw).round(decimals=1)
    truth = np.r_[np.ones(40), np.zeros(30)]
    logits = torch.cat([real, made])[:, 0].round(decimals=1)
    assert advantage(logits[:40], logits[40:]) == pytest.approx(roc_auc_score(truth, logits.numpy()), abs=1e-6)
    across = 2 * np.abs(real.numpy() - made.numpy().T).mean()
    expected = energy_distance(real[:, 0].numpy(), made[:, 0].numpy()) ** 2 / across
    assert energy(real, made) == pytest.approx(expected, abs=1e-5)
    assert variety(real, 3 * real + 1) == pytest.approx(3, abs=1e-5) and effective(torch.full((7,), 1 / 7)) == (
        pytest.approx(7)
    )
    points, train = torch.randn(9, 3, generator=draw), torch.randn(80, 3, generator=draw)
    distance = NearestNeighbors(n_neighbors=50).fit(train.numpy()).kneighbors(points.numpy())[0]
    plane = tp.Event((3,))
    assert np.allclose(nearest(points, train, plane).relative, distance[:, 0] / distance.mean(1), atol=1e-5)
    distance = NearestNeighbors(n_neighbors=50).fit(train.numpy()).kneighbors()[0]
    found = nearest(train, train, plane, torch.arange(80)).relative
    assert np.allclose(found, distance[:, 0] / distance.mean(1), atol=1e-4)


class Replays(tp.GAN):
    """A GAN that makes given examples."""

    made: torch.Tensor

    def _decode(self, z, label):
        return self.made[torch.arange(len(z)) % len(self.made)]


def test_modes_and_classes_are_those_of_what_is_made():
    train, _ = tp.data.load("ring", count=2000)
    model = Replays.of(train.event, {"latent": 2, "hidden": 8})
    for kept in (range(8), (1, 5), (2,)):
        model.made = train.data[torch.isin(train.labels, torch.tensor(kept))][:256]
        seen = Examiner(model, train).figures()
        assert (seen["samples/modes"], seen["samples/modes_of"]) == (len(kept), 8)
        assert seen["samples/good"] > 0.97  # 1 - exp(-9/2) = 0.989 of a Gaussian in the plane
        assert seen["samples/kinds"] == pytest.approx(len(kept) / 8, abs=0.02)
        shares = [seen[f"samples/kind/{k}"] for k in range(8)]
        assert sum(shares) == pytest.approx(1) and [k for k in range(8) if shares[k]] == list(kept)
    model.made = torch.zeros(1, 2)
    assert Examiner(model, train).figures()["samples/good"] == 0


def test_classes_need_no_labels_in_training_and_copies_are_seen(digits):
    model = Replays.of(digits.event, {"latent": 2, "hidden": 8})
    model.made = digits.data[digits.labels == 3].float()
    with_labels, without = (Examiner(model, x).figures() for x in (digits, replace(digits, labels=None)))
    assert with_labels["samples/kind/3"] == 1 and with_labels["samples/kinds"] == pytest.approx(0.1, abs=0.01)
    assert without["samples/kinds"] < 0.5  # by clusters
    assert with_labels["samples/novelty"] < 0.01
    model.made = tp.data.load("digits")[1].data[:256].float()
    assert Examiner(model, digits).figures()["samples/novelty"] == pytest.approx(1, abs=0.25)


GAME = {
    "verdicts/auc": 0.8,
    "verdicts/spread": 1.0,
    "verdicts/slope": 0.5,
    "samples/energy": 0.05,
    "samples/variety": 0.95,
    "samples/kinds": 0.95,
    "samples/novelty": 1.0,
    "samples/kind/0": 0.5,
    "samples/kind/1": 0.5,
    "critic/gradient_norm": 1.0,
    "generator/gradient_norm": 1.0,
}
SICK = {
    "critic wins": {"verdicts/auc": 1.0, "samples/energy": 0.6},
    "saturating loss": {"verdicts/auc": 1.0, "verdicts/slope": 1e-4},
    "generator wins": {"verdicts/auc": 0.5, "samples/energy": 0.6},
    "dead critic": {"verdicts/spread": 1e-6},
    "mode collapse": {"samples/kinds": 0.3},
    "memorisation": {"samples/novelty": 0.05},
    "exploding gradients": {"generator/gradient_norm": 1e4},
}


def played(sick=None, begins=1000, ends=2001):
    """Return the records of a game whose figures change a little, and from some round on as given."""
    records = []
    for step in range(100, ends, 100):
        figures = GAME | {"samples/energy": 0.05 + 1e-3 * (step // 100 % 3)}
        records.append({"step": step, "seconds": step / 100} | figures | (sick if sick and step >= begins else {}))
    return records


@pytest.mark.parametrize("name", SICK)
def test_each_finding_says_what_is_so_and_since_when(name):
    moving = [{"samples/variety": 0.9 + 0.01 * (i % 3)} for i in range(20)]
    records = [a | b for a, b in zip(played(SICK[name]), moving, strict=True)]
    found = diagnosed(records)
    assert [(f.name, f.since) for f in found] == [(name, 1000)]
    assert "--" in found[0].advice or "data" in found[0].advice
    recovered = [*records, *(r | {"step": r["step"] + 2000} for r in played(ends=501))]
    assert diagnosed(recovered) == [], "what recovered does not count"
    assert diagnosed(records[:11]) == [], "two examinations are not enough"


def test_a_game_that_never_had_variety_is_young_for_longer_than_one_that_lost_it():
    narrow = {"samples/kinds": 0.2}
    for begins, told in ((100, 1000), (400, 700)):
        records = [r | {"samples/variety": 0.9 + r["step"] % 300 / 1e4} for r in played(narrow, begins=begins)]
        named = [records[end - 1]["step"] for end in range(1, 13) if diagnosed(records[:end])]
        assert named[0] == told, named
    assert "never had enough" in diagnosed([r | narrow for r in played()])[-1].seen


def options_in(advice):
    """Return the options that an advice names, with their values."""
    return [
        (name.replace("-", "_"), value)
        for name, value in re.findall(r"--([a-z][a-z0-9-]*)(?: ([a-z0-9][^ ,;]*))?", advice)
    ]


def test_what_is_advised_can_be_given():
    source = " ".join(text for part in (common, games) for text in strings_of(part) if "--" in text)
    takes = (tp.fit, tp.GAN, tp.VAE, tp.data.load)
    given = {name for f in takes for name in settings_of(f)}
    asked = options_in(source)
    assert len(asked) > 30 and {name for name, _ in asked} <= given
    own = settings_of(tp.GAN)
    for name, value in asked:
        if name in own and value and not value.isalpha():
            kind = type(own[name].default)
            assert tp.build("gan", tp.Event((2,)), **{name: kind(value)}) is not None


def strings_of(module):
    """Return the texts in a module's code, docstrings included."""
    return [
        node.value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_a_game_that_stands_still_or_turns_is_told_from_one_that_gets_better():
    frozen = [r | {"samples/energy": 0.3} for r in played()]
    assert [f.name for f in diagnosed(frozen)] == ["still generator"]

    def turning(falls, far=0.2):
        for i, record in enumerate(played()):
            far *= 0.95 if falls else 1 + 0.01 * (1 - i % 3)
            yield record | {"samples/energy": far, "samples/kind/0": i % 2, "samples/kind/1": 1 - i % 2}

    (found,) = diagnosed(list(turning(falls=False)))
    assert found.name == "oscillation" and "100%" in found.seen and diagnosed(list(turning(falls=True))) == []
    assert diagnosed(list(turning(falls=False, far=0.04))) == [], "who turns near to the data has nothing to be told"


def test_games_are_examined_alike_whether_interrupted_or_not(tmp_path):
    train, _ = tp.data.load("ring", count=1000)

    def fitted(name, steps, **options):
        model = tp.build("gan", train.event, latent=2, hidden=8)
        run = tmp_path / name
        tp.fit(model, train, steps=steps, run=run, ema=0.9, checkpoint_every=50, **{**FIT, **options})
        return model, [
            {k: v for k, v in r.items() if k not in ("seconds", "images_per_s")}
            for r in read_metrics(tmp_path / name / "metrics.jsonl")
        ]

    model, whole = fitted("whole", 200)
    fitted("broken", 150)
    resumed, broken = fitted("broken", 200, resume=True)
    assert [r["step"] for r in whole if AUC in r] == [100, 200]
    assert [r for r in broken if AUC in r] == [r for r in whole if AUC in r]
    rarely, _ = fitted("rarely", 200, log_every=200)
    for other in (resumed, rarely):
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


class StillGenerator(tp.GAN):
    """A GAN whose generator takes steps of no length."""

    @property
    def players(self):
        critic, generator = super().players
        return critic, replace(generator, rate=0.0)


class Blind(torch.nn.Linear):
    """A generator that hardly sees its codes."""

    def forward(self, z):
        return super().forward(1e-3 * z)


@pytest.fixture(scope="module")
def ring():
    return tp.data.load("ring", count=2000)[0]


def game(make, train, steps=500, **arguments):
    torch.manual_seed(0)
    model = make.of(train.event, {"hidden": 32, "latent": 4, "penalty": "r1:weight=0.1", **arguments})
    return tp.fit(model, train, steps=steps, lr=3e-3, batch_size=64, progress=False)


@pytest.mark.parametrize(
    ("make", "arguments", "named"),
    [
        (StillGenerator, {}, "still generator"),
        (tp.GAN, {"generator": Blind(4, 2), "steps": 1000}, "mode collapse"),
        (tp.GAN, {}, None),
        (tp.GAN, {"loss": "hinge"}, None),
    ],
)
def test_planted_failures_are_named_and_healthy_games_are_not_accused(ring, make, arguments, named):
    run = game(make, ring, **arguments)
    names = [note.split(" since")[0] for note in run.notes]
    assert named in names if named else names == [], run.notes
    told = {key for record in run.records for key in record if key.startswith("finding/")}
    assert named is None or f"finding/{named}" in told


def test_data_that_a_model_cannot_learn_from_is_told_at_once(digits):
    one = replace(digits, labels=torch.full_like(digits.labels, 3))
    same = replace(digits, data=digits.data[torch.arange(len(digits)) % 20])
    for train, names in ((one, ["missing labels"]), (digits[:40], few := ["few examples"]), (same, few), (digits, [])):
        run = tp.fit(tp.build("vae", digits.event, classes=10, hidden=8), train, steps=1, batch_size=8, progress=False)
        assert [note.split(" since")[0] for note in run.notes] == names
    assert "1 of the model's 10 labels" in diagnosed([{"data/labels_seen": 1.0, "data/labels": 10.0}])[0].seen


def test_diagnose_reads_a_run_of_any_family(digits, tmp_path):
    tp.fit(tp.build("made", digits.event, hidden=8), digits, steps=100, run=tmp_path / "made", progress=False)
    said = well("diagnose", tmp_path / "made", "-o", tmp_path / "made.png")
    assert "nothing was found in 100 rounds" in said and "exploding gradients" in said and "mode collapse" not in said
    assert (tmp_path / "made.png").read_bytes()[:4] == b"\x89PNG"
    assert "already there" in refused("diagnose", tmp_path / "made", "-o", tmp_path / "made.png")
    assert "metrics.jsonl is not there" in refused("diagnose", tmp_path)
    lines = [json.dumps(r) for r in played(SICK["critic wins"])]
    (tmp_path / "made" / "metrics.jsonl").write_text("\n".join(lines))
    told = json.loads(well("diagnose", tmp_path / "made", "--json"))
    assert ("critic wins", 1000) in [(f["name"], f["since"]) for f in told["findings"]]
    assert "memorisation" in told["looked_for"] and "posterior collapse" not in told["looked_for"]
    said = well("diagnose", tmp_path / "made", "-o", tmp_path / "made.png", "--overwrite")
    assert "critic wins, since round 1,000" in said and "--critic-rate 0.25" in said
