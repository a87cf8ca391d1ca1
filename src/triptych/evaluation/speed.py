"""How fast a model draws samples."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence

import torch

from triptych.evaluation.figure import Figure
from triptych.models.base import Model
from triptych.models.questions import Sampler
from triptych.noise import mix

BATCH = 64
"""Samples drawn by one call."""

BLOCK = 0.2
"""Seconds that a timed block of calls takes at least, so that the clock's noise does not show."""


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
        >>> speed = sampling_speed(tp.GAN(tp.Event((2,)), hidden=8), repeats=2)
        >>> speed.unit, speed.value > 0
        ('examples/s', True)
    """
    model.sample(2, label=model.any_label, seed=mix(seed, 0))
    probe = min(4, batch)
    each = _timed(model, probe, mix(seed, 1)) / probe
    count = batch if each * batch <= seconds else max(probe, int(seconds / 2 / each))
    calls = max(1, int(BLOCK / (each * count)))
    if calls > 1:
        _timed(model, count, mix(seed, 2), calls)  # the first calls of a size still allocate
    times: list[float] = []
    while not times or (len(times) < repeats and sum(times) + times[-1] < seconds):
        times.append(_timed(model, count, mix(seed, 3, len(times)), calls))
    speeds = [count * calls / t for t in times]
    # of the median of nearly normal repeats
    error = 1.2533 * statistics.stdev(speeds) / len(speeds) ** 0.5 if len(speeds) > 1 else None
    unit = "images/s" if model.event.is_image else "examples/s"
    note = "" if error is not None else "timed once"
    return Figure(statistics.median(speeds), error, unit, f"batch-{count}@{_where(model)}", note=note)


def _timed(model: Sampler, n: int, seed: int, calls: int = 1) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        model.sample(n, label=model.any_label, seed=seed)  # ends on the host, so a device has finished too
    return time.perf_counter() - start


def _where(model: Sampler) -> str:
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
    started = time.perf_counter()
    model.sample(4, label=model.any_label, seed=0)
    return (time.perf_counter() - started) / 4
