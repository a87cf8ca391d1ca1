"""Walks as pictures and animations: every step where it belongs, the same bytes for the same examples."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from triptych.animations import walk_gif, walk_picture
from triptych.data import Examples
from triptych.errors import DataError
from triptych.event import Event


def images(n, *shape, levels=256):
    generator = torch.Generator().manual_seed(0)
    return Examples(torch.randint(levels, (n, *shape), generator=generator).to(torch.uint8), Event(shape, levels))


def frames(file):
    shown = Image.open(io.BytesIO(file))
    return shown, [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(shown)]


def test_a_row_of_the_picture_is_a_walk():
    examples = images(6, 1, 40, 40)
    drawn = np.asarray(Image.open(io.BytesIO(walk_picture(examples, rows=2))))
    assert drawn.shape[:2] == (82, 3 * 42 - 2)
    assert (drawn[42:, 84:, 0] == examples.data[5, 0].numpy()).all()


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_an_animation_goes_there_and_back_without_loss_of_grey(levels):
    examples = images(12, 1, 40, 40, levels=levels)
    file = walk_gif(examples, rows=3)
    shown, found = frames(file)
    assert file == walk_gif(examples, rows=3)
    assert len(found) == 2 * 4 - 2 and shown.info["loop"] == 0 and shown.info["duration"] == 100
    for frame, k in zip(found, [0, 1, 2, 3, 2, 1], strict=True):
        grey = np.round(examples.data[4 + k, 0].numpy() * (255 / (levels - 1)))
        assert (frame[:40, 42:] == grey[..., None]).all(), "the second walk is beside the first"
        assert (frame[:, 40:42] == 255).all() and (frame[42:, 42:] == 255).all(), "on white"


def test_two_steps_are_two_frames_and_colours_stay_near():
    flat = torch.zeros(2, 3, 40, 40, dtype=torch.uint8)
    flat[0, 0], flat[1, 2] = 200, 100
    _, found = frames(walk_gif(Examples(flat, Event((3, 40, 40), 256)), rows=1))
    assert len(found) == 2
    assert (found[0] == [200, 0, 0]).all() and (found[1] == [0, 0, 100]).all()


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_walks_of_vectors_are_lines(dims):
    walks = Examples(torch.arange(6.0 * dims).view(6, dims), Event((dims,)))
    drawn = walk_picture(walks, rows=2)
    assert drawn == walk_picture(walks, rows=2) != walk_picture(walks, rows=3)
    assert Image.open(io.BytesIO(drawn)).width > 100
    with pytest.raises(DataError, match="animation shows images"):
        walk_gif(walks, rows=2)


def test_walks_are_of_one_length():
    for rows in (0, 4, 7):
        with pytest.raises(DataError, match="of one length"):
            walk_picture(images(6, 1, 8, 8), rows)
