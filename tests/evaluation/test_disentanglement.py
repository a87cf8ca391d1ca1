"""MIG, SAP and DCI against scikit-learn's mutual information, cases done by hand, and what must not matter."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, mutual_info_score  # type: ignore[import-untyped]

import triptych as tp
from tests.program import refused, well
from triptych.data import Examples
from triptych.errors import DataError
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.studies.disentanglement import disentanglement, factors_of, scores
from triptych.event import Event
from triptych.metrics.alignment import (
    Array,
    Embedding,
    concentration,
    dci,
    jackknife,
    mig,
    mutual_information,
    sap,
    threshold_hits,
)

CHANCE = np.random.default_rng(0)
COUNTS = (2, 3, 4)
FACTORS = np.stack([CHANCE.integers(n, size=1500) for n in COUNTS], 1)
OWN = FACTORS[:, [2, 0, 1]] * [1.0, -3.0, 0.1] + 0.01 * CHANCE.normal(size=FACTORS.shape)
"""A code with a number for each factor, in another order and on other scales."""
MIXED = OWN / OWN.std(0) @ np.linalg.qr(CHANCE.normal(size=(3, 3)))[0]
NOISE = CHANCE.normal(size=(1500, 5))


def halves(codes: Array) -> tuple[Embedding, tuple[Array, Array]]:
    return Embedding(codes[:1000], codes[1000:]), (FACTORS[:1000], FACTORS[1000:])


def test_mutual_information_is_that_of_scikit_learn() -> None:
    codes = np.concatenate([OWN, MIXED, NOISE, np.ones((1500, 1))], 1)
    found = mutual_information(codes, FACTORS)
    for j, column in enumerate(codes.T):
        binned = np.digitize(column, np.histogram_bin_edges(column, 20)[1:-1])
        for k in range(3):
            assert found[j, k] == pytest.approx(mutual_info_score(binned, FACTORS[:, k]), abs=1e-9)
    assert np.abs(found[-1]).max() < 1e-12, "a constant knows nothing"


def test_the_gap_by_hand() -> None:
    """z_1 is the factor; z_2 tells one of its four values from the others: I = H(1/4) = 0.811 bits of 2."""
    v = np.repeat(np.arange(4), 50)
    codes = np.stack([v, v == 3, np.zeros(200)], 1).astype(float)
    known = (2 - 0.75 * math.log2(4 / 3) - 0.25 * 2) / 2
    assert mig(codes, v[:, None]).tolist() == pytest.approx([known])
    assert mig(codes[:, 1:], v[:, None]).tolist() == pytest.approx([1 - known])
    assert mig(codes[:, 1:2], v[:, None]).tolist() == pytest.approx([1 - known]), "one number has no rival"


def test_a_number_for_each_factor_is_perfect_and_no_other_code_is() -> None:
    own, mixed, noise, twice = (
        scores(*halves(codes))[0] for codes in (OWN, MIXED, NOISE, np.concatenate([OWN, -OWN], 1))
    )
    chance = np.mean([1 - 1 / n for n in COUNTS])  # by which thresholds on the right number beat guessing
    assert [figure.value for figure in own] == pytest.approx([1, chance, 1, 1, 100], abs=0.05)
    for i, most in enumerate((0.4, 0.35, 0.6, 0.6)):
        assert (mixed[i].value or 0) < most < (own[i].value or 0)
    assert (mixed[4].value or 0) > 90, "all of it is still there"
    for i in range(4):
        assert abs(noise[i].value or 0) < 0.06
    assert noise[4].value == pytest.approx(100 * np.mean([1 / n for n in COUNTS]), abs=4)
    assert twice[0].value == pytest.approx(0, abs=0.02) and twice[1].value == pytest.approx(0, abs=0.02)
    assert (twice[2].value or 0) > 0.95 > 0.9 > (twice[3].value or 0), "each for one factor, but not each factor in one"


def test_neither_the_order_nor_the_scale_of_a_code_matters() -> None:
    space, factors = halves(MIXED)
    changed = Embedding(*(side[:, [1, 2, 0]] * [2.0, 0.5, 7.0] + 3 for side in space))
    assert mig(changed.train, factors[0]) == pytest.approx(mig(space.train, factors[0]), abs=1e-9)
    first, second = (sap(threshold_hits(each, factors), factors[1]) for each in (space, changed))
    assert second == pytest.approx(first, abs=1e-9)
    assert dci(changed, factors).disentanglement == pytest.approx(dci(space, factors).disentanglement, abs=0.05)


def test_thresholds_weigh_every_value_the_same() -> None:
    """Nine of ten examples have the value 0: guessing it tells 90 % right, and half in the balanced sense."""
    v = (np.arange(2000) % 10 == 0).astype(int)[:, None]
    z = np.stack([v[:, 0] + CHANCE.normal(size=2000), CHANCE.normal(size=2000)], 1)
    space, both = Embedding(z[:1000], z[1000:]), (v[:1000], v[1000:])
    hits = threshold_hits(space, both)
    told = np.where(hits[:, :, 0] > 0, v[1000:], 1 - v[1000:])
    balanced = [balanced_accuracy_score(v[1000:, 0], told[:, j]) for j in range(2)]
    assert sap(hits, v[1000:]).tolist() == pytest.approx([balanced[0] - balanced[1]])
    best = 0.5 * (1 + math.erf(0.5 / math.sqrt(2)))  # Φ(1/2), of two normals a standard deviation apart
    assert balanced[0] == pytest.approx(best, abs=0.06) and balanced[1] == pytest.approx(0.5, abs=0.08)


def test_concentration_by_hand() -> None:
    importance = np.array([[0.9, 0.0], [0.1, 0.5], [0.0, 0.5]])
    second = 1 + (1 / 6) * math.log2(1 / 6) + (5 / 6) * math.log2(5 / 6)
    by_code, by_factor = concentration(importance)
    assert by_code == pytest.approx((0.9 * 1 + 0.6 * second + 0.5 * 1) / 2)
    entropy = [-(0.9 * math.log(0.9) + 0.1 * math.log(0.1)) / math.log(3), math.log(2) / math.log(3)]
    assert by_factor.tolist() == pytest.approx([1 - h for h in entropy])
    assert concentration(np.zeros((3, 2)))[0] == 0 and concentration(np.zeros((3, 2)))[1].tolist() == [0, 0]


def test_errors_are_those_of_repeated_draws() -> None:
    """The jackknife's, of MIG: against the spread over fresh draws of factors and codes."""

    def drawn(seed: int) -> tuple[Array, Array]:
        chance = np.random.default_rng(seed)
        v = chance.integers(4, size=(500, 1))
        return v + chance.normal(size=(500, 2)) * [0.5, 1.5], v

    spread = np.std([mig(*drawn(seed)) for seed in range(60)], ddof=1)
    told = []
    for seed in range(20):
        codes, v = drawn(seed)
        told.append(jackknife(lambda rows, z=codes, v=v: mig(z[rows], v[rows]), 500, seed)[0])  # type: ignore[misc]
    assert np.mean(told) == pytest.approx(spread, rel=0.3)


