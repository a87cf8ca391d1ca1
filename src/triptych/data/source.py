"""What a spec holds, before it is split, binarised and given an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain

from torch import Tensor

from triptych.data import cache

# Examples are passed through a change so many at a time, in memory or not.
_CHUNK = 4096


@dataclass(frozen=True, eq=False)
class Source:
    """All examples of a spec in one tensor; those of a given training split come first.

    Args:
        data: `uint8 (N, C, H, W)` or `float32 (N, D)`.
        levels: number of values of a sub-pixel; None for vectors.
        labels: `int64 (N,)` indices into `classes`, float vectors `(N, E)`, or None.
        classes: the name of each label, or of each number of a vector; empty if they have none.
        given: number of examples of the given training split; None where the source has no splits.
        resident: whether `data` is in memory.
        key: names `data` on disk where it is not.
        columns: the name of each coordinate of a vector; empty if they have none.
    """

    data: Tensor
    levels: int | None
    labels: Tensor | None = None
    classes: tuple[str, ...] = ()
    given: int | None = None
    resident: bool = True
    key: str = ""
    columns: tuple[str, ...] = ()

    def through(self, what: str, change: Callable[[Tensor], Tensor]) -> Source:
        """Return this source with every chunk of examples changed; kept on disk if this one is.

        Args:
            what: names the change and all that it depends on.
            change: maps `(n, …)` examples to as many.
        """
        chunks = map(change, _chunks(self.data))
        if self.resident:
            return replace(self, data=_together(chunks, len(self.data)))
        return self._kept(cache.key_of(self.key, what), chunks)

    def rearranged(self, rows: Tensor) -> Source:
        """Return this source with its examples and labels in another order; kept on disk if this one is.

        Args:
            rows: `int64 (N,)`, the number of each example.
        """
        labels = None if self.labels is None else self.labels[rows]
        if self.resident:
            return replace(self, data=self.data.index_select(0, rows), labels=labels)
        key = cache.key_of(self.key, rows.numpy().tobytes())
        return replace(self._kept(key, (self.data[part] for part in _chunks(rows))), labels=labels)

    def stacked(self, rows: Tensor) -> Source:
        """Return examples whose colours are images of this source; kept on disk if this one is, without labels.

        Args:
            rows: `int64 (M, colours)`, the numbers of the images in each.
        """
        chunks = (self.data[part].flatten(1, 2) for part in _chunks(rows))
        if self.resident:
            return replace(self, data=_together(chunks, len(rows)), labels=None, classes=())
        return replace(self._kept(cache.key_of(self.key, rows.numpy().tobytes()), chunks), labels=None, classes=())

    def _kept(self, key: str, chunks: Iterator[Tensor]) -> Source:
        found = cache.read(key)
        if found is None:
            with cache.writing(key) as writer:
                for chunk in chunks:
                    writer.add(chunk)
                writer.close({})
            found = cache.read(key)
        assert found is not None, "the file just written is readable"
        return replace(self, data=found[0], resident=found[2], key=key)


def _chunks(data: Tensor) -> Iterator[Tensor]:
    return (data[begin : begin + _CHUNK] for begin in range(0, len(data), _CHUNK))


def _together(chunks: Iterator[Tensor], count: int) -> Tensor:
    """Concatenate chunks without holding the examples twice."""
    first = next(chunks)
    whole = first.new_empty(count, *first.shape[1:])
    filled = 0
    for chunk in chain((first,), chunks):
        whole[filled : filled + len(chunk)] = chunk
        filled += len(chunk)
    return whole
