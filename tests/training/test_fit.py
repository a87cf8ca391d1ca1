"""The loop: whose parameters move, what is drawn, when it stops, what it writes."""

import itertools
import json
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import triptych as tp
from triptych.config import settings_of
from triptych.errors import ConfigurationError, DataError, NonFiniteError
from triptych.event import Event
from triptych.pictures import completion_grid, pairs, png
from triptych.running import threads
from triptych.testing import examples_of
from triptych.training import BudgetConfig, OptimizerConfig, OutputConfig, loop
from triptych.training.logging import read_metrics


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(make, name, examples):
    ends = []
    for seed in (0, 0, 1):
        model = make(name)
        tp.fit(model, examples, steps=5, seed=seed, progress=False)
        ends.append(state(model))
    assert same(ends[0], ends[1]) and not same(ends[0], ends[2])


def test_torchs_own_random_state_is_left_alone(make, name, examples):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    tp.fit(make(name), examples, steps=2, progress=False)
    assert torch.equal(before, torch.get_rng_state())


def test_it_is_the_bare_loop(make, examples):
    """`fit` gives, to the last bit, what the textbook's loop over the same noise gives."""
    from triptych.data import Batches
    from triptych.noise import Noise, mix
    from triptych.training.loop import NOISE

    trained, bare = make("gan"), make("gan")
    tp.fit(trained, examples, steps=4, batch_size=32, seed=5, threads=1, progress=False)

    batches = Batches(tp.Examples(examples.data, examples.event), 32, seed=5).since(0)
    critic, generator = bare.players
    optimizers = {
        p.name: torch.optim.Adam(p.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True) for p in bare.players
    }
    bare.train()
    with threads.using(1):
        for step in range(4):
            noise = Noise(torch.Generator().manual_seed(mix(5, NOISE, step)))
            for player, turns in ((critic, 2), (generator, 1)):
                for _ in range(turns):
                    if player.name == "critic":
                        batch = next(batches)
                    optimizers[player.name].zero_grad()
                    player.objective(batch, noise)["adversarial"].mean().backward()
                    optimizers[player.name].step()
    assert same(state(trained), state(bare))


def test_later_players_see_the_last_batch_drawn(examples):
    seen = []

    class Watched(tp.GAN):
        def critic_objective(self, batch, noise):
            seen.append(("critic", batch.x.clone()))
            return super().critic_objective(batch, noise)

        def generator_objective(self, batch, noise):
            seen.append(("generator", batch.x.clone()))
            return super().generator_objective(batch, noise)

    watched = Watched.of(examples.event, {"critic_steps": 2, "hidden": 8})
    tp.fit(watched, examples, steps=2, batch_size=16, threads=1, progress=False)  # no rounds that time threads
    assert [name for name, _ in seen] == ["critic", "critic", "generator"] * 2
    batches = [x for _, x in seen]
    assert torch.equal(batches[1], batches[2]) and not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[2], batches[3])


@pytest.mark.parametrize(("budget", "steps"), [({"steps": 7}, 7), ({"epochs": 2}, 8), ({"epochs": 0.5}, 2)])
def test_budgets(make, examples, budget, steps):
    assert tp.fit(make("vae"), examples, batch_size=64, progress=False, **budget).steps == steps


def test_a_budget_of_minutes_is_training_time(monkeypatch, make, examples):
    """By a clock that is read at the beginning and the end of each round, and moves 50 ms between."""
    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=map((0.05).__mul__, itertools.count()).__next__))
    run = tp.fit(make("vae"), examples, minutes=0.011, progress=False)
    assert run.seconds == pytest.approx(0.7) and run.steps == 14  # the first round that ends after 0.66 s


def test_pictures_that_come_by_themselves_cost_little(tmp_path, examples):
    asked = []

    class Slow(tp.VAE):
        def _sample(self, n, label, noise):
            asked.append(n)
            time.sleep(0.1 * n)
            return super()._sample(n, label, noise)

    tp.fit(
        Slow.of(examples.event, {"latent": 2, "hidden": 8}), examples, steps=20, run=tmp_path / "auto", progress=False
    )
    assert asked[0] == 1 and max(asked) <= 16 and sum(asked) <= 22  # of 2 s, at 0.1 s each, and the first to time it
    asked.clear()
    options = {"steps": 2, "sample_every": 2, "progress": False}
    tp.fit(Slow.of(examples.event, {"latent": 2, "hidden": 8}), examples, run=tmp_path / "asked", **options)
    assert asked == [64]


