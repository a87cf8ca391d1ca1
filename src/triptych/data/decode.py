"""Encoded images to pixels, once, by several processes, into the cache."""

from __future__ import annotations

import multiprocessing
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from triptych.data import cache
from triptych.data.source import Source
from triptych.errors import DataError
from triptych.running import threads
from triptych.running.progress import task

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    Pixels = np.ndarray[Any, np.dtype[np.uint8]]


# Below this many images, starting processes costs more than it gains.
_FEW = 64


@dataclass(frozen=True)
class Decoding:
    """How images are decoded.

    Args:
        image_size: height and width in pixels, after a crop of the central square; None to keep the size.
        colours: 1 for grey, 3 for RGB; None for what the images have.
        skip_bad: leave out images that cannot be read, with a warning, instead of refusing.
    """

    image_size: int | None = None
    colours: int | None = None
    skip_bad: bool = False


class Part(NamedTuple):
    """What became of one chunk of encoded images; the numbers count within the chunk.

    Args:
        pixels: `uint8 (n, C, H, W)` of the images that were read; None if there were none.
        kept: which those are.
        bad: which could not be read, and why.
        odd: the first of another shape than the others, with its shape.
    """

    pixels: Pixels | None
    kept: list[int]
    bad: list[tuple[int, str]]
    odd: tuple[int, tuple[int, ...]] | None


def decode_image(encoded: str | bytes, image_size: int | None = None, colours: int | None = None) -> Pixels:
    """Decode one image: upright, on white, eight bits a channel.

    Args:
        encoded: a path, or the bytes of the file.
        image_size: side of the result in pixels; None to keep the size.
        colours: 1 or 3; None for what the image has.

    Returns:
        `uint8 (C, H, W)`, C being 1 for grey images and 3 for all others.

    Raises:
        OSError: or whatever the decoder of the format raises for a damaged file.
    """
    import io

    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(encoded) if isinstance(encoded, bytes) else encoded) as file:
        image: Image.Image = ImageOps.exif_transpose(file)
        image.load()
    image = _plain(image)
    if colours is not None:
        image = image.convert("L" if colours == 1 else "RGB")
    if image_size is not None:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        image = image.resize((image_size, image_size), Image.Resampling.LANCZOS, box=box)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if pixels.ndim == 2 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _plain(image: Image.Image) -> Image.Image:
    """Return an image of mode L or RGB that looks as the given one does on white."""
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if image.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError("its pixels have 32 bits, expected 8 or 16")
        # 65535/255 = 257: the nearest of 256 levels.
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image if image.mode == mode else image.convert(mode)


def decode_part(items: Sequence[str | bytes], image_size: int | None, colours: int | None) -> Part:
    """Decode one chunk of images; what a worker process does."""
    import numpy as np

    pixels: list[Pixels] = []
    kept: list[int] = []
    bad: list[tuple[int, str]] = []
    odd = None
    for i, item in enumerate(items):
        try:
            one = decode_image(item, image_size, colours)
        except Exception as error:  # the decoders of damaged files raise anything, SyntaxError included
            bad.append((i, _reason(error)))
            continue
        if pixels and one.shape != pixels[0].shape:
            odd = odd or (i, one.shape)
            continue
        pixels.append(one)
        kept.append(i)
    return Part(np.stack(pixels) if pixels else None, kept, bad, odd)


