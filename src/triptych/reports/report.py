"""The report of a comparison: one HTML file that needs nothing else, and the same figures as JSON."""

from __future__ import annotations

import base64
import json
import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError
from triptych.evaluation.measure import Measures, reference
from triptych.evaluation.protocol import Protocol
from triptych.pictures import grid, pairs, picture, png
from triptych.reports.curves import Record, curves_svg
from triptych.reports.table import table
from triptych.reports.verdict import verdicts
from triptych.version import __version__

_PICTURE_BYTES = 1_600_000  # of all pictures, before they are compressed
_LARGEST = 64
_PAIRS = 8

HOW_TO_READ = {
    "Test log-likelihood": "How much probability the model gives to unseen examples, in nats; 1 nat more "
    "means e ≈ 2.7 times as probable. “=” is exact; “≥” is a lower bound, the truth may be higher.",
    "Bits per dimension": "The same as a code length, -log p / (D ln 2): bits to store one sub-pixel; less "
    "is better, and a bound on log p turns into “≤”.",
    "Fréchet distance": "How far samples and test examples lie apart in mean and covariance of the named "
    "features; less is better, and what real training data scores is as low as it gets at this sample count. "
    "Comparable at equal sample count and features only.",
    "Near-copies": "Share of samples that stand out as near to one training example: their distance to it, "
    "over the mean distance to their 50 nearest, is below that of 99 % of unseen real examples. So unseen "
    "data shows about 1 %; much more means copying. Noise scores 0, so read it with the Fréchet distance.",
    "Reconstruction error": "Mean squared difference of unseen examples from what their codes tell of them, black "
    "and white being 1 apart (vectors: in units of their spread). Longer codes tell more.",
    "Sampling speed": "Examples drawn each second by a warm model; ± is the error of the median over repeats, "
    "not how much another machine differs.",
    "Standard errors": "± is one standard error: over test examples (log-likelihood), by the jackknife on both "
    "sets (Fréchet), binomial (shares). Seeds of training add to it and are not in it.",
}
"""What each measure says, in plain sentences, as the report prints them."""


@dataclass(frozen=True, eq=False)
class Panel:
    """One model of a report.

    Args:
        measures: what was measured of it.
        curves: lines of its `metrics.jsonl`, in order.
        run: its run directory.
        findings: what a reader must know of its training: it diverged, it was stopped.
        diverged: whether its training ended in figures that are not finite: then no verdict names it.
    """

    measures: Measures
    curves: Sequence[Record] = ()
    run: str | None = None
    findings: Sequence[str] = field(default=())
    diverged: bool = False


def write_report(
    out: str | Path,
    panels: Sequence[Panel],
    protocol: Protocol,
    *,
    title: str | None = None,
    commands: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    real: Measures | None = None,
) -> tuple[Path, Path]:
    """Write `report.html` and `report.json`, each whole or not at all.

    Args:
        out: folder to write into; made if need be.
        panels: one for each model, measured under `protocol`.
        protocol: the conditions of the comparison.
        title: of the page; None for one made of the data and the models.
        commands: what to type to make this report again.
        settings: further conditions to print: budget, training seed.
        real: measures of the training data in a model's place; None to take them now.

    Returns:
        The paths of the two files.

    Raises:
        ConfigurationError: without panels, or for two of the same name.
    """
    names = [panel.measures.name for panel in panels]
    if not names or len(set(names)) < len(names):
        given = ", ".join(names) or "none"
        raise ConfigurationError(f"{given}: a report takes at least one model, each of another name")
    real = real or reference(protocol)
    title = title or f"{' · '.join(names)} on {protocol.data}"
    content = _content(panels, real, protocol, title, commands, settings or {})
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    page = _page(content, panels, real, protocol)
    stored = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return _written(folder / "report.html", page), _written(folder / "report.json", stored)


