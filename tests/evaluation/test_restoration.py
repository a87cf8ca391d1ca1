"""Reconstruction error, signal-to-noise ratio and the median filter, by hand and by SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import median_filter

from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.restoration import median_filtered, psnr
from triptych.event import Event
from triptych.queries import squared_errors


def images(n, shape=(3, 9, 7), levels=17, seed=0):
    generator = torch.Generator().manual_seed(seed)
    data = torch.randint(levels, (n, *shape), generator=generator, dtype=torch.uint8)
    return Examples(data, Event(shape, levels))


def test_squared_error_is_in_units_of_the_highest_level():
    x, y = images(300), images(300, seed=1)
    by_hand = (((x.data.numpy() / 16.0) - (y.data.numpy() / 16.0)) ** 2).reshape(300, -1).mean(1)
    assert squared_errors(x, y).numpy() == pytest.approx(by_hand, rel=1e-12)
    assert squared_errors(x[:0], y[:0]).shape == (0,)


def test_squared_error_of_vectors_is_in_units_of_their_spread():
    event = Event((2,), centre=(5.0, 0.0), spread=(10.0, 0.5))
    x, y = Examples(torch.tensor([[5.0, 1.0]]), event), Examples(torch.tensor([[25.0, 0.0]]), event)
    assert squared_errors(x, y).tolist() == pytest.approx([(2.0**2 + 2.0**2) / 2])


def test_what_is_not_alike_is_not_compared():
    with pytest.raises(DataError, match="3 examples .* and 2 .* cannot be compared"):
        squared_errors(images(3), images(2))
    with pytest.raises(DataError, match="3×9×7.*3×9×8.*one shape"):
        squared_errors(images(2), images(2, shape=(3, 9, 8)))


def test_images_of_other_levels_are_compared_by_their_shades():
    event = Event((1, 1, 3), 2)
    x = Examples(torch.tensor([[[[0, 1, 1]]]], dtype=torch.uint8), event)
    y = Examples(torch.tensor([[[[51, 255, 204]]]], dtype=torch.uint8), event.graded(256))
    assert squared_errors(x, y).tolist() == pytest.approx([(0.2**2 + 0.2**2) / 3])


def test_psnr_by_hand():
    found = psnr(torch.tensor([0.01, 0.03]))
    assert found.value == pytest.approx(-10 * math.log10(0.02)) and found.unit == "dB"
    error = math.sqrt(((0.01 - 0.02) ** 2 + (0.03 - 0.02) ** 2) / 1) / math.sqrt(2)
    assert found.error == pytest.approx(10 * error / 0.02 / math.log(10))
    assert psnr(torch.tensor([0.1])).error is None
    exact = psnr(torch.zeros(3))
    assert exact.value is None and "infinite" in exact.note
    with pytest.raises(DataError, match="at least 1"):
        psnr(torch.tensor([]))


def test_the_error_of_psnr_is_that_of_repeats():
    errors = torch.rand(400, 500, generator=torch.Generator().manual_seed(0)) ** 2
    repeats = [psnr(row) for row in errors]
    spread = np.std([one.value for one in repeats], ddof=1)
    assert np.mean([one.error for one in repeats]) == pytest.approx(spread, rel=0.12)  # 0.04 is its own error


@pytest.mark.parametrize("size", [3, 5])
def test_the_median_filter_is_scipys(size):
    x = images(300, levels=256)
    expected = median_filter(x.data.numpy(), (1, 1, size, size), mode="nearest")
    assert (median_filtered(x, size).data.numpy() == expected).all()


def test_the_median_filter_refuses_vectors_and_even_squares():
    with pytest.raises(DataError, match="vector of 2"):
        median_filtered(Examples(torch.zeros(1, 2), Event((2,))))
    with pytest.raises(ConfigurationError, match="size=4: expected an odd number"):
        median_filtered(images(1), 4)