def _reason(error: Exception) -> str:
    if type(error).__name__ == "UnidentifiedImageError":
        return "not an image that Pillow knows"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def decode_all(
    key: str,
    items: Iterable[str | bytes],
    total: int,
    name: Callable[[int], str],
    how: Decoding,
    labels: Sequence[int] | None = None,
    classes: Sequence[str] = (),
    given: int | None = None,
) -> Source:
    """Decode images into the cache file of `key` and return them from there.

    Args:
        key: under which they are kept.
        items: paths, or the bytes of the files.
        total: how many there are.
        name: names item i in an error.
        how: the options of decoding.
        labels: index of each item's class, or None.
        classes: the name of each label.
        given: how many of the first items are the given training split, or None.

    Raises:
        DataError: for images that cannot be read (unless they are skipped), or of different shapes.
    """
    kept: list[int] = []
    bad: list[tuple[int, str]] = []
    shape: tuple[int, ...] = ()
    with cache.writing(key) as writer, task("decoding images", total) as reading:
        for begin, part in _parts(items, total, how):
            kept += [begin + i for i in part.kept]
            if part.pixels is not None:
                shape = shape or part.pixels.shape[1:]
                _require_shape(shape, name(kept[0]), part, begin, name)
                writer.add(torch.from_numpy(part.pixels))
            bad += [(begin + i, reason) for i, reason in part.bad]
            reading.advance(len(part.kept) + len(part.bad))
        first = f"{name(bad[0][0])}: {bad[0][1]}" if bad else ""
        if bad and (not how.skip_bad or not kept):
            raise _unreadable(len(bad), total, first)
        notes = {
            "labels": None if labels is None else [labels[i] for i in kept],
            "classes": list(classes),
            "given": None if given is None else sum(i < given for i in kept),
            "bad": [len(bad), total, first],
        }
        writer.close(notes)
    stored = decoded(key, how)
    assert stored is not None, "the file just written is readable"
    return stored


def decoded(key: str, how: Decoding) -> Source | None:
    """Return the images that an earlier `decode_all` kept under `key`, or None.

    Raises:
        DataError: if some of them could not be read then, and are not to be skipped now.
    """
    found = cache.read(key)
    if found is None:
        return None
    data, notes, resident = found
    bad, total, first = notes["bad"]
    if bad and not how.skip_bad:
        raise _unreadable(bad, total, first)
    if bad:
        warnings.warn(f"skipped {bad:,} of {total:,} images that cannot be read ({first})", stacklevel=2)
    if resident and notes["given"] is not None:
        # Else the split takes them from the map into memory; a copy here would need the room twice.
        data = data.clone()
    labels = None if notes["labels"] is None else torch.tensor(notes["labels"], dtype=torch.int64)
    return Source(data, 256, labels, tuple(notes["classes"]), notes["given"], resident, key)


def _unreadable(bad: int, total: int, first: str) -> DataError:
    return DataError(f"cannot read {bad:,} of {total:,} images, the first {first}; repair them, or use --skip-bad")


def _require_shape(shape: tuple[int, ...], first: str, part: Part, begin: int, name: Callable[[int], str]) -> None:
    """Raise unless every image of a part has the shape of the very first image."""
    assert part.pixels is not None
    i, other = part.kept[0], part.pixels.shape[1:]
    if other == shape and part.odd is not None:
        i, other = part.odd
    if other == shape:
        return
    if shape[0] != other[0]:
        kinds = {1: "grey", 3: "RGB"}
        raise DataError(
            f"mixed channels: {first} is {kinds[shape[0]]}, {name(begin + i)} is {kinds[other[0]]}; "
            f"use --colours 1 or --colours 3"
        )
    raise DataError(
        f"images of different sizes: {first} is {shape[2]}×{shape[1]}, {name(begin + i)} is "
        f"{other[2]}×{other[1]}; use --image-size N, such as --image-size {min(*shape[1:], *other[1:])}"
    )


def _parts(items: Iterable[str | bytes], total: int, how: Decoding) -> Iterator[tuple[int, Part]]:
    """Yield the parts in order, each with the number of its first item; few are in flight at a time."""
    processors = threads.processors()
    size = max(1, min(256, total // (8 * processors)))
    rest = iter(items)
    chunks = zip(count(step=size), iter(lambda: list(islice(rest, size)), []), strict=False)
    args = (how.image_size, how.colours)
    if total < _FEW or processors == 1:
        yield from ((begin, decode_part(chunk, *args)) for begin, chunk in chunks)
        return
    with _executor(processors) as executor:
        flying: deque[tuple[int, Future[Part]]] = deque()
        for begin, chunk in chunks:
            flying.append((begin, executor.submit(decode_part, chunk, *args)))
            if len(flying) >= 4 * processors:
                begin, part = flying.popleft()
                yield begin, part.result()
        yield from ((begin, part.result()) for begin, part in flying)


def _executor(processors: int) -> Executor:
    # Small images are bound by Python, so threads gain nothing there; only a fork starts without importing.
    if sys.platform == "linux":
        return ProcessPoolExecutor(processors, mp_context=multiprocessing.get_context("fork"))
    return ThreadPoolExecutor(processors)
