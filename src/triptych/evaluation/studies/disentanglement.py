"""How far each factor of the data has a number of the code to itself, by the measures of the literature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.data.examples import Examples, subset
from triptych.evaluation.embeddings import encoded, principal, raw
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.alignment import BINS, TREES, Array, Embedding, dci, jackknife, mig, sap, threshold_hits
from triptych.metrics.figure import Figure
from triptych.noise import mix

USED = 10_000
"""Most examples of either split that are used."""
VALUES = 100
"""Most values of what is still taken for a factor."""
PARTS = 5
"""Parts of the training examples that forests are grown on, one after the other."""


def factors_of(train: Examples, test: Examples) -> tuple[tuple[Array, Array], tuple[str, ...]]:
    """Return the factors of both splits, as numbers of their values from 0, and the factors' names.

    Raises:
        Unanswered: for examples that are not labelled by factors.
    """
    if train.labels is None or test.labels is None or train.labels.dim() != 2:
        raise Unanswered("the data has no factors: expected several labels of each example, such as --data factors has")
    both = np.concatenate([train.labels.numpy(), test.labels.numpy()])
    numbered = [np.unique(column, return_inverse=True) for column in both.T]
    for k, (values, _) in enumerate(numbered):
        if not 2 <= len(values) <= VALUES:
            raise Unanswered(f"label {k} has {len(values):,} values: a factor has 2 to {VALUES}")
    found = np.stack([numbers.reshape(-1) for _, numbers in numbered], 1)
    names = train.classes or tuple(f"factor {k}" for k in range(found.shape[1]))
    return (found[: len(train)], found[len(train) :]), names


def disentanglement(subject: Subject) -> Table:
    """Measure how far each factor of the data has a number of the code to itself; the same of as many components.

    MIG of training examples; SAP and informativeness of test examples; disentanglement and completeness of forests on
    five parts of the training examples.

    Args:
        subject: a model with codes.

    Raises:
        Unanswered: for data that is not labelled by factors.
        UnsupportedQuery: for a model without codes.
    """
    seed = subject.protocol.seed
    train = subset(subject.protocol.train, USED, mix(seed, Stream.FACTORS_TRAIN))
    test = subset(subject.protocol.test, USED, mix(seed, Stream.FACTORS_TEST))
    factors, names = factors_of(train, test)
    codes = encoded(subject.model, train, test)
    found = scores(codes, factors, seed)
    linear = scores(principal(raw(train, test), codes.train.shape[1], seed), factors, seed)
    rows = {"all factors": found[0], **dict(zip(names, found[1:], strict=True)), "all factors, by PCA": linear[0]}
    columns = ("MIG", "SAP", "DCI-D", "DCI-C", "DCI-I, %")
    note = (
        f"{len(train):,} training and {len(test):,} test examples; {BINS} bins; forests of {TREES} trees. D, C and I "
        "are disentanglement, completeness and informativeness; all but I are from 0 to 1. Factors without order, "
        "or that come round, need not lie on one number of any code."
    )
    return Table(f"disentanglement of {len(names)} factors in {codes.train.shape[1]} numbers", columns, rows, note)


def scores(space: Embedding, factors: tuple[Array, Array], seed: int = 0) -> list[tuple[Figure, ...]]:
    """Return MIG, SAP, disentanglement, completeness and informativeness: over all factors, then of each.

    Args:
        space: codes of both splits.
        factors: `(N, E)` and `(M, E)`, the number of each value, from 0.
        seed: of groups, parts and forests.
    """
    train, test = factors
    hits = threshold_hits(space, factors)
    n, m = len(train), len(test)

    def gaps(rows: Array) -> Array:
        return _with_mean(mig(space.train[rows], train[rows]))

    def separated(rows: Array) -> Array:
        return _with_mean(sap(hits[rows], test[rows]))

    parts = np.array_split(np.random.default_rng(seed).permutation(n), PARTS)
    forests = [dci(Embedding(space.train[p], space.test), (train[p], test), mix(seed, i)) for i, p in enumerate(parts)]
    columns = [
        (gaps(np.arange(n)), jackknife(gaps, n, seed), "", f"mig-{BINS}-bins@train-{n}"),
        (separated(np.arange(m)), jackknife(separated, m, seed), "", f"sap@test-{m}"),
        (*_over_parts([np.array([f.disentanglement]) for f in forests]), "", f"dci@train-{n}/{PARTS}"),
        (*_over_parts([_with_mean(f.completeness) for f in forests]), "", f"dci@train-{n}/{PARTS}"),
        (*_over_parts([100 * _with_mean(f.informativeness) for f in forests]), "%", f"dci@test-{m}"),
    ]
    return [tuple(_figure(row, *column) for column in columns) for row in range(train.shape[1] + 1)]


def _with_mean(values: Array) -> Array:
    return np.concatenate([values.mean(keepdims=True), values])


def _over_parts(found: Sequence[Array]) -> tuple[Array, Array]:
    """Return the mean over parts, and its standard error."""
    values = np.stack(found)
    return values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))


def _figure(row: int, values: Array, errors: Array, unit: str, protocol: str) -> Figure:
    if row >= len(values):
        return Figure(None, note="of numbers of the code, not of factors")
    return Figure(float(values[row]), float(errors[row]), unit, protocol)
