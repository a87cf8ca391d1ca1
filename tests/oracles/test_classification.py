"""Classes by Bayes' rule, their calibration and their rejection, against closed forms and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.calibration import calibration_curve  # type: ignore[import-untyped]
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis  # type: ignore[import-untyped]
from sklearn.metrics import log_loss as sklearns_log_loss  # type: ignore[import-untyped]
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.evaluation.studies.reject import accuracy_at, accuracy_coverage
from triptych.event import Event
from triptych.metrics.calibration import calibrated_error, calibration_error, log_loss, reliability
from triptych.models.base import Player
from triptych.models.questions import Density
from triptych.queries.classification import Posterior, bayes_classifier, class_prior

EVENT = Event((2,))


class Normal(Density):
    """Normal densities with a mean and a covariance of each class."""

    def __init__(self, means: Tensor, covariances: Tensor, classes: int = 0) -> None:
        super().__init__(EVENT, classes)
        self.means, self.covariances = torch.nn.Parameter(means), covariances

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        k = torch.zeros(len(x), dtype=torch.long) if label is None else label
        law = torch.distributions.MultivariateNormal(self.means[k].double(), self.covariances[k])
        return law.log_prob(x.double())


def drawn(n: int, seed: int) -> Examples:
    """Points of three overlapping normal classes, of which the first is the commonest."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.multinomial(torch.tensor([0.6, 0.3, 0.1]), n, replacement=True, generator=generator)
    spread = torch.tensor([[1.0, 1.0], [0.5, 2.0], [1.5, 0.4]])[labels]
    centre = torch.tensor([[0.0, 0.0], [1.5, 0.0], [0.0, 2.0]])[labels]
    return Examples(centre + spread * torch.randn(n, 2, generator=generator), EVENT, labels, ("a", "b", "c"))


@pytest.fixture(scope="module")
def fitted() -> tuple[Normal, QuadraticDiscriminantAnalysis, Examples]:
    """The same three normals in our model and in scikit-learn's classifier, and test examples."""
    train = drawn(3000, 0)
    assert train.labels is not None
    oracle = QuadraticDiscriminantAnalysis(store_covariance=True).fit(train.data.double().numpy(), train.labels.numpy())
    means, covariances = torch.tensor(oracle.means_), torch.tensor(np.stack(oracle.covariance_))
    return Normal(means, covariances, classes=3), oracle, drawn(2000, 1)


def test_posteriors_are_scikit_learns_of_the_same_densities(
    fitted: tuple[Normal, QuadraticDiscriminantAnalysis, Examples],
) -> None:
    model, oracle, test = fitted
    found = bayes_classifier(model, torch.tensor(oracle.priors_))(test)
    x = test.data.double().numpy()
    assert found.log_posterior.exp().numpy() == pytest.approx(oracle.predict_proba(x), abs=1e-5)
    assert (found.predicted.numpy() == oracle.predict(x)).all()
    each = [Normal(model.means[k : k + 1].detach(), model.covariances[k : k + 1]) for k in range(3)]
    one_a_class = bayes_classifier(each, torch.tensor(oracle.priors_))(test)
    assert torch.allclose(one_a_class.log_joint, found.log_joint), "one density a class is the same classifier"
    truth = test.labels
    assert truth is not None
    assert log_loss(found.log_posterior, truth).value == pytest.approx(
        sklearns_log_loss(truth.numpy(), oracle.predict_proba(x)), abs=1e-4
    )


