"""How the coordinates of vectors go together, in data and in samples."""

from __future__ import annotations

import io
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.pictures import GREY

MOST = 40
"""Coordinates that are shown, the first."""


@dataclass(frozen=True)
class Difference:
    """Where correlations of samples differ from those of data.

    Args:
        typical: root mean square difference over all pairs of coordinates.
        pair: numbers of the two coordinates that differ most.
        real: their correlation in the data.
        made: their correlation in the samples.
    """

    typical: float
    pair: tuple[int, int]
    real: float
    made: float


def correlations(data: Tensor) -> Tensor:
    """Return Pearson's correlations between coordinates, `(D, D)`; 0 with a constant one, 1 with itself.

    Args:
        data: `(N, D)`; rows that are not finite are left out.

    Example:
        >>> correlations(torch.tensor([[0.0, 0.0], [1.0, -2.0], [2.0, -4.0]])).round(decimals=6).tolist()
        [[1.0, -1.0], [-1.0, 1.0]]
    """
    rows = data[torch.isfinite(data).all(1)].double()
    if len(rows) < 2:
        return torch.eye(data.shape[1], dtype=torch.float64)
    centred = rows - rows.mean(0)
    length = centred.square().sum(0).sqrt()
    scale = torch.where(length > 1e-9 * rows.abs().amax(0).clamp(min=1e-30), length, torch.inf)
    found = (centred / scale).T @ (centred / scale)
    return found.clamp(-1, 1).fill_diagonal_(1.0)


def difference(real: Tensor, made: Tensor) -> Difference:
    """Return how correlations differ, of two coordinates or more.

    Args:
        real: of the data, `(D, D)`.
        made: of the samples.
    """
    rows, columns = torch.triu_indices(len(real), len(real), 1)
    off = (made - real)[rows, columns]
    worst = int(off.abs().argmax())
    i, j = int(rows[worst]), int(columns[worst])
    return Difference(float(off.square().mean().sqrt()), (i, j), float(real[i, j]), float(made[i, j]))


def correlation_picture(examples: Examples, names: tuple[str, ...]) -> bytes:
    """Draw the correlations of the first coordinates: blue positive, red negative, grey none.

    Args:
        examples: vectors.
        names: of the coordinates.

    Returns:
        The PNG file.
    """
    from matplotlib.figure import Figure

    found = correlations(examples.data[:, :MOST])
    figure = Figure(figsize=(3, 3), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(found.numpy(), cmap="RdBu", vmin=-1, vmax=1)
    few = len(found) <= 12
    ticks = list(range(len(found))) if few else []
    axes.set_xticks(ticks, names[: len(ticks)], rotation=90, fontsize=6, color=GREY)
    axes.set_yticks(ticks, names[: len(ticks)], fontsize=6, color=GREY)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=140, transparent=True, metadata={"Software": None})
    return file.getvalue()
