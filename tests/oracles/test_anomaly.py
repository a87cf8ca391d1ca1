"""Anomaly scores, thresholds and areas under the curve, against what they must be."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import triptych as tp
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.queries import anomaly_scores, auroc, squared_errors
from triptych.queries.anomaly import measure_of, threshold


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "rate"), [(99, 0.01), (100, 0.01), (150, 0.1), (1000, 0.05)])
def test_the_threshold_keeps_the_false_alarm_rate_on_fresh_examples(n, rate):
    known = normal(4000, n)
    limits = torch.tensor([threshold(row, rate) for row in known], dtype=torch.float64)
    alarms = 0.5 * torch.erfc(limits / 2**0.5)  # the share of all fresh ones above each
    mean, error = float(alarms.mean()), float(alarms.std()) / len(alarms) ** 0.5
    assert mean < rate + 4 * error, "the rate is kept on average"
    assert mean > rate - 1 / (n + 1) - 4 * error, "and not by more than one rank"


def test_a_rate_that_few_examples_cannot_tell_is_refused():
    assert threshold(torch.arange(99.0), 0.01) == 98
    with pytest.raises(ConfigurationError, match="cannot be learnt from 98 examples: expected at least 99"):
        threshold(torch.arange(98.0), 0.01)
    for rate in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(ConfigurationError, match="between 0 and 1"):
            threshold(torch.arange(98.0), rate)


@pytest.mark.parametrize("rounded", [False, True])
def test_the_area_is_scikit_learns(rounded):
    ordinary, odd = normal(300), normal(70, seed=1) + 1
    if rounded:  # then there are many ties
        ordinary, odd = ordinary.round(), odd.round()
    truth = np.r_[np.zeros(300), np.ones(70)]
    assert auroc(ordinary, odd).value == pytest.approx(roc_auc_score(truth, torch.cat([ordinary, odd])), abs=1e-12)


def test_the_areas_error_is_that_of_repeats():
    found = [auroc(normal(60, seed=2 * s), normal(40, seed=2 * s + 1) + 1) for s in range(400)]
    spread = np.std([one.value for one in found], ddof=1)
    assert np.mean([one.error for one in found]) == pytest.approx(spread, rel=0.12)


def test_the_areas_error_by_hand():
    """Shares 1/2, 1, 1 of two ordinary scores are below the three odd ones, which are above them with 1 and 2/3."""
    found = auroc(torch.tensor([1.0, 3.0]), torch.tensor([2.0, 4.0, 5.0]))
    assert found == pytest.approx((5 / 6, ((1 / 12) / 3 + (1 / 18) / 2) ** 0.5))


def test_the_area_of_infinite_scores_few_scores_and_none():
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([float("inf"), 5.0])) == (1, 0)
    assert auroc(torch.tensor([1.0, 2.0]), torch.tensor([1.5])) == (pytest.approx(0.5), None)
    with pytest.raises(DataError, match="2 ordinary examples and 0 anomalies"):
        auroc(torch.tensor([1.0, 2.0]), torch.tensor([]))


def test_scores_are_of_the_query_that_was_asked_for():
    event = tp.Event((1, 3, 3), 2)
    vae, exact, gan = (tp.build(name, event) for name in ("vae", "fvbn", "gan"))
    x = exact.sample(20, seed=0)
    assert torch.equal(anomaly_scores(vae, x, samples=7, seed=3), -vae.log_prob_bounds(x, samples=7, seed=3).lower)
    assert torch.equal(
        anomaly_scores(vae, x, by="reconstruction"), squared_errors(x, vae.decode(vae.encode(x), levels=256))
    ) and (
        measure_of(vae),
        measure_of(tp.build("autoencoder", event)),
    ) == ("bound", "reconstruction")
    assert torch.equal(anomaly_scores(exact, x), -exact.log_prob(x))
    assert torch.equal(anomaly_scores(exact, x, by="density"), -exact.log_prob(x))
    for model, by, asked in ((vae, "density", "log_prob"), (exact, "reconstruction", "reconstruct"), (gan, "auto", "")):
        with pytest.raises(UnsupportedQuery, match=f"does not answer {asked}"):
            anomaly_scores(model, x, by=by)
    with pytest.raises(ConfigurationError, match="no score by 'bounds'; did you mean bound"):
        anomaly_scores(vae, x, by="bounds")


def test_a_diverged_model_says_so():
    model = tp.build("autoencoder", tp.Event((2,)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(float("nan"))
    with pytest.raises(DataError, match="no number for 3 of 3 examples"):
        anomaly_scores(model, tp.Examples(torch.zeros(3, 2), model.event))


def test_what_is_far_from_the_data_scores_higher():
    train, test = tp.data.load("ring", count=400)
    model = tp.build("autoencoder", train.event, latent=1, hidden=32)
    tp.fit(model, train, steps=300, batch_size=64, progress=False)
    far = tp.Examples(test.data * 3, test.event)
    assert auroc(anomaly_scores(model, test), anomaly_scores(model, far)).value > 0.8
