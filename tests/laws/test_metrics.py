"""The laws of measures, over every metric of samples against data and of novelty: a new one is held to them.

What theory says of known things is in `triptych.testing.known`.
"""

from dataclasses import replace

import pytest
import torch

from triptych.data import load
from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.evaluation.asked import read_asked
from triptych.evaluation.figures import METRICS
from triptych.evaluation.figures.registry import NOVELTY
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.subject import Subject
from triptych.event import Event
from triptych.testing.known import COPIES, GAUSSIAN, GROUPS, NO_ORDER, ONLY, REAL, THINGS, UNIFORM, known, violated

pytestmark = pytest.mark.xdist_group("measures")  # so that the classifier is trained once

NAMES = [name for name, metric in METRICS.items() if metric.group in GROUPS]
OF_MODELS = {"path-length"}
"""Metrics that examples have no answer to."""
OF_A_SPLIT = {"two-sample", "two-sample-neighbours", "fid-infinity"}
"""Metrics that draw halves or subsets of the samples: another order is another draw."""
ANSWERED = [name for name in NAMES if name not in OF_MODELS]
N = 400
FEW = {"fid": 200, "fid-infinity": 280}
"""Fewer samples, by metric, that are enough for as many features; N / 4 of others."""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def digits(cache):
    return known(*load("digits"), N, data="digits", cache=cache)


@pytest.fixture(scope="module")
def figures(digits):
    """Return every metric's figure of every known thing."""
    subjects = {thing: Subject(examples, digits.protocol) for thing, examples in digits.things.items()}
    return {name: {thing: METRICS[name](subject) for thing, subject in subjects.items()} for name in NAMES}


def of(name, examples, protocol):
    return METRICS[name](Subject(examples, replace(protocol)))  # a new protocol has computed nothing yet


@pytest.mark.parametrize("name", NAMES)
def test_known_things_are_ordered_as_theory_says(name, figures):
    assert (name in ANSWERED) == (figures[name][REAL].value is not None)
    assert violated(name, figures[name]) == []


def test_by_pixels_noise_is_neither_precise_nor_dense_where_a_network_may_take_it_for_typical(digits):
    protocol = digits.protocol.changed(extractor="pixels")
    for name in ("precision", "density"):
        real, noise = (of(name, digits.things[thing], protocol) for thing in (REAL, GAUSSIAN))
        assert real.value - noise.value > 5 * (real.error**2 + noise.error**2) ** 0.5


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].better])
def test_real_halves_are_better_than_noise(name, figures):
    """Also where the order of a single thing is exempt: some noise is worse, or one class alone is."""
    found = figures[name]
    if name in ANSWERED:
        worst = max(
            (found[thing] for thing in (GAUSSIAN, UNIFORM, ONLY)), key=lambda f: -METRICS[name].better * f.value
        )
        gain = METRICS[name].better * (found[REAL].value - worst.value)
        assert gain > 2 * (found[REAL].error ** 2 + worst.error**2) ** 0.5


def test_what_is_exempt_from_an_order_is_a_metric_and_a_thing():
    assert set(NO_ORDER) <= set(NAMES)
    assert all(reason for things in NO_ORDER.values() for reason in things.values())
    assert set().union(*NO_ORDER.values()) <= set(THINGS)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_has_an_error_and_a_protocol_or_a_reason(name, figures):
    for figure in figures[name].values():
        assert (figure.error is not None and figure.error >= 0 and figure.protocol) or (
            figure.value is None and len(figure.note) > 10
        )


@pytest.mark.parametrize("name", ANSWERED)
def test_the_same_seed_gives_the_same_figure(name, digits, figures):
    assert of(name, digits.things[REAL], digits.protocol) == figures[name][REAL]


@pytest.mark.parametrize("name", ANSWERED)
def test_the_order_of_the_samples_does_not_matter(name, digits, figures):
    examples, before = digits.things[REAL], figures[name][REAL]
    shuffled = examples[torch.randperm(N, generator=torch.Generator().manual_seed(1))]
    after = of(name, shuffled, digits.protocol)
    if name in OF_A_SPLIT:
        assert abs(after.value - before.value) < 4 * (after.error**2 + before.error**2) ** 0.5
    else:
        assert after.value == pytest.approx(before.value, rel=1e-4, abs=1e-4)
        assert 0.6 * before.error <= after.error <= 1.6 * before.error  # some errors come of random halves


