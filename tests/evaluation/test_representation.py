"""Clusters and probes against cases done by hand, scikit-learn, and representations whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs  # type: ignore[import-untyped]
from sklearn.metrics import normalized_mutual_info_score  # type: ignore[import-untyped]
from torch import Tensor, nn

import triptych as tp
from triptych.data import Examples
from triptych.errors import DataError, UnsupportedQuery
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.embeddings import principal, raw, untrained
from triptych.evaluation.studies.representation import clusters, k_means, mean_shift, probe, probe_accuracy, purity
from triptych.event import Event
from triptych.metrics.alignment import Array, Embedding
from triptych.models.base import Player
from triptych.models.questions import Encoder

Split = tuple[Examples, Examples]


class Told(Encoder):
    """A "model" whose code is whatever a function makes of an example."""

    def __init__(self, event: Event, function: object) -> None:
        super().__init__(event)
        self.function, self.latent = function, 2
        self.weight = nn.Parameter(torch.zeros(1))

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        found: Tensor = self.function(x)  # type: ignore[operator]
        return found


def corners(seed: int = 0) -> Split:
    """Points around four corners far apart, labelled by their corner; the second coordinate says nothing else."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(280) % 4
    data = 4.0 * torch.stack([labels // 2, labels % 2], 1) + 0.2 * torch.randn(280, 2, generator=generator)
    examples = Examples(data, Event((2,)), labels, ("a", "b", "c", "d"))
    return examples[:200], examples[200:]


def subject_of(split: Split, function: object) -> Subject:
    return Subject(Told(split[0].event, function), Protocol.prepare(*split, extractor="pixels"))


def test_purity_by_hand() -> None:
    classes = np.array([0, 0, 0, 1, 1, 2])
    assert purity(np.array([5, 5, 9, 9, 9, 7]), classes) == pytest.approx(5 / 6)
    assert purity(np.zeros(6), classes) == pytest.approx(0.5)
    assert purity(np.arange(6), classes) == 1


@pytest.mark.parametrize("cluster", [k_means, mean_shift])
def test_clusters_far_apart_are_found(cluster) -> None:  # type: ignore[no-untyped-def]
    points, blobs = make_blobs(300, 3, centers=4, cluster_std=0.3, center_box=(-20, 20), random_state=2)
    found = cluster(points, 4, 0)
    assert len(np.unique(found)) == 4 and normalized_mutual_info_score(blobs, found) == pytest.approx(1)
    assert np.array_equal(found, cluster(points, 4, 0)), "the same seed"


def test_mean_shift_of_points_that_are_all_the_same_is_one_cluster() -> None:
    assert mean_shift(np.ones((50, 2)), 3, 0).tolist() == [0] * 50


def test_the_study_of_clusters_tells_codes_from_noise() -> None:
    split = corners()
    good, bad = (clusters(subject_of(split, function)) for function in (lambda x: x, lambda x: (1e4 * x).sin()))
    columns = good.columns
    assert columns[-1] == "mean shift clusters" and list(good.rows) == ["codes", "PCA", "pixels"]
    told = dict(zip(columns, good.rows["codes"], strict=True))
    assert all(figure.unit == "%" for figure in good.rows["codes"][:-1])
    assert told["k-means purity, %"].value == told["k-means NMI, %"].value == pytest.approx(100)
    assert told["mean shift purity, %"].value == 100 and (told["mean shift NMI, %"].value or 0) > 85
    assert 4 <= (told["mean shift clusters"].value or 0) <= 7, "one of them may fall apart"
    assert told["k-means NMI, %"].protocol == "k-means@test-80"
    told = dict(zip(columns, bad.rows["codes"], strict=True))
    assert (told["k-means NMI, %"].value or 0) < 10 and (told["k-means NMI, %"].error or 0) > 0
    assert bad.rows["pixels"] == good.rows["pixels"], "the yardsticks do not depend on the model"


def test_the_probe_reads_what_is_there_and_no_more() -> None:
    split = corners()
    halved = probe(subject_of(split, lambda x: x * torch.tensor([1.0, 0.0])))
    assert list(halved.rows) == ["codes", "untrained codes", "PCA", "pixels"]
    few, everything = halved.rows["codes"]
    assert everything.value == pytest.approx(50, abs=10) and few.value == pytest.approx(50, abs=10)
    assert [figure.value for figure in halved.rows["pixels"]] == [100, 100]
    assert few.protocol == "probe-10-a-class-5-draws@test-80" and everything.protocol == "probe-all-200@test-80"
    assert everything.error == pytest.approx(100 * (0.25 / 80) ** 0.5, rel=0.05)


def test_a_probes_points_are_in_units_of_the_training_points() -> None:
    """Told by a number that is small among them, beside one that is noise; it is larger in test examples."""
    chance = np.random.default_rng(0)
    classes = np.arange(200) % 2
    sign, noise = 2.0 * classes - 1, chance.normal(size=200)
    space = Embedding(np.stack([1e-4 * sign, noise], 1), np.stack([sign, noise[::-1]], 1))
    assert probe_accuracy(space, classes, classes, few=None).value == 100


def test_errors_of_a_probe_are_those_of_fresh_draws_and_fresh_test_examples() -> None:
    def drawn(seed: int) -> tuple[Embedding, Array, Array]:
        chance = np.random.default_rng(seed)
        classes = chance.integers(2, size=300)
        points = classes[:, None] + chance.normal(size=(300, 5)) * 1.3
        return Embedding(points[:150], points[150:]), classes[:150], classes[150:]

    found = [probe_accuracy(*drawn(seed), few=5, draws=5, seed=seed) for seed in range(40)]
    spread = np.std([figure.value for figure in found], ddof=1)
    assert np.mean([figure.error for figure in found]) == pytest.approx(spread, rel=0.3)
    with pytest.raises(DataError, match="class 1 has 3 examples: a probe of 5 a class needs more"):
        probe_accuracy(drawn(0)[0], (np.arange(150) < 3).astype(int), drawn(0)[2], few=5)


def test_principal_components_are_of_the_training_points() -> None:
    train = np.random.default_rng(0).normal(size=(200, 3)) * [5.0, 1.0, 0.1]
    found = principal(Embedding(train, train + 10), 2, seed=0)
    _, _, axes = np.linalg.svd(train - train.mean(0))
    expected = (train + 10 - train.mean(0)) @ axes[:2].T
    assert np.abs(found.test) == pytest.approx(np.abs(expected), abs=1e-6)
    assert principal(Embedding(train, train), 10, seed=0).train.shape == (200, 3), "no more than there are"


def test_the_untrained_network_is_the_same_architecture_with_its_first_weights() -> None:
    event = Event((1, 8, 8), 17)
    model = tp.build("vae", event, seed=3, latent=4, hidden=16, classes=2)
    first = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    again = untrained(model, 3)
    assert all(torch.equal(first[name], tensor) for name, tensor in again.state_dict().items())
    assert again.arguments == model.arguments
    with pytest.raises(Unanswered, match="network of the user's own"):
        untrained(tp.VAE(event, latent=2, encoder=nn.Sequential(nn.Flatten(), nn.Linear(64, 4))), 0)


def test_models_or_data_without_an_answer_say_why() -> None:
    train, test = corners()
    unlabelled = (Examples(train.data, train.event), Examples(test.data, test.event))
    for study in (clusters, probe):
        with pytest.raises(Unanswered, match="no labels of two classes"):
            study(subject_of(unlabelled, lambda x: x))
        with pytest.raises(Unanswered, match="not finite"):
            study(subject_of((train, test), lambda x: x / 0))
        gan = Subject(tp.build("gan", train.event, hidden=8), Protocol.prepare(train, test, extractor="pixels"))
        with pytest.raises(UnsupportedQuery, match="does not answer encode"):
            study(gan)


def test_pixels_are_scaled_and_flat(digits: Split) -> None:
    space = raw(*(part[:20] for part in digits))
    assert space.train.shape == (20, 64) and space.train.min() == -1 and space.train.max() == 1
