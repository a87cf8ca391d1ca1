"""What codes are good for: clusters that are classes, and classes that can be read off; beside pixels and PCA."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from triptych.data.examples import Examples, subset
from triptych.errors import DataError
from triptych.evaluation.embeddings import classes_of, encoded, untrained, yardsticks
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.alignment import Array, Embedding
from triptych.metrics.figure import Figure
from triptych.noise import mix

LABELLED, TESTED = 5000, 2000
"""Most training examples that a probe learns from, and most test examples that it is tried on."""
CLUSTERED, SHIFTED = 1000, 500
"""Most test examples that k-means divides, and that mean shift does, whose time grows as their square."""
FEW = 10
"""Labels of each class that a probe learns from where they are few."""
DRAWS = 5
"""Draws of those few."""
HALVES = 6
"""Half-samples that the errors of clusters come from."""


def purity(clusters: Array, classes: Array) -> float:
    """Return the share of examples that are of their cluster's commonest class.

    `1/N Σ_c max_k |c ∩ k|`: 1 for clusters of one class each, which one cluster an example reaches, too.
    Reference: Manning, Raghavan & Schütze 2008, *Introduction to Information Retrieval*, eq. 16.1.

    Args:
        clusters: `(N,)` numbers of the clusters.
        classes: `(N,)` labels.

    Example:
        >>> purity(np.array([0, 0, 0, 1]), np.array([3, 3, 5, 5]))
        0.75
    """
    from sklearn.metrics.cluster import contingency_matrix  # type: ignore[import-untyped]

    found = contingency_matrix(np.asarray(classes), np.asarray(clusters))
    return float(found.max(0).sum() / found.sum())


def k_means(points: Array, classes: int, seed: int) -> Array:
    """Return the cluster of each point, `(N,)`: the best of four runs of k-means (Lloyd 1982)."""
    from sklearn.cluster import KMeans  # type: ignore[import-untyped]

    found: Array = KMeans(classes, n_init=4, random_state=seed % (1 << 32)).fit_predict(points)
    return found


def mean_shift(points: Array, classes: int, seed: int) -> Array:
    """Return the mode that each point belongs to, `(N,)` (Comaniciu & Meer 2002, *Mean Shift*).

    The bandwidth is the mean distance to the N/2K-th neighbour, K the number of classes: a window then holds half as
    many points as a class. A hundred points, drawn at random, climb.
    """
    from sklearn.cluster import MeanShift, estimate_bandwidth

    width = estimate_bandwidth(points, quantile=1 / (2 * classes))
    if width <= 0:  # so many points are the same that no window has an extent
        found: Array = np.unique(points, axis=0, return_inverse=True)[1].reshape(-1)
        return found
    climbing = np.random.default_rng(seed).permutation(len(points))[:100]
    found = MeanShift(bandwidth=width, seeds=points[climbing]).fit_predict(points)
    return found


Clustering = Callable[[Array, int, int], Array]


def _clustered(cluster: Clustering, points: Array, classes: Array, seed: int) -> tuple[Array, Array]:
    """Return purity in %, NMI in % and the number of clusters; and their standard errors.

    The errors are standard deviations over half-samples: standard errors of the whole by the jackknife that deletes a
    half (Shao & Wu 1989, *A General Theory for Jackknife Variance Estimation*), the algorithm's own chance included.
    """
    from sklearn.metrics import normalized_mutual_info_score  # type: ignore[import-untyped]

    kinds = len(np.unique(classes))

    def scores(rows: Array, seed: int) -> list[float]:
        found = cluster(points[rows], kinds, seed)
        shared = normalized_mutual_info_score(classes[rows], found)
        return [100 * purity(found, classes[rows]), 100 * float(shared), len(np.unique(found))]

    order = np.random.default_rng(seed)
    halves = [order.permutation(len(points))[: len(points) // 2] for _ in range(HALVES)]
    spread = np.std([scores(rows, mix(seed, i + 1)) for i, rows in enumerate(halves)], axis=0, ddof=1)
    return np.array(scores(np.arange(len(points)), seed)), spread


def clusters(subject: Subject) -> Table:
    """Divide codes into clusters without labels, and compare these with the classes.

    K-means with as many clusters as there are classes, and mean shift, which chooses their number; purity, and the
    mutual information normalised by the mean of both entropies (Manning et al. 2008, eq. 16.2), of test examples. The
    same of as many principal components, and of pixels.

    Args:
        subject: a model with codes.

    Raises:
        Unanswered: for data without labels of two classes.
        UnsupportedQuery: for a model without codes.
    """
    seed = subject.protocol.seed
    train = subset(subject.protocol.train, LABELLED, mix(seed, Stream.CLUSTERS_TRAIN))
    test = subset(subject.protocol.test, CLUSTERED, mix(seed, Stream.CLUSTERS_TEST))
    classes = classes_of(test)
    fewer = np.random.default_rng(seed).permutation(len(test))[:SHIFTED]
    rows = {}
    for name, space in yardsticks(subject, train, test).items():
        means = _clustered(k_means, space.test, classes, seed)
        shifts = _clustered(mean_shift, space.test[fewer], classes[fewer], seed)
        rows[name] = (
            *_figures(*means, f"k-means@test-{len(test)}")[:2],
            *_figures(*shifts, f"mean-shift@test-{len(fewer)}"),
        )
    scores = ("purity, %", "NMI, %", "clusters")
    columns = (*(f"k-means {score}" for score in scores[:2]), *(f"mean shift {score}" for score in scores))
    return Table(f"clusters against {len(np.unique(classes))} classes", columns, rows, _CLUSTERS_NOTE)


_CLUSTERS_NOTE = (
    f"test examples, at most {CLUSTERED:,} by k-means and {SHIFTED:,} by mean shift; errors by {HALVES} half-samples. "
    "Purity rises with the number of clusters, NMI need not. PCA has as many components as a code has numbers."
)


def _figures(values: Array, errors: Array, protocol: str) -> tuple[Figure, ...]:
    units = ("%", "%", "")
    return tuple(Figure(float(v), float(e), u, protocol) for v, e, u in zip(values, errors, units, strict=True))


def probe_accuracy(
    space: Embedding, train_classes: Array, test_classes: Array, *, few: int | None, draws: int = DRAWS, seed: int = 0
) -> Figure:
    """Return how well logistic regression reads classes off points, in % of the test examples.

    The points are standardised by all of the training points, which takes no labels. With few labels the error holds
    both their draw and the test examples': the variance over draws / draws + that over test examples / M, of the
    share that is told right. Reference: Alain & Bengio 2016,
    *Understanding intermediate layers using linear classifier probes*.

    Args:
        space: `(N, F)` and `(M, F)` points.
        train_classes: `(N,)` labels.
        test_classes: `(M,)` labels.
        few: labels of each class to learn from; None for all, once.
        draws: how often these few are drawn.
        seed: of the draws.

    Raises:
        DataError: for a class with fewer examples than that.

    Example:
        >>> points = np.array([[0.0], [1.0]] * 50)
        >>> classes = np.array([0, 1] * 50)
        >>> probe_accuracy(Embedding(points, points), classes, classes, few=2).value
        100.0
    """
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
    from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]

    scaler = StandardScaler().fit(space.train)
    train, test = scaler.transform(space.train), scaler.transform(space.test)
    chosen = [np.arange(len(train))] if few is None else [_few(train_classes, few, mix(seed, i)) for i in range(draws)]
    probes = [LogisticRegression(max_iter=500).fit(train[rows], train_classes[rows]) for rows in chosen]
    right = np.stack([fitted.predict(test) == test_classes for fitted in probes])
    variance = float(right.mean(0).var()) / len(test)
    if len(right) > 1:
        variance += float(right.mean(1).var(ddof=1)) / len(right)
    labels = f"all-{len(train)}" if few is None else f"{few}-a-class-{len(right)}-draws"
    return Figure(100 * float(right.mean()), 100 * math.sqrt(variance), "%", f"probe-{labels}@test-{len(test)}")


def _few(classes: Array, few: int, seed: int) -> Array:
    """Return the rows of `few` examples of each class, drawn."""
    order = np.random.default_rng(seed).permutation(len(classes))
    kinds, counts = np.unique(classes, return_counts=True)
    if counts.min() < few:
        raise DataError(
            f"class {kinds[counts.argmin()]} has {counts.min()} examples: a probe of {few} a class needs more"
        )
    return np.concatenate([order[classes[order] == kind][:few] for kind in kinds])


def probe(subject: Subject) -> Table:
    """Train a linear classifier on codes, with few labels and with all.

    The same on codes of the untrained network, on as many principal components, and on pixels: what is not above
    these was not learned.

    Args:
        subject: a model with codes.

    Raises:
        Unanswered: for data without labels of two classes.
        UnsupportedQuery: for a model without codes.
        DataError: for a class of fewer than 10 examples.
    """
    seed = subject.protocol.seed
    train = subset(subject.protocol.train, LABELLED, mix(seed, Stream.PROBE_TRAIN))
    test = subset(subject.protocol.test, TESTED, mix(seed, Stream.PROBE_TEST))
    labels = classes_of(train), classes_of(test)
    rows: dict[str, tuple[Figure, ...]] = {}
    for name, space in yardsticks(subject, train, test).items():
        rows[name] = tuple(probe_accuracy(space, *labels, few=few, seed=seed) for few in (FEW, None))
        if name == "codes":
            rows["untrained codes"] = _of_untrained(subject, train, test, labels)
    columns = (f"{FEW} labels a class, %", f"all {len(train):,} labels, %")
    return Table(f"classes read off by logistic regression, {len(test):,} test examples", columns, rows, _PROBE_NOTE)


_PROBE_NOTE = (
    f"at most {LABELLED:,} training and {TESTED:,} test examples, standardised; few labels are drawn {DRAWS} times. "
    "PCA has as many components as a code has numbers."
)


def _of_untrained(subject: Subject, train: Examples, test: Examples, labels: tuple[Array, Array]) -> tuple[Figure, ...]:
    seed = subject.protocol.seed
    try:
        space = encoded(untrained(subject.model, mix(seed, Stream.UNTRAINED)), train, test)
    except Unanswered as reason:
        return tuple(Figure(None, unit="%", note=str(reason)) for _ in range(2))
    return tuple(probe_accuracy(space, *labels, few=few, seed=seed) for few in (FEW, None))
