"""What is derived from codes, on decoders whose every answer is known."""

import csv
import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

import triptych as tp
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.models.base import Player
from triptych.models.questions import Decoder, Reconstructor
from triptych.noise import Noise
from triptych.queries import (
    Spread,
    attribute_vector,
    code_path,
    importance,
    interpolate,
    manifold,
    save_codes,
    shift,
    spread_of,
    traverse,
)
from triptych.queries.arithmetic import Expression, parse


class Linear(Reconstructor):
    """x = W z + b + label, and back."""

    def __init__(self, event: tp.Event, weight: torch.Tensor, offset: float = 0.0, classes: int = 0) -> None:
        super().__init__(event, classes)
        self.latent = weight.shape[1]
        self.weight = nn.Parameter(weight)
        self.offset = offset

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _labelled(self, label):
        return 0 if label is None else 100 * label.float().unsqueeze(1)

    def _encode(self, x, label):
        return (x - self.offset - self._labelled(label)) @ torch.linalg.pinv(self.weight).T

    def _decode(self, z, label):
        return z @ self.weight.T + self.offset + self._labelled(label)


def linear(*rows, **options):
    weight = torch.tensor(rows)
    return Linear(tp.Event((len(rows),)), weight, **options)


def vectors(*rows, labels=None):
    x = torch.tensor(rows)
    return tp.Examples(x, tp.Event((x.shape[1],)), None if labels is None else torch.tensor(labels))


IDENTITY = linear([1.0, 0.0], [0.0, 1.0], offset=5.0)


def test_a_linear_walk_has_equal_steps_and_a_spherical_one_equal_angles():
    a, b = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[0.0, 1.0], [-2.0, 0.0]])
    straight, round_ = code_path(a, b, 5), code_path(a, b, 5, "spherical")
    assert torch.equal(straight[:, [0, -1]], torch.stack([a, b], 1))
    assert torch.equal(round_[:, [0, -1]], torch.stack([a, b], 1))
    assert torch.allclose(straight.diff(dim=1), ((b - a) / 4).unsqueeze(1).expand(2, 4, 2))
    assert torch.allclose(round_.norm(dim=2), torch.tensor([[1.0], [2.0]]).expand(2, 5))
    angles = torch.atan2(round_[..., 1], round_[..., 0]).diff(dim=1)
    assert torch.allclose(angles, torch.full((2, 4), torch.pi / 8), atol=1e-6)


