"""Games with memory: resumed exactly, and the same on two processes as on one."""

import pytest

import triptych as tp
from tests.program import call
from tests.training.test_resumption import whole_and_resumed
from triptych.adversary.tricks import TRICKS as KNOWN

TRICKS = (
    "feature-matching:keep=true+minibatch-discrimination:kernels=4+minibatch-stddev+historical-averaging"
    "+instance-noise:steps=30+path-length+replay:size=100"
)
"""Every trick there is; the buffer is full only after the break."""


@pytest.mark.parametrize("classes", [0, 3])
def test_a_game_with_every_trick_resumes_exactly(tmp_path, examples, classes):
    assert {part.partition(":")[0] for part in TRICKS.split("+")} == set(KNOWN)

    def game():
        return tp.build(
            "gan", examples.event, latent=4, hidden=16, generator="mlp", critic="mlp", critic_steps=2, classes=classes,
            tricks=TRICKS, shared_fakes=True, critic_rate=2.0,
        )  # fmt: skip

    whole, broken = whole_and_resumed(tmp_path, game, examples, first=2, ema=0.9, warmup=3)
    assert whole == broken
    again, one = tp.load(tmp_path / "broken"), tp.load(tmp_path / "whole")
    assert int(again.get_buffer("adversary.tricks.6.filled")) == 100
    assert again.sample(4, seed=0).data.equal(one.sample(4, seed=0).data)


def test_players_keep_their_own_rates_through_warm_up_and_schedule(examples):
    """`lr` is the generator's; the critic's is `critic_rate` times as high in every round."""
    seen = []

    from triptych.training.loop import Training

    seats = []
    model = tp.build("gan", examples.event, hidden=8, generator="mlp", critic="mlp", critic_rate=4.0)
    model.adversary._moved = lambda: seen.append([g["lr"] for seat in seats for g in seat.optimizer.param_groups])
    started = Training.train_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "train_model", lambda self: (seats.extend(self.seats), started(self)))
        tp.fit(model, examples, steps=8, batch_size=16, lr=1e-3, warmup=4, schedule="cosine", progress=False)
    critic, generator = zip(*seen[1:], strict=True)  # in its first turn the generator has not been scheduled yet
    assert max(critic) <= 4e-3 and critic[0] < max(critic) > critic[-1]
    assert all(before == pytest.approx(4 * rate) for before, rate in zip(critic[:-1], generator[1:], strict=True))


def test_parts_are_typed_on_the_command_line(tmp_path):
    options = ["train", "gan", "--data", "ring", "--steps", 3, "--batch-size", 16, "--hidden", 8, "--quiet"]
    typed = ["--tricks", TRICKS, "--shared-fakes", "--loss", "hinge", "--critic-steps", 2]
    code, _, err = call(*options, *typed, "--out", tmp_path / "a")
    assert code == 0, err
    code, _, err = call(*options, "--loss", "wasserstein", "--penalty", "gradient:weight=1", "--out", tmp_path / "b")
    assert code == 0, err
    assert "gradient_penalty" in (tmp_path / "b" / "metrics.jsonl").read_text()
    for wrong, said in [
        (["--tricks", "minibatch-stddev", "--penalty", "gradient"], "mixes examples"),
        (["--loss", "wasserstein"], "critic's slope"),
        (["--tricks", "replay:size=no"], "expected size to be a whole number"),
    ]:
        code, _, err = call(*options, *wrong, "--out", tmp_path / "c")
        assert code == 2 and said in err and len(err.strip().splitlines()) == 1, err