@pytest.mark.parametrize("name", ["denoising-autoencoder", "context-autoencoder"])
def test_what_does_not_sample_shows_what_it_answers(tmp_path, name, examples):
    """Training examples and their reconstructions, or what is filled into their centres."""
    model = tp.build(name, examples.event, latent=2, hidden=8)
    tp.fit(model, examples, steps=4, sample_every=2, run=tmp_path / "r", progress=False)
    shown = [file.read_bytes() for file in sorted((tmp_path / "r" / "samples").iterdir())]
    if name == "denoising-autoencoder":
        drawn = pairs(examples[:64], model.reconstruct(examples[:64]), columns=12)
    else:
        known = torch.ones(8, 8, dtype=torch.bool)
        known[2:6, 2:6] = False
        drawn = completion_grid(examples[:8], known, model.complete(examples[:8], known), 1)
    assert len(shown) == 2 and shown[0] != shown[1] == png(drawn)


def test_vectors_that_do_not_sample_are_drawn_over_the_data(tmp_path):
    x = examples_of(Event((2,)), 64)
    tp.fit(tp.build("autoencoder", x.event, latent=1, hidden=8), x, steps=2, run=tmp_path / "r", progress=False)
    assert list((tmp_path / "r" / "samples").iterdir())


def test_a_run_says_who_never_had_a_turn(examples):
    def told(steps):
        model = tp.build("stacked-autoencoder", examples.event, latent=2, hidden=8, layers=1, pretraining=5)
        return tp.fit(model, examples, steps=steps, progress=False).notes

    assert told(4) == ["4 rounds were too few for layer-2, fine-tuning: the last begins after 10"]
    assert told(10) == ["10 rounds were too few for fine-tuning: the last begins after 10"]
    assert told(11) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "a budget is one of steps, epochs, minutes; given: none"),
        ({"steps": 3, "minutes": 1}, "given: steps=3, minutes=1"),
        ({"steps": 0}, "above 0"),
        ({"steps": 3, "lr": -1}, "lr=-1"),
        ({"steps": 3, "ema": 1.0}, "ema=1.0"),
        ({"steps": 3, "schedule": "cosin"}, "did you mean cosine"),
        ({"steps": 3, "precision": "16"}, "32-true or bf16-mixed"),
        ({"steps": 3, "resume": True}, "need a run directory"),
        ({"steps": 3, "tensorboard": True}, "need a run directory"),
        ({"minutes": float("nan")}, "above 0"),
        ({"steps": 3, "lr": float("nan")}, "lr=nan"),
        ({"steps": 3, "clip": float("inf")}, "clip=inf"),
        ({"steps": 3, "devices": 2, "batch_size": 33}, "cannot be shared by devices=2"),
        ({"steps": 3, "devices": 500, "batch_size": 500}, "this machine has"),
        ({"steps": 3, "batch_size": 0}, "batch"),
    ],
)
def test_options_out_of_range_are_refused(make, examples, options, message):
    with pytest.raises(ConfigurationError, match=message):
        tp.fit(make("vae"), examples, progress=False, **options)


def test_settings_are_given_by_flat_name_or_nested(make, examples):
    config = tp.TrainingConfig(BudgetConfig(steps=9), batch_size=16, output=OutputConfig(progress=False))
    assert config == tp.TrainingConfig().changed(progress=False, batch_size=16, steps=9)
    assert tp.fit(make("vae"), examples, config=config).steps == 9
    assert tp.fit(make("vae"), examples, None, config, steps=2, optimizer=OptimizerConfig(lr=0.1)).steps == 2
    with pytest.raises(ConfigurationError, match="fit has no option 'step'; did you mean steps"):
        tp.fit(make("vae"), examples, step=1)
    with pytest.raises(ConfigurationError, match="given: steps=9, minutes=1"):
        tp.fit(make("vae"), examples, config=config, minutes=1)


