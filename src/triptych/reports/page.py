"""The page of a comparison: one HTML file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from triptych.evaluation.measure import Measures
from triptych.evaluation.protocol import Protocol
from triptych.reports.commands import command_of
from triptych.reports.correlations import MOST, correlation_picture, correlations, difference
from triptych.reports.curves import curves_svg
from triptych.reports.panel import Panel
from triptych.reports.parallel import axes_of, lines_of
from triptych.reports.plane import density_pictures
from triptych.reports.reading import how_to_read
from triptych.reports.table import Table
from triptych.reports.walls import Image, feature_neighbours, image, neighbours, walls


def page(content: dict[str, Any], panels: Sequence[Panel], built: Table, protocol: Protocol) -> str:
    """Return the page.

    Args:
        content: what the report says; see `write_report`.
        panels: one for each model.
        built: the table of pros and cons.
        protocol: the conditions.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("triptych", "reports")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    pages.filters["joined"] = _joined
    models = [panel.measures for panel in panels]
    axes = axes_of(models)
    keys = [row.key for row in built.measured]
    return pages.get_template("report.html").render(
        **content,
        table=built,
        axes=axes,
        lines=lines_of(models, axes),
        anchors=keys,
        row_commands={key: command_of(_runs(panels), key, protocol) for key in keys},
        pictures=walls(models, protocol),
        densities=_densities(models, protocol),
        correlations=_correlations(models, protocol),
        neighbours=neighbours(models, protocol),
        feature_neighbours=feature_neighbours(models, protocol),
        curves=[(p.measures.name, curves_svg(p.curves, p.measures.name)) for p in panels],
        how_to_read=how_to_read(keys, any(m.seeds for m in models)),
        is_image=protocol.event.is_image,
        is_plane=protocol.event.shape == (2,),
        wide=not protocol.event.is_image and protocol.event.dims > 2,
    )


def _runs(panels: Sequence[Panel]) -> list[str]:
    """Return the runs of all models, none if one is not stored."""
    return [run for panel in panels for run in panel.runs] if all(panel.runs for panel in panels) else []


def _joined(text: str) -> str:
    """Keep a figure and its error on one line."""
    return re.sub(r" ± |(?<=[=≥≤≈]) ", lambda found: found.group().replace(" ", "\u00a0"), text)


def _densities(models: Sequence[Measures], protocol: Protocol) -> list[Image]:
    """Return the density of each model over the plane that has one."""
    having = [(m, m.density) for m in models if m.density is not None]
    drawn = density_pictures([density for _, density in having], protocol.real) if having else []
    return [
        image(m.name, made, f"density of {m.name}, real data's contours", _DENSITY[m.likelihood])
        for (m, _), made in zip(having, drawn, strict=True)
    ]


_DENSITY = {"exact": "p(x)", "lower bound": "a lower bound on p(x)", "none": ""}


def _correlations(models: Sequence[Measures], protocol: Protocol) -> list[Image]:
    """Return the correlations of real data's coordinates, and of each model's samples."""
    if protocol.event.is_image or protocol.event.dims < 3:
        return []
    real = protocol.real
    names = real.columns or tuple(f"x{i}" for i in range(protocol.event.dims))
    truth = correlations(real.data[:, :MOST])
    drawn = [image("real test data", correlation_picture(real, names), "correlations of real test data")]
    for m in models:
        if m.samples is None:
            continue
        off = difference(truth, correlations(m.samples.data[:, :MOST]))
        pair = " and ".join(names[i] for i in off.pair)
        caption = f"differ by {off.typical:.2f}; most: {pair}, {off.real:.2f} in data, {off.made:.2f} here"
        drawn.append(image(m.name, correlation_picture(m.samples, names), f"correlations of {m.name}", caption))
    return drawn
