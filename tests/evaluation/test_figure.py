"""Figures print what their error justifies, and refuse what cannot be printed."""

from __future__ import annotations

import json
import math

import pytest

from triptych.metrics.figure import Figure


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(-71.312, 0.61, "nats", kind="="), "= −71.3 ± 0.6"),
        (Figure(-71.312, 0.149, "nats", kind="≥"), "≥ −71.31 ± 0.15"),
        (Figure(41234.5, 812.0), "41,200 ± 800"),
        (Figure(9.96, 0.0996), "9.96 ± 0.10"),
        (Figure(0.0, 0.277, "%"), "0.00 ± 0.28"),
        (Figure(1234567.0), "1,234,567"),
        (Figure(60.349), "60.3"),
        (Figure(0.0), "0"),
        (Figure(3.0, 0.0), "3"),
        (Figure(None, note="because"), "none"),
    ],
)
def test_text(figure: Figure, text: str) -> None:
    assert figure.text == text


def test_what_is_not_finite_is_refused() -> None:
    for value, error in ((math.inf, 1.0), (math.nan, 1.0), (1.0, math.nan)):
        with pytest.raises(ValueError, match="finite"):
            Figure(value, error)
    with pytest.raises(ValueError, match="note"):
        Figure(None)
    with pytest.raises(ValueError, match="kind"):
        Figure(1.0, kind=">")


def test_json_holds_everything() -> None:
    figure = Figure(-1.5, 0.25, "nats", "exact@test-9", "=", "a note")
    assert json.loads(json.dumps(figure.to_dict())) == {
        "value": -1.5,
        "error": 0.25,
        "unit": "nats",
        "protocol": "exact@test-9",
        "kind": "=",
        "note": "a note",
        "text": figure.text,
    }