def test_every_setting_is_named_where_training_is_explained():
    assert settings_of(tp.TrainingConfig).keys() == settings_of(tp.fit).keys() - {"model", "train", "valid"}
    assert all(f"`{name}`" in tp.fit.__doc__ for name in settings_of(tp.TrainingConfig))


def test_examples_that_do_not_fit_are_refused(make, examples):
    with pytest.raises(DataError, match="fewer examples than the batch"):
        tp.fit(make("vae"), examples[:10], steps=1, progress=False)
    with pytest.raises(DataError, match="the model takes"):
        tp.fit(make("vae"), tp.data.load("digits")[0], steps=1, progress=False)
    with pytest.raises(DataError, match="has no labels of two classes"):
        unlabelled = tp.Examples(examples.data, examples.event)
        tp.fit(make("vae", classes=3), unlabelled, steps=1, progress=False)
    with pytest.raises(DataError, match="label 2"):
        tp.fit(make("vae", classes=2), examples, steps=1, progress=False)


def test_parts_that_do_not_fit_are_named(examples):
    event = examples.event
    with pytest.raises(DataError, match="a Tensor was given: expected Examples"):
        tp.fit(tp.VAE(event), examples.data, steps=1, progress=False)
    with pytest.raises(ConfigurationError, match="expected an Event"):
        tp.VAE((1, 8, 8))
    with pytest.raises(ConfigurationError, match="hidden=0"):
        tp.build("vae", event, hidden=0)
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    with pytest.raises(ConfigurationError, match=r"the encoder gave \(3,\) numbers an example: expected \(8,\)"):
        tp.fit(tp.VAE(event, latent=4, encoder=narrow), examples, steps=1, progress=False)
    flat = nn.Sequential(nn.Linear(4, 64), nn.Unflatten(1, (1, 8, 8)))
    with pytest.raises(ConfigurationError, match="Categorical takes"):
        tp.fit(tp.VAE(event, latent=4, decoder=flat), examples, steps=1, progress=False)
    with pytest.raises(ConfigurationError, match="the critic gave"):
        tp.fit(tp.build("gan", event, critic=narrow), examples, steps=1, progress=False)
    with pytest.raises(ConfigurationError, match="the loss returned a NoneType"):
        tp.build("gan", event, loss=lambda real, fake: None)
    assert tp.VAE(event).log_prob_bounds(examples[:0]).lower.shape == (0,)
    assert tp.VAE(event, latent=4).encode(examples[:3].data.numpy()).shape == (3, 4)


def noted(objective, model, seen, batch, noise):
    seen.append(batch.label)
    return objective(model, batch, noise)


def test_labels_reach_a_conditional_model_only(make, examples):
    for classes in (0, 3):
        model = make("vae", classes=classes)
        seen = []
        objective = type(model).objective
        model.objective = partial(noted, objective, model, seen)
        tp.fit(model, examples, steps=1, progress=False)
        assert (seen[0] is not None) == bool(classes)


class Breaks(tp.VAE):
    """A VAE whose loss or gradient breaks at the fourth step."""

    how = "term"

    def objective(self, batch, noise):
        self.calls = getattr(self, "calls", 0) + 1
        terms = super().objective(batch, noise)
        if self.calls == 4:
            if self.how == "term":
                terms["rate"] = terms["rate"] * float("nan")
            else:
                terms["rate"] = terms["rate"] + torch.sqrt((terms["rate"] - terms["rate"].detach()).abs())
        return terms


