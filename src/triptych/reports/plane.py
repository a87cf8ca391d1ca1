"""Pictures of data of two coordinates: samples over the data's contours, and how probable a model finds each place."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.evaluation.landscape import frame
from triptych.pictures import BLUE, GREY, axes_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS, _WIDTH = 64, 1.6
"""Cells along each side in which the data's density is counted, and how many of them it is smoothed over."""
_SHARES = (0.9, 0.5)
"""Of the data, which its contours enclose."""
_MOST = 1500
_BRIGHTEST = 0.995
"""Share of a density's places that are drawn darker than the brightest colour."""


def contours(data: Tensor) -> tuple[Tensor, list[float]]:
    """Return a smoothed histogram of points over their frame, `(64, 64)`, the bottom row first, and its contour levels.

    Args:
        data: `(N, 2)`.

    Returns:
        The density, and the levels above which 90 % and 50 % of it lie, ascending.
    """
    from scipy.ndimage import gaussian_filter  # type: ignore[import-untyped]

    left, right, bottom, top = frame(data)
    low, high = torch.tensor([bottom, left]), torch.tensor([top, right])
    cell = ((data[:, [1, 0]] - low) / (high - low) * _BINS).long().clamp(0, _BINS - 1)
    counts = torch.bincount(cell[:, 0] * _BINS + cell[:, 1], minlength=_BINS * _BINS).double()
    smooth = torch.from_numpy(gaussian_filter(counts.view(_BINS, _BINS).numpy(), _WIDTH)) / len(data)
    falling = smooth.flatten().sort(descending=True).values
    above = falling.cumsum(0) / falling.sum()
    levels = {float(falling[int((above < share).sum().clamp(max=len(falling) - 1))]) for share in _SHARES}
    return smooth, sorted(levels)


def plane_picture(samples: Examples, real: Examples) -> bytes:
    """Draw samples as points over the contours that hold 90 % and 50 % of real data, in the data's frame.

    Args:
        samples: points to draw.
        real: points that fix contours and frame.

    Returns:
        The PNG file.
    """
    figure, axes = _plane(real)
    shown = samples.data[:_MOST]
    axes.scatter(shown[:, 0], shown[:, 1], s=4, color=BLUE, alpha=0.6, linewidths=0)
    return _file(figure)


def density_pictures(densities: Sequence[Tensor], real: Examples) -> list[bytes]:
    """Draw densities over the plane, all in the same colours, under the contours of real data.

    Args:
        densities: of each model log p(x), `(side, side)`, the top row first; see `landscape`.
        real: points that fix contours and frame.

    Returns:
        The PNG files.
    """
    shown = [torch.nan_to_num(d.double(), nan=-torch.inf).exp() for d in densities]
    finite = [d.clamp(max=torch.finfo(torch.float32).max) for d in shown]
    highest = max([float(d.flatten().quantile(_BRIGHTEST)) for d in finite], default=1.0) or 1.0
    made = []
    for density in finite:
        figure, axes = _plane(real)
        left, right, bottom, top = frame(real.data)
        axes.imshow(
            density.numpy(), extent=(left, right, bottom, top), cmap="Blues", vmin=0, vmax=highest, aspect="equal"
        )
        made.append(_file(figure))
    return made


def _plane(real: Examples) -> tuple[Figure, Axes]:
    """Return axes in the frame of real data, with its contours."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 3), layout="constrained")
    axes = figure.add_subplot()
    left, right, bottom, top = frame(real.data)
    density, levels = contours(real.data)
    steps = (torch.arange(_BINS).numpy() + 0.5) / _BINS
    style: dict[str, Any] = {"colors": GREY, "linewidths": 0.8, "zorder": 3}
    axes.contour(
        left + (right - left) * steps, bottom + (top - bottom) * steps, density.numpy(), levels=levels, **style
    )
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_aspect("equal", adjustable="box")
    axes_style(axes)
    return figure, axes


def _file(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140, transparent=True, metadata={"Software": None})
    return file.getvalue()
