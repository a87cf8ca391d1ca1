"""Parallel axes: better is to the right on each, ties stay together, and what is missing leaves a gap."""

from __future__ import annotations

import pytest

from triptych.evaluation import METRICS, Measures
from triptych.metrics import Figure
from triptych.reports.parallel import axes_of, lines_of


def model(name: str, **figures: Figure) -> Measures:
    missing = Figure(None, note="not measured")
    return Measures(name, "", "", (), "", {key: figures.get(key.replace("-", "_"), missing) for key in METRICS})


TWO = [
    model("a", nats=Figure(-70.0, 1.0, "nats", "p", "="), fid=Figure(5.0, 0.1, "", "q"), speed=Figure(10.0, 0.1)),
    model("b", nats=Figure(-90.0, 1.0, "nats", "p", "="), fid=Figure(5.1, 0.1, "", "q"), speed=Figure(9000.0, 9.0)),
]


def test_better_is_to_the_right_whichever_way_a_measure_points() -> None:
    nats, fid, speed = axes_of(TWO)
    assert [axis.key for axis in (nats, fid, speed)] == ["nats", "fid", "speed"]
    for axis, better in ((nats, 0), (fid, 0), (speed, 1)):
        assert axis.marks[better].at > axis.marks[1 - better].at
        for mark in axis.marks:
            assert 0 <= mark.low <= mark.at <= mark.high <= 100
    assert (nats.worst, nats.best) == (TWO[1].figures["nats"].text, TWO[0].figures["nats"].text)


def test_an_axis_reaches_two_errors_beyond_so_that_ties_overlap() -> None:
    nats, fid, _ = axes_of(TWO)
    assert [mark.at for mark in nats.marks] == pytest.approx([100 * 22 / 24, 100 * 2 / 24], abs=0.01)
    assert fid.level and not nats.level
    assert fid.marks[0].low < fid.marks[1].high, "their bars overlap"


def test_magnitudes_are_logarithmic_and_said_to_be() -> None:
    assert "logarithmic" in axes_of(TWO)[2].label and "logarithmic" not in axes_of(TWO)[0].label


def test_gaps_and_missing() -> None:
    three = [*TWO, model("c", nats=Figure(-80.0, 1.0, "nats", "p", "="), speed=Figure(50.0, 1.0))]
    axes = axes_of(three)
    assert axes[1].missing == ("c",) and axes[0].missing == ()
    whole, _, broken = lines_of(three, axes)
    assert len(whole.strokes) == 1 and whole.strokes[0].count(",") == 3
    assert broken.strokes == (), "two marks with a gap between them are no line"


def test_what_cannot_be_compared_has_no_axis() -> None:
    assert axes_of([]) == [] and axes_of(TWO[:1]) == []
    unlike = [model("a", fid=Figure(5.0, 1.0, "", "fid-100@pixels")), model("b", fid=Figure(6.0, 1.0, "", "fid-200@x"))]
    assert axes_of(unlike) == []
    equal = axes_of([model("a", fid=Figure(5.0)), model("b", fid=Figure(5.0))])
    assert equal[0].level and [mark.at for mark in equal[0].marks] == pytest.approx([50, 50])
