"""The quiz: what the page shows and hides, and what is counted of people's answers."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from scipy.stats import binomtest

import triptych as tp
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.noise import mix
from triptych.reports.answers import score
from triptych.reports.quiz import Pairs, key_path, pairs_of, write_quiz


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")


@pytest.fixture(scope="module")
def models(digits):
    event = digits[0].event
    sizes = {"latent": 2, "hidden": 8}
    return {
        "runs/a": tp.build("gan", event, **sizes, generator="mlp", critic="mlp"),
        "runs/b": tp.build("vae", event, **sizes, encoder="mlp", decoder="mlp", classes=10),
    }


@pytest.fixture(scope="module")
def made(digits, models, tmp_path_factory):
    """Return a quiz of 11 pairs a model: what was chosen, the page and the key."""
    pairs, before = pairs_of(models, *digits, 11, seed=3)
    page = tmp_path_factory.mktemp("quiz") / "quiz.html"
    return pairs, page, write_quiz(page, pairs, before, seed=3)


def quiz_in(page):
    return json.loads(re.search(r"const quiz = (\{.*\});", page.read_text())[1])


def pixels(source):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def test_the_page_shows_held_out_examples_and_the_first_samples_in_the_keys_order(made, digits, models):
    pairs, page, key = made
    quiz, told = quiz_in(page), json.loads(key.read_text())
    assert quiz["quiz"] == told["quiz"] and {pair for pair, *_ in quiz["pairs"]} == set(told["pairs"])
    sides = {pair: {left, right} for pair, left, right in quiz["pairs"]}
    test = {(x.float() * 255 / 16).round().numpy().astype("uint8").tobytes() for x in digits[1].data[:, 0]}
    real = [pixels(quiz["pictures"][one["real"]]).tobytes() for one in told["pairs"].values()]
    assert set(real) <= test and len(set(real)) == 22  # an example that is seen twice is known to be real
    for k, (run, model) in enumerate(models.items()):
        labels = pairs[run].real.labels if model.conditional else None
        drawn = model.sample(11, label=labels, seed=mix(3, 112, k))
        expected = {(x.float() * 255 / 16).round().numpy().astype("uint8").tobytes() for x in drawn.data[:, 0]}
        of = {name: one for name, one in told["pairs"].items() if one["run"] == run}
        assert {pixels(quiz["pictures"][one["made"]]).tobytes() for one in of.values()} == expected
        assert all(sides[name] == {one["real"], one["made"]} for name, one in of.items())
        lefts = [one["real"] == left for pair, left, _ in quiz["pairs"] for one in [of.get(pair)] if one]
        assert sum(lefts) in (5, 6)


def test_a_conditional_model_draws_the_real_examples_labels(made):
    pairs = made[0]["runs/b"]
    assert torch.equal(pairs.real.labels, pairs.made.labels)


def test_the_page_tells_nothing_and_asks_nobody(made):
    _, page, key = made
    text = page.read_text()
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", text)
    assert "default-src 'none'" in text and 'src="data:' in text
    words = re.sub(r'"data:[^"]*"', "", text)  # a picture's letters may spell anything
    assert "base64" in text and "base64" not in words
    assert not any(word in words for word in ("runs/", "GAN", "VAE", str(key.name)))
    sources = list(quiz_in(page)["pictures"].values())
    assert len({len(source) for source in sources}) == 1  # bytes that were compressed would tell noise from a digit
    order = [one["run"] for one in json.loads(key.read_text())["pairs"].values()]
    assert order != sorted(order)


def test_a_seed_gives_its_quiz(made, digits, models, tmp_path):
    _, page, key = made
    for seed, same in ((3, True), (4, False)):
        again = tmp_path / f"{seed}.html"
        beside = write_quiz(again, *pairs_of(models, *digits, 11, seed=seed), seed=seed)
        assert (again.read_bytes() == page.read_bytes()) is same
        assert (beside.read_bytes() == key.read_bytes()) is same
    assert key_path(page) == key


def test_large_images_in_colour_are_averaged_down(tmp_path):
    event = tp.Event((3, 150, 100), 256)
    x = torch.randint(256, (4, *event.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    examples = tp.Examples(x, event)
    page = tmp_path / "quiz.html"
    write_quiz(page, {"a": Pairs(examples, examples)}, examples, exposure=250)
    shapes = {pixels(source).shape for source in quiz_in(page)["pictures"].values()}
    assert shapes == {(128, 85, 3)} and "const size = [85, 128]" in page.read_text()
    assert "seen for 0.25 s" in page.read_text()


def test_points_in_the_plane_are_shown_as_clouds():
    train, test = tp.data.load("ring")
    model = tp.build("gan", train.event, hidden=8)
    pairs, before = pairs_of({"gan": model}, train, test, 3, seed=0)
    for cloud in (pairs["gan"].real, before):
        for picture in cloud.data[:3, 0].numpy():
            dark = ndimage.binary_dilation(picture < 128, iterations=4)
            assert ndimage.label(dark)[1] == 8  # the ring's modes
    again, _ = pairs_of({"gan": model}, train, test, 3, seed=0)
    assert torch.equal(again["gan"].made.data, pairs["gan"].made.data)
    assert int((pairs["gan"].made.data == 0).sum()) > 0


def test_a_cloud_is_drawn_where_its_points_are():
    """Corners of a square: up is up, and what lies outside is on the edge."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, 1.0]]).repeat(200, 1)
    data = tp.Examples(corners, tp.Event((2,)))
    pairs, _ = pairs_of({"gan": tp.build("gan", data.event, hidden=8)}, data, data, 1, seed=0)
    rows, columns = np.nonzero(pairs["gan"].real.data[0, 0].numpy() == 0)
    assert set(zip(rows // 80, columns // 80, strict=True)) == {(1, 0), (0, 1)}


def test_what_no_quiz_can_be_made_of_is_refused(digits, models, tmp_path):
    train, test = digits
    with pytest.raises(DataError, match=r"500 are needed and 449 are there; ask for fewer pairs \(-n\)"):
        pairs_of(models, train, test, 250, seed=0)
    solid = tp.Examples(torch.randn(900, 3), tp.Event((3,)))
    with pytest.raises(DataError, match="points in the plane: the data is a vector of 3"):
        pairs_of({"gan": tp.build("gan", solid.event, hidden=8)}, solid, solid, 5, seed=0)
    flat = tp.Examples(torch.randn(300, 2), tp.Event((2,)))
    gan = tp.build("gan", flat.event, hidden=8)
    with pytest.raises(DataError, match="400 are needed and 300 are there"):
        pairs_of({"gan": gan}, flat, flat, 5, seed=0)
    with torch.no_grad():
        for parameter in gan.parameters():
            parameter.fill_(torch.nan)
    many = tp.Examples(torch.randn(900, 2), tp.Event((2,)))
    with pytest.raises(DataError, match="not finite numbers: its training diverged"):
        pairs_of({"gan": gan}, many, many, 5, seed=0)
    with pytest.raises(UnsupportedQuery, match="does not answer sample"):
        pairs_of({"a": tp.build("autoencoder", train.event, hidden=8)}, train, test, 5, seed=0)
    with pytest.raises(ConfigurationError, match="exposure of 0 ms"):
        write_quiz(tmp_path / "quiz.html", *pairs_of(models, train, test, 2, seed=0), exposure=0)
    assert not list(tmp_path.iterdir())


def answered(key, path, person, choose, n=None):
    """Write a person's answers, each chosen by `choose(pair of the key)`."""
    told = json.loads(key.read_text())
    answers = [{"pair": pair, "chosen": one[choose(one)], "milliseconds": 900} for pair, one in told["pairs"].items()]
    path.write_text(json.dumps({"quiz": told["quiz"], "person": person, "answers": answers[:n]}))
    return path


def test_the_fooling_rate_is_counted_for_each_model(made, tmp_path):
    key = made[2]
    file = answered(key, tmp_path / "a.json", "p", lambda one: "made" if one["run"] == "runs/b" else "real")
    found = score(key, [file])
    assert {run: rate.figure.value for run, rate in found.rates.items()} == {"runs/a": 0.0, "runs/b": 100.0}
    assert found.people == 1 and not found.unfinished
    rate = found.rates["runs/a"]
    assert (rate.answers, rate.pairs, rate.figure.protocol) == (11, 11, "2afc-11")
    assert rate.high == pytest.approx(100 * binomtest(0, 11).proportion_ci(0.95, "exact").high)
    other = answered(key, tmp_path / "b.json", "q", lambda one: "real", n=20)
    found = score(key, [file, other])
    assert found.people == 2 and found.unfinished == (f"{other}: 20 of 22 pairs are answered, and these are counted",)
    assert sum(rate.answers for rate in found.rates.values()) == 42
    assert found.rates["runs/b"].figure.value == pytest.approx(100 * 11 / found.rates["runs/b"].answers)


def test_the_protocol_says_how_long_a_pair_was_seen(made, tmp_path):
    pairs, page, _ = made
    key = write_quiz(tmp_path / "quiz.html", pairs, pairs["runs/a"].real, exposure=500)
    found = score(key, [answered(key, tmp_path / "a.json", "p", lambda one: "made")])
    assert found.rates["runs/a"].figure.protocol == "2afc-11@500ms"


CHANGES = {
    "answers another quiz": lambda told: told.update(quiz="0" * 16),
    "which is no pair of the quiz": lambda told: told["answers"][0].update(pair="0"),
    "None, which is no pair of the quiz": lambda told: told["answers"].append("left"),
    "is no picture of pair": lambda told: told["answers"][0].update(chosen=told["answers"][1]["chosen"]),
    "twice": lambda told: told["answers"].append(told["answers"][0]),
    "holds no answers": lambda told: told.update(answers=[]),
    "is not the answers that the page of a quiz stores": lambda told: told.pop("person"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_answers_that_were_changed_are_told(made, tmp_path, said):
    file = answered(made[2], tmp_path / "a.json", "p", lambda one: "real")
    told = json.loads(file.read_text())
    CHANGES[said](told)
    file.write_text(json.dumps(told))
    with pytest.raises(DataError, match=said):
        score(made[2], [file])


def test_files_that_are_no_answers_are_told(made, tmp_path):
    key = made[2]
    file = answered(key, tmp_path / "a.json", "p", lambda one: "real")
    with pytest.raises(DataError, match="are of one person"):
        score(key, [file, file])
    with pytest.raises(DataError, match="is not the key of a quiz"):
        score(file, [file])
    for pairs in ({}, {"a": {"run": "b"}}, {"a": 3}):
        (tmp_path / "key.json").write_text(json.dumps({"quiz": "0", "pairs": pairs}))
        with pytest.raises(DataError, match="is not the key of a quiz"):
            score(tmp_path / "key.json", [file])
    with pytest.raises(DataError, match="cannot be read"):
        score(key, [tmp_path / "nowhere.json"])
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="is not the answers"):
        score(key, [file])