@pytest.mark.parametrize(
    ("how", "named"), [("term", "model's term 'rate' became nan"), ("gradient", "model's gradient became nan")]
)
def test_the_first_non_finite_step_stops_the_run_before_it_is_taken(tmp_path, examples, how, named):
    model = Breaks.of(examples.event, {"latent": 2, "hidden": 8})
    model.how = how
    with pytest.raises(NonFiniteError, match=f"{named} at step 4") as stopped:
        tp.fit(model, examples, steps=9, checkpoint_every=2, threads=1, run=tmp_path / "run", progress=False)
    assert "step-000000002.safetensors" in str(stopped.value)
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_clipping_bounds_the_step(make, examples):
    """With plain gradient descent the step is the clipped gradient."""

    class Descends(tp.VAE):
        @property
        def players(self):
            (player,) = super().players
            return (
                tp.Player(
                    "model", player.modules, player.objective, optimizer=lambda p, lr=1.0: torch.optim.SGD(p, lr=lr)
                ),
            )

    model = Descends.of(examples.event, {"latent": 2, "hidden": 8})
    before = torch.cat([p.detach().flatten().clone() for p in model.parameters()])
    run = tp.fit(model, examples, steps=1, clip=1e-3, progress=False)
    after = torch.cat([p.detach().flatten() for p in model.parameters()])
    assert float((after - before).norm()) == pytest.approx(1e-3, rel=1e-2)
    assert run.records[0]["model/gradient_norm"] > 1, "what is reported is the norm before clipping"


def test_schedules_scale_the_learning_rate(make, examples):
    rates = {}
    for schedule in ("constant", "linear", "cosine"):
        model = make("vae")
        seen = []

        class Noted(torch.optim.SGD):
            def step(self, closure=None, seen=seen):
                seen.append(self.param_groups[0]["lr"])
                return super().step(closure)

        player = model.players[0]
        type_ = type(
            "Noting",
            (tp.VAE,),
            {
                "players": property(
                    lambda m: (tp.Player("model", [m], m.objective, optimizer=lambda p, lr=1e-3: Noted(p, lr=lr)),)
                )
            },
        )
        noting = type_.of(examples.event, {"latent": 2, "hidden": 8})
        tp.fit(noting, examples, steps=4, lr=1e-6, schedule=schedule, warmup=2, threads=1, progress=False)
        rates[schedule] = np.array(seen) / 1e-6
        assert player.name == "model"
    progress = np.arange(4) / 4
    warm = np.array([0.5, 1, 1, 1])
    assert np.allclose(rates["constant"], warm)
    assert np.allclose(rates["linear"], warm * (1 - progress))
    assert np.allclose(rates["cosine"], warm * 0.5 * (1 + np.cos(np.pi * progress)))


def test_the_average_is_that_of_the_weights(make, examples):
    """Against the recursion written out, on the weights after each step."""
    weights = []
    for steps in (1, 2, 3):
        model = make("vae")
        tp.fit(model, examples, steps=steps, progress=False)
        weights.append([p.detach().clone() for p in model.parameters()])
    average = [p.detach().clone() for p in make("vae").parameters()]
    for step, now in enumerate(weights, 1):
        decay = min(0.5, (1 + step) / (10 + step))
        average = [decay * a + (1 - decay) * w for a, w in zip(average, now, strict=True)]
    model = make("vae")
    tp.fit(model, examples, steps=3, ema=0.5, progress=False)
    assert all(torch.allclose(p, a, atol=1e-6) for p, a in zip(model.parameters(), average, strict=True))


def test_held_out_examples_choose_the_best_weights(make, examples):
    """Trained to overfit 64 examples, the model ends with the weights of its best moment."""
    few, valid = examples[:64], examples[64:128]
    model, last = make("vae", hidden=256), make("vae", hidden=256)
    run = tp.fit(model, few, valid, steps=400, lr=3e-3, progress=False)
    tp.fit(last, few, steps=400, lr=3e-3, progress=False)
    curve = [r["held-out/nll"] for r in run.records if "held-out/nll" in r]
    reached = -float(model.log_prob_bounds(valid, seed=0).lower.mean())
    assert len(curve) >= 50 and reached == pytest.approx(min(curve), abs=1e-3)
    assert reached < -float(last.log_prob_bounds(valid, seed=0).lower.mean()) - 1


