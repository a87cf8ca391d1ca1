"""The studies of conditional games: categories matched to classes, pairs of two domains, pairs of one identity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

import triptych as tp
from triptych.catalogue import build
from triptych.evaluation import Protocol
from triptych.evaluation.studies.correspondence import correlations, domains, identity
from triptych.evaluation.studies.matching import best_matching, matching
from triptych.evaluation.subject import Subject, Unanswered

pytestmark = pytest.mark.xdist_group("correspondence")  # so that the models are trained once


@pytest.fixture(scope="module")
def protocol(digits, cache):
    return Protocol.prepare(*digits, cache=cache)


def right(matched, categories, classes):
    return int((matched[categories] == classes).sum())


@pytest.mark.parametrize(("values", "kinds"), [(4, 4), (3, 5), (5, 3)])
def test_no_other_matching_tells_more_examples_right(values, kinds):
    rng = np.random.default_rng(values)
    categories, classes = rng.integers(values, size=60), rng.integers(kinds, size=60)
    classes[0] = kinds - 1
    found = best_matching(categories, classes, values)
    named = found[found >= 0]
    assert len(set(named)) == len(named) == min(values, kinds)
    slots = [*range(kinds), *[-1] * max(0, values - kinds)]
    best = max(right(np.array(trial), categories, classes) for trial in itertools.permutations(slots, values))
    assert right(found, categories, classes) == best


def test_a_model_that_reads_the_class_off_is_matched_whatever_it_calls_it(protocol):
    model = build("infogan", protocol.test.event, channels=4)
    of = {
        x.numpy().tobytes(): int(y)
        for part in (protocol.train, protocol.test)
        for x, y in zip(part.data, part.labels, strict=True)
    }
    turned = torch.eye(10)[torch.tensor([3, 1, 4, 0, 5, 9, 2, 6, 8, 7])]

    def codes(x, label):
        return torch.cat([turned[[of[one.numpy().tobytes()] for one in x]], torch.zeros(len(x), 64)], 1)

    model._encode = codes
    rows = matching(Subject(model, protocol)).rows
    commonest = protocol.train.labels.bincount().argmax()
    assert rows["c1"][0].value == 100
    assert rows["commonest class"][0].value == pytest.approx(
        100 * float((protocol.test.labels == commonest).float().mean())
    )
    with pytest.raises(Unanswered, match="no categorical code"):
        matching(Subject(build("gan", protocol.test.event, channels=4), protocol))


def test_the_matching_is_not_found_on_the_examples_that_it_is_tried_on(protocol):
    model = build("infogan", protocol.test.event, channels=4)
    both = [(x.numpy().tobytes(), int(y)) for x, y in zip(protocol.test.data, protocol.test.labels, strict=True)]
    of = {x: (y + 1) % 10 for x, y in both}  # on test examples its categories mean something else
    of |= {x.numpy().tobytes(): int(y) for x, y in zip(protocol.train.data, protocol.train.labels, strict=True)}

    def codes(x, label):
        told = torch.eye(10)[[of[one.numpy().tobytes()] for one in x]]
        return torch.cat([told, torch.zeros(len(x), 64)], 1)

    model._encode = codes
    assert matching(Subject(model, protocol)).rows["c1"][0].value == 0


def test_correlations_are_those_of_numpy():
    a, b = torch.rand(5, 1, 3, 4), torch.rand(5, 1, 3, 4)
    expected = [np.corrcoef(x.flatten(), y.flatten())[0, 1] for x, y in zip(a.numpy(), b.numpy(), strict=True)]
    assert np.allclose(correlations(a, b), expected, atol=1e-6)
    assert bool((correlations(a, -a + 1) + 1).abs().max() < 1e-6)


def test_pairs_of_domains_correspond_where_one_is_the_others_negative():
    protocol = Protocol.prepare(*tp.data.load("digits", domains="negative"), extractor="pixels")
    model = build("coupled-gan", protocol.test.event, channels=4)
    mapped = torch.nn.functional.one_hot(torch.arange(64), 64).float()

    def expected(z, label):
        levels = 16 * torch.sigmoid(z @ mapped).view(-1, 1, 8, 8)
        return torch.where(label.view(-1, 1, 1, 1) == 1, 16 - levels, levels)

    model._decode = expected
    same, other = domains(Subject(model, protocol)).rows["samples"]
    assert same.value > 0.999 and abs(other.value) < 0.02
    with pytest.raises(Unanswered, match="were not made by --domains"):
        domains(Subject(model, Protocol.prepare(*tp.data.load("digits"), extractor="pixels")))


def test_pairs_of_one_identity_are_told_from_others(protocol):
    model = build("sd-gan", protocol.test.event, channels=4, identity=1)

    def expected(z, label):  # the identity's sign is one of two digits
        rows = [int((protocol.test.labels == digit).nonzero()[0]) for digit in (0, 1)]
        return protocol.test.data[rows].float()[(z[:, 0] > 0).long()]

    model._decode = expected
    rows = identity(Subject(model, protocol)).rows
    same, other = rows["samples"]
    assert same.value == 100 and 45 < other.value < 55
    same, other = rows["test data"]
    assert same.value > 85 and other.value < 15