def test_where_codes_align_the_spherical_walk_is_the_chord():
    a, b = torch.tensor([[1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]), torch.tensor([[2.0, 2.0], [-1.0, 0.0], [1.0, 0.0]])
    walk = code_path(a, b, 3, "spherical")
    assert torch.equal(walk[:2], code_path(a, b, 3)[:2])  # parallel, antiparallel
    assert torch.isfinite(walk).all()


def test_walks_of_examples_and_of_codes_agree_and_decode_what_they_walk():
    start, end = vectors([5.0, 6.0], [0.0, 0.0]), vectors([7.0, 8.0], [1.0, 1.0])
    walks = interpolate(IDENTITY, start, end, 3)
    assert torch.allclose(walks.examples.data.view(2, 3, 2), walks.codes + 5)
    assert torch.allclose(walks.examples.data[1], torch.tensor([6.0, 7.0]))
    again = interpolate(IDENTITY, start.data - 5, end.data - 5, 3)
    assert torch.allclose(again.examples.data, walks.examples.data)
    with pytest.raises(ConfigurationError, match="at least the 2 ends"):
        interpolate(IDENTITY, start, end, 1)
    with pytest.raises(DataError, match="2 starts and 1 ends"):
        interpolate(IDENTITY, start, end[:1])


def test_a_step_has_the_label_of_the_nearer_end():
    model = linear([1.0, 0.0], [0.0, 1.0], classes=4)
    start, end = vectors([100.0, 101.0], labels=[1]), vectors([304.0, 301.0], labels=[3])
    walk = interpolate(model, start, end, 5)
    assert walk.examples.labels.tolist() == [1, 1, 1, 3, 3]
    assert torch.allclose(walk.examples.data[[0, -1]], torch.cat([start.data, end.data]), atol=1e-4)
    assert interpolate(model, start, end, 4, label=2).examples.labels.tolist() == [2] * 4
    with pytest.raises(DataError, match="needs the label"):
        interpolate(model, vectors([1.0, 1.0]), end)


class Squares(Decoder):
    """x = (3 z₀ + z₂, z₂), whatever z₁ is."""

    latent = 3

    def __init__(self) -> None:
        super().__init__(tp.Event((2,)))
        self.unused = nn.Parameter(torch.zeros(1))

    @property
    def players(self) -> tuple[Player, ...]:
        return ()

    def _decode(self, z, label):
        return torch.stack([3 * z[:, 0] + z[:, 2], z[:, 2]], 1)


def test_importance_is_the_mean_squared_change():
    codes = Noise.of(1).normal((20_000, 3))
    found = importance(Squares(), codes)
    # E (z - z')² = 2; over two dimensions: (9, 0, 1 + 1) · 2 / 2
    assert found[1] == 0
    assert torch.allclose(found, torch.tensor([9.0, 0.0, 2.0], dtype=torch.float64), rtol=0.04)
    assert torch.equal(found, importance(Squares(), codes)) and not torch.equal(
        found, importance(Squares(), codes, seed=1)
    )
    two = torch.tensor([[0.0, 0.0, 0.0], [2.0, 5.0, 1.0]])
    assert importance(Squares(), two).tolist() == pytest.approx([18, 0, 1]), "each of two is the other's other"
    with pytest.raises(DataError, match="expected 2 or more"):
        importance(Squares(), two[:1])


def test_a_traversal_moves_one_coordinate_and_passes_through_the_code():
    centre = torch.tensor([0.5, 7.0, -1.0])
    spread = Spread(torch.tensor([0.5, 0.0, 3.0]), torch.tensor([2.0, 1.0, 0.5]))
    walks = traverse(Squares(), centre, [2, 0], steps=5, extent=2, spread=spread)
    assert torch.allclose(walks.codes[0, :, 2], torch.tensor([2.0, 2.5, 3.0, 3.5, 4.0]))
    assert torch.allclose(walks.codes[1, :, 0], torch.tensor([-3.5, -1.5, 0.5, 2.5, 4.5]))
    assert torch.equal(walks.codes[0, :, :2], centre[:2].expand(5, 2)), "the others stay"
    rows = walks.examples.data.view(2, 5, 2)
    assert torch.equal(rows[1, 2], Squares().decode(centre[None]).data[0]), "at its own value it is the code's example"
    for coordinates, said in (([3], "no coordinate 3"), ([-1], "no coordinate -1"), ([1, 1], "twice")):
        with pytest.raises(ConfigurationError, match=said):
            traverse(Squares(), centre, coordinates)
    for extent in (0, -1, math.inf, math.nan):
        with pytest.raises(ConfigurationError, match="above 0"):
            traverse(Squares(), centre, [0], extent=extent)


def test_a_manifold_is_a_square_of_normal_quantiles():
    side = 7
    quantiles = torch.tensor(stats.norm.ppf((np.arange(side) + 0.5) / side), dtype=torch.float32)
    walks = manifold(Squares(), (2, 0), side)
    assert torch.allclose(walks.codes[3, :, 2], quantiles), "the first coordinate goes across"
    assert torch.allclose(walks.codes[:, 4, 0], quantiles.flip(0)), "the second goes up"
    assert (walks.codes[..., 1] == 0).all()
    spread = Spread(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 1.0, 0.1]))
    codes = manifold(Squares(), (0, 2), side, spread).codes
    assert torch.allclose(codes[-1, 0], torch.tensor([1 + 10 * quantiles[0], 2.0, 3 + 0.1 * quantiles[0]]))
    for coordinates in ((0,), (0, 0), (0, 3)):
        with pytest.raises(ConfigurationError):
            manifold(Squares(), coordinates)
    with pytest.raises(ConfigurationError, match="side=0"):
        manifold(Squares(), side=0)


def test_standard_normal_codes_are_told_from_others():
    for seed in range(20):
        found = spread_of(Noise.of(seed).normal((500, 30)))
        assert torch.equal(found.mean, torch.zeros(30)) and torch.equal(found.scale, torch.ones(30))
    draws = Noise.of(0).normal((4096, 3))
    moved = spread_of(draws + torch.tensor([0.0, 0.2, 0.0]))
    assert 0.1 < moved.mean[1] < 0.3
    narrow = spread_of(draws * torch.tensor([1.0, 1.0, 0.8]))
    assert torch.allclose(narrow.scale, (draws * torch.tensor([1.0, 1.0, 0.8])).std(0))
    level = (draws - draws.mean(0)) / draws.std(0)
    for factor, told in [(1 + 4.5 / 8192**0.5, False), (1 + 5.5 / 8192**0.5, True)]:
        assert torch.equal(spread_of(level * factor).scale, torch.ones(3)) != told
    with pytest.raises(DataError, match="not finite"):
        spread_of(torch.full((3, 2), torch.nan))


def test_arithmetic_on_a_linear_model_is_that_of_examples():
    weight = [2.0, 0.0], [1.0, 1.0], [0.0, -1.0]
    model = linear(*weight, offset=1.0)
    on_plane = lambda *codes: tp.Examples(torch.tensor(codes) @ torch.tensor(weight).T + 1, model.event)  # noqa: E731
    plus, minus, base = on_plane([1.0, 3.0], [3.0, 5.0]), on_plane([0.0, 1.0]), on_plane([4.0, 4.0], [0.0, 0.0])
    vector = attribute_vector(model, plus, minus)
    assert torch.allclose(vector, torch.tensor([2.0, 3.0]), atol=1e-5)
    walks = shift(model, base, vector, (0, 1, -2))
    rows = walks.examples.data.view(2, 3, 3)
    difference = plus.data.mean(0) - minus.data.mean(0)
    for row, x in zip(rows, base.data, strict=True):
        assert torch.allclose(row, torch.stack([x, x + difference, x - 2 * difference]), atol=1e-4)
    with pytest.raises(DataError, match="2 and 0 examples"):
        attribute_vector(model, plus, minus[:0])
    with pytest.raises(DataError, match=r"this model's codes are \(2,\)"):
        shift(model, base, torch.ones(3))
    with pytest.raises(DataError, match="finite"):
        shift(model, base, vector, (0, math.nan))
    with pytest.raises(UnsupportedQuery, match="does not answer encode"):
        attribute_vector(Squares(), plus, minus)


