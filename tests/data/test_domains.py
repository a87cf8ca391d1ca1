"""Two domains of one data set: what each image becomes, and that no image is in both."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from triptych.data import load
from triptych.data.domains import DOMAINS, edges
from triptych.errors import ConfigurationError, DataError


@pytest.mark.parametrize("name", DOMAINS)
def test_every_image_is_in_one_domain_alone(name):
    whole, divided = load("digits"), load("digits", domains=name)
    for before, after in zip(whole, divided, strict=True):
        assert after.labels is not None and after.classes == ("original", name) and after.event == before.event
        changed = after.labels.bool()
        assert abs(int(changed.sum()) - len(after) / 2) <= 0.5
        assert torch.equal(after.data[~changed], before.data[~changed])
        assert torch.equal(after.data[changed], DOMAINS[name](before.data[changed], 16))
        assert not torch.equal(after.data[changed], before.data[changed])


def test_domains_are_drawn_by_the_seed_of_the_split_and_say_nothing_of_the_class():
    labels = [load("digits", domains="negative", seed=seed)[0].labels for seed in (0, 0, 1)]
    assert torch.equal(labels[0], labels[1]) and not torch.equal(labels[0], labels[2])
    digit = load("digits")[0].labels
    share = torch.stack([labels[0][digit == d].float().mean() for d in range(10)])
    assert float((share - 0.5).abs().max()) < 0.2  # 135 of a class: 4.6 standard errors


def test_edges_are_the_larger_of_two_differences():
    images = torch.randint(17, (3, 2, 5, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    x = images.numpy().astype(int)
    across = np.abs(ndimage.correlate1d(x, [0, -1, 1], axis=3, mode="nearest"))
    down = np.abs(ndimage.correlate1d(x, [0, -1, 1], axis=2, mode="nearest"))
    assert np.array_equal(edges(images, 16).numpy(), np.maximum(across, down))


def test_what_cannot_be_divided_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="no domains 'negativ'; did you mean negative"):
        load("digits", domains="negativ")
    with pytest.raises(DataError, match="ring holds vectors"):
        load("ring", domains="negative")
    np.save(tmp_path / "wide.npy", np.zeros((8, 1, 4, 6), dtype=np.uint8))
    with pytest.raises(DataError, match="4×6: only square ones are turned"):
        load(tmp_path / "wide.npy", domains="rotated")
