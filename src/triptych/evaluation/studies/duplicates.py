"""Duplicates inside the data: exact and near ones, within the training split and between the splits (a leak)."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject
from triptych.metrics.figure import Figure, proportion
from triptych.metrics.novelty import Nearest, joined, nearest
from triptych.noise import mix
from triptych.running.progress import track

LEAK = 0.01
"""Share of the test examples above which a leak is a finding."""
FALSE = 0.01
"""Near-duplicates that are expected to be found among all queries where there are none."""
_WORK = 1 << 42  # multiplications of a search for near-duplicates: a few minutes on one core
_CHUNK = 4096
_AT_ONCE = 2048
_FEWEST = 8
_SHOWN = 5


@dataclass(frozen=True)
class Duplicates:
    """Examples that have a duplicate among others.

    Args:
        exact: `(E, 2)` pairs of a query's index and that of the first example equal to it.
        near: `(P, 2)` pairs of a query's index and that of the example it is nearest to, not equal; inside one set
            the later of two is the query.
        looked_for: how many queries near-duplicates were looked for; exact ones were among all.
        queries: how many there are.
    """

    exact: Tensor
    near: Tensor
    looked_for: int
    queries: int


def first_equal(examples: Tensor, among: Tensor | None = None) -> Tensor:
    """Return the index of the first example that is equal to each one, `(N,)`; -1 where there is none before it.

    Examples are compared by a digest of 16 bytes, in chunks, so memory holds the digests and no examples.

    Args:
        examples: `(N, …)`, which may be mapped from disk.
        among: `(M, …)` others to look among; None for those before it.

    Example:
        >>> first_equal(torch.tensor([[1.0], [2.0], [1.0]])), first_equal(torch.ones(1, 1), torch.zeros(1, 1))
        (tensor([-1, -1,  0]), tensor([-1]))
    """
    seen: dict[bytes, int] = {}
    for index, digest in enumerate(() if among is None else _digests(among)):
        seen.setdefault(digest, index)
    if among is not None:
        return torch.tensor([seen.get(digest, -1) for digest in _digests(examples)], dtype=torch.long)
    found = []
    for index, digest in enumerate(_digests(examples)):
        first = seen.setdefault(digest, index)
        found.append(first if first != index else -1)
    return torch.tensor(found, dtype=torch.long)


def _digests(x: Tensor) -> list[bytes]:
    found: list[bytes] = []
    for start in range(0, len(x), _CHUNK):
        rows = x[start : start + _CHUNK].flatten(1)
        rows = (rows + 0.0 if rows.is_floating_point() else rows).contiguous()  # -0.0 is 0.0
        found += [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows.numpy()]
    return found


def near_duplicate(found: Nearest) -> Tensor:
    """Return which queries are nearer to an example than chance brings them, `(N,)` true or false.

    Where examples have a smooth density of m dimensions, the volumes up to a query's K nearest are uniform, so that
    the nearest is at r1 or less of the K-th at rK with a probability of at most `p = (K - 1) (r1 / rK)^m`. A query is
    a near-duplicate if `N p ≤ 0.01`; of Gaussian and uniform data 0 to 4 % of the sets have a false one. m is
    estimated where the query is, from the outer half of its neighbours, which an example's duplicates do not reach:
    `m = (1 + 1 / √k) log(K / k) / log(rK / rk)`, k = K / 2, a standard error above the estimate, since too low an m
    hides duplicates. The median over the queries bounds it, for too high an m invents them (where distances are equal
    it is infinite). Among fewer than 8 neighbours nothing is told.

    Reference: Levina & Bickel 2004, *Maximum Likelihood Estimation of Intrinsic Dimension*, for volumes and dimension.

    Args:
        found: of N queries; those that are equal to an example are none.
    """
    count = found.around.shape[1]
    if count < _FEWEST:
        return torch.zeros(len(found.relative), dtype=torch.bool)
    half = count // 2
    inner, outer = found.around[:, half - 1].double(), found.around[:, -1].double()
    dimension = (1 + half**-0.5) * math.log(count / half) / (outer / inner).log()
    known = dimension[torch.isfinite(dimension)]
    if not len(known):
        return torch.zeros(len(found.relative), dtype=torch.bool)
    distance = found.distance.double()
    chance = (count - 1) * (distance / outer).pow(dimension.clamp(max=float(known.median())))
    return (distance > 0) & (chance * len(distance) <= FALSE)


def within(examples: Examples, *, seed: int = 0) -> Duplicates:
    """Find the duplicates inside one set of examples.

    Near ones are looked for by pixels, or coordinates, among the first of each kind of equal ones; of more than some
    60,000 images of 28×28 the queries are drawn, so that it takes a few minutes at most.

    Args:
        examples: N of them.
        seed: of the queries.
    """
    first = first_equal(examples.data)
    kept = (first < 0).nonzero()[:, 0]
    single = examples if len(kept) == len(examples) else examples[kept]
    own = _affordable(single, single, mix(seed, Stream.DUPLICATES_WITHIN))
    near = _near(single, own, single, own=True)
    either = torch.stack([near.amax(1), near.amin(1)], 1).unique(dim=0)  # type: ignore[no-untyped-call]
    return Duplicates(_pairs(first), kept[either], len(own), len(examples))


def between(queries: Examples, reference: Examples, *, seed: int = 0) -> Duplicates:
    """Find the examples of one set that have a duplicate in another, such as test examples in the training split.

    Args:
        queries: N examples.
        reference: M examples of the same event.
        seed: of the queries that near-duplicates are looked for, where there are too many; see `within`.
    """
    first = first_equal(queries.data, reference.data)
    kept = (first < 0).nonzero()[:, 0]
    single = queries if len(kept) == len(queries) else queries[kept]
    chosen = _affordable(single, reference, mix(seed, Stream.DUPLICATES_BETWEEN))
    near = _near(single, chosen, reference, own=False)
    near[:, 0] = kept[near[:, 0]]
    return Duplicates(_pairs(first), near, len(chosen), len(queries))


def _pairs(first: Tensor) -> Tensor:
    return torch.stack([torch.arange(len(first)), first], 1)[first >= 0]


def _affordable(queries: Examples, reference: Examples, seed: int) -> Tensor:
    """Return the indices of the queries that near-duplicates are looked for of, drawn if not all can be."""
    most = max(1, _WORK // (max(1, len(reference)) * reference.event.dims))
    if len(queries) <= most:
        return torch.arange(len(queries))
    order = torch.randperm(len(queries), generator=torch.Generator().manual_seed(seed))
    return order[:most].sort().values


def _near(queries: Examples, chosen: Tensor, reference: Examples, own: bool) -> Tensor:
    """Return `(P, 2)` pairs of a chosen query's index and its near-duplicate's."""
    if not len(chosen) or len(reference) <= own:
        return torch.empty(0, 2, dtype=torch.long)
    parts = torch.split(chosen, _AT_ONCE)
    found = [
        nearest(queries.data[part], reference.data, reference.event, part if own else None)
        for part in track(parts, "looking for duplicates")
    ]
    together = joined(found)
    near = near_duplicate(together)
    return torch.stack([chosen[near], together.index[near]], 1)


def duplicates(subject: Subject) -> Table:
    """Count duplicates inside the data: within the training split, and of test examples in it, exact and near.

    The model is not looked at. Near-duplicates are by pixels, or coordinates; a shifted or mirrored copy is none.

    Args:
        subject: any; its protocol's data are examined.

    Returns:
        A row each of the counts and of the shares of all examples, or of those that were looked at.
    """
    protocol, seed = subject.protocol, subject.protocol.seed
    train, test = protocol.train, protocol.test
    inside = within(train, seed=seed)
    leaked = between(test, train, seed=seed)
    rows = {**_rows("training", inside, "train"), **_rows("test in training", leaked, "test")}
    pairs = [*_shown("train", inside), *_shown("test", leaked)]
    note = "near: nearer than a smooth density explains; in some hundred such data sets one to four have a false one"
    note += f"; e.g. {'; '.join(pairs)}" if pairs else ""
    return Table(f"duplicates in {protocol.data}", ("examples", "share, %"), rows, note)


def _rows(where: str, found: Duplicates, split: str) -> dict[str, tuple[Figure, ...]]:
    kinds = {"exact": (len(found.exact), found.queries), "near": (len(found.near), found.looked_for)}
    rows: dict[str, tuple[Figure, ...]] = {}
    for kind, (count, n) in kinds.items():
        name = f"{kind}-duplicates@{split}-{n}"
        share = proportion(count, n, name) if n else Figure(None, note=f"no {split} example is left to look for")
        rows[f"{where}, {kind}"] = (Figure(count, protocol=name), share)
    return rows


def _shown(split: str, found: Duplicates) -> list[str]:
    kinds = {"equals": found.exact, "is near": found.near}
    return [f"{split} {a} {kind} train {b}" for kind, pairs in kinds.items() for a, b in pairs[:_SHOWN].tolist()]


def leak(protocol: Protocol) -> str | None:
    """Return what a reader must know of test examples that are in the training split; None below 1 %.

    It is of the unseen examples that near-copies have their yardstick from, whose neighbours are known: it costs
    nothing more.
    """
    found = protocol.held_out
    n, exact, near = len(found.relative), int((found.distance == 0).sum()), int(near_duplicate(found).sum())
    if exact + near <= LEAK * n:
        return None
    share = proportion(exact + near, n).text
    return (
        f"the splits leak: {share} % of {n:,} test examples are in the training split ({exact:,} exactly, {near:,} "
        "nearly), so figures on test data flatter what memorises; `--metrics duplicates` names pairs"
    )
