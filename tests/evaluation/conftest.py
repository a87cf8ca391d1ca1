"""Real digits, as the data package holds them, split by a fixed permutation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from triptych.data import Examples
from triptych.event import Event


def load_digits() -> tuple[Examples, Examples]:
    from sklearn.datasets import load_digits as load

    found = load()
    order = torch.randperm(len(found.images), generator=torch.Generator().manual_seed(0))
    data = torch.tensor(found.images).to(torch.uint8)[:, None][order]
    labels = torch.tensor(found.target).long()[order]
    examples = Examples(data, Event((1, 8, 8), 17), labels, tuple("0123456789"))
    return examples[:1437], examples[1437:]


@pytest.fixture(scope="session")
def digits() -> tuple[Examples, Examples]:
    """1,437 training and 360 test digits."""
    return load_digits()


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for trained extractors."""
    return tmp_path_factory.mktemp("cache")
