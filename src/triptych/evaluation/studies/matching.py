"""Categories that were learned without labels, beside the classes: the best matching of the one to the other."""

from __future__ import annotations

import numpy as np

from triptych.data.examples import Examples, subset
from triptych.evaluation.embeddings import classes_of
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.alignment import Array
from triptych.metrics.figure import Figure, proportion
from triptych.models.adversarial.layout import CATEGORICAL, HasNamedCodes, NamedCode
from triptych.models.questions import Encoder
from triptych.noise import mix

MATCHED, TESTED = 10_000, 10_000
"""Most training examples that the matching is found on, and most test examples that it is tried on."""


def best_matching(categories: Array, classes: Array, values: int) -> Array:
    """Return the class that each category stands for, `(values,)`; -1 for one that is left over.

    Of all ways to give each category a class of its own, that by which most examples are told right: the assignment
    problem of the contingency table. Reference: Kuhn 1955, *The Hungarian Method for the Assignment Problem*.

    Args:
        categories: `(N,)`, each 0 … values-1.
        classes: `(N,)` labels.
        values: how many categories there are.

    Example:
        >>> best_matching(np.array([1, 1, 0, 0, 0]), np.array([0, 0, 1, 1, 0]), 3)
        array([ 1,  0, -1])
    """
    from scipy.optimize import linear_sum_assignment  # type: ignore[import-untyped]

    table = np.zeros((values, int(classes.max()) + 1))
    np.add.at(table, (categories, classes), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    found = np.full(values, -1)
    found[rows] = columns
    return found


def matching(subject: Subject) -> Table:
    """Read each categorical code off examples, and compare it with the class, which the model was never told.

    An example's category is the one that Q(c | x) finds most probable. The best matching of categories to classes is
    found on training examples, and tried on test examples: unsupervised accuracy. Reference: Chen et al. 2016,
    *InfoGAN*, §7.2, whose error is 5 % on MNIST.

    Args:
        subject: a model whose code has categorical parts that it reads off examples.

    Returns:
        A row for each categorical code, and one for always naming the commonest class.

    Raises:
        Unanswered: for another model, or data without labels of two classes.

    Example:
        >>> import triptych as tp
        >>> from triptych.evaluation import Protocol
        >>> train, test = tp.data.load("digits")
        >>> model = tp.build("infogan", train.event, channels=4)
        >>> list(matching(Subject(model, Protocol.prepare(train, test))).rows)
        ['c1', 'commonest class']
    """
    model, protocol = subject.model, subject.protocol
    named = model.code_layout if isinstance(model, HasNamedCodes) else ()
    codes = [code for code in named if code.kind == CATEGORICAL]
    if not codes or not isinstance(model, Encoder):
        raise Unanswered(f"{type(model).__name__} has no categorical code that it reads off examples: see infogan")
    train = subset(protocol.train, MATCHED, mix(protocol.seed, Stream.MATCHED_TRAIN))
    test = subset(protocol.test, TESTED, mix(protocol.seed, Stream.MATCHED_TEST))
    classes, tested = classes_of(train), classes_of(test)
    rows: dict[str, tuple[Figure, ...]] = {}
    for code in codes:
        stands_for = best_matching(_categories(model, train, code), classes, code.size)
        told = stands_for[_categories(model, test, code)]
        rows[code.name] = (proportion(int((told == tested).sum()), len(tested), f"matching@test-{len(tested)}"),)
    commonest = np.bincount(classes).argmax()
    rows["commonest class"] = (proportion(int((tested == commonest).sum()), len(tested), f"prior@test-{len(tested)}"),)
    note = f"the matching is found on {len(train):,} training examples, and tried on {len(test):,} test examples"
    return Table("classes told by categories learned without labels", ("accuracy, %",), rows, note)


def _categories(model: Encoder, examples: Examples, code: NamedCode) -> Array:
    found: Array = model.encode(examples)[:, code.part].argmax(1).numpy()
    return found
