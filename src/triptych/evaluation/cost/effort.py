"""How many threads models are asked with: chosen by a short computation that is typical of them, and watched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor

from triptych.models.base import Model
from triptych.models.completion import Completer
from triptych.models.questions import Bounded, Encoder, Sampler
from triptych.running import progress, threads
from triptych.running.watchdog import Listener

FEW = 8
"""Examples that a typical computation is about."""
SECONDS = 1.0
"""Time after which no further numbers of threads are tried."""


@contextmanager
def threads_for(models: Sequence[Model], asked: str | int = threads.AUTO, kept: Path | None = None) -> Iterator[None]:
    """Within, use the number of threads that suits the models; see `triptych.running.threads`.

    With `auto` the number is chosen by timing and lowered when the progress of an answer collapses.

    Args:
        models: that are asked.
        asked: `auto`, or a number.
        kept: file that keeps what `auto` chose, so that work that is interrupted goes on with the same number.

    Raises:
        ConfigurationError: for anything else.
    """
    number = threads.read(asked) or _read(kept)
    with threads.using(number or threads.now()):
        if number is None and threads.available() > 1:
            works = [work for model in models if (work := typical(model)) is not None]
            with progress.task("choosing the number of threads"):
                threads.use(_chosen(lambda: [work() for work in works]))
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(f"{threads.now()}\n")
        with progress.listening(Listener()) if str(asked) == threads.AUTO else nullcontext():
            yield


def _chosen(work: Callable[[], object]) -> int:
    """Return the fewest threads that are within a tenth of the fastest; all, if the work takes too long to repeat."""
    before, most = threads.preemptions(), threads.available()
    with threads.using(most):
        if threads.once(work, SECONDS) is None:
            return 1 if threads.crowded(before) else most
    return threads.fewest(threads.timed(work, most, SECONDS))


def _read(kept: Path | None) -> int | None:
    """Return the number that a file keeps, None if it keeps none that can be used here."""
    text = kept.read_text().strip() if kept is not None and kept.is_file() else ""
    return int(text) if text.isdecimal() and 1 <= int(text) <= threads.available() else None


def typical(model: Model) -> Callable[[], object] | None:
    """Return a short computation that is typical of what a model is asked; None if none is known.

    Example:
        >>> import triptych as tp
        >>> work = typical(tp.build("vae", tp.Event((2,)), latent=2, hidden=8))
        >>> work().lower.shape
        torch.Size([8])
    """
    generator = torch.Generator().manual_seed(0)
    event = model.event
    if event.levels is None:
        x = event.restored(torch.randn(FEW, *event.shape, generator=generator))
    else:
        x = torch.randint(event.levels, (FEW, *event.shape), generator=generator, dtype=torch.uint8)
    label = some_label(model)
    if isinstance(model, Bounded):
        return lambda: model.log_prob_bounds(x, label=label)
    if isinstance(model, Encoder):
        return lambda: model.encode(x, label=label)
    if isinstance(model, Sampler):
        return lambda: model.sample(FEW, label=label, seed=0)
    if isinstance(model, Completer):
        known = torch.zeros(event.shape, dtype=torch.bool)
        known[..., : event.shape[-1] // 2] = True
        return lambda: model.complete(x, known, label=label, seed=0)
    return None


def some_label(model: Model) -> Tensor | int | None:
    """Return a label for all examples, which no cost depends on."""
    return model.any_label if model.embedding else 0 if model.classes else None
