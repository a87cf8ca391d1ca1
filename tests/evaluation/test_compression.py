"""Rate-distortion curves: quantisers, principal components and JPEG files."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.decomposition import PCA

import triptych as tp
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.compression import (
    Point,
    Quantiser,
    best_within,
    entropy_coded,
    envelope,
    jpeg_curves,
    model_curve,
    pca_curve,
)
from triptych.event import Event
from triptych.queries import squared_errors


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")


def mixed(n=50, dims=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dims, generator=generator) * torch.arange(1.0, dims + 1)


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_within_the_range_no_code_is_off_by_more_than_half_a_cell(bits):
    known = mixed()
    coder = Quantiser.over(known, bits)
    cell = (known.amax(0) - known.amin(0)) / 2**bits
    off = (coder(known) - known).abs() / cell
    assert off.max() <= 0.5 + 1e-4 and off.max() > 0.45, "cells are as wide as they can be"
    indices = coder.indices(known)
    assert indices.min() == 0 and indices.max() == 2**bits - 1
    assert torch.equal(coder.indices(coder.values(indices)), indices), "what is written is read back"


def test_a_code_beyond_the_range_goes_to_the_nearest_cell_and_a_constant_one_comes_back():
    coder = Quantiser.over(torch.tensor([[0.0, 7.0], [4.0, 7.0]]), bits=2)
    assert coder(torch.tensor([[-9.0, 7.0], [99.0, 7.0]])).flatten().tolist() == pytest.approx([0.5, 7, 3.5, 7])


def test_a_quantiser_needs_bits_and_codes():
    with pytest.raises(ConfigurationError, match="0 bits"):
        Quantiser.over(mixed(), 0)
    with pytest.raises(DataError, match="at least 1"):
        Quantiser.over(mixed(0), 2)


def test_the_envelope_keeps_what_no_other_betters():
    generator = torch.Generator().manual_seed(0)
    sizes, errors = torch.randint(20, (60,), generator=generator).tolist(), torch.rand(60, generator=generator).tolist()
    points = [Point("", size, error) for size, error in zip(sizes, errors, strict=True)]

    def bettered(one):
        return any(
            other.size <= one.size and other.mse <= one.mse and (other.size, other.mse) != (one.size, one.mse)
            for other in points
        )

    assert envelope(points) == sorted((p for p in points if not bettered(p)), key=lambda p: p.size)
    for size in range(20):
        within = best_within(points, size)
        assert within in envelope(points) if within else min(sizes) > size


def test_a_larger_code_of_the_same_error_is_bettered():
    points = [Point("", 1.0, 0.5), Point("", 2.0, 0.5)]
    assert envelope(points) == points[:1]


def test_components_are_scikit_learns(digits):
    train, test = digits
    x, y = (part.event.scaled(part.data).flatten(1).double().numpy() for part in digits)
    fitted = PCA(9).fit(x)
    z, known = fitted.transform(y), fitted.transform(x)
    low, width = known.min(0), np.ptp(known, 0) / 2**5
    cells = np.clip(np.floor((z - low) / width), 0, 2**5 - 1)
    rebuilt = fitted.inverse_transform(low + (cells + 0.5) * width)
    shades = np.clip(np.round((rebuilt + 1) * 127.5), 0, 255)
    expected = (shades / 255 - test.data.flatten(1).numpy() / 16) ** 2
    (found,) = pca_curve(train, test, components=[9], bits=[5])
    assert found.size == 9 * 5 / 8 and found.mse == pytest.approx(expected.mean(), rel=1e-3)
    assert found.mse_error == pytest.approx(expected.mean(1).std(ddof=1) / len(test) ** 0.5, rel=1e-2)


def test_the_components_envelope_falls_and_ends_near_the_unquantised_error():
    train, test = tp.data.load("swiss-roll", count=400)
    curve = pca_curve(train, test)
    assert all(a.size < b.size and a.mse > b.mse for a, b in zip(curve, curve[1:], strict=False))
    assert curve[-1].setting == "2 × 8 bits" and curve[-1].mse < 1e-4 and curve[-1].psnr is None


def test_a_models_code_costs_its_bits_and_its_label(digits):
    train, test = digits
    plain, labelled = (tp.build("vae", train.event, latent=5, hidden=16, classes=classes) for classes in (0, 10))
    assert [p.size for p in model_curve(plain, train, test, bits=[1, 3, 8])] == pytest.approx([5 / 8, 15 / 8, 5])
    assert [p.size for p in model_curve(labelled, train, test, bits=[3])] == [pytest.approx((15 + np.log2(10)) / 8)]


def test_with_many_bits_the_code_is_the_models_own(digits):
    train, test = digits
    model = tp.build("linear-autoencoder", train.event, latent=6)
    (point,) = model_curve(model, test, test, bits=[20])
    unquantised = squared_errors(test, model.decode(model.encode(test), levels=256))
    assert point.mse == pytest.approx(float(unquantised.mean()), rel=1e-3)
    coarse, fine = model_curve(model, test, test, bits=[1, 8])
    assert coarse.size < fine.size and fine.psnr.unit == "dB"


def test_the_quantisers_range_is_that_of_training_codes(digits):
    """Over its own range a single example would come back as if it were not quantised."""
    train, test = digits[0], digits[1][:1]
    model = tp.build("linear-autoencoder", train.event, latent=6)
    coarse, fine = model_curve(model, train, test, bits=[1, 20])
    assert abs(coarse.mse - fine.mse) > 0.01 * fine.mse
    coarse, fine = pca_curve(train, test, components=[9], bits=[1, 20])
    assert coarse.mse > 1.1 * fine.mse


@pytest.mark.parametrize("colours", [1, 3])
def test_jpeg_is_what_pillow_writes(colours):
    event = Event((colours, 24, 40), 256)
    ramp = torch.arange(40).mul(5).expand(2, colours, 24, 40).clone()
    ramp[1] = ramp[0].flip(1, 2)
    x = Examples(ramp.to(torch.uint8), event)
    (whole,), (data,) = jpeg_curves(x, qualities=[75])
    sizes, errors = [], []
    for one in x.data:
        pixels = one.permute(1, 2, 0).squeeze(2).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=75)
        sizes.append(len(file.getvalue()))
        back = np.asarray(Image.open(io.BytesIO(file.getvalue())))
        errors.append(((back / 255.0 - pixels / 255.0) ** 2).mean())
    assert whole.size == np.mean(sizes) and whole.mse == pytest.approx(np.mean(errors)) and data.mse == whole.mse
    assert 20 < data.size < whole.size - 300, "headers are not counted"


def test_the_entropy_coded_data_of_one_grey_block():
    file = io.BytesIO()
    Image.new("L", (8, 8), 128).save(file, "JPEG")
    # A block of mid-grey is two codes of the standard tables: DC difference 0 (00) and end of block (1010), padded.
    assert entropy_coded(file.getvalue()) == 1
    assert file.getvalue()[-3:-2] == bytes([0b00101011])


def test_jpeg_refuses_what_is_no_picture():
    with pytest.raises(DataError, match="vector of 2"):
        jpeg_curves(Examples(torch.zeros(1, 2), Event((2,))))
