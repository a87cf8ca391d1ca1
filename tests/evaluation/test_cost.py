"""Speed, latency and memory of models whose cost is known."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.evaluation import METRICS, Protocol, Subject
from triptych.evaluation.cost import speed
from triptych.evaluation.cost.memory import MIB, peak_memory, sampling_memory, weights
from triptych.evaluation.cost.speed import encoding_speed, latency, median_and_error, sampling_speed, scoring_speed
from triptych.event import Event
from triptych.models.base import Player
from triptych.models.questions import Bounded, Bounds, Encoder, Sampler
from triptych.noise import Noise

EVENT = Event((3,))


class Clock:
    """Time that passes when a model works and else hardly, so that a busy machine changes nothing."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1e-7
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that speeds are measured by."""
    made = Clock()
    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=made))
    return made


class Costly(Sampler, Encoder, Bounded):
    """Takes so many seconds an example, and so many numbers of float32."""

    def __init__(self, clock: Clock, seconds: float = 0.0, numbers: int = 0) -> None:
        super().__init__(EVENT)
        self.clock = clock
        self.seconds, self.numbers, self.latent = seconds, numbers, 2
        self.weight = torch.nn.Parameter(torch.zeros(MIB // 4))  # 1 MiB

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        self.clock.now += self.seconds * n
        torch.zeros(n, self.numbers).add_(1)
        return noise.normal((n, 3))

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        self.clock.now += self.seconds * len(x)
        return x[:, :2]

    def _log_prob_bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        assert samples == 1
        self.clock.now += self.seconds * len(x)
        return Bounds(x[:, 0], x[:, 1])


def test_the_error_of_a_speed_is_that_of_the_median_of_repeats(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    took = iter([0.4, 1.0, 2.0, 4.0])  # four examples, which tell the price, and three blocks
    monkeypatch.setattr(speed, "_timed", lambda *_: next(took))
    found = speed.speed_of(lambda *_: None, Costly(clock), batch=64, repeats=3, seconds=100)
    speeds = torch.tensor([64 / 1.0, 64 / 2.0, 64 / 4.0])
    assert found.value == 32
    assert found.error == pytest.approx((math.pi / 2) ** 0.5 * float(speeds.std()) / 3**0.5, rel=1e-4)


def test_speeds_are_those_of_the_answers(clock: Clock) -> None:
    model, few = Costly(clock, 0.0005), Examples(torch.zeros(10, 3), EVENT)
    asked = {
        "scoring": scoring_speed(model, few),
        "encoding": encoding_speed(model, few),
        "batch": sampling_speed(model),
    }
    for name, found in asked.items():
        assert found.value == pytest.approx(2000, rel=1e-3) and found.unit == "examples/s"
        assert found.protocol.startswith(f"{name}-64@cpu-") and found.error is not None
    started = clock.now
    slow = scoring_speed(Costly(clock, 0.15), few, seconds=2.0)
    assert slow.value == pytest.approx(1 / 0.15, rel=1e-3) and slow.protocol.startswith("scoring-6@")
    assert clock.now - started < 4, "of which a second tells what can be afforded"


def test_latency_is_of_one_sample_and_takes_as_long_as_it_may(clock: Clock) -> None:
    found = latency(Costly(clock, 0.01), seconds=0.2)
    assert found.value == pytest.approx(10, rel=1e-3) and found.unit == "ms" and found.error is not None
    started = clock.now
    assert latency(Costly(clock, 0.05), seconds=0.1).value == pytest.approx(50, rel=1e-3)
    assert clock.now - started == pytest.approx(7 * 0.05, rel=1e-3), "two warm up, five are the fewest"


def test_the_error_of_a_median_is_that_of_repeats_whatever_the_distribution() -> None:
    generator = np.random.default_rng(0)
    for draw in (generator.exponential, generator.normal, generator.standard_cauchy):
        found = np.array([median_and_error(draw(size=60).tolist()) for _ in range(600)])
        assert found[:, 1].mean() == pytest.approx(found[:, 0].std(ddof=1), rel=0.15)


def test_memory_is_what_is_alive_at_once() -> None:
    def ask(size: int = MIB) -> None:
        first = torch.ones(size)  # 4 MiB
        first.add_(1), first[: size // 2], first.view(2, -1)  # nothing new
        second = first + 1  # 8 MiB
        del first
        _ = second * 2  # 8 MiB again
        del second
        _ = torch.from_numpy(np.ones(3 * size // 4))  # 6 MiB of NumPy's, while 4 MiB are alive

    assert peak_memory(ask) / MIB == pytest.approx(14, abs=0.1), "the most of tensors, and the most of arrays"
    assert peak_memory(lambda: torch.ones(MIB).sum()) / MIB == pytest.approx(4, abs=0.1)
    assert peak_memory(lambda: None) < 20_000


def test_what_was_there_before_is_not_counted() -> None:
    x, array = torch.ones(MIB), np.ones(MIB)
    assert peak_memory(lambda: (x + 1, array[1:])) / MIB == pytest.approx(4, abs=0.1)
    assert float(x[0] + array[0]) == 2


def test_the_memory_of_sampling_is_of_the_batch_and_the_weights(clock: Clock) -> None:
    assert weights(Costly(clock)) == MIB
    found = sampling_memory(Costly(clock, numbers=1 << 15))
    assert found.value == pytest.approx(1 + 64 * 4 / 32, abs=0.05) and found.unit == "MiB"
    assert found.protocol.startswith("memory-64@cpu-") and (found.error or 0) < 0.01
    slow = sampling_memory(Costly(clock, 0.05, numbers=1 << 15))
    assert slow.protocol.startswith("memory-16@") and slow.value == pytest.approx(1 + 16 * 4 / 32, abs=0.05)


def test_a_model_that_computes_with_numpy_is_counted_too() -> None:
    model = tp.build("pixelcnn", Event((1, 8, 8), 17), channels=8, layers=2)
    found = sampling_memory(model)
    assert (found.value or 0) * MIB > weights(model) + 64 * 64 * 8 * 4, "a feature map of the batch, at least"


def test_what_is_not_answered_costs_nothing_and_says_why(digits: tuple[Examples, Examples]) -> None:
    protocol = Protocol.prepare(*digits, extractor="pixels")
    gan, autoencoder = (tp.build(name, digits[0].event) for name in ("gan", "linear-autoencoder"))
    for key, model in (
        ("scoring-speed", gan),
        ("encoding-speed", gan),
        ("latency", autoencoder),
        ("memory", autoencoder),
        ("scoring-speed", autoencoder),
    ):
        figure = METRICS[key](Subject(model, protocol))
        assert figure.value is None and type(model).__name__ in figure.note, key
        assert METRICS[key](Subject(None, protocol)).note == "real data, not a model"
    labelled = tp.build("vae", digits[0].event, hidden=8, latent=2, classes=10)
    for key in ("speed", "latency", "scoring-speed", "encoding-speed", "memory"):
        assert METRICS[key].compared and (METRICS[key](Subject(labelled, protocol)).value or 0) > 0
    bare = Protocol.prepare(*(Examples(x.data, x.event) for x in digits), extractor="pixels")
    for key in ("scoring-speed", "encoding-speed"):
        assert METRICS[key](Subject(labelled, bare)).value, "what is scored needs no label of its own"
    with torch.no_grad():
        next(labelled.parameters()).fill_(torch.nan)
    assert "diverged" in METRICS["memory"](Subject(labelled, protocol)).note