def test_labels_stay_with_the_examples_that_are_changed():
    model = linear([1.0, 0.0], [0.0, 1.0], classes=4)
    base = vectors([101.0, 102.0], [303.0, 304.0], labels=[1, 3])
    walks = shift(model, base, torch.tensor([1.0, 0.0]), (0, 1))
    assert walks.examples.labels.tolist() == [1, 1, 3, 3]
    expected = torch.tensor([[101.0, 102.0], [102.0, 102.0], [303.0, 304.0], [304.0, 304.0]])
    assert torch.allclose(walks.examples.data, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3 - 5 + image", Expression("image", ("3",), ("5",))),
        ("image + 3 - 5", Expression("image", ("3",), ("5",))),
        ("3 − 5 + 8", Expression("8", ("3",), ("5",))),
        ("3 - 5 + 3", Expression("3", ("3",), ("5",))),
        ("t-shirt - A+ + ankle boot", Expression("ankle boot", ("t-shirt",), ("A+",))),
        ("1 - 2 + 3 - 4 + image", Expression("image", ("1", "3"), ("2", "4"))),
    ],
)
def test_an_expression_is_read(written, read):
    assert parse(written) == read


@pytest.mark.parametrize("wrong", ["", "3", "3 - 5", "3 + 5", "3-5+image", "3 - + 5", "3 - image + 5", "a - b + c + d"])
def test_what_is_no_sum_of_that_form_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=r"expected A - B \+ C"):
        parse(wrong)


@pytest.mark.parametrize("suffix", [".npz", ".csv", ".parquet"])
@pytest.mark.parametrize("kind", ["classes", "vectors", "none"])
def test_codes_come_back_from_every_file(tmp_path, suffix, kind):
    codes = Noise.of(3).normal((5, 3)) * 1e4
    labels = {"classes": torch.arange(5), "vectors": torch.rand(5, 2), "none": None}[kind]
    sources = None if kind == "none" else ["train"] * 3 + ["a,b.png"] * 2
    file = tmp_path / "deep" / f"codes{suffix}"
    save_codes(file, codes, labels, sources)
    if suffix == ".npz":
        found = np.load(file)  # no pickle
        assert set(found) == {"codes"} | ({"labels", "source"} if sources else set())
        assert (found["codes"] == codes.numpy()).all()
        if sources:
            assert (found["labels"] == labels.numpy()).all() and found["source"].tolist() == sources
        return
    if suffix == ".csv":
        with file.open(newline="") as lines:
            names, *rows = csv.reader(lines)
        columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    else:
        columns = pytest.importorskip("pyarrow.parquet").read_table(file).to_pydict()
    named = {"classes": ["label", "source"], "vectors": ["label0", "label1", "source"], "none": []}[kind]
    assert list(columns) == ["z0", "z1", "z2", *named]
    read = np.array([columns[f"z{j}"] for j in range(3)], dtype=np.float32).T
    assert (read == codes.numpy()).all(), "to the last bit"
    if kind == "classes":
        assert [int(label) for label in columns["label"]] == labels.tolist()
    if sources:
        assert list(columns["source"]) == sources


def test_codes_need_one_label_each_and_a_known_file(tmp_path):
    with pytest.raises(DataError, match="2 codes were given 3 labels"):
        save_codes(tmp_path / "x.npz", torch.zeros(2, 1), torch.zeros(3))
    with pytest.raises(ConfigurationError, match=r"expected one of \.npz, \.csv, \.parquet"):
        save_codes(tmp_path / "x.txt", torch.zeros(2, 1))


def test_parquet_without_pyarrow_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ConfigurationError, match="needs pyarrow: pip install pyarrow"):
        save_codes(tmp_path / "x.parquet", torch.zeros(2, 1))


def test_expected_images_are_decoded_in_the_levels_that_are_asked_for():
    """An expectation of 0.3 of white is black in 2 levels, and 0.3 · 255 = 76.5 rounded in 256."""
    model = tp.VAE(tp.Event((1, 2, 2), 2), latent=2, encoder="mlp", decoder="mlp")
    logit = torch.log(torch.tensor(0.302 / 0.698))
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.zero_()
        model.decoder.layers[-1].bias.fill_(logit)
    z = torch.zeros(3, 2)
    assert model.decode(z).data.unique().tolist() == [0] and model.decode(z).event.levels == 2
    assert model.decode(z, levels=256).data.unique().tolist() == [77]
    assert model.decode(z, levels=256).event.levels == 256
    vectors = tp.VAE(tp.Event((3,)), latent=2)
    with pytest.raises(tp.UserError):
        vectors.decode(z, levels=256)
