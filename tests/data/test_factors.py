"""The images of known factors: each is told by its factors, and moves, grows and turns as they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.program import refused, well
from triptych.data import describe, load
from triptych.data.factors import FACTORS, RADII, factors
from triptych.errors import ConfigurationError
from triptych.event import Event


@pytest.fixture(scope="module")
def drawn() -> Tensor:
    """All images by their factors, `(shape, scale, rotation, x, y, H, W)`."""
    return factors().data.view(*FACTORS.values(), 32, 32)


def test_every_combination_is_there_once_and_no_two_images_are_the_same() -> None:
    source = factors()
    assert source.labels is not None and source.classes == ("shape", "scale", "rotation", "x", "y")
    assert len(source.data) == len(source.labels.unique(dim=0)) == 3 * 4 * 12 * 8 * 8
    assert len(source.data.flatten(1).unique(dim=0)) == len(source.data)
    assert source.labels.amax(0).tolist() == [2, 3, 11, 7, 7] and source.labels.amin(0).tolist() == [0] * 5
    assert source.data.unique().tolist() == [0, 1]


def test_places_move_a_shape_by_whole_pixels_and_never_cut_it(drawn: Tensor) -> None:
    size = drawn.sum((-1, -2))
    assert torch.equal(size, size[..., :1, :1].expand_as(size))
    assert torch.equal(drawn[:, :, :, 1:, :, :, 2:], drawn[:, :, :, :-1, :, :, :-2]), "x is to the right"
    assert torch.equal(drawn[:, :, :, :, 1:, 2:, :], drawn[:, :, :, :, :-1, :-2, :]), "y is downwards"


def test_areas_grow_as_the_square_of_the_scale(drawn: Tensor) -> None:
    area = drawn[:, :, :, 0, 0].sum((-1, -2)).double().mean(2)
    relative = area / torch.tensor(RADII, dtype=torch.float64) ** 2
    assert (relative / relative.mean(1, keepdim=True) - 1).abs().max() < 0.07  # of some tens of pixels
    true = {"dome": 0.78 * (torch.pi / 2), "angle": 0.42 * 1.48 + 0.84 * 0.43}  # a half disc; two bars
    for shape, expected in zip((1, 2), true.values(), strict=True):
        assert relative[shape].mean().item() == pytest.approx(expected, rel=0.03)


def test_three_steps_of_rotation_are_a_quarter_turn_counter_clockwise(drawn: Tensor) -> None:
    left, right = drawn[..., 3, 3, :, :], drawn[..., 4, 4, :, :]  # neither place is in the very middle
    middle = torch.nn.functional.pad(left, (2, 0, 2, 0))[..., 1:-1, 1:-1]
    assert torch.equal(middle, torch.nn.functional.pad(right, (0, 2, 0, 2))[..., 1:-1, 1:-1])
    turned = torch.rot90(middle, 1, (-2, -1))
    assert torch.equal(turned, middle.roll(-3, 2))


def test_a_spec_names_them_and_splits_them_at_random() -> None:
    train, test = load("factors")
    assert (len(train), len(test)) == (6912, 2304) and train.event == Event((1, 32, 32), 2)
    assert train.labels is not None and train.labels.shape == (6912, 5) and train.labels.dtype == torch.float32
    assert describe(train) == "6,912 examples, 1×32×32 image, 2 levels, 5 factors"
    assert test.labels is not None and not torch.equal(load("factors", seed=1)[1].labels, test.labels)
    for k, count in enumerate(FACTORS.values()):
        share = test.labels[:, k].long().bincount(minlength=count) / (len(test) / count)
        assert (share - 1).abs().max() < 0.25
    with pytest.raises(ConfigurationError, match="toys only"):
        load("factors", count=100)


def test_the_command_line_trains_on_them(tmp_path) -> None:  # type: ignore[no-untyped-def]
    run = tmp_path / "vae"
    options = ["--data", "factors", "--steps", 2, "--hidden", 8, "--latent", 3, "--quiet"]
    well("train", "vae", *options, "--out", run)
    conditional = refused("train", "vae", *options, "--classes", 3, "--out", tmp_path / "other")
    assert "labelled by vectors: leave classes out" in conditional
