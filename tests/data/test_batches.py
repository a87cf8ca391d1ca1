"""Minibatches: a function of their number, the same for any residence and any number of processes."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
import torch

from triptych.data import Batch, Batches, Examples
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event


def numbered(count: int = 50) -> Examples:
    """Return images whose pixels and label all are the number of the example."""
    number = torch.arange(count)
    data = number.to(torch.uint8)[:, None, None, None].expand(-1, 1, 4, 4).contiguous()
    return Examples(data, Event((1, 4, 4), 256), number, tuple(map(str, range(count))))


def take(batches: Batches, start: int, count: int) -> list[Batch]:
    """Return `count` batches from number `start` on."""
    return list(islice(batches.since(start), count))


def assert_same(first: list[Batch], second: list[Batch]) -> None:
    """Compare two runs of batches, to the bit."""
    assert len(first) == len(second) > 0
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.x, b.x)
        assert a.label is not None and b.label is not None and torch.equal(a.label, b.label)


def test_an_epoch_shows_each_example_at_most_once_and_the_next_in_another_order() -> None:
    batches = Batches(numbered(50), 8, seed=3)
    assert batches.per_epoch == 6
    epochs = [torch.cat([b.label for b in take(batches, 6 * e, 6) if b.label is not None]) for e in (0, 1)]
    for seen in epochs:
        assert len(seen.unique()) == 48
    assert not torch.equal(*epochs)


def test_label_and_image_stay_together() -> None:
    for batch in take(Batches(numbered(), 8), 0, 13):
        assert batch.label is not None and batch.x.dtype == torch.uint8
        assert torch.equal(batch.x[:, 0, 0, 0].long(), batch.label)


def test_a_run_is_continued_by_the_number_of_the_batch() -> None:
    examples = numbered()
    whole = take(Batches(examples, 8, seed=5), 0, 20)
    for start in (0, 1, 5, 6, 7, 13):
        assert_same(take(Batches(examples, 8, seed=5), start, 20 - start), whole[start:])


def test_another_seed_is_another_order() -> None:
    first, second = (take(Batches(numbered(), 8, seed=seed), 0, 1)[0] for seed in (0, 1))
    assert not torch.equal(first.x, second.x)


def test_streamed_batches_are_the_resident_ones() -> None:
    examples = numbered()
    streamed = Batches(replace(examples, resident=False), 8, seed=2)
    assert_same(take(streamed, 4, 10), take(Batches(examples, 8, seed=2), 4, 10))


@pytest.mark.parametrize("stochastic", [False, True])
@pytest.mark.parametrize("resident", [False, True])
def test_the_shares_of_the_processes_are_the_batch_of_one_process(stochastic: bool, resident: bool) -> None:
    examples = numbered()
    if stochastic:
        binary = (examples.data > 25).to(torch.uint8)
        examples = replace(examples, data=binary, intensities=examples.data * 5, event=Event((1, 4, 4), 2))
    alone = take(Batches(examples, 8, seed=7), 5, 4)
    shares = [
        take(Batches(replace(examples, resident=resident), 8, seed=7, rank=rank, world=2), 5, 4) for rank in (0, 1)
    ]
    together = [
        Batch(torch.cat((a.x, b.x)), torch.cat((a.label, b.label)))
        for a, b in zip(*shares, strict=True)
        if a.label is not None and b.label is not None
    ]
    assert_same(together, alone)


def test_stochastic_batches_are_drawn_anew_every_epoch_with_the_intensity_as_mean() -> None:
    intensity = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).expand(1000, 1, 1, 4).contiguous()
    data = torch.zeros_like(intensity)
    examples = Examples(data, Event((1, 1, 4), 2), intensities=intensity, intensity_levels=256)
    batches = Batches(examples, 1000, seed=1)
    draws = torch.stack([batch.x for batch in take(batches, 0, 8)])
    assert draws.dtype == torch.uint8 and set(draws.unique().tolist()) == {0, 1}
    # 8,000 draws a pixel: a standard error of at most 0.0056.
    mean = draws.float().mean(dim=(0, 1, 2, 3))
    assert mean[0] == 0 and mean[3] == 1
    assert (mean - torch.tensor([0, 64, 128, 255]) / 255).abs().max() < 0.025
    assert not torch.equal(draws[0].sum((0, 1)), draws[1].sum((0, 1)))
    assert torch.equal(take(Batches(examples, 1000, seed=1), 3, 1)[0].x, draws[3])


def test_examples_without_labels() -> None:
    examples = Examples(torch.randn(10, 2), Event((2,)))
    for resident in (True, False):
        batch = take(Batches(replace(examples, resident=resident), 5), 0, 1)[0]
        assert batch.label is None and batch.x.shape == (5, 2)


def test_fewer_examples_than_the_batch() -> None:
    message = r"^fewer examples than the batch: 50 examples, a batch of 64; .* at most 50"
    with pytest.raises(DataError, match=message):
        Batches(numbered(50), 64)
    assert Batches(numbered(50), 50).per_epoch == 1


@pytest.mark.parametrize(("size", "world"), [(9, 2), (0, 1), (-4, 2)])
def test_a_batch_that_cannot_be_shared(size: int, world: int) -> None:
    with pytest.raises(ConfigurationError, match=f"a batch of {size} cannot be shared by {world} process"):
        Batches(numbered(), size, world=world)


def test_batches_are_numbered_from_zero() -> None:
    with pytest.raises(ConfigurationError, match="not -1"):
        Batches(numbered(), 8).since(-1)
