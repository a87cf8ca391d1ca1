"""What codes, samples and densities are good for, of models that are known to be right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.evaluation import METRICS, Protocol, Subject
from triptych.evaluation.studies.reject import COVERAGES, reject, told
from triptych.evaluation.subject import Unanswered
from triptych.event import Event
from triptych.models.base import Player
from triptych.models.questions import Density, Encoder

Split = tuple[Examples, Examples]
USES = ("probe-accuracy", "class-agreement", "bayes-accuracy")


class Nearby(Encoder, Density):
    """Points around the corners of a square, and how near an example is to the corner of its label."""

    def __init__(self, event: Event, wrong: float = -100.0, classes: int = 4) -> None:
        super().__init__(event, classes)
        self.wrong, self.latent = wrong, 2
        self.corners = torch.nn.Parameter(4.0 * torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]]))

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        return x

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        assert label is not None
        label = torch.where(x[:, 0] < self.wrong, (label + 1) % 4, label)
        return -((x - self.corners[label % 4]) ** 2).sum(1)


def corners() -> Split:
    """Labelled points around four corners far apart, the label being the corner."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(280) % 4
    data = 4.0 * torch.stack([labels // 2, labels % 2], 1) + 0.2 * torch.randn(280, 2, generator=generator)
    examples = Examples(data, Event((2,)), labels, ("a", "b", "c", "d"))
    return examples[:200], examples[200:]


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return Protocol.prepare(*corners(), extractor="pixels")


def test_classes_are_told_by_the_nearest_corner_and_not_where_it_is_wrong(protocol: Protocol) -> None:
    event = protocol.event
    right = METRICS["bayes-accuracy"](Subject(Nearby(event), protocol))
    assert right.value == 100 and 0 < (right.error or 0) < 3 and right.protocol == "bayes-exact@test-80"
    half = METRICS["bayes-accuracy"](Subject(Nearby(event, wrong=2.0), protocol))
    assert half.value == 50, "half of the points are left of the middle"


def test_what_is_declined_first_is_what_is_far_from_its_corner(protocol: Protocol) -> None:
    table = reject(Subject(Nearby(protocol.event), protocol))
    assert list(table.rows) == [f"{share} %" for share in COVERAGES]
    assert [row[0].value for row in table.rows.values()] == [100] * len(COVERAGES)
    assert table.rows["50 %"][0].protocol == "accuracy@test-40-of-80"
    assert all((row[2].value or 0) <= 0.01 for row in table.rows.values()), "and it is sure of it"
    wrong = reject(Subject(Nearby(protocol.event, wrong=2.0), protocol)).rows["100 %"]
    assert wrong[0].value == 50 and wrong[2].value == pytest.approx(50, abs=1), "sure, and wrong in half"


def test_what_is_declined_by_p_of_x_is_what_the_model_has_not_seen() -> None:
    """Far out behind a corner the posterior is surer than anywhere, and p(x) less."""
    train, test = corners()
    assert test.labels is not None
    data, labels = test.data.clone(), test.labels.clone()
    data[::2] += 3 * (data[::2] - 2).sign()
    labels[::2] = (labels[::2] + 1) % 4  # and what is there is something else
    odd = Examples(data, test.event, labels, test.classes)
    by_posterior, by_evidence, *_ = reject(
        Subject(Nearby(test.event), Protocol.prepare(train, odd, extractor="pixels"))
    ).rows["50 %"]
    assert (by_posterior.value, by_evidence.value) == (0, 100)


def test_the_prior_is_counted_from_training_data_alone() -> None:
    train, test = corners()
    assert train.labels is not None
    few = train[((train.labels > 0) | (torch.arange(200) < 40)).nonzero()[:, 0]]  # 10 of class 0, 50 of the others
    found = told(Subject(Nearby(test.event), Protocol.prepare(few, test, extractor="pixels")), test)
    assert found.posterior.log_prior.exp().tolist() == pytest.approx([11 / 164, 51 / 164, 51 / 164, 51 / 164])


def test_the_probe_is_one_figure_of_its_study(protocol: Protocol) -> None:
    figure = METRICS["probe-accuracy"](Subject(Nearby(protocol.event, classes=0), protocol))
    assert figure.value == 100 and figure.protocol == "probe-all-200@test-80" and not figure.note
    assert figure.error == pytest.approx(100 * (81 / 82 / 82 / 80) ** 0.5), "Laplace's rule: 100 % has an error, too"
    assert "told the class" in METRICS["probe-accuracy"](Subject(Nearby(protocol.event), protocol)).note


def test_samples_in_a_models_place_are_of_their_class_or_of_another(digits: Split, cache: Path) -> None:
    train, test = digits
    asked = Protocol.prepare(train, test, data="digits", cache=cache)
    real = METRICS["class-agreement"](Subject(test, asked))
    accuracy = asked.extractor.accuracy
    assert accuracy is not None and real.value == accuracy.value and real.protocol == "agreement-360@digits-net"
    assert test.labels is not None
    moved = Examples(test.data, test.event, (test.labels + 1) % 10, test.classes)
    assert (METRICS["class-agreement"](Subject(moved, asked)).value or 0) < 3
    turned = Examples(test.data.flip(0), test.event, test.labels, test.classes)
    assert (METRICS["class-agreement"](Subject(turned, asked)).value or 0) < 30, "the samples are asked, not the data"
    bare = Examples(test.data, test.event)
    assert "without a class" in METRICS["class-agreement"](Subject(bare, asked)).note


def test_models_and_data_without_an_answer_say_why(protocol: Protocol) -> None:
    event, (train, test) = protocol.event, corners()
    gan = tp.build("gan", event, hidden=8)
    told = {"probe-accuracy": "does not answer encode", "bayes-accuracy": "not told classes"}
    for key, why in {**told, "class-agreement": "without a class"}.items():
        assert why in METRICS[key](Subject(gan, protocol)).note
        assert METRICS[key](Subject(None, protocol)).note == "real data, not a model"
    bare = Protocol.prepare(*(Examples(x.data, x.event) for x in (train, test)), extractor="pixels")
    for key in ("probe-accuracy", "bayes-accuracy"):
        assert "no labels of two classes" in METRICS[key](Subject(Nearby(event), bare)).note
    seven = Nearby(event, classes=7)
    for key in ("probe-accuracy", "bayes-accuracy"):
        assert "7 classes, the data 4" in METRICS[key](Subject(seven, protocol)).note
    assert (
        "7 classes, the data 4"
        in METRICS["class-agreement"](Subject(tp.build("gan", event, hidden=8, classes=7), protocol)).note
    )
    cgan = tp.build("gan", event, hidden=8, classes=4)
    assert "does not answer log_prob_bounds" in METRICS["bayes-accuracy"](Subject(cgan, protocol)).note
    with torch.no_grad():
        seven.corners.fill_(torch.nan)
    for key in USES:
        assert "diverged" in METRICS[key](Subject(seven, protocol)).note
    with pytest.raises(Unanswered, match="not told classes"):
        reject(Subject(gan, protocol))


def test_the_same_seed_gives_the_same_figures(protocol: Protocol) -> None:
    model = tp.build("vae", protocol.event, hidden=8, latent=2, classes=4)
    for key in USES:
        first, second = (METRICS[key](Subject(model, protocol)) for _ in range(2))
        assert first == second and first.value is not None
