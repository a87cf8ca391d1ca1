"""What a training lost again: nothing at its best, all of it at its beginning, and noise is no loss."""

from __future__ import annotations

import pytest
import torch

from triptych.metrics.steadiness import lost


def test_the_ends_of_the_scale() -> None:
    falling = [float(x) for x in range(20, 0, -1)]
    assert lost(falling) == (0, 0)
    there_and_back = [*falling, *reversed(falling)]
    assert lost(there_and_back)[0] == pytest.approx(100)  # type: ignore[index]
    assert lost([*there_and_back, 60.0, 60.0, 60.0])[0] > 300  # type: ignore[index]
    half = lost([10.0, 10.0, 10.0, 2.0, 2.0, 2.0, 6.0, 6.0, 6.0])
    assert half is not None and half[0] == pytest.approx(50)


def test_one_lucky_examination_is_no_progress() -> None:
    assert lost([5.0, 5.0, 5.0, 0.1, 5.0, 5.0, 5.0]) is None
    one = lost([9.0, 8.0, 7.0, 0.1, 6.0, 5.0, 5.0])
    assert one is not None and one[0] == 0


@pytest.mark.parametrize("values", [[], [3.0, 2.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
def test_too_few_or_no_progress_is_none(values: list[float]) -> None:
    assert lost(values) is None


def test_the_error_is_that_of_repeated_draws() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = torch.arange(40.0)
    course = 10 * torch.exp(-steps / 3) + 0.15 * (steps - 20).clamp(min=0)
    course[-3:] = course[-3:].mean()
    repeats = [lost((course + 0.3 * torch.randn(40, generator=generator)).tolist()) for _ in range(300)]
    values = torch.tensor([one[0] for one in repeats if one is not None])
    errors = torch.tensor([one[1] for one in repeats if one is not None])
    assert len(values) == 300
    assert float(values.std()) == pytest.approx(float(errors.mean()), rel=0.35)


def test_the_error_is_of_the_noise_of_an_examination() -> None:
    """Of two medians of three, each 0.67 times as noisy, over the progress; also where the course slopes."""
    noise = torch.randn(4000, generator=torch.Generator().manual_seed(0)).tolist()
    for slope in (0.0, 0.1):
        values = [1000.0, 1000.0, *(x - slope * i for i, x in enumerate(noise))]
        found = lost(values)
        assert found is not None
        gained = 1000 - min(sorted(values[i - 1 : i + 2])[1] for i in range(1, len(values) - 1))
        assert found[1] / 100 * gained == pytest.approx(2**0.5 * 0.67, rel=0.05)
