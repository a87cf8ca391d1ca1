"""Verdicts: a winner only where the figures tell, and never more than they say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from triptych.evaluation import METRICS, Measures
from triptych.metrics import Figure
from triptych.reports.verdict import Verdict, apart, comparable, leaders, verdicts

HELD_OUT = Figure(1.0, 0.5, "%")
REAL = Measures("training data", "", "", (), "none", {"fid": Figure(2.0, 0.1)})


def model(name: str, answers: tuple[str, ...] = ("sample",), **figures: Figure) -> Measures:
    missing = Figure(None, note="not measured")
    return Measures(name, "", "", answers, "", {key: figures.get(key.replace("-", "_"), missing) for key in METRICS})


def verdict(purpose: str, *models: Measures) -> Verdict:
    (found,) = [v for v in verdicts(models, REAL, HELD_OUT) if v.purpose == purpose]
    return found


@pytest.mark.parametrize(
    ("purpose", "key", "better", "worse"),
    [
        ("Likelihood", "nats", -70.0, -80.0),
        ("Sample quality", "fid", 5.0, 15.0),
        ("Speed", "speed", 90.0, 80.0),
    ],
)
def test_a_winner_leads_by_two_errors(purpose: str, key: str, better: float, worse: float) -> None:
    clear = [model("a", **{key: Figure(worse, 3.0)}), model("b", **{key: Figure(better, 3.0)})]
    found = verdict(purpose, *clear)
    assert (found.winner, found.headline) == ("b", "b")
    assert clear[1].figures[key].text in found.reason and clear[0].figures[key].text in found.reason
    unclear = [model("a", **{key: Figure(worse, 4.0)}), model("b", **{key: Figure(better, 4.0)})]
    found = verdict(purpose, *unclear)
    assert (found.winner, found.headline) == (None, "no clear winner")
    assert "too close" in found.reason


def test_only_those_tied_with_the_best_lead() -> None:
    three = [model(n, fid=Figure(v, 1.0)) for n, v in (("a", 5.0), ("b", 6.0), ("c", 9.0))]
    assert [m.name for m in leaders(three, "fid")] == ["a", "b"]
    assert not apart(Figure(1.0), Figure(1.0)) and apart(Figure(1.0), Figure(1.1))


def test_a_tie_by_one_measure_says_what_others_tell() -> None:
    a = model("a", fid=Figure(5.0, 1.0), precision=Figure(63.0, 3.0), recall=Figure(90.0, 2.0))
    b = model("b", fid=Figure(6.0, 1.0), precision=Figure(50.0, 3.0), recall=Figure(91.0, 2.0))
    found = verdict("Sample quality", a, b)
    assert found.winner is None and found.reason.endswith("Of these a is first by precision (63 ± 3).")


def test_figures_of_several_protocols_are_not_compared() -> None:
    def measured(*protocols: str) -> list[Measures]:
        return [model(f"m{i}", speed=Figure(10.0**i, 0.1, protocol=p)) for i, p in enumerate(protocols)]

    assert comparable(measured("batch-64@cpu", "batch-64@cpu|2-of-3-seeds", "batch-64@cpu|3-seeds"), "speed")
    assert not comparable(mixed := measured("batch-64@cpu", "batch-16@cpu"), "speed")
    assert "smaller batches" in verdict("Speed", *mixed).reason
    marked = [model("a", nats=Figure(-1.0, protocol="exact@test-9")), model("b", nats=Figure(-2.0, protocol="iwae-9"))]
    assert comparable(marked, "nats")


def test_a_losing_bound_is_called_one() -> None:
    exact, bound = Figure(-70.0, 0.5, kind="="), Figure(-90.0, 0.5, kind="≥")
    found = verdict("Likelihood", model("flow", nats=exact), model("vae", nats=bound), model("gan"))
    assert found.winner == "flow"
    assert "figure of vae is a lower bound" in found.reason and "gan cannot say" in found.reason
    # A bound above an exact figure wins all the more.
    found = verdict("Likelihood", model("flow", nats=Figure(-95.0, 0.5, kind="=")), model("vae", nats=bound))
    assert found.winner == "vae" and "the truth may be higher" not in found.reason


def test_what_is_told_the_label_is_not_compared_with_what_is_not() -> None:
    told = model("a", nats=Figure(-60.0, 1.0, "nats", "exact@test-9|label|2-seeds", "="))
    other = model("b", nats=Figure(-80.0, 1.0, "nats", "iwae-100@test-9", "≥"))
    found = verdict("Likelihood", told, other)
    assert found.winner is None and "log p(x | label), which are not compared: a = −60.0 ± 1.0" in found.reason
    assert not comparable([told, other], "nats")
    assert verdict("Likelihood", told, model("c", nats=replace(told.figures["nats"], value=-80.0))).winner == "a"


def test_nobody_wins_what_nobody_answers() -> None:
    for purpose in ("Likelihood", "Sample quality", "Speed", "Codes", "Safety against copying"):
        found = verdict(purpose, model("a"), model("b"))
        assert found.winner is None and found.headline == "none of them"


def test_codes_go_to_the_only_encoder() -> None:
    assert verdict("Codes", model("a"), model("b", ("sample", "encode"))).winner == "b"
    assert verdict("Codes", model("a", ("encode",)), model("b", ("encode",))).winner is None
    told = verdict("Codes", model("a", ("encode",)), model("b", ("encode",), reconstruction=Figure(0.0213, 0.0002)))
    assert told.winner is None and "b 0.02130 ± 0.00020; of the others it was not measured" in told.reason


def test_codes_are_judged_by_what_a_probe_reads_off_them_else_by_reconstruction() -> None:
    def able(name: str, **figures: Figure) -> Measures:
        return model(name, ("encode",), **figures)

    coarse, fine = Figure(0.08, 0.001), Figure(0.01, 0.001)
    assert verdict("Codes", able("a", reconstruction=coarse), able("b", reconstruction=fine)).winner == "b"
    good, bad = Figure(95.0, 1.0, "%"), Figure(60.0, 2.0, "%")
    two = [able("a", reconstruction=coarse, probe_accuracy=good), able("b", reconstruction=fine, probe_accuracy=bad)]
    found = verdict("Codes", *two)
    assert (found.winner, found.measure) == ("a", "probe-accuracy") and bad.text in found.reason
    tied = verdict("Codes", able("a", reconstruction=fine), able("b", reconstruction=fine), model("gan"))
    assert tied.headline == "no clear winner" and "gan finds none" in tied.reason


def test_other_measures_of_samples_are_heard() -> None:
    first, second = Figure(5.0, 0.5), Figure(15.0, 0.5)
    two = [
        model("sharp", fid=first, recall=Figure(20.0, 1.0, "%"), precision=Figure(90.0, 1.0, "%")),
        model("broad", fid=second, recall=Figure(80.0, 1.0, "%"), precision=Figure(89.5, 1.0, "%")),
    ]
    found = verdict("Sample quality", *two)
    assert found.winner == "sharp"
    assert "Another model is first by recall (broad 80.0 ± 1.0 and sharp 20.0 ± 1.0)" in found.reason
    assert "precision" not in found.reason.lower()


def test_fewer_near_copies_than_unseen_data_have_is_no_copying() -> None:
    found = verdicts([model("a", near_copies=Figure(0.0, 0.3, "%"))], REAL, Figure(10.0, 0.5, "%"))[-1]
    assert found.headline == "no clear winner: none copies"


def test_copying_is_told() -> None:
    honest, thief = Figure(1.5, 0.6, "%"), Figure(60.0, 2.0, "%")
    assert verdict("Safety against copying", model("a", near_copies=honest)).winner is None
    two = [model("a", near_copies=honest), model("b", near_copies=thief)]
    assert verdict("Safety against copying", *two).winner == "a"
    three = [*two, model("c", near_copies=Figure(0.0, 0.3, "%"))]
    found = verdict("Safety against copying", *three)
    assert found.winner is None and found.headline == "not b"
    # A model that has the best samples because it copies them is not praised without a word.
    found = verdict("Sample quality", model("b", near_copies=thief, fid=Figure(2.0, 0.1)))
    assert f"{thief.text} % of b's samples are near-copies" in found.reason
    # Copies that only another measure sees are told, too.
    moved = model("d", near_copies=honest, altered_copies=thief, fid=Figure(2.0, 0.1))
    found = verdict("Safety against copying", model("a", near_copies=honest), moved)
    assert found.winner == "a" and f"Up to a shift and brightness the shares are d {thief.text} %" in found.reason
    assert "near-copies, up to a shift and brightness" in verdict("Sample quality", moved).reason


def test_copying_is_left_open_where_unseen_data_are_copies() -> None:
    untold = Figure(
        None, note="100 % of unseen test examples lie on a training example by pixels: copies cannot be told"
    )
    found = verdicts([model("a")], REAL, untold)[-1]
    assert (found.winner, found.headline, found.reason) == (None, "no clear winner", f"{untold.note}.")
