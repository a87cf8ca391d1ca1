"""Whether a conditional model makes what is asked of it: the class asked for, and the class that is obtained."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.evaluation.embeddings import classes_of
from triptych.evaluation.features.classifier import LabelsNet, labels_net
from triptych.evaluation.features.extractor import Extractor
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, proportion
from triptych.models.questions import Sampler
from triptych.noise import mix

A_CLASS = 1000
"""Samples of each class, …"""
AT_MOST = 10_000
"""… but so many of all."""
_CHUNK = 500


def classified(classifier: LabelsNet, x: Examples | Tensor) -> Tensor:
    """Return the most probable class of each example, `(N,)`.

    Args:
        classifier: such as `labels_net` trains.
        x: N examples of its event.
    """
    data = x.data if isinstance(x, Examples) else x
    classifier.eval()
    with torch.no_grad():
        said = [classifier.logits(data[i : i + _CHUNK]).argmax(1) for i in range(0, len(data), _CHUNK)]
    return torch.cat([torch.empty(0, dtype=torch.long), *said])


def agreement(subject: Subject) -> Table:
    """Ask a conditional model for each class, and let an independent classifier tell what was obtained.

    The classifier is trained on the labelled training data and knows nothing of the model; what it tells right of real
    test data is beside every figure. Reference: Odena, Olah & Shlens 2017, *Conditional Image Synthesis with Auxiliary
    Classifier GANs*, §4.2.

    Args:
        subject: a model that draws examples of a class.

    Returns:
        A row for all classes, and one for each class. In the former every class weighs the same among the samples, and
        as much as there is of it among the test data.

    Raises:
        Unanswered: for a model that takes no classes, or does not sample, or samples that are not finite; and for data
            without labels of two classes, or of other classes than the model's.

    Example:
        >>> import triptych as tp
        >>> from triptych.evaluation import Protocol
        >>> train, test = tp.data.load("ring", count=400)
        >>> model = tp.build("gan", train.event, hidden=8, classes=8)
        >>> table = agreement(Subject(model, Protocol.prepare(train, test)))
        >>> table.columns, list(table.rows)[:2]
        (('samples, %', 'test data, %'), ['all', '0'])
    """
    model, protocol = subject.model, subject.protocol
    if not isinstance(model, Sampler) or not model.classes:
        what = "samples of a class" if not model.classes else "samples"
        raise Unanswered(f"{type(model).__name__} draws no {what}: train a model with --classes N")
    classes_of(protocol.train)
    extractor = classifier_of(subject)
    net = extractor.function
    assert isinstance(net, LabelsNet)
    names = protocol.train.classes or tuple(map(str, range(net.classes)))
    if model.classes != len(names):
        raise Unanswered(f"the model has {model.classes} classes, the data {len(names)}: they are not the same")
    each = min(A_CLASS, AT_MOST // model.classes)
    asked = torch.arange(model.classes).repeat_interleave(each)
    drawn: Examples = model.sample(len(asked), label=asked, seed=mix(protocol.seed, Stream.AGREEMENT))
    if not bool(torch.isfinite(drawn.data).all()):
        raise Unanswered("samples that are not finite numbers: the training diverged")
    obtained, test = classified(net, drawn), protocol.test
    rows: dict[str, tuple[Figure, ...]] = {}
    rows["all"] = (_share(obtained, asked, "agreement"), _test_share(net, test, None))
    for k, name in enumerate(names):
        rows[name] = (_share(obtained[asked == k], asked[asked == k], "agreement"), _test_share(net, test, k))
    title = f"class obtained is class asked, {each:,} samples of each of {model.classes} classes"
    return Table(title, ("samples, %", "test data, %"), rows, f"told by a {extractor.note}")


def classifier_of(subject: Subject) -> Extractor:
    """Return the comparison's own classifier, or else one that is trained."""
    protocol = subject.protocol
    if isinstance(protocol.extractor.function, LabelsNet):
        return protocol.extractor
    return labels_net(protocol.train, protocol.test, data=protocol.data, seed=protocol.seed)


def _share(obtained: Tensor, asked: Tensor, name: str) -> Figure:
    return proportion(int((obtained == asked).sum()), len(asked), f"{name}-{len(asked)}")


def _test_share(net: LabelsNet, test: Examples, label: int | None) -> Figure:
    """Return how many test examples, of one class or of all, the classifier tells right, in %."""
    if test.labels is None:
        return Figure(None, unit="%", note="the test data have no labels")
    chosen = test if label is None else test[test.labels == label]
    if not len(chosen) or chosen.labels is None:
        return Figure(None, unit="%", note="no test example is of this class")
    return _share(classified(net, chosen), chosen.labels, "accuracy@test")
