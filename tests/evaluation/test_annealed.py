"""Annealing of trained models: resumed, of labelled models, and what has no answer; the table of all that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.distributions import Independent, Uniform

import triptych as tp
from tests.program import refused, well
from triptych.data import Examples
from triptych.distributions import DistributionPrior
from triptych.evaluation import METRICS, Protocol, Subject, Unanswered
from triptych.evaluation.studies import annealed
from triptych.evaluation.studies.annealed import Annealer, annealer, annealing
from triptych.evaluation.studies.evidence import likelihood
from triptych.evaluation.studies.parzen import points, points_of
from triptych.metrics.hamiltonian import Target
from triptych.metrics.kernel_density import kernel_log_density

Split = tuple[Examples, Examples]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def protocol(digits: Split) -> Protocol:
    made = Protocol.prepare(*digits, extractor="pixels", importance=20, kernels=50, scored=12)
    return made.changed(annealing=(6, 3))


def tiny(name: str, digits: Split, **arguments: object) -> tp.Model:
    torch.manual_seed(0)
    small: dict[str, object] = {"latent": 2, "hidden": 8}
    parts = {"vae": {"encoder": "mlp", "decoder": "mlp"}, "gan": {"generator": "mlp", "critic": "mlp"}}
    return tp.build(name, digits[0].event, **{**small, **parts[name], **arguments})


def test_what_was_interrupted_goes_on_and_is_the_same_to_the_byte(
    digits: Split, protocol: Protocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(annealed, "_ROWS", 20)  # four examples at a time
    model = tiny("vae", digits)
    whole = Annealer(model, protocol).of_test()
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path / "another"))
    calls, forward = [], annealed.forward

    def stopping(target: Target, *rest: object) -> annealed.Annealed:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return forward(target, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(annealed, "forward", stopping)
    with pytest.raises(KeyboardInterrupt):
        Annealer(model, protocol).of_test()
    again = Annealer(model, protocol).of_test()
    assert len(calls) == 4, "of three parts the first was there, the second was stopped"
    assert all(torch.equal(one, other) for one, other in zip(whole, again, strict=True))
    (kept,) = (tmp_path / "another" / "annealing").iterdir()
    (kept / "test-1.safetensors").write_bytes(b"damaged")
    assert torch.equal(Annealer(model, protocol).of_test().log_weights, whole.log_weights) and len(calls) == 5
    with torch.no_grad():
        next(model.decoder.parameters()).add_(1.0)
    assert not torch.equal(Annealer(model, protocol).of_test().log_weights, whole.log_weights), "other weights"


@pytest.mark.parametrize("name", ["vae", "gan"])
def test_a_labelled_model_is_asked_for_the_labels_of_the_examples(name: str, digits: Split, protocol: Protocol) -> None:
    model = tiny(name, digits, classes=10)
    figure = METRICS["ais"](Subject(model, protocol))
    assert figure.protocol.endswith("@test-12|label") and figure.value is not None
    test = digits[1]
    moved = Examples(test.data, test.event, (test.labels + 1) % 10 if test.labels is not None else None, test.classes)
    other = Protocol.prepare(digits[0], moved, extractor="pixels", scored=12).changed(annealing=(6, 3))
    assert METRICS["ais"](Subject(model, other)).value != figure.value
    rows = annealing(Subject(model, protocol)).rows
    assert rows["gap between the two, nats"][0].protocol.endswith("@simulated-12|label")


def test_the_observation_is_chosen_without_test_examples(digits: Split, protocol: Protocol) -> None:
    train, test = digits
    inverted = Examples(16 - test.data, test.event, test.labels)
    model = tiny("gan", digits)
    other = Protocol.prepare(train, inverted, extractor="pixels").changed(annealing=(6, 3))
    scales = [Annealer(model, one).observation.scale for one in (protocol, other)]
    assert scales[0] == scales[1] is not None


def test_convolutions_and_one_chain(digits: Split, protocol: Protocol) -> None:
    model = tiny("vae", digits, decoder="conv", channels=4)
    figure = METRICS["ais"](Subject(model, protocol.changed(annealing=(2, 1), count=1)))
    assert figure.value is not None and figure.error is None and "one chain" in figure.note


def test_what_has_no_answer_says_why(digits: Split, protocol: Protocol) -> None:
    event = digits[0].event
    exact = tp.build("pixelcnn", event, channels=4, layers=2)
    for metric in ("ais", "iwae"):
        assert "has log p(x) exactly: ask for exact" in METRICS[metric](Subject(exact, protocol)).note
    assert "has no prior p(z)" in METRICS["ais"](Subject(tp.build("autoencoder", event), protocol)).note
    gan = tiny("gan", digits)
    assert "does not know log p(x) exactly" in METRICS["exact"](Subject(gan, protocol)).note
    assert "GAN gives no bound" in METRICS["iwae"](Subject(gan, protocol)).note
    flat = Independent(Uniform(-torch.ones(2), torch.ones(2)), 1)
    bounded = tiny("vae", digits, prior=DistributionPrior(flat))
    assert "the prior of this VAE is bounded" in METRICS["ais"](Subject(bounded, protocol)).note
    assert METRICS["ais"](Subject(None, protocol)).note == "real data, not a model"
    with torch.no_grad():
        next(gan.parameters()).fill_(torch.nan)
    assert "the training diverged" in METRICS["ais"](Subject(gan, protocol)).note
    vae = tiny("vae", digits)
    with torch.no_grad():
        list(vae.decoder.parameters())[-1].fill_(3e38)
        list(vae.decoder.parameters())[-2].fill_(3e38)
    assert "annealing gave no finite log p(x) for" in METRICS["ais"](Subject(vae, protocol)).note


def test_the_parzen_figure_is_that_of_its_study(digits: Split, protocol: Protocol) -> None:
    found = METRICS["kde"](Subject(None, protocol))
    there = points(protocol)
    width = float(found.note.split()[1].rstrip(","))
    by_hand = kernel_log_density(
        there.test, there.real, [10 ** (round(12 * (2 + torch.tensor(width).log10().item())) / 12 - 2)]
    )
    assert found.value == pytest.approx(float(by_hand.mean())) and found.protocol == "kde-50@test-12"
    given = METRICS["kde"](Subject(digits[1][:30], protocol))
    assert given.protocol == "kde-30@test-12" and points_of(digits[1][:30]).shape == (30, 64)
    model = METRICS["kde"](Subject(tiny("gan", digits), protocol))
    assert model.kind == "≈" and (model.value or 0) < (found.value or 0)
    assert "does not sample" in METRICS["kde"](Subject(tp.build("autoencoder", digits[0].event), protocol)).note


def test_one_table_keeps_probabilities_and_densities_apart(digits: Split, protocol: Protocol) -> None:
    event = digits[0].event
    subject = Subject(tiny("vae", digits), protocol)
    found = likelihood(subject).rows
    one, weighed = (float(subject.nested.bounds[:, k].mean()) for k in (0, -1))
    assert [row[0].value for row in list(found.values())[:2]] == pytest.approx([one, weighed]) and one < weighed
    assert list(found) == [
        "elbo@test-12, a probability",
        "iwae-20@test-12, a probability",
        "ais-6x3@test-12, a probability",
        "ais-6x3@simulated-12, a probability",
        "kde-50@test-12, a density",
    ]
    assert [row[0].kind for row in found.values()] == ["≥", "≥", "≈", "≥", "≈"]
    lower, upper, _ = found["ais-6x3@simulated-12, a probability"]
    weights = annealer(subject).of_simulated().upper.log_weights  # of 1/p(x): their mean is taken before its logarithm
    assert upper.value == pytest.approx(-float(weights.exp().mean(1).log().mean()), abs=1e-6)
    assert upper.kind == "≤" and upper.value is not None and lower.value is not None and lower.value < upper.value
    assert all(name.endswith("a density") for name in likelihood(Subject(tiny("gan", digits), protocol)).rows)
    exact = likelihood(Subject(tp.build("pixelcnn", event, channels=4, layers=2), protocol)).rows
    value, above, bits = exact["exact@test-12, a probability"]
    assert value == above and bits.kind == "=" and "ask for kde-50" in exact["kde-50"][0].note
    long = likelihood(Subject(tiny("vae", digits), protocol.changed(annealing=(10**9, 16)))).rows
    assert "ask for ais-1000000000x16" in long["ais-1000000000x16"][0].note
    with pytest.raises(Unanswered, match="says nothing of log p"):
        likelihood(Subject(tp.build("autoencoder", event), protocol))


def test_the_program_measures_what_a_name_says(digits: Split, tmp_path: Path) -> None:
    tp.save(tiny("vae", digits), tmp_path / "vae")
    tp.save(tp.build("pixelcnn", digits[0].event, channels=4, layers=2), tmp_path / "pixelcnn")
    asked = ["evaluate", tmp_path / "vae", tmp_path / "pixelcnn", "--data", "digits", "--test-count", 4, "--quiet"]
    found = json.loads(well(*asked, "--metrics", "ais-5x2,exact,iwae-30,kde-40", "--json"))["figures"]
    assert found["ais-5x2"]["vae"]["protocol"] == "ais-5x2@test-4"
    assert found["iwae-30"]["vae"]["protocol"] == "iwae-30@test-4" and found["exact"]["pixelcnn"]["kind"] == "="
    assert found["kde-40"]["training data"]["protocol"] == "kde-40@test-4"
    assert "expected at least 1 step and 1 chain" in refused(*asked, "--metrics", "ais-0x4")
    assert "expected a size of steps and chains, 1000x16" in refused(*asked, "--metrics", "ais-1000")
