"""Class asked and class obtained, of models that are known to be right and wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

import triptych as tp
from tests.program import refused, well
from triptych.data import Examples
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.studies.agreement import agreement
from triptych.event import Event
from triptych.models.questions import Sampler
from triptych.noise import Noise


class Asked(Sampler):
    """Draws a real example of the class that is so many above the one asked for."""

    def __init__(self, event: Event, real: Examples, above: Tensor) -> None:
        super().__init__(event, classes=10)
        self.real, self.above, self.unused = real, above, torch.nn.Parameter(torch.zeros(1))

    @property
    def players(self) -> tuple[()]:
        return ()

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        assert label is not None and self.real.labels is not None
        wanted = (label + self.above[label]) % 10
        at = noise.uniform((n,))
        rows = [torch.nonzero(self.real.labels == k)[:, 0] for k in range(10)]
        return torch.stack(
            [self.real.data[rows[int(k)][int(u * len(rows[int(k)]))]] for k, u in zip(wanted, at, strict=True)]
        )


def test_what_is_asked_is_told_class_by_class(digits: tuple[Examples, Examples], cache: Path) -> None:
    train, test = digits
    protocol = Protocol.prepare(train, test, cache=cache)
    above = torch.zeros(10, dtype=torch.long)
    above[3] = 5
    rows = agreement(Subject(Asked(train.event, test, above), protocol)).rows
    assert rows["3"][0].value == pytest.approx(0, abs=1)
    told = [rows[str(k)] for k in range(10) if k != 3]
    for samples, real in told:
        assert samples.value == pytest.approx(real.value, abs=3), "the same images, drawn with replacement"
        assert samples.protocol == "agreement-1000" and samples.error
    total = sum(samples.value or 0 for samples, _ in told) / 10
    assert rows["all"][0].value == pytest.approx(total, abs=0.11) and rows["all"][0].protocol == "agreement-10000"
    accuracy = protocol.extractor.accuracy
    assert accuracy is not None and rows["all"][1].value == pytest.approx(accuracy.value)


def test_the_classifier_is_trained_where_the_comparison_has_none(digits: tuple[Examples, Examples]) -> None:
    train, test = digits
    model = Asked(train.event, test, torch.zeros(10, dtype=torch.long))
    table = agreement(Subject(model, Protocol.prepare(train, test, extractor="pixels")))
    assert (table.rows["all"][0].value or 0) > 95 and "labelled training examples" in table.note


def test_where_there_is_no_class_to_ask_for_it_says_so(digits: tuple[Examples, Examples], tmp_path: Path) -> None:
    protocol = Protocol.prepare(*digits, extractor="pixels")
    event = digits[0].event
    with pytest.raises(Unanswered, match="draws no samples of a class"):
        agreement(Subject(tp.build("gan", event, hidden=8), protocol))
    with pytest.raises(Unanswered, match="7 classes, the data 10"):
        agreement(Subject(tp.build("gan", event, hidden=8, classes=7), protocol))
    bare = [Examples(x.data, x.event) for x in digits]
    with pytest.raises(Unanswered, match="no labels"):
        agreement(Subject(tp.build("gan", event, hidden=8, classes=10), Protocol.prepare(*bare)))
    tp.save(tp.build("gan", event, hidden=8), tmp_path / "gan")
    asked = ["evaluate", tmp_path / "gan", "--data", "digits", "--metrics", "agreement"]
    assert "train a model with --classes N" in refused(*asked)
    tp.save(tp.build("gan", event, hidden=8, classes=10), tmp_path / "cgan")
    assert "class obtained is class asked" in well("evaluate", tmp_path / "cgan", "--data", "digits")