def test_a_run_directory_tells_its_story(tmp_path, make, name, examples):
    model = make(name)
    run = tp.fit(
        model, examples, steps=20, log_every=5, sample_every=10, checkpoint_every=8, run=tmp_path / "r", progress=False
    )
    assert sorted(p.name for p in run.directory.iterdir() if p.name != ".lock") == sorted(
        ["checkpoints", "config.yaml", "metrics.jsonl", "model.json", "model.safetensors", "samples"]
    )
    assert [p.name for p in sorted((run.directory / "samples").iterdir())] == [
        "step-000000010.png",
        "step-000000020.png",
    ]
    assert [p.stem for p in sorted((run.directory / "checkpoints").glob("*.safetensors"))] == [
        "step-000000016",
        "step-000000020",
    ]
    records = read_metrics(run.directory / "metrics.jsonl")
    assert [r["step"] for r in records] == [5, 10, 15, 20] and records == run.records
    assert all(r["images_per_s"] > 0 for r in records)
    assert json.loads((run.directory / "model.json").read_text())["model"] == name
    again = tp.load(run.directory)
    assert torch.equal(again.sample(4, seed=0).data, model.sample(4, seed=0).data)


def test_pictures_and_validation_do_not_touch_the_training(tmp_path, make, name, examples):
    plain, watched = make(name), make(name)
    tp.fit(plain, examples, steps=12, progress=False)
    tp.fit(
        watched, examples, steps=12, log_every=1, sample_every=1, checkpoint_every=1, run=tmp_path / "r", progress=False
    )
    assert same(state(plain), state(watched))


def test_a_users_own_modules_and_loss_plug_in(tmp_path, examples):
    def tilted(real, fake):
        return tp.objectives.adversarial.Play((1 - real) ** 2 + fake**2, (1 - fake) ** 2)

    class Body(nn.Module):
        def __init__(self, inputs, outputs, shape):
            super().__init__()
            self.net, self.shape = nn.Linear(inputs, outputs), shape

        def forward(self, x):
            return self.net(x.flatten(1)).view(len(x), *self.shape)

    parts = {"generator": Body(6, 64, (1, 8, 8)), "critic": Body(64, 1, (1,)), "loss": tilted}
    model = tp.build("gan", examples.event, latent=6, **parts)
    tp.fit(model, examples, steps=3, run=tmp_path / "r", progress=False)
    with pytest.raises(tp.UserError, match="built with your own"):
        tp.load(tmp_path / "r")
    fresh = {"generator": Body(6, 64, (1, 8, 8)), "critic": Body(64, 1, (1,)), "loss": tilted}
    again = tp.load(tmp_path / "r", **fresh)
    assert torch.equal(again.sample(4, seed=0).data, model.sample(4, seed=0).data)


def test_tensorboard_events_are_written(tmp_path, make, examples):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tp.fit(make("vae"), examples, steps=4, log_every=2, run=tmp_path / "r", tensorboard=True, progress=False)
    events = EventAccumulator(str(tmp_path / "r" / "tensorboard"))
    events.Reload()
    assert [e.step for e in events.Scalars("model/rate")] == [2, 4]


def test_compiled_networks_learn_the_same(make, examples):
    plain, compiled = make("vae"), make("vae")
    a = tp.fit(plain, examples, steps=3, progress=False)
    b = tp.fit(compiled, examples, steps=3, compile=True, progress=False)
    assert a.records[0]["model/distortion"] == pytest.approx(b.records[0]["model/distortion"], rel=1e-4)


def test_channels_last_learns_the_same_and_resumes_exactly(tmp_path, make, examples):
    options = {"batch_size": 32, "progress": False, "channels_last": True}
    parts = {"generator": "dcgan", "critic": "dcgan", "channels": 8}
    plain, whole, resumed = (make("gan", **parts) for _ in range(3))
    a = tp.fit(plain, examples, steps=6, batch_size=32, progress=False).records[0]
    b = tp.fit(whole, examples, steps=6, run=tmp_path / "whole", **options).records[0]
    assert b["critic/adversarial"] == pytest.approx(a["critic/adversarial"], rel=1e-4)
    tp.fit(resumed, examples, steps=3, run=tmp_path / "resumed", **options)
    tp.fit(make("gan", **parts), examples, steps=6, run=tmp_path / "resumed", resume=True, **options)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "resumed"))
    assert one == two


def test_bf16_is_close(make, examples):
    full = tp.fit(make("vae"), examples, steps=5, progress=False).records[0]
    half = tp.fit(make("vae"), examples, steps=5, precision="bf16-mixed", progress=False).records[0]
    assert half["model/distortion"] == pytest.approx(full["model/distortion"], rel=2e-2)
    assert half["model/distortion"] != full["model/distortion"]
