"""The steadiest training: findings come before figures, and unlike measures are not compared."""

from __future__ import annotations

from triptych.evaluation import METRICS, Measures
from triptych.metrics import Figure
from triptych.reports import Panel
from triptych.reports.steadiest import steadiest, troubles

CALM = [{"step": s, "seconds": s / 10, "model/nll": 90.0, "model/gradient_norm": 1.0} for s in range(50, 1050, 50)]
WILD = [{**record, "model/gradient_norm": 1.0 if record["step"] < 600 else 1e6} for record in CALM]
NLL, ENERGY = "lost-of-20@held-out-nll", "lost-of-20@energy-distance"


def panel(name: str, records: list, lost: Figure | None = None, **more) -> Panel:
    missing = Figure(None, note="not measured")
    figures = {key: missing for key in METRICS} | {"lost-progress": lost or missing}
    return Panel(Measures(name, "", "", (), "", figures), records, **more)


def test_a_finding_decides_before_any_figure() -> None:
    calm, wild = panel("calm", CALM, Figure(40.0, 1.0, "%", NLL)), panel("wild", WILD, Figure(0.0, 1.0, "%", NLL))
    found = steadiest([wild, calm])
    assert found.winner == "calm" and "wild: exploding gradients" in found.reason


def test_among_steady_models_the_least_lost_wins_by_two_errors() -> None:
    def lost(value: float, protocol: str = NLL) -> Figure:
        return Figure(value, 2.0, "%", protocol)

    assert steadiest([panel("a", CALM, lost(20.0)), panel("b", CALM, lost(2.0))]).winner == "b"
    close = steadiest([panel("a", CALM, lost(5.0)), panel("b", CALM, lost(2.0))])
    assert close.winner is None and "Too close" in close.reason
    unlike = steadiest([panel("a", CALM, lost(20.0)), panel("b", CALM, lost(2.0, ENERGY))])
    assert unlike.winner is None and "different measures" in unlike.reason
    half = steadiest([panel("a", CALM, lost(20.0)), panel("b", CALM)])
    assert half.winner is None and "Of b it was not measured" in half.reason


def test_every_training_counts() -> None:
    repeated = panel("a", CALM, repeats=(WILD, CALM))
    assert troubles(repeated) == ["exploding gradients in 1 of 3"]
    assert steadiest([repeated, panel("b", CALM)]).winner == "b"
    assert troubles(panel("a", CALM, diverged=True)) == ["diverged"]


def test_nobody_is_steady_without_records_or_without_calm() -> None:
    assert steadiest([panel("a", []), panel("b", [])]).headline == "none of them"
    assert steadiest([panel("a", WILD), panel("b", WILD)]).winner is None


def test_what_the_data_lack_is_no_unsteadiness() -> None:
    few = [{**CALM[0], "data/examples": 5.0}, *CALM[1:]]
    from triptych.training.diagnosis import diagnosed
    from triptych.training.diagnosis.examination import EXAMPLES_SEEN

    few[0][EXAMPLES_SEEN] = 5.0
    assert [finding.name for finding in diagnosed(few)] == ["few examples"]
    assert troubles(panel("a", few)) == []
