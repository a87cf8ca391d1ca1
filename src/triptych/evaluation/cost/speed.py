"""How fast a model answers: samples, scores and codes a second, and how long one sample takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from math import ceil, floor, sqrt

import torch

from triptych.data.examples import Examples
from triptych.evaluation.cost.effort import some_label
from triptych.metrics.figure import Figure
from triptych.models.base import Model
from triptych.models.questions import Bounded, Encoder, Sampler
from triptych.noise import mix

BATCH = 64
"""Examples that one call draws, scores or encodes."""

BLOCK = 0.2
"""Seconds that a timed block of calls takes at least, so that the clock's noise does not show."""

FEWEST, MOST = 5, 200
"""Single samples that latency is the median of."""

Ask = Callable[[int, int], object]
"""Asks a model about n examples with a seed, and returns when it has answered."""


def sampling_speed(
    model: Sampler, *, batch: int = BATCH, repeats: int = 5, seconds: float = 5.0, seed: int = 0
) -> Figure:
    """Return the sampling speed in images/s: median over warm blocks of calls, with its standard error.

    The first calls, of few samples, warm up and tell what can be afforded: a slow sampler draws a smaller
    batch, or is timed fewer times, so that all takes about `seconds`. The protocol names the batch that was
    used and the threads (or the device), and so says which figures are comparable.

    Args:
        model: anything that samples.
        batch: samples a call.
        repeats: timed blocks, at most.
        seconds: wall-clock time to spend, about.
        seed: of the draws.

    Example:
        >>> import triptych as tp
        >>> speed = sampling_speed(tp.build("gan", tp.Event((2,)), hidden=8), repeats=2)
        >>> speed.unit, speed.value > 0
        ('examples/s', True)
    """
    return speed_of(drawing(model), model, batch=batch, repeats=repeats, seconds=seconds, seed=seed)


def scoring_speed(
    model: Bounded, x: Examples, *, batch: int = BATCH, repeats: int = 5, seconds: float = 2.0, seed: int = 0
) -> Figure:
    """Return how many examples a second log p(x) is told of, or bounded by one code each; see `sampling_speed`.

    Args:
        model: bounds log p(x).
        x: examples, of which some are taken again if they are few; a model with labels is told 0 of all.
        batch: examples a call.
        repeats: timed blocks, at most.
        seconds: wall-clock time to spend, about.
        seed: of the bounds.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("vae", tp.Event((1, 8, 8), 17), latent=2, hidden=8)
        >>> scoring_speed(model, model.sample(10, seed=0), repeats=2).unit
        'images/s'
    """
    given, label = _repeated(x, batch), some_label(model)
    return speed_of(
        lambda n, seed: model.log_prob_bounds(given[:n], label=label, seed=seed),
        model,
        name="scoring",
        batch=batch,
        repeats=repeats,
        seconds=seconds,
        seed=seed,
    )


def encoding_speed(
    model: Encoder, x: Examples, *, batch: int = BATCH, repeats: int = 5, seconds: float = 2.0
) -> Figure:
    """Return how many examples a second are encoded; see `scoring_speed` for the arguments.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("vae", tp.Event((2,)), latent=2, hidden=8)
        >>> encoding_speed(model, model.sample(10, seed=0), repeats=2).unit
        'examples/s'
    """
    given, label = _repeated(x, batch), some_label(model)
    ask: Ask = lambda n, _: model.encode(given[:n], label=label)  # noqa: E731
    return speed_of(ask, model, name="encoding", batch=batch, repeats=repeats, seconds=seconds)


