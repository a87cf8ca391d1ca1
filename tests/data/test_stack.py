"""Three images as the colours of one: what each stack holds, and what cannot be stacked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triptych.data import load
from triptych.data.source import Source
from triptych.data.stack import SIZES, stacked
from triptych.errors import ConfigurationError, DataError


def test_a_stack_holds_three_images_of_its_own_split_and_its_label_is_their_triple() -> None:
    singles, stacks = load("digits"), load("digits", stack=3, count=600)
    for single, stack in zip(singles, stacks, strict=True):
        assert single.labels is not None and stack.labels is not None
        flat = stack.data.flatten(0, 1).flatten(1)
        same = (flat[:, None] == single.data.flatten(1)[None]).all(2)
        assert bool(same.any(1).all()), "every colour is an image of this split"
        digits = single.labels[same.int().argmax(1)].reshape(-1, 3)
        assert torch.equal(digits @ torch.tensor([100, 10, 1]), stack.labels)
    assert stacks[0].classes[407] == "407" and len(stacks[0].classes) == 1000
    assert [len(stack) for stack in stacks] == [499, 101]


def test_every_mode_is_there_and_the_sizes_are_those_of_the_literature() -> None:
    train, test = load("digits", stack=3)
    assert (len(train), len(test)) == SIZES
    assert len(torch.unique(train.labels)) == 1000


def test_the_seed_of_the_split_decides_and_the_options_are_kept() -> None:
    first, again, other = (load("digits", stack=3, count=60, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(first.data, again.data) and not torch.equal(first.data, other.data)
    source = dict(first.source)
    assert source["stack"] == 3 and source["count"] == 60
    replayed = load(source.pop("spec"), **source)[0]
    assert torch.equal(first.data, replayed.data) and first.classes == replayed.classes


def test_other_options_apply_to_stacks() -> None:
    train, _ = load("digits", stack=3, count=60, binarize="stochastic", domains="negative")
    assert train.event.levels == 2 and train.intensities is not None and train.classes == ("original", "negative")


def test_long_class_names_are_kept_apart() -> None:
    source = Source(torch.zeros(4, 1, 1, 1, dtype=torch.uint8), 2, torch.arange(4) % 2, ("cat", "dog"), given=2)
    assert stacked(source, 4, 0, "pets").classes[1] == "cat+cat+dog"


def test_images_on_disk_are_stacked_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIPTYCH_CACHE", str(tmp_path))
    data = torch.randint(0, 9, (6, 1, 2, 2), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    resident = Source(data, 9, torch.arange(6) % 2, given=3, key="some-images")
    there, kept = (stacked(Source(**{**vars(resident), "resident": flag}), 50, 0, "some") for flag in (True, False))
    assert torch.equal(there.data, kept.data) and list(tmp_path.glob("*.safetensors"))


def test_what_cannot_be_stacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "rgb.npz", x=np.zeros((8, 4, 4, 3), np.uint8), y=np.arange(8) % 2)
    np.save(tmp_path / "bare.npy", np.zeros((8, 4, 4), np.uint8))
    for spec, told in (
        ("ring", "ring holds vectors"),
        ("factors", "labelled by vectors or factors"),
        (tmp_path / "rgb.npz", "several colours.*--colours 1"),
        (tmp_path / "bare.npy", "without labels.*folder"),
    ):
        with pytest.raises(DataError, match=told):
            load(spec, stack=3)
    with pytest.raises(ConfigurationError, match="a stack of 2 images: expected 3"):
        load("digits", stack=2)
    monkeypatch.setenv("TRIPTYCH_MEMORY", "1000000")
    with pytest.raises(DataError, match="no room for 154,000 stacks of digits: give a lower --count"):
        load("digits", stack=3)