def test_factors_are_told_from_other_labels() -> None:
    event = Event((2,))
    x, v = torch.randn(60, 2), torch.tensor([[0.5, 7.0], [0.25, 7.0], [0.5, -1.0]]).repeat(20, 1)
    (train, test), names = factors_of(Examples(x[:40], event, v[:40]), Examples(x[40:], event, v[40:]))
    assert names == ("factor 0", "factor 1") and train[:3].tolist() == [[1, 1], [0, 1], [1, 0]] and len(test) == 20
    with pytest.raises(Unanswered, match="several labels"):
        factors_of(Examples(x, event, torch.arange(60)), Examples(x, event, torch.arange(60)))
    with pytest.raises(Unanswered, match="label 1 has 1 values"):
        factors_of(*[Examples(x, event, v * torch.tensor([1.0, 0.0]))] * 2)
    with pytest.raises(Unanswered, match="label 0 has 120 values"):
        factors_of(*(Examples(x, event, torch.randn(60, 2)) for _ in range(2)))
    with pytest.raises(DataError, match="factor 1 has one value only"):
        mig(OWN, FACTORS * [1, 0, 1])


def test_the_study_of_a_model(tmp_path: Path) -> None:
    train, test = (part[::8] for part in tp.data.load("factors"))
    model = tp.build("vae", train.event, latent=3, encoder="mlp", decoder="mlp", hidden=16)
    table = disentanglement(Subject(model, Protocol.prepare(train, test, extractor="pixels")))
    assert list(table.rows) == ["all factors", "shape", "scale", "rotation", "x", "y", "all factors, by PCA"]
    codes, (known, _) = model.encode(train).double().numpy(), factors_of(train, test)[0]
    assert table.rows["x"][0].value == pytest.approx(mig(codes, known)[3])
    assert table.rows["all factors"][0].value == pytest.approx(mig(codes, known).mean())
    assert table.rows["shape"][2].value is None and "numbers of the code" in table.rows["shape"][2].note
    assert table.rows["x"][4].protocol == "dci@test-288" and table.rows["x"][4].error is not None
    tp.save(model, tmp_path / "run")
    said = refused("evaluate", tmp_path / "run", "--data", "factors", "--image-size", 32, "--metrics", "clusters")
    assert "no labels of two classes" in said


def test_models_without_codes_and_data_without_factors_say_so(tmp_path: Path) -> None:
    digits = tp.data.load("digits")[0]
    tp.save(tp.build("gan", digits.event, hidden=8), tmp_path / "gan")
    assert "does not answer encode" in refused(
        "evaluate", tmp_path / "gan", "--data", "digits", "--metrics", "clusters"
    )
    tp.save(tp.build("vae", digits.event, hidden=8), tmp_path / "vae")
    assert "no factors" in refused("evaluate", tmp_path / "vae", "--data", "digits", "--metrics", "disentanglement")
    found = well("evaluate", tmp_path / "vae", "--data", "digits", "--metrics", "probe", "--json")
    assert '"untrained codes"' in found