def speed_of(
    ask: Ask,
    model: Model,
    *,
    name: str = "batch",
    batch: int = BATCH,
    repeats: int = 5,
    seconds: float = 2.0,
    seed: int = 0,
) -> Figure:
    """Return how many examples a second an answer takes; see `sampling_speed`.

    Args:
        ask: the question.
        model: which is asked.
        name: that the protocol begins with.
        batch: examples a call.
        repeats: timed blocks, at most.
        seconds: wall-clock time to spend, about.
        seed: of what is drawn.
    """
    probe = min(4, batch)
    each = seconds_each(ask, batch=probe, seed=seed)
    count = batch if each * batch <= seconds else max(probe, int(seconds / 2 / each))
    calls = max(1, int(BLOCK / (each * count)))
    if calls > 1:
        _timed(ask, count, mix(seed, 2), calls)  # the first calls of a size still allocate
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) + times[-1] < seconds):
        times.append(_timed(ask, count, mix(seed, 3, len(times)), calls))
    speeds = [count * calls / t for t in times]
    # of the median of nearly normal repeats
    error = 1.2533 * statistics.stdev(speeds) / len(speeds) ** 0.5 if len(speeds) > 1 else None
    unit = "images/s" if model.event.is_image else "examples/s"
    note = "" if error is not None else "timed once"
    return Figure(statistics.median(speeds), error, unit, f"{name}-{count}@{where(model)}", note=note)


def latency(model: Sampler, *, seconds: float = 0.5, seed: int = 0) -> Figure:
    """Return how long one sample takes in ms, warm: the median of single calls, with its standard error.

    Calls go on for `seconds`, at least 5 and at most 200. Their times are far from normal, so the error is that of the
    median whatever the distribution: half of the distance between the calls of ranks `n/2 ± √n/2` (David & Nagaraja
    2003, *Order Statistics*, §7.1).

    Args:
        model: anything that samples.
        seconds: wall-clock time to spend, about.
        seed: of the draws.

    Example:
        >>> import triptych as tp
        >>> found = latency(tp.build("gan", tp.Event((2,)), hidden=8), seconds=0.1)
        >>> found.unit, found.protocol.startswith("latency@cpu-")
        ('ms', True)
    """
    ask = drawing(model)
    for i in range(2):
        ask(1, mix(seed, 0, i))
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < FEWEST or (len(times) < MOST and time.perf_counter() - started < seconds):
        times.append(1000 * _timed(ask, 1, mix(seed, 4, len(times))))
    return Figure(*median_and_error(times), "ms", f"latency@{where(model)}")


def median_and_error(times: Sequence[float]) -> tuple[float, float]:
    """Return the median, and its standard error by order statistics."""
    ordered, n = sorted(times), len(times)
    low, high = floor(n / 2 - sqrt(n) / 2), ceil(n / 2 + sqrt(n) / 2) - 1
    return statistics.median(ordered), (ordered[min(high, n - 1)] - ordered[max(low, 0)]) / 2


def seconds_each(ask: Ask, *, batch: int = 4, seed: int = 0) -> float:
    """Return about how many seconds an example takes, warm, by one call."""
    ask(min(2, batch), mix(seed, 0))
    return _timed(ask, batch, mix(seed, 1)) / batch


def drawing(model: Sampler) -> Ask:
    """Return the question that draws samples, of any labels."""
    return lambda n, seed: model.sample(n, label=model.any_label, seed=seed)


def _repeated(x: Examples, n: int) -> Examples:
    """Return n examples, of fewer by taking them again."""
    return x[torch.arange(n) % len(x)]


def _timed(ask: Ask, n: int, seed: int, calls: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        ask(n, seed)  # ends on the host, so a device has finished too
    return time.perf_counter() - start


def where(model: Model) -> str:
    """Return where a model answers, as protocols name it: the device, of the CPU with its threads."""
    if model.device.type == "cpu":
        threads = torch.get_num_threads()
        return f"cpu-{threads}-thread{'s' * (threads > 1)}"
    return str(model.device)


def affordable_samples(models: Sequence[Model]) -> int:
    """Return how many samples of each are compared: what the slowest draws in about a minute, 100 to 1000."""
    slowest = 0.0
    for model in models:
        if isinstance(model, Sampler):
            slowest = max(slowest, min(_seconds_a_sample(model) for _ in range(3)))  # a busy neighbour is not slowness
    return int(min(1000, max(100, 60 / max(slowest, 1e-9))))


def _seconds_a_sample(model: Sampler) -> float:
    return _timed(drawing(model), 4, 0) / 4
