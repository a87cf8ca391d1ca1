"""What a resumed run must take up again, each in one process: quick, so every kind of state is tried."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import triptych as tp
from triptych.errors import CheckpointError
from triptych.networks import CoderConfig
from triptych.training.files import read_tensors, write_tensors
from triptych.training.loop import Training


def bytes_of(run):
    files = [run / "model.safetensors", *sorted((run / "checkpoints").glob("*.safetensors"))]
    return {file.name: file.read_bytes() for file in files}


def whole_and_resumed(place, build, examples, valid=None, first=7, steps=20, **options):
    """Train once without a break and once with one; return the bytes of both."""
    options = {"batch_size": 32, "log_every": 5, "checkpoint_every": 3, "progress": False, **options}
    tp.fit(build(), examples, valid, steps=steps, run=place / "whole", **options)
    tp.fit(build(), examples, valid, steps=first, run=place / "broken", **options)
    tp.fit(build(), examples, valid, steps=steps, run=place / "broken", resume=True, **options)
    return bytes_of(place / "whole"), bytes_of(place / "broken")


@pytest.mark.parametrize(
    "options", [{}, {"ema": 0.9, "clip": 1.0, "warmup": 5}, {"precision": "bf16-mixed"}], ids=["plain", "ema", "bf16"]
)
def test_every_model_resumes_exactly(tmp_path, make, name, examples, options):
    whole, broken = whole_and_resumed(tmp_path, lambda: make(name), examples, **options)
    assert whole == broken


@pytest.mark.parametrize("first", [3, 5, 12, 17], ids=["first layer", "between", "last layer", "fine-tuning"])
def test_a_stack_resumes_exactly_in_any_phase(tmp_path, examples, first):
    """Players that have played, that play, and that have not yet: all of their optimisers are taken up."""

    def stack():
        return tp.build("stacked-autoencoder", examples.event, latent=2, hidden=8, pretraining=5, corruption="masking")

    whole, broken = whole_and_resumed(tmp_path, stack, examples, first=first, log_every=1)
    assert whole == broken


def test_the_best_weights_are_taken_up_again(tmp_path, make, examples):
    """They are found early, before the break, and must be what the run ends with."""
    few, valid = examples[:32], examples[32:96]
    options = {"lr": 2e-2, "first": 60, "steps": 120, "checkpoint_every": 10}
    whole, broken = whole_and_resumed(tmp_path, lambda: make("vae", hidden=128), few, valid, **options)
    _, record = read_tensors(sorted((tmp_path / "whole" / "checkpoints").glob("*.safetensors"))[-1])
    curve = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    best = min((r["held-out/nll"], r["step"]) for r in curve if "held-out/nll" in r)
    assert best[1] < 60 and record["best"] == pytest.approx(-best[0])
    assert whole == broken


def test_a_run_validated_is_not_continued_without(tmp_path, make, examples):
    options = {"batch_size": 32, "progress": False, "run": tmp_path / "run"}
    tp.fit(make("vae"), examples[:64], examples[64:], steps=3, **options)
    with pytest.raises(CheckpointError, match="validated_on: 192 there, 0 here"):
        tp.fit(make("vae"), examples[:64], steps=6, resume=True, **options)


@pytest.mark.parametrize("validated", [False, True])
def test_what_is_loaded_is_what_was_trained(tmp_path, make, examples, validated):
    """Averaged or best weights, not the last ones."""
    model = make("vae")
    valid = examples[64:128] if validated else None
    run = tp.fit(
        model, examples[:64], valid, steps=60, ema=0.9, lr=1e-2, batch_size=32, run=tmp_path / "r", progress=False
    )
    loaded = tp.load(tmp_path / "r")
    assert all(
        torch.equal(a, b) for a, b in zip(model.state_dict().values(), loaded.state_dict().values(), strict=True)
    )
    last, _ = read_tensors(sorted((tmp_path / "r" / "checkpoints").glob("*.safetensors"))[-1])
    assert any(not torch.equal(last[f"model.{name}"], tensor) for name, tensor in model.state_dict().items())
    if validated:
        told = min(r["held-out/nll"] for r in run.records if "held-out/nll" in r)
        assert -float(model.log_prob_bounds(valid, seed=0).lower.mean()) == pytest.approx(told, abs=1e-3)


class Forgetful(tp.VAE):
    """A VAE whose encoder drops units by torch's own random state."""

    def __init__(self, event, latent=2, hidden=8):
        super().__init__(event, latent, networks=CoderConfig(hidden), encoder="mlp", decoder="mlp")
        self.encoder = nn.Sequential(nn.Dropout(0.5), self.encoder)


