"""Scores of outliers where a likelihood is known to fail, by hand; lengths of compressed images, by brute force."""

from __future__ import annotations

import math
import zlib

import numpy as np
import pytest
import torch
from torch import Tensor

import triptych as tp
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.evaluation import Protocol, Subject, Unanswered
from triptych.evaluation.studies.outliers import outliers
from triptych.event import Event
from triptych.models.base import Player
from triptych.models.questions import Density
from triptych.queries import anomaly_scores
from triptych.queries.classification import bayes_classifier, class_prior
from triptych.queries.complexity import compressed_length, mutated

EVENT = Event((1, 8, 8), 17)


class Pixels(Density):
    """Pixels drawn one by one, level 0 with a probability, the others alike; of a label, another one."""

    def __init__(self, black: tuple[float, ...]) -> None:
        super().__init__(EVENT, classes=len(black) if len(black) > 1 else 0)
        self.black = torch.nn.Parameter(torch.tensor(black))

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        p = self.black[torch.zeros(len(x), dtype=torch.long) if label is None else label]
        zeros = (x == 0).flatten(1).sum(1)
        return zeros * p.log() + (64 - zeros) * ((1 - p) / 16).log()


def images(n: int, black: float, seed: int) -> Examples:
    generator = torch.Generator().manual_seed(seed)
    some = torch.randint(1, 17, (n, 1, 8, 8), generator=generator)
    return Examples((some * (torch.rand(some.shape, generator=generator) >= black)).byte(), EVENT)


def protocol(**fields: object) -> Protocol:
    train, test = images(600, 0.2, 0), images(300, 0.2, 1)
    return Protocol.prepare(train, test, extractor="pixels", samples=100).changed(**fields)


def areas(table: object) -> dict[str, float]:
    return {name: figures[0].value for name, figures in table.rows.items()}  # type: ignore[attr-defined]


def test_plain_images_are_more_probable_than_the_models_own_and_two_scores_find_them() -> None:
    """Black costs 1.6 nats and any other level 3: every nearly black image is more probable than all of the data."""
    dark, background = images(200, 0.95, 2), Pixels((1 / 17,))
    table = outliers(Subject(Pixels((0.2,)), protocol(against=dark, background=background)))
    found = areas(table)
    assert list(found) == ["likelihood", "typicality", "complexity", "ratio"]
    assert found["likelihood"] == 0, "the known failure"
    assert found["typicality"] == 1 and found["complexity"] == 1
    assert table.rows["complexity"][0].error == pytest.approx((201 / 202 / 202 / 200) ** 0.5), "Laplace's rule"
    own, other = table.rows["likelihood"][1:]
    entropy = 64 * -(0.2 * math.log(0.2) + 0.8 * math.log(0.05))
    assert own.value == pytest.approx(entropy, abs=4 * (own.error or 0))
    assert (other.value or 0) < (own.value or 0)
    assert table.rows["ratio"][1].value == pytest.approx(entropy - 64 * math.log(17), abs=4 * (own.error or 0))


def test_what_is_typical_is_learnt_of_training_data() -> None:
    """Test data like the others, and unlike the training data, are as untypical as those."""
    train, other, test = images(600, 0.2, 0), images(200, 0.95, 2), images(300, 0.95, 1)
    table = outliers(Subject(Pixels((0.2,)), Protocol.prepare(train, test, extractor="pixels").changed(against=other)))
    per_pixel = -(0.2 * math.log(0.2) + 0.8 * math.log(0.05)) + 0.95 * math.log(0.2) + 0.05 * math.log(0.05)
    for figure in table.rows["typicality"][1:]:
        assert figure.value == pytest.approx(64 * per_pixel, rel=0.03)


def test_equal_data_are_not_told_apart_by_any_score() -> None:
    table = outliers(Subject(Pixels((0.2,)), protocol(against=images(300, 0.2, 3))))
    for figure, *_ in table.rows.values():
        assert figure.value == pytest.approx(0.5, abs=3.5 * (figure.error or 0)) and 0.01 < (figure.error or 0) < 0.05


def test_a_model_with_labels_is_judged_by_what_all_labels_say() -> None:
    model, given = Pixels((0.2, 0.5)), images(300, 0.2, 0)
    labelled = Examples(given.data, EVENT, torch.arange(300) % 2, ("a", "b"))
    asked = Protocol.prepare(labelled[:200], labelled[200:], extractor="pixels").changed(against=images(50, 0.95, 1))
    table = outliers(Subject(model, asked))
    evidence = bayes_classifier(model, class_prior(asked.train, 2))(asked.scored).log_evidence
    assert table.rows["likelihood"][1].value == pytest.approx(-float(evidence.mean()))
    assert areas(table)["likelihood"] == 0


