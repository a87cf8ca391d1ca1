"""Rate-distortion curves: as a picture, and as a table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from triptych.evaluation.compression import Point, best_within
from triptych.metrics.figure import Figure
from triptych.pictures import GREY, axes_style
from triptych.reports.curves import COLOURS

if TYPE_CHECKING:
    from rich.table import Table

Curves = Mapping[str, Sequence[Point]]
"""The settings of each coder, by its name."""


def rates_picture(curves: Curves) -> bytes:
    """Draw signal-to-noise ratio against bytes, of vectors mean squared error, with bars of a standard error.

    Args:
        curves: of the coders; the first ones' colours are the strongest.

    Returns:
        The PNG file.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    in_decibels = all(point.psnr is not None for points in curves.values() for point in points)
    for i, (name, points) in enumerate(curves.items()):
        shown = [(point.size, *_height(point, in_decibels)) for point in points]
        sizes, values, errors = zip(*shown, strict=True)
        colour = COLOURS[i % len(COLOURS)]
        axes.errorbar(sizes, values, errors, color=colour, linewidth=1.3, marker="o", markersize=2.5, label=name)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("bytes an example", fontsize=8, color=GREY)
    axes.set_ylabel("PSNR, dB" if in_decibels else "mean squared error", fontsize=8, color=GREY)
    axes_style(axes)
    figure.legend(loc="outside upper left", ncols=2, fontsize=7, frameon=False, labelcolor=GREY, handlelength=1.2)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=150, transparent=True, metadata={"Software": None})
    return file.getvalue()


def _height(point: Point, in_decibels: bool) -> tuple[float, float]:
    """Return where a point is drawn, nowhere if it has no error at all, and half of its bar."""
    if in_decibels and point.psnr is not None:
        return math.nan if point.psnr.value is None else point.psnr.value, point.psnr.error or 0.0
    return point.mse, point.mse_error or 0.0


def rates_csv(curves: Curves) -> str:
    """Return every setting of every coder, a line each; empty cells where there is no figure.

    Example:
        >>> print(rates_csv({"a": [Point("2 × 4 bits", 1.0, 0.25)]}), end="")
        coder,setting,bytes,mse,mse_error,psnr,psnr_error
        a,2 × 4 bits,1,0.25,,,
    """
    file = io.StringIO()
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(["coder", "setting", "bytes", "mse", "mse_error", "psnr", "psnr_error"])
    for name, points in curves.items():
        for point in points:
            quality = (None, None) if point.psnr is None else (point.psnr.value, point.psnr.error)
            numbers = (point.size, point.mse, point.mse_error, *quality)
            rows.writerow([name, point.setting, *("" if x is None else f"{x:.6g}" for x in numbers)])
    return file.getvalue()


def rates_table(curves: Curves, models: Sequence[str]) -> Table:
    """Return a table for a terminal: each setting of the models, beside the best of others with no more bytes.

    Args:
        curves: of models and yardsticks.
        models: the names of those whose settings are the rows.
    """
    from rich.table import Table

    others = [name for name in curves if name not in models]
    unit = "MSE" if curves[models[0]][0].psnr is None else "PSNR, dB"
    table = Table(box=None, header_style="bold")
    table.add_column("coder", overflow="fold")
    for column in ("code", "bytes", unit, *others):
        table.add_column(column, justify="right", overflow="fold")
    for name in models:
        for point in curves[name]:
            beside = [best_within(curves[other], point.size) for other in others]
            cells = [_text(one) for one in (point, *beside)]
            table.add_row(name, point.setting, f"{point.size:g}", *cells)
    return table


def _text(point: Point | None) -> str:
    """Return what is told of a point, if there is one."""
    if point is None:
        return "none"
    return (point.psnr or Figure(point.mse, point.mse_error)).text
