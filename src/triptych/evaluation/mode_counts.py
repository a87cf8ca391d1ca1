"""In which mode each sample of a subject is: of a mixture, a class, or a triple of classes of stacked images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.data import toy_modes
from triptych.data.embedded import MIXTURES
from triptych.data.examples import Examples
from triptych.evaluation.features.classifier import LabelsNet
from triptych.evaluation.features.extractor import Extractor
from triptych.evaluation.protocol import counted
from triptych.evaluation.studies.agreement import classifier_of
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.modes import nearest_mode

_CHUNK = 500


@dataclass(frozen=True)
class ModeCounts:
    """Samples by mode.

    Args:
        counts: `(K,)` samples whose nearest or most probable mode is k.
        good: the same, of the samples that lie in it; a classifier tells nothing of that, and takes all for good.
        share: `(K,)` of each mode in the data.
        samples: n.
        told_by: what sorted the samples, for a protocol's name.
        note: how far that can be trusted.
    """

    counts: Tensor
    good: Tensor
    share: Tensor
    samples: int
    told_by: str
    note: str = ""

    def protocol(self, name: str) -> str:
        """Return the name of a figure's protocol."""
        return f"{name}-{counted(self.samples)}@{self.told_by}"


def mode_counts(subject: Subject) -> ModeCounts:
    """Sort a subject's samples into the modes of the data.

    Of `ring` and `grid` a mode is a Gaussian, and a sample's the nearest; of other labelled data a class, of stacked
    images (`--stack 3`) a triple of classes, which a classifier tells colour by colour.

    Args:
        subject: a model, or examples in a model's place.

    Raises:
        Unanswered: for data whose modes are not known.
    """
    protocol = subject.protocol
    source = protocol.train.source
    if source.get("spec") in MIXTURES:
        return _of_mixture(str(source["spec"]), subject.samples)
    labels = protocol.train.labels
    if labels is None or labels.dim() > 1 or len(torch.unique(labels)) < 2:
        raise Unanswered("the data have no modes that are known: ring, grid, labelled data and --stack 3 have")
    extractor = classifier_of(subject)
    net = _net(extractor)
    share = torch.bincount(labels, minlength=net.classes).double() / len(labels)
    share = _of_triples(share, net.images) if net.images > 1 else share
    counts = torch.bincount(told(extractor, subject.samples.data, share), minlength=len(share))
    return ModeCounts(counts, counts, share, len(subject.samples), extractor.name, _trust(extractor))


def told(extractor: Extractor, data: Tensor, share: Tensor) -> Tensor:
    """Return the most probable class of each example, `(N,)`, of those that there are in the data.

    Args:
        extractor: a classifier.
        data: examples of its event, as stored.
        share: `(K,)` of each class in the data.
    """
    net, absent = _net(extractor), share <= 0
    net.eval()
    with torch.no_grad():
        parts = [net.logits(part).masked_fill(absent, -torch.inf).argmax(1) for part in torch.split(data, _CHUNK)]
    return torch.cat(parts)


def _of_triples(share: Tensor, images: int) -> Tensor:
    """Return the share of each tuple of independent classes, given one that was counted: the product of its margins."""
    counted_share = share.reshape((round(len(share) ** (1 / images)),) * images)
    product = torch.ones(1, dtype=share.dtype)
    for k in range(images):
        product = torch.outer(product, counted_share.sum([j for j in range(images) if j != k])).flatten()
    return product


def _trust(extractor: Extractor) -> str:
    right = "" if extractor.accuracy is None else f", which is right of {extractor.accuracy.text} % of test data"
    return f"told by {extractor.name}{right}"


def _net(extractor: Extractor) -> LabelsNet:
    assert isinstance(extractor.function, LabelsNet)
    return extractor.function


def _of_mixture(name: str, samples: Examples) -> ModeCounts:
    centres, spread = toy_modes(name)
    mode, good = nearest_mode(samples.data, centres, spread)
    counts, in_one = (torch.bincount(rows, minlength=len(centres)) for rows in (mode, mode[good]))
    share = torch.full((len(centres),), 1 / len(centres)).double()
    return ModeCounts(counts, in_one, share, len(samples), name)