def test_reconstructions_are_scored_where_there_is_no_likelihood() -> None:
    model = tp.build("linear-autoencoder", EVENT, latent=2)
    table = outliers(Subject(model, protocol(against=images(50, 0.9, 2))))
    assert list(table.rows) == ["reconstruction"]
    assert table.rows["reconstruction"][1].value == pytest.approx(
        float(anomaly_scores(model, protocol().scored).mean()), rel=1e-5
    )


def test_what_has_no_outliers_says_why() -> None:
    with pytest.raises(Unanswered, match="give --against DATA"):
        outliers(Subject(Pixels((0.2,)), protocol()))
    with pytest.raises(Unanswered, match="GAN does not answer log_prob_bounds.*GAN does not answer reconstruct"):
        outliers(Subject(tp.build("gan", EVENT, hidden=8), protocol(against=images(9, 0.1, 0))))
    with pytest.raises(Unanswered, match="no number for 300 of 300"):
        outliers(Subject(Lost((0.2,)), protocol(against=images(9, 0.1, 0))))
    with pytest.raises(DataError, match="other examples are of a vector of 2"):
        protocol(against=Examples(torch.zeros(3, 2), Event((2,))))
    with pytest.raises(UnsupportedQuery, match="does not answer log_prob_bounds"):
        protocol(background=tp.build("gan", EVENT, hidden=8))


class Lost(Pixels):
    """Gives no numbers, with weights that are."""

    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        return super()._log_prob(x, label) * torch.nan


def test_vectors_have_the_scores_that_need_no_image() -> None:
    train, test = tp.data.load("ring", count=400)
    model = tp.build("vae", train.event, latent=1, hidden=8)
    far = Examples(test.data * 5, test.event)
    found = outliers(Subject(model, Protocol.prepare(train, test).changed(against=far)))
    assert list(found.rows) == ["likelihood", "typicality", "reconstruction"]
    with pytest.raises(DataError, match="only images are compressed"):
        anomaly_scores(model, test, by="complexity")
    with pytest.raises(DataError, match="only images are mutated"):
        mutated(test)


def test_scores_by_name_are_what_they_say() -> None:
    model, background, x, train = Pixels((0.2,)), Pixels((0.5,)), images(20, 0.4, 5), images(100, 0.2, 6)
    surprise = -model.log_prob(x)
    typical = (surprise - (-model.log_prob(train)).mean()).abs()
    assert torch.allclose(anomaly_scores(model, x, by="typicality", ordinary=train), typical)
    assert torch.allclose(anomaly_scores(model, x, by="complexity"), surprise - compressed_length(x))
    ratio = background.log_prob(x) - model.log_prob(x)
    assert torch.allclose(anomaly_scores(model, x, by="ratio", background=background), ratio, atol=1e-4)
    for by, told in (("typicality", "expected ordinary="), ("ratio", "expected a background")):
        with pytest.raises(ConfigurationError, match=told):
            anomaly_scores(model, x, by=by)
    with pytest.raises(UnsupportedQuery, match="does not answer log_prob_bounds"):
        anomaly_scores(tp.build("gan", EVENT, hidden=8), x, by="complexity")


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_lengths_are_the_shortest_of_three_by_brute_force(levels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(levels, (1, 3, 6, 5), generator=generator)
    ramp = (torch.arange(5) * (levels // 4) % levels).expand(1, 3, 6, 5)
    x = torch.cat([noise, ramp, ramp.transpose(2, 3).reshape(1, 3, 6, 5), 0 * noise]).byte()
    found = compressed_length(Examples(x, Event((3, 6, 5), levels)))
    for image, nats in zip(x.numpy().astype(int), found.tolist(), strict=True):
        left = np.diff(image, axis=2, prepend=0) % levels
        above = np.diff(image, axis=1, prepend=0) % levels
        lengths = [len(zlib.compress(part.astype(np.uint8).tobytes(), 9)) - 6 for part in (image, left, above)]
        assert nats == pytest.approx(min(lengths) * 8 * math.log(2), rel=1e-6), "6 bytes are zlib's header and sum"
    assert found[0] > found[1] > found[3] or levels == 2


def test_a_share_of_all_pixels_is_redrawn() -> None:
    x = images(400, 0.2, 0)
    found = mutated(x, 0.3, seed=1)
    changed = float((found.data != x.data).double().mean())
    assert changed == pytest.approx(0.3 * 16 / 17, abs=4 * (0.28 * 0.72 / x.data.numel()) ** 0.5)
    assert torch.equal(mutated(x, 0.3, seed=1).data, found.data) and torch.equal(mutated(x, 0.0).data, x.data)
    levels = mutated(Examples(0 * x.data, EVENT), 1.0).data.long().flatten().bincount(minlength=17)
    assert float(levels.double().std() / levels.double().mean()) < 0.05, "all levels alike"
    with pytest.raises(ConfigurationError, match="from 0 to 1"):
        mutated(x, 1.5)