def _content(
    panels: Sequence[Panel],
    real: Measures,
    protocol: Protocol,
    title: str,
    commands: Sequence[str],
    settings: dict[str, Any],
) -> dict[str, Any]:
    """Return all that the report says, as JSON can hold it."""
    sound = [panel.measures for panel in panels if not panel.diverged]
    return {
        "title": title,
        "verdicts": [v.to_dict() for v in verdicts(sound, real, protocol.held_out_copies)] if sound else [],
        "models": [
            {**panel.measures.to_dict(), "run": panel.run, "findings": list(panel.findings)} for panel in panels
        ],
        "reference": {**real.to_dict(), "held_out_near_copies": protocol.held_out_copies.to_dict()},
        "protocol": {**protocol.describe(), **settings},
        "environment": environment(),
        "commands": list(commands),
    }


def environment() -> dict[str, str]:
    """Return versions and hardware, as far as they can change a figure."""
    from importlib.metadata import version

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return {
        "triptych": __version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "accelerator": device,
    }


def _page(content: dict[str, Any], panels: Sequence[Panel], real: Measures, protocol: Protocol) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("triptych", "reports")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    pages.filters["joined"] = _joined
    models = [panel.measures for panel in panels]
    return pages.get_template("report.html").render(
        **content,
        table=table(models, real, protocol),
        pictures=_pictures(models, protocol),
        neighbours=_neighbours(models, protocol),
        curves=[(p.measures.name, curves_svg(p.curves, p.measures.name)) for p in panels],
        how_to_read=HOW_TO_READ,
        is_image=protocol.event.is_image,
        wide=not protocol.event.is_image and protocol.event.dims > 2,
    )


def _joined(text: str) -> str:
    """Keep a figure and its error on one line."""
    return re.sub(r" ± |(?<=[=≥≤≈]) ", lambda found: found.group().replace(" ", "\u00a0"), text)


def _budget(protocol: Protocol, models: int) -> tuple[int, int]:
    """Return how many tiles a grid may have, and their longest side, so that the page stays small."""
    side = min(_LARGEST, max(protocol.event.shape[1:]))
    colours = protocol.event.shape[0]
    fit = _PICTURE_BYTES // ((models + 1) * colours * side * side)
    return (64 if fit >= 64 else 36 if fit >= 36 else 16), side


def _pictures(models: Sequence[Measures], protocol: Protocol) -> list[dict[str, str]]:
    """Return the samples of each model and as many test examples, all drawn alike."""
    shown = [("real test data", protocol.real)]
    shown += [(m.name, m.samples) for m in models if m.samples is not None]
    if not protocol.event.is_image:
        return [_image(name, picture(x, protocol.real), f"{name} over real test data") for name, x in shown]
    tiles, side = _budget(protocol, len(models))
    tiles = min([tiles, *(len(x) for _, x in shown)])
    columns = max(1, int(tiles**0.5))
    drawn = []
    for name, examples in shown:
        made = png(grid(examples[:tiles], columns, padding=4, largest=side))
        drawn.append(_image(name, made, f"{tiles} examples, the first drawn: {name}"))
    return drawn


def _neighbours(models: Sequence[Measures], protocol: Protocol) -> list[dict[str, str]]:
    """Return each model's samples nearest to training data, over their neighbours; first unseen data's."""
    if not protocol.event.is_image:
        return []
    found = protocol.held_out
    rows = [("unseen real data", protocol.unseen, protocol.train[found.index], found.relative)]
    for m in models:
        if m.samples is not None and m.neighbours is not None:
            rows.append((m.name, m.samples, m.neighbours, torch.tensor(m.distances)))
    return [_pairs(*row) for row in rows]


def _pairs(name: str, upper: Examples, lower: Examples, relative: torch.Tensor) -> dict[str, str]:
    closest = torch.sort(relative, stable=True).indices[:_PAIRS]
    made = png(pairs(upper[closest], lower[closest], largest=_LARGEST))
    low, high = (f"{float(relative[i]):.2f}" for i in (closest[0], closest[-1]))
    image = _image(name, made, f"{len(closest)} of {name} nearest to training data, above their neighbours")
    return {**image, "caption": f"relative distance {low} to {high}"}


def _image(name: str, made: bytes, alt: str) -> dict[str, str]:
    return {"name": name, "alt": alt, "src": f"data:image/png;base64,{base64.b64encode(made).decode()}"}


def _written(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path