@pytest.mark.parametrize("name", ANSWERED)
def test_the_error_shrinks_with_the_number_of_samples(name, digits, figures):
    """Four times as many samples have about half the error, a quarter where what is measured is zero."""
    thing, n = ONLY if name == "modes" else REAL, FEW.get(name, N // 4)  # what covers all modes has no error
    few = of(name, digits.things[thing][:n], digits.protocol.changed(samples=n))
    many = figures[name][thing]
    if name == "modes":
        assert many.error <= few.error
    else:
        assert 0.8 * n / N * few.error < many.error < 1.6 * (n / N) ** 0.5 * few.error and many.error < few.error


@pytest.mark.parametrize("name", ANSWERED)
def test_the_name_of_a_protocol_can_be_asked_for_and_gives_the_figure(name, digits, cache):
    protocol = digits.protocol.changed(samples=FEW.get(name, N // 4))
    found = METRICS[name](Subject(None, protocol))
    text = found.protocol if METRICS[name].featured else found.protocol.partition("@")[0]
    other = digits.protocol.changed(samples=30, extractor="pixels")
    asked = read_asked(text)
    assert asked.name == name
    again = asked.metric(Subject(None, other).under(asked.of(other, cache)))
    assert again.protocol == found.protocol
    assert (again.value, again.error) == pytest.approx((found.value, found.error), rel=1e-5, abs=1e-9)


def points(n, seed, dims=2):
    return Examples(torch.randn(n, dims, generator=torch.Generator().manual_seed(seed)), Event((dims,)))


def images(n, seed, level=None):
    x = torch.randint(256, (n, 1, 5, 5), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)
    return Examples(x if level is None else torch.full_like(x, level), Event((1, 5, 5), 256))


DEGENERATE = {
    "two of each": (points(40, 0), points(10, 1), points(2, 2), 2),
    "more dimensions than samples": (points(60, 0, 30), points(20, 1, 30), points(10, 2, 30), 10),
    "test examples themselves": (points(40, 0), points(40, 1), points(40, 1), 40),
    "one image again and again": (images(60, 0), images(30, 1), images(30, 2, 7), 30),
    "data of one image": (images(60, 0, 7), images(30, 0, 7), images(30, 0, 7), 30),
    "not as many samples": (points(90, 0), points(40, 1), points(25, 2), 40),
}


@pytest.mark.parametrize("kind", DEGENERATE)
@pytest.mark.parametrize("name", NAMES)
def test_odd_sets_have_a_finite_figure_or_a_reason(name, kind):
    train, test, samples, n = DEGENERATE[kind]
    found = METRICS[name](Subject(samples, Protocol.prepare(train, test, samples=n, extractor="pixels")))
    assert found.value is not None or len(found.note) > 10  # a Figure is finite


@pytest.mark.parametrize("name", NAMES)
def test_samples_that_are_not_numbers_have_a_reason(name):
    samples = points(20, 2)
    samples.data[3, 1] = torch.nan
    found = METRICS[name](Subject(samples, Protocol.prepare(points(40, 0), points(20, 1), samples=20)))
    assert found.value is None and found.note


def test_copies_are_found_by_novelty_alone(figures):
    """What a measure of samples takes for real data, one of novelty tells."""
    assert figures["near-copies"][COPIES].value == 100
    assert figures["fid"][COPIES].value < figures["fid"][REAL].value + 4 * figures["fid"][REAL].error


@pytest.mark.parametrize("name", [name for name in NAMES if METRICS[name].group == NOVELTY])
def test_of_unseen_data_themselves_one_in_a_hundred_is_a_near_copy(name, digits):
    """The yardstick is measured as the samples are: with what is near by pixels it would be another share."""
    found = of(name, digits.protocol.unseen, digits.protocol)
    n = len(digits.protocol.unseen)
    assert found.value == pytest.approx(100 * (1 + (n - 1) // 100) / n)


def test_what_contradicts_theory_is_told(figures):
    """As if precision and recall were exchanged, noise were real, or copies were not seen."""
    assert violated("recall", figures["precision"])[0].startswith("recall: one class missing")
    swapped = {**figures["fid"], REAL: figures["fid"][UNIFORM], UNIFORM: figures["fid"][REAL]}
    assert any("uniform noise" in line for line in violated("fid", swapped))
    unseen = {**figures["near-copies"], COPIES: figures["near-copies"][REAL]}
    assert len(violated("near-copies", unseen)) == 1
    worse = {**figures["kid"], COPIES: figures["kid"][UNIFORM]}
    assert len(violated("kid", worse)) == 1 and "is not as good as" in violated("kid", worse)[0]


def test_known_things_need_labels_and_enough_examples(digits):
    train = digits.protocol.train
    with pytest.raises(DataError, match="labelled images"):
        known(replace(train, labels=None), train, 10)
    with pytest.raises(DataError, match="labelled images"):
        known(*load("ring"), 10)
    with pytest.raises(DataError, match="ask for fewer"):
        known(train, train, len(train))
