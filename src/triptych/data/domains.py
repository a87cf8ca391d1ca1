"""Two domains of one data set: every image is in one of them, so that nothing tells which belong together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from triptych.data.source import Source
from triptych.errors import DataError
from triptych.noise import mix
from triptych.specs import Registry

_DOMAINS = 5
"""What the seed is mixed with."""
DOMAINS: Registry[Callable[[Tensor, int], Tensor]] = Registry("domains")
"""Every second domain by the name that a user can type: from images and their highest level to images."""


@DOMAINS.register("negative")
def negative(images: Tensor, top: int) -> Tensor:
    """Return images of the complementary levels, `top - x`."""
    return top - images


@DOMAINS.register("edges")
def edges(images: Tensor, top: int) -> Tensor:
    """Return where levels change: the largest difference to a neighbour on the right or below, by colour.

    Example:
        >>> edges(torch.tensor([[[[0, 0, 9, 9]]]], dtype=torch.uint8), 16)
        tensor([[[[0, 9, 0, 0]]]], dtype=torch.uint8)
    """
    x = images.int()
    across, down = torch.zeros_like(x), torch.zeros_like(x)
    across[..., :-1] = (x[..., 1:] - x[..., :-1]).abs()
    down[..., :-1, :] = (x[..., 1:, :] - x[..., :-1, :]).abs()
    return torch.maximum(across, down).to(torch.uint8)


@DOMAINS.register("rotated")
def rotated(images: Tensor, top: int) -> Tensor:
    """Return square images turned by 90°, against the clock."""
    return torch.rot90(images, 1, (2, 3))


def divided(source: Source, name: str, seed: int, spec: str) -> Source:
    """Return a source of two domains: half of each split as it is, label 0, and the other half changed, label 1.

    No image is in both, and the labels that there were are dropped. Reference: the unpaired training of Liu & Tuzel
    2016, §4.

    Args:
        source: images, in the order of their splits.
        name: of the second domain, in `DOMAINS`.
        seed: of which images are in which domain.
        spec: how messages call the data.

    Raises:
        ConfigurationError: for another name.
        DataError: for vectors, or for turning images that are not square.

    Example:
        >>> images = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
        >>> both = divided(Source(images, 2, given=2), "negative", 0, "zeros")
        >>> bool((both.data[:, 0, 0, 0] == both.labels).all()), both.labels.sum()
        (True, tensor(2))
    """
    DOMAINS.find(name)
    if source.levels is None:
        raise DataError(f"{spec} holds vectors: --domains makes a second domain of images; leave it out")
    height, width = source.data.shape[2:]
    if name == "rotated" and height != width:
        raise DataError(f"{spec} has images of {height}×{width}: only square ones are turned; give --image-size")
    assert source.given is not None, "a source is divided when it has been split"
    sizes = (source.given, len(source.data) - source.given)
    generator = torch.Generator().manual_seed(mix(seed, _DOMAINS))
    labels = torch.cat([torch.randperm(size, generator=generator) % 2 for size in sizes])
    changed = source.through(f"domains {name} {seed}", _change(name, labels, source.levels - 1))
    return replace(changed, labels=labels, classes=("original", name))


def _change(name: str, labels: Tensor, top: int) -> Callable[[Tensor], Tensor]:
    """Return what changes the images of one domain, chunk after chunk."""
    left = labels.bool()

    def change(images: Tensor) -> Tensor:
        nonlocal left
        own, left = left[: len(images)], left[len(images) :]
        images = images.clone()
        images[own] = DOMAINS[name](images[own], top)
        return images

    return change