def test_two_normals_are_told_apart_as_often_as_the_normal_distribution_says() -> None:
    """Of equal normals at distance 2 the accuracy is Φ(1); the log odds are 2 |x| in closed form."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(4000) % 2
    x = torch.randn(4000, 2, generator=generator) + torch.stack([2.0 * labels - 1, 0.0 * labels], 1)
    means, covariances = torch.tensor([[-1.0, 0.0], [1.0, 0.0]]), torch.eye(2).double().expand(2, 2, 2)
    found = bayes_classifier(Normal(means, covariances, classes=2))(Examples(x, EVENT, labels))
    assert torch.allclose(found.log_odds, 2 * x[:, 0].abs().double(), atol=1e-5)
    right = found.predicted == labels
    share = 0.5 * (1 + math.erf(1 / math.sqrt(2)))
    figure = accuracy_at(found.log_odds, right, 1)
    assert figure.value == pytest.approx(100 * share, abs=3 * (figure.error or 0))
    half = float(x[:, 0].abs().median())  # of those beyond it Φ(1 - c) and Φ(-1 - c) in closed form
    sure, wrong = (0.5 * math.erfc((half + sign) / math.sqrt(2)) for sign in (-1, 1))
    figure = accuracy_at(found.log_odds, right, 0.5)
    assert figure.value == pytest.approx(100 * sure / (sure + wrong), abs=3 * (figure.error or 0))


def test_calibration_is_scikit_learns_curve_and_the_classifier_of_the_truth_is_calibrated(
    fitted: tuple[Normal, QuadraticDiscriminantAnalysis, Examples],
) -> None:
    model, oracle, test = fitted
    found = bayes_classifier(model, torch.tensor(oracle.priors_))(test)
    right = found.predicted == test.labels
    true, told = calibration_curve(right.numpy(), found.confidence.numpy(), n_bins=15)
    bins = reliability(found.confidence, right)
    assert [one.confidence for one in bins] == pytest.approx(told.tolist())
    assert [one.accuracy.value for one in bins] == pytest.approx((100 * true).tolist())
    weighted = sum(one.members * abs((one.accuracy.value or 0) - 100 * one.confidence) for one in bins) / len(right)
    error, chance = calibration_error(found.confidence, right), calibrated_error(found.confidence)
    assert error.value == pytest.approx(weighted, abs=1e-4)
    assert (error.value or 0) < (chance.value or 0) + 3 * (error.error or 0), "its densities are nearly the true ones"
    (edge,) = reliability(torch.tensor([0.5]), torch.tensor([True]), bins=4)
    assert (edge.low, edge.high) == pytest.approx((0.25, 0.5)), "a bin holds its upper end"
    over = Posterior(4 * found.log_likelihood, found.log_prior)  # too sure of itself
    assert (calibration_error(over.confidence, over.predicted == test.labels).value or 0) > 3 * (chance.value or 0)


def test_errors_of_calibration_are_those_of_repeats_and_chance_alone_is_its_bias() -> None:
    generator = torch.Generator().manual_seed(0)

    def repeats(bias: float) -> tuple[np.ndarray, float]:
        values, errors = [], []
        for _ in range(200):
            c = 0.5 + 0.45 * torch.rand(300, generator=generator)
            right = torch.rand(300, generator=generator) < c - bias
            figure = calibration_error(c, right)
            values.append(figure.value or 0.0)
            errors.append(figure.error or 0.0)
        return np.array(values), float(np.mean(errors))

    values, error = repeats(0.25)
    assert error == pytest.approx(values.std(ddof=1), rel=0.15)
    values, error = repeats(0.0)
    assert values.std(ddof=1) < error < 2 * values.std(ddof=1), "too large where all is calibrated, as it says"
    c = 0.5 + 0.45 * torch.rand(300, generator=generator)
    chance = calibrated_error(c)
    assert chance.value == pytest.approx(values.mean(), rel=0.1)


def test_the_bias_of_one_bin_is_a_half_normals_mean() -> None:
    found = calibrated_error(torch.full((400,), 0.8))
    assert found.value == pytest.approx(100 * math.sqrt(2 / math.pi * 0.16 / 400), abs=3.5 * (found.error or 0))


def test_coverage_by_hand_by_brute_force_and_with_ties() -> None:
    right = torch.tensor([True, False, True, True, False])
    certainty = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0])
    assert accuracy_coverage(certainty, right).accuracy.tolist() == pytest.approx([100, 100, 200 / 3, 75, 60])
    tied = accuracy_coverage(torch.zeros(5), right).accuracy
    assert tied.tolist() == pytest.approx([60.0] * 5), "among equals those that are answered are drawn"
    generator = torch.Generator().manual_seed(0)
    certainty, right = torch.rand(200, generator=generator), torch.rand(200, generator=generator) < 0.7
    kept = certainty > certainty.sort().values[99]
    found = accuracy_at(certainty, right, 0.5)
    assert found.value == pytest.approx(100 * float(right[kept].double().mean()))
    assert found.protocol == "accuracy@test-100-of-200" and found.error
    assert accuracy_at(certainty, right, 1e-6).protocol == "accuracy@test-1-of-200", "one at least"


def test_what_no_class_can_make_is_told_by_the_prior_and_declined_first() -> None:
    infinite = -torch.inf
    given = torch.tensor([[infinite, infinite], [-1.0, infinite], [-3.0, -1.0]]).double()
    found = Posterior(given, torch.tensor([0.3, 0.7]).double().log())
    assert found.log_posterior.exp().tolist()[0] == pytest.approx([0.3, 0.7])
    assert found.log_posterior.exp().tolist()[1] == pytest.approx([1, 0]) and math.isinf(float(found.log_odds[1]))
    assert found.log_evidence.isneginf().tolist() == [True, False, False]
    assert log_loss(found.log_posterior, torch.tensor([0, 1, 1])).note.startswith("the true class has no probability")
    assert not found.log_posterior.isnan().any() and not found.log_odds.isnan().any()


def test_bounds_of_all_classes_are_of_the_same_draws() -> None:
    event = Event((1, 4, 4), 2)
    model = tp.build("vae", event, latent=2, hidden=8, classes=3)
    x = model.sample(6, seed=0)
    found = bayes_classifier(model, samples=7, seed=5)(x)
    for k in range(3):
        assert torch.equal(
            found.log_likelihood[:, k], model.log_prob_bounds(x, label=k, samples=7, seed=5).lower.double()
        )
    assert torch.equal(bayes_classifier(model, samples=7, seed=5)(x).log_joint, found.log_joint)


def test_what_makes_no_classifier_is_told() -> None:
    event = Event((1, 4, 4), 2)
    exact, bound = tp.build("fvbn", event), tp.build("vae", event)
    labelled = tp.build("fvbn", event, classes=3)
    for models, told in (
        (exact, "no labels to tell apart"),
        ([exact, labelled], "takes no labels"),
        ([exact, bound], "some bound it"),
        ([exact, tp.build("fvbn", Event((1, 5, 5), 2))], "expected one event"),
    ):
        with pytest.raises(ConfigurationError, match=told):
            bayes_classifier(models)
    with pytest.raises(ConfigurationError, match="expected 3 numbers above 0"):
        bayes_classifier(labelled, torch.tensor([1.0, 0.0, 1.0]))
    with pytest.raises(UnsupportedQuery, match="does not answer log_prob_bounds"):
        bayes_classifier(tp.build("gan", event, classes=3))
    with pytest.raises(DataError, match="labels 0 to 1"):
        class_prior(drawn(10, 0), 2)
    with torch.no_grad():
        for parameter in labelled.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(DataError, match="the training diverged"):
        bayes_classifier(labelled)(exact.sample(4, seed=0))


def test_odds_are_against_all_other_classes() -> None:
    found = Posterior(torch.tensor([[0.2, 0.5, 0.3], [0.8, 0.1, 0.1]]).double().log(), torch.zeros(3).double())
    assert found.log_odds.tolist() == pytest.approx([0.0, math.log(4)], abs=1e-6)
