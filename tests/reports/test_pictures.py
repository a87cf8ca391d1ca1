"""Pictures: every pixel where it belongs, the same bytes for the same examples."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.data import Examples
from triptych.errors import DataError
from triptych.event import Event
from triptych.pictures import grid, pairs, picture, save_grid, save_images


def images(n: int, *shape: int, levels: int = 256) -> Examples:
    generator = torch.Generator().manual_seed(0)
    data = torch.randint(levels, (n, *shape), generator=generator).to(torch.uint8)
    return Examples(data, Event(shape, levels))


def test_a_grid_holds_every_pixel() -> None:
    examples = images(5, 1, 8, 8, levels=17)
    drawn = np.asarray(grid(examples, columns=3, padding=2, scale=4))
    assert drawn.shape == (2 * 32 + 2, 3 * 32 + 2 * 2, 2)
    fourth = drawn[34:66:4, 0:32:4, 0]  # second row, first column
    assert (fourth == np.round(examples.data[3, 0].numpy() * (255 / 16))).all()
    assert (drawn[34:66, 0:4, 0] == np.repeat(fourth[:, :1], 4, 0)).all()  # pixels stay squares
    assert (drawn[:32, 32:34, 1] == 0).all() and (drawn[34:, 68:, 1] == 0).all()  # gaps are transparent


def test_two_levels_are_black_and_white() -> None:
    drawn = np.asarray(grid(images(1, 1, 8, 8, levels=2), scale=1))
    assert set(np.unique(drawn[..., 0])) == {0, 255}


def test_colours_stay_colours() -> None:
    examples = images(1, 3, 64, 64)
    drawn = np.asarray(grid(examples))
    assert drawn.shape == (64, 64, 4)
    assert (drawn[..., :3] == examples.data[0].permute(1, 2, 0).numpy()).all()


def test_other_channels_are_planes_side_by_side() -> None:
    examples = images(1, 2, 8, 10)
    drawn = np.asarray(grid(examples, scale=1))
    assert drawn.shape == (8, 20, 2)
    assert (drawn[:, 10:, 0] == examples.data[0, 1].numpy()).all()


def test_small_images_are_enlarged_and_large_ones_reduced() -> None:
    assert grid(images(1, 1, 8, 8)).size == (40, 40)
    assert grid(images(1, 1, 128, 64), largest=32).size == (16 * 2, 32 * 2)


def test_pairs_put_one_above_the_other() -> None:
    upper, lower = images(3, 1, 40, 40), images(4, 1, 40, 40)[1:]
    drawn = np.asarray(pairs(upper, lower, padding=6))
    assert drawn.shape == (81, 3 * 46 - 6, 2)
    assert (drawn[:40, 46:86, 0] == upper.data[1, 0].numpy()).all()
    assert (drawn[41:, 46:86, 0] == lower.data[1, 0].numpy()).all()
    with pytest.raises(DataError, match="3 and 2"):
        pairs(upper, lower[:2])


@pytest.mark.parametrize("dims", [1, 2, 6])
def test_vectors_have_pictures(dims: int, tmp_path: Path) -> None:
    x = Examples(torch.randn(50, dims, generator=torch.Generator().manual_seed(0)), Event((dims,)))
    real = Examples(x.data * 2, x.event)
    first, second = picture(x, real), picture(x, real)
    assert first == second != picture(x)
    assert Image.open(io.BytesIO(first)).width > 100
    lost = Examples(torch.full((5, dims), torch.nan), x.event)
    assert picture(lost, real) and picture(lost)
    with pytest.raises(DataError, match="grid shows images"):
        grid(x)


def test_saved_files_are_the_same_bytes(tmp_path: Path) -> None:
    examples = images(9, 3, 8, 8)
    save_grid(examples, tmp_path / "deep" / "a.png")
    save_grid(examples, tmp_path / "b.png")
    assert (tmp_path / "deep" / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert Image.open(tmp_path / "b.png").size == (3 * 40 + 4, 3 * 40 + 4)


def test_single_files_hold_the_levels(tmp_path: Path) -> None:
    for examples in (images(3, 1, 8, 9, levels=17), images(3, 3, 8, 9)):
        save_images(examples, tmp_path / "out")
        read = np.asarray(Image.open(tmp_path / "out" / "00002.png"))
        truth = examples.data[2].permute(1, 2, 0).squeeze(-1).numpy()
        assert (read == np.round(truth * (255 / (int(examples.event.levels or 0) - 1)))).all()
