"""Whether examples that were made of one code belong together: of two domains, or of one identity."""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.data.domains import DOMAINS
from triptych.data.examples import subset
from triptych.evaluation.embeddings import classes_of
from triptych.evaluation.features.classifier import LabelsNet
from triptych.evaluation.streams import Stream
from triptych.evaluation.studies.agreement import classified, classifier_of
from triptych.evaluation.studies.registry import Table
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.figure import Figure, mean_and_error, proportion
from triptych.models.adversarial.layout import HasIdentities
from triptych.models.adversarial.semantic import partners
from triptych.models.questions import Decoder, LatentSampler
from triptych.noise import Noise, mix

PAIRS = 2000
"""Pairs that are drawn."""


def correlations(first: Tensor, second: Tensor) -> Tensor:
    """Return Pearson's correlation over the sub-pixels of each pair, `(N,)`; 0 where an image is all one level.

    Args:
        first: `(N, …)`.
        second: as many of the same shape.

    Example:
        >>> ramp = torch.arange(4.0)[None]
        >>> correlations(ramp, 3 - ramp).round(decimals=4), correlations(ramp, 0 * ramp)
        (tensor([-1.]), tensor([0.]))
    """
    a, b = (x.flatten(1).double() - x.flatten(1).double().mean(1, keepdim=True) for x in (first, second))
    scale = (a.square().sum(1) * b.square().sum(1)).sqrt()
    return torch.where(scale > 0, (a * b).sum(1) / scale.clamp(min=1e-300), scale).float()


def domains(subject: Subject) -> Table:
    """Change one side of pairs as the data's second domain is made, and correlate it with the other side.

    Each pair is one code in both domains. The change, of which the model knows nothing, is the data's: `--domains`.
    Beside it stand pairs of two codes, and what the same figures are for real pairs: 1 and the correlation of two
    unrelated test examples.

    Args:
        subject: a model with a code for both labels, such as a coupled GAN, trained on `load(..., domains=...)`.

    Raises:
        Unanswered: for another model, or data whose domains were not made so.
    """
    model, protocol = subject.model, subject.protocol
    name = protocol.train.source.get("domains")
    if not isinstance(model, LatentSampler) or model.classes != 2:
        raise Unanswered(f"{type(model).__name__} has no two domains of one code: see coupled-gan")
    if name is None or model.event.levels is None:
        raise Unanswered("the data's domains were not made by --domains: what corresponds is not known")
    codes = model.sample_codes(PAIRS, seed=mix(protocol.seed, Stream.DOMAIN_CODES))
    first, second = (model.decode(codes, label=label).data for label in (0, 1))
    top = model.event.levels - 1
    others = _others(len(codes), mix(protocol.seed, Stream.OTHER_CODES))
    changed = DOMAINS[name](first, top)
    test = protocol.test
    assert test.labels is not None, "domains are labels"
    unrelated = DOMAINS[name](test.data[test.labels == 0], top)
    rows: dict[str, tuple[Figure, ...]] = {
        "samples": (_mean(correlations(changed, second)), _mean(correlations(changed, second[others]))),
        "test data": (
            Figure(1.0, None, "", "by-definition"),
            _mean(
                correlations(unrelated, unrelated[_others(len(unrelated), mix(protocol.seed, Stream.OTHER_TEST_DATA))])
            ),
        ),
    }
    title = f"one code in two domains: '{name}' of the first, correlated with the second, {PAIRS:,} codes"
    return Table(title, ("same code", "another code"), rows, "mean of Pearson's correlation over the sub-pixels")


def identity(subject: Subject) -> Table:
    """Let an independent classifier tell the class of pairs of one identity code, and of pairs of two.

    Args:
        subject: an SD-GAN on data whose labels are the identities.

    Returns:
        The shares of pairs that are told to be of one class; those of any two agree by chance. The same of test data.

    Raises:
        Unanswered: for another model, data without labels of two classes, or test data without two of one label.
    """
    model, protocol = subject.model, subject.protocol
    if not isinstance(model, HasIdentities):
        raise Unanswered(f"{type(model).__name__} has no code of an identity: see sd-gan")
    classes_of(protocol.train)
    extractor = classifier_of(subject)
    net = extractor.function
    assert isinstance(net, LabelsNet) and isinstance(model, Decoder)
    codes = model.sample_identities(PAIRS, 2, seed=mix(protocol.seed, Stream.IDENTITY_CODES))
    first, second = (classified(net, model.decode(codes[:, side])) for side in (0, 1))
    test = subset(protocol.test, PAIRS, mix(protocol.seed, Stream.IDENTITY_TEST))
    assert test.labels is not None, "the splits are labelled alike"
    pairs = partners(test.labels, Noise.of(mix(protocol.seed, Stream.IDENTITY_PAIRS)))
    if pairs is None:
        raise Unanswered(f"no two of the {len(test)} test examples have the same label")
    told, (one, other) = classified(net, test), pairs
    rows: dict[str, tuple[Figure, ...]] = {
        "samples": _agreeing(first, second, mix(protocol.seed, Stream.IDENTITY_SAMPLES_BY_CHANCE)),
        "test data": _agreeing(told[one], told[other], mix(protocol.seed, Stream.IDENTITY_TEST_BY_CHANCE)),
    }
    return Table("pairs that are of one class", ("same identity, %", "any two, %"), rows, f"told by a {extractor.note}")


def _agreeing(first: Tensor, second: Tensor, seed: int) -> tuple[Figure, Figure]:
    """Return the share of pairs told to be of one class, and the same of shuffled pairs."""
    n = len(first)
    together, apart = (int((first == other).sum()) for other in (second, second[_others(n, seed)]))
    return proportion(together, n, f"same-class-{n}"), proportion(apart, n, f"same-class-shuffled-{n}")


def _others(n: int, seed: int) -> Tensor:
    """Return for each of n another one: a cycle through all of them, drawn."""
    order = Noise.of(seed).uniform((n,)).argsort()
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _mean(values: Tensor) -> Figure:
    mean, error = mean_and_error(values)
    return Figure(mean, error, "", f"correlation-{len(values)}")
