"""Names fix protocols: what they say is what is measured, and what they cannot mean is refused in one line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import triptych as tp
from tests.program import call
from triptych.comparison.assessment import REAL, Assessment, Trained
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation import METRICS, Protocol
from triptych.evaluation.asked import read_asked
from triptych.evaluation.protocol import counted

Split = tuple[Examples, Examples]


@pytest.fixture(scope="module")
def protocol(digits: Split) -> Protocol:
    return Protocol.prepare(*digits, data="digits", extractor="pixels")


def test_a_name_changes_what_it_says_and_no_more(protocol: Protocol) -> None:
    found = read_asked("fid-100@pixels").of(protocol)
    assert (found.samples, found.extractor.name, found.importance) == (100, "pixels", protocol.importance)
    assert read_asked("fid").of(protocol) is protocol
    assert read_asked("nats-5000").of(protocol).importance == 5000
    assert len(found.real) == len(found.real_features) == 100


def test_a_count_in_a_protocols_name_is_read_as_it_was_written() -> None:
    train = tp.Examples(torch.zeros(16_400, 1), tp.Event((1,)))
    protocol = Protocol.prepare(train, train, extractor="pixels", samples=2)
    for n in (2, 9999, 10_000, 16_000, 16_384):
        assert read_asked(f"fid-{counted(n)}").of(protocol).samples == n
        assert read_asked(f"kde-{counted(n)}").of(protocol).kernels == n


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fdi", "did you mean fid"),
        ("fid-ten", "nothing is measured"),
        ("fid-10x20", "one number"),
        ("parameters-5", "takes no size"),
        ("nats@pixels", "not measured on features"),
        ("modes-100@ring", "write modes-100"),
        ("", "an empty name: expected METRIC"),
        ("fid@", "fid@: expected METRIC"),
    ],
)
def test_what_a_name_cannot_mean_is_refused(name: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read_asked(name)


def test_too_few_examples_are_told_with_the_numbers(protocol: Protocol) -> None:
    with pytest.raises(DataError, match="fid-10k: 10,000 samples.*1,437 training and 360 test"):
        read_asked("fid-10k").of(protocol)


def test_figures_are_those_of_the_protocol_asked_for(digits: Split, cache: Path) -> None:
    model = tp.build("gan", digits[0].event, hidden=8)
    assessed = Assessment([Trained("gan", model, Path("runs/gan"), [])], *digits, seed=0)
    found = assessed.figures([read_asked("fid-100@pixels"), read_asked("parameters")])
    assert set(found) == {"fid-100@pixels", "parameters"} and set(found["parameters"]) == {"gan", REAL}
    assert {figure.protocol for figure in found["fid-100@pixels"].values()} == {"fid-100@pixels"}
    direct = METRICS["fid"](assessed.subjects["gan"].under(replace(assessed.protocol, samples=100)))
    assert direct.protocol.startswith("fid-100@") and found["parameters"][REAL].value is None


def test_ctrl_c_is_answered_in_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("triptych.evaluation.asked.read_asked", stopped)
    code, _, told = call("evaluate", "runs/any", "--metrics", "fid")
    assert (code, told.strip()) == (130, "interrupted")


def test_a_diverged_training_is_told(digits: Split, cache: Path) -> None:
    models = {name: tp.build("gan", digits[0].event, hidden=8) for name in ("lost", "well")}
    trained = [Trained(f"runs/{n}", m, Path(f"runs/{n}"), [], diverged=n == "lost") for n, m in models.items()]
    told = Assessment(trained, *digits, seed=0, extractor="pixels").warnings()
    assert told == ["lost: its training diverged, and what is measured are its last good weights"]
