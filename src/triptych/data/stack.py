"""Three images as the colours of one: data whose modes are known, and are many."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import torch

from triptych.data import cache
from triptych.data.examples import Examples
from triptych.data.source import Source
from triptych.errors import DataError
from triptych.noise import mix

COLOURS = 3
SIZES = (128_000, 26_000)
"""Training and test examples, as Lin et al. 2018 have them."""

_STACK = 8
"""What the seed is mixed with."""


def stacked(source: Source, count: int | None, seed: int, spec: str) -> Source:
    """Return a source of stacks: three images of one split, drawn with replacement, are the colours of one.

    A stack's label is that of the triple of its images' labels, `(a K + b) K + c` of K classes: each is a mode. The
    splits stay apart: no image of the test is in a stack of training. Reference: Metz, Poole, Pfau & Sohl-Dickstein
    2017, *Unrolled Generative Adversarial Networks*, §3.3.1; Srivastava et al. 2017, §4.2; Lin et al. 2018, §4.2.

    Args:
        source: labelled grey images, in the order of their splits.
        count: stacks of both splits together, in the proportion of `SIZES`; None for these.
        seed: of which images are stacked.
        spec: how messages call the data.

    Raises:
        DataError: for vectors, images of several colours, images without labels, a split that is too small, or stacks
            that memory has no room for.

    Example:
        >>> images = torch.arange(4, dtype=torch.uint8).reshape(4, 1, 1, 1)
        >>> one = stacked(Source(images, 4, torch.arange(4) % 2, ("a", "b"), given=2), 12, 0, "four")
        >>> one.data.shape, one.given, one.classes[6]
        (torch.Size([12, 3, 1, 1]), 10, 'bba')
        >>> bool((one.data[:10].flatten(1).long() @ torch.tensor([4, 2, 1]) == one.labels[:10]).all())
        True
    """
    what = _unfit(source)
    if what:
        raise DataError(f"{spec} holds {what}: --stack takes labelled grey images; {_REMEDY.get(what, 'leave it out')}")
    assert source.given is not None and source.labels is not None, "a source is stacked when it has been split"
    total = sum(SIZES) if count is None else count
    tested = max(1, round(total * SIZES[1] / sum(SIZES)))
    if source.resident and not cache.fits(total * COLOURS * source.data[0].numel()):
        raise DataError(f"memory has no room for {total:,} stacks of {spec}: give a lower --count")
    generator = torch.Generator().manual_seed(mix(seed, _STACK))
    held = len(source.data) - source.given
    train = torch.randint(source.given, (total - tested, COLOURS), generator=generator)
    test = source.given + torch.randint(held, (tested, COLOURS), generator=generator)
    rows, names = torch.cat([train, test]), _names(source)
    labels = (source.labels[rows] * len(names) ** torch.arange(COLOURS - 1, -1, -1)).sum(1)
    classes = tuple(
        ("" if max(map(len, names)) == 1 else "+").join(triple) for triple in product(names, repeat=COLOURS)
    )
    return replace(source.stacked(rows), labels=labels, classes=classes, given=total - tested)


def is_stacked(examples: Examples) -> bool:
    """Return whether examples are stacks, labelled by triples of classes.

    Args:
        examples: any set.
    """
    return bool(examples.source.get("stack")) and not examples.source.get("domains")


_REMEDY = {
    "images of several colours": "give --colours 1",
    "images without labels": "put those of a class into a folder",
}


def _unfit(source: Source) -> str:
    """Say what keeps a source from being stacked; nothing if nothing does."""
    if source.levels is None:
        return "vectors"
    if source.data.shape[1] != 1:
        return "images of several colours"
    if source.labels is None:
        return "images without labels"
    return "images labelled by vectors or factors" if source.labels.dim() > 1 else ""


def _names(source: Source) -> tuple[str, ...]:
    """Return the name of each class; its number where the source names none."""
    assert source.labels is not None
    return source.classes or tuple(map(str, range(int(source.labels.max()) + 1)))