def forgetful(event):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Forgetful(event)


@pytest.mark.parametrize("resident", [True, False])
def test_layers_that_draw_from_torchs_own_state_resume_exactly(tmp_path, examples, resident):
    placed = replace(examples, resident=resident)
    whole, broken = whole_and_resumed(tmp_path, lambda: forgetful(examples.event), placed)
    assert whole == broken


def test_data_drawn_anew_each_epoch_resume_exactly(tmp_path):
    train, _ = tp.data.load("digits", binarize="stochastic")
    whole, broken = whole_and_resumed(
        tmp_path, lambda: tp.build("vae", train.event, latent=2, hidden=8), train, first=50, steps=60
    )
    assert whole == broken


def test_training_time_goes_on_where_it_stopped(tmp_path, make, examples):
    options = {"batch_size": 32, "log_every": 50, "run": tmp_path / "r", "progress": False}
    first = tp.fit(make("vae"), examples, steps=49, **options)
    second = tp.fit(make("vae"), examples, steps=50, resume=True, **options)
    assert second.seconds > first.seconds > 0


def test_a_changed_digit_in_a_checkpoints_record_is_noticed(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(3)}, {"step": 123})
    path.write_bytes(path.read_bytes().replace(b"123", b"124"))
    with pytest.raises(CheckpointError, match="does not match its checksum"):
        read_tensors(path)


def test_a_checkpoint_of_figures_that_are_not_finite_is_never_written(tmp_path, examples, monkeypatch):
    """As on a device where figures are only fetched now and then: the write itself looks at them first."""

    class Breaks(tp.VAE):
        calls = 0

        def objective(self, batch, noise):
            self.calls += 1
            terms = super().objective(batch, noise)
            return {**terms, "rate": terms["rate"] * float("nan")} if self.calls == 12 else terms

    monkeypatch.setattr(Training, "reads_each_turn", property(lambda self: False))
    model = Breaks.of(examples.event, {"latent": 2, "hidden": 8, "encoder": "mlp", "decoder": "mlp"})
    with pytest.raises(tp.UserError, match="at step 12; the last good checkpoint is .*step-000000010"):
        tp.fit(
            model, examples, steps=60, batch_size=32, checkpoint_every=10, threads=1, run=tmp_path / "r", progress=False
        )
    tensors, record = read_tensors(sorted((tmp_path / "r" / "checkpoints").glob("*.safetensors"))[-1])
    assert record["step"] == 10 and all(bool(torch.isfinite(t).all()) for t in tensors.values())


def test_labels_reach_generator_and_critic_alike(examples):
    seen = []

    model = tp.build("gan", examples.event, hidden=8, classes=3)
    generate, scores = model.generate, model.adversary.scores
    model.generate = lambda z, label: seen.append(("made for", label)) or generate(z, label)
    model.adversary.scores = lambda view: seen.append(("scored as", view.condition)) or scores(view)
    tp.fit(model, examples, steps=2, batch_size=16, threads=1, progress=False)
    rounds = [seen[:5], seen[5:]]
    for one in rounds:
        assert [name for name, _ in one] == ["made for", "scored as", "scored as", "made for", "scored as"]
        assert all(torch.equal(label, one[0][1]) for _, label in one)
    assert not torch.equal(rounds[0][0][1], rounds[1][0][1])
