"""Folders of images: every format and mode, classes, splits, and what can be wrong with them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from triptych.data import Batches, Examples, load
from triptych.data.decode import decode_image
from triptych.errors import DataError

MakeFolder = Callable[..., Path]
RAMP = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8


def saved(image: Image.Image, **options: object) -> bytes:
    """Return an image's file."""
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "PNG", **options})  # type: ignore[arg-type]
    return buffer.getvalue()


def both(folder: Path, **options: object) -> Examples:
    """Load a folder and return its first part, after checking that both parts are of one event."""
    train, test = load(str(folder), **options)  # type: ignore[arg-type]
    assert train.event == test.event
    return train


def message_of(folder: Path, **options: object) -> str:
    """Return the one line with which loading a folder fails."""
    with pytest.raises(DataError) as caught:
        load(str(folder), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats(kind: str) -> None:
    grey = decode_image(saved(Image.fromarray(RAMP), format=kind, lossless=True))
    colour = np.stack((RAMP, RAMP[::-1], 255 - RAMP), axis=2)
    rgb = decode_image(saved(Image.fromarray(colour), format=kind, lossless=True))
    assert rgb.dtype == np.uint8 and (rgb == colour.transpose(2, 0, 1)).all()
    # WebP has no grey images.
    assert grey.shape == ((3 if kind == "WEBP" else 1), 5, 6) and (grey == RAMP).all()


def test_jpeg() -> None:
    smooth = np.tile(np.linspace(40, 200, 32, dtype=np.uint8), (32, 1))
    grey = decode_image(saved(Image.fromarray(smooth), format="JPEG", quality=95))
    assert grey.shape == (1, 32, 32) and np.abs(grey[0].astype(int) - smooth).max() < 6
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    red = decode_image(saved(cmyk, format="JPEG", quality=95)).reshape(3, -1).mean(1)
    assert red[0] > 240 and red[1:].max() < 15


def test_sixteen_bits_become_the_nearest_of_256_levels() -> None:
    values = np.array([[0, 128, 129, 257, 40000, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        decoded = decode_image(saved(Image.fromarray(values), format=kind))
        assert decoded.tolist() == [[[0, 0, 1, 1, 156, 255]]]


def test_32_bits_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bits"):
        decode_image(saved(Image.fromarray(np.ones((4, 4), np.float32)), format="TIFF"))


def test_palette_and_one_bit() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([250, 10, 20, 30, 40, 240])
    palette.putpixel((1, 0), 1)
    assert decode_image(saved(palette)).tolist() == [[[250, 30]], [[10, 40]], [[20, 240]]]
    assert decode_image(saved(Image.fromarray(RAMP > 100))).tolist() == [((RAMP > 100) * 255).tolist()]


def test_transparency_shows_white() -> None:
    rgba = Image.new("RGBA", (3, 1))
    for x, pixel in enumerate([(10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 128)]):
        rgba.putpixel((x, 0), pixel)
    assert decode_image(saved(rgba)).tolist() == [[[10, 255, 127]], [[20, 255, 127]], [[30, 255, 127]]]
    grey = Image.new("LA", (2, 1), (0, 0))
    grey.putpixel((0, 0), (77, 255))
    assert decode_image(saved(grey)).tolist() == [[[77, 255]]]
    palette = Image.new("P", (2, 1), 1)
    palette.putpalette([250, 10, 20, 30, 40, 240])
    palette.putpixel((0, 0), 0)
    assert decode_image(saved(palette, transparency=1)).tolist() == [[[250, 255]], [[10, 255]], [[20, 255]]]
    # A grey image of which one level is transparent.
    assert decode_image(saved(Image.fromarray(RAMP), transparency=8)).flatten().tolist()[:3] == [0, 255, 16]


def test_exif_orientation() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    decoded = decode_image(saved(Image.fromarray(RAMP), exif=exif))
    assert decoded.shape == (1, 6, 5) and (decoded[0] == np.rot90(RAMP, -1)).all()


def test_size_and_channels() -> None:
    wide = np.zeros((40, 80), np.uint8)
    wide[:, 20:60] = np.arange(40)[:, None] % 2 * 255
    small = decode_image(saved(Image.fromarray(wide)), image_size=10, colours=3)
    assert small.shape == (3, 10, 10)
    # Antialiased: stripes of one pixel become their mean; the black sides are cropped away.
    assert np.abs(small[:, 1:-1].astype(int) - 127).max() < 12
    colour = Image.new("RGB", (2, 2), (255, 0, 0))
    assert decode_image(saved(colour), colours=1).tolist() == [[[76, 76], [76, 76]]]


def test_classes_are_the_first_subfolders(make_folder: MakeFolder) -> None:
    folders = ("dog/", "dog/deep/er/", "cat/", "cat/deep/er/")
    names = [f"{folder}{i}.png" for folder in folders for i in range(4)]
    root = make_folder(*names)
    (root / "cat" / "notes.txt").write_text("not an image")
    make_folder(".hidden/x.png")
    train, test = load(str(root))
    assert train.classes == ("cat", "dog") and (len(train), len(test)) == (12, 4)
    for part in (train, test):
        assert part.labels is not None
        # The first eight names, of levels below 80, are dogs.
        assert torch.equal(part.labels, (part.data[:, 0, 0, 0] < 80).long())


def test_numbered_classes_are_in_the_order_of_their_numbers(make_folder: MakeFolder) -> None:
    root = make_folder(*(f"{number}/{i}.png" for number in (10, 9, 2) for i in (0, 1)))
    assert both(root).classes == ("2", "9", "10")


@pytest.mark.parametrize("held_out", ["test", "val", "valid", "validation", "Test"])
def test_given_splits_are_kept(make_folder: MakeFolder, held_out: str) -> None:
    root = make_folder("train/a/0.png", "train/b/1.png", f"{held_out}/b/2.png")
    train, test = load(str(root))
    assert train.data[:, 0, 0, 0].tolist() == [0, 10] and test.data[:, 0, 0, 0].tolist() == [20]
    assert train.classes == ("a", "b")
    assert train.labels is not None and train.labels.tolist() == [0, 1]
    assert test.labels is not None and test.labels.tolist() == [1]


def test_test_goes_before_validation_and_a_lone_train_is_split(make_folder: MakeFolder) -> None:
    root = make_folder("train/0.png", "val/1.png", "test/2.png")
    assert [part.data[:, 0, 0, 0].tolist() for part in load(str(root))] == [[0], [20]]
    alone = make_folder(*(f"train/{c}/{i}.png" for c in "ab" for i in range(4)), root="alone")
    train, test = load(str(alone))
    assert (len(train), len(test)) == (6, 2) and train.classes == ("a", "b")


def test_one_class_is_no_label(make_folder: MakeFolder) -> None:
    for names in (("a.png", "b.png"), ("only/a.png", "only/b.png")):
        train = both(make_folder(*names, root=names[0][0]))
        assert train.labels is None and train.classes == ()


def test_an_image_beside_the_classes(make_folder: MakeFolder) -> None:
    message = message_of(make_folder("a/0.png", "b/1.png", "stray.png"))
    assert "stray.png is in no class folder, others are (such as a/): move it" in message


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "empty" / "cats").mkdir(parents=True)
    (tmp_path / "empty" / "notes.txt").write_text("hello")
    assert message_of(tmp_path / "empty").startswith(f"no image in {tmp_path / 'empty'}: expected PNG, JPEG")


@pytest.mark.parametrize("count", [3, 200])
def test_different_sizes(make_folder: MakeFolder, count: int) -> None:
    root = make_folder(*(f"{i:03d}.png" for i in range(count)))
    Image.new("L", (9, 7)).save(root / f"{count - 1:03d}.png")
    message = message_of(root)
    assert message.startswith(f"images of different sizes: {root / '000.png'} is 6×5, ")
    assert f"{root / f'{count - 1:03d}.png'} is 9×7; use --image-size N, such as --image-size 5" in message
    assert both(root, image_size=4).event.shape == (1, 4, 4)


def test_mixed_channels(make_folder: MakeFolder) -> None:
    root = make_folder("a.png", "b.png", "c.png")
    Image.new("RGB", (6, 5), (255, 0, 0)).save(root / "b.png")
    message = message_of(root)
    assert message.startswith(f"mixed channels: {root / 'a.png'} is grey, {root / 'b.png'} is RGB; use --co")
    for colours in (1, 3):
        assert both(root, colours=colours).event.shape == (colours, 5, 6)


@pytest.mark.parametrize("count", [20, 200])
def test_unreadable_images(make_folder: MakeFolder, count: int) -> None:
    root = make_folder(*(f"{'ab'[i % 2]}/{i:03d}.png" for i in range(count)))
    noise = np.random.default_rng(0).integers(0, 256, (60, 60), dtype=np.uint8)
    (root / "a" / "004.png").write_bytes(saved(Image.fromarray(noise))[:1500])
    (root / "b" / "003.png").write_text("this is no image")
    message = message_of(root)
    assert message.startswith(f"cannot read 2 of {count} images, the first {root / 'a' / '004.png'}: ")
    assert "truncated" in message and message.endswith("; repair them, or use --skip-bad")
    for _ in ("decoded", "from the cache"):
        with pytest.warns(UserWarning, match=f"skipped 2 of {count} images that cannot be read .*004.png: "):
            train, test = load(str(root), skip_bad=True)
        assert len(train) + len(test) == count - 2
        for part in (train, test):
            assert part.labels is not None
            assert torch.equal(part.data[:, 0, 0, 0] // 10 % 2, part.labels.to(torch.uint8)) or count > 25
    assert "cannot read 2" in message_of(root)


def test_no_readable_image(make_folder: MakeFolder) -> None:
    root = make_folder("a.png", "b.png")
    for name in ("a.png", "b.png"):
        (root / name).write_bytes(b"")
    assert "cannot read 2 of 2 images, the first" in message_of(root, skip_bad=True)


def test_processes_keep_the_order(make_folder: MakeFolder) -> None:
    root = make_folder(*(f"train/{i:04d}.png" for i in range(300)), "test/0.png")
    assert both(root).data[:, 0, 0, 0].tolist() == [10 * i % 256 for i in range(300)]


@pytest.mark.parametrize("binarize", [None, "threshold", "stochastic"])
@pytest.mark.parametrize("given", [False, True])
def test_larger_than_memory_is_the_same_from_disk(
    make_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch, binarize: str | None, given: bool
) -> None:
    names = [f"{c}/{i}.png" for c in "ab" for i in range(12)]
    if given:
        names = [*(f"train/{name}" for name in names), "test/a/x.png", "test/b/y.png"]
    root = make_folder(*names)
    held = load(str(root), binarize=binarize)
    monkeypatch.setenv("TRIPTYCH_MEMORY", "100")
    for _ in ("written", "found"):
        mapped = load(str(root), binarize=binarize)
        for a, b in zip(held, mapped, strict=True):
            assert a.resident and not b.resident
            assert torch.equal(a.data, b.data)
            assert a.labels is not None and b.labels is not None and torch.equal(a.labels, b.labels)
    first, second = (Batches(part[0], 4, seed=1).since(3) for part in (held, mapped))
    for _ in range(8):
        assert torch.equal(next(first).x, next(second).x)


def test_skipped_images_leave_the_given_split_as_it_was(make_folder: MakeFolder) -> None:
    root = make_folder(*(f"train/{i}.png" for i in range(6)), "test/0.png", "test/1.png")
    (root / "train" / "2.png").write_bytes(b"broken")
    with pytest.warns(UserWarning, match="skipped 1 of 8"):
        train, test = load(str(root), skip_bad=True)
    assert train.data[:, 0, 0, 0].tolist() == [0, 10, 30, 40, 50]
    assert test.data[:, 0, 0, 0].tolist() == [60, 70]
