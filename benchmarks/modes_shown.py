"""What `modes.py` found, as a table, as a heat map and as scatter plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from triptych.data import toy_modes
from triptych.pictures import BLUE, GREY, axes_style

Rows = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""`loss|way` → data → what was found."""


def table(rows: Rows, plain: str, commands: Mapping[str, Sequence[str]]) -> str:
    """Return the rows as Markdown: chosen configurations, losses as they are, losses played in other ways."""
    chosen = {key: row for key, row in rows.items() if key.split("|")[1] in commands}
    alone = {key: row for key, row in rows.items() if key.endswith(f"|{plain}")}
    other = {key: row for key, row in rows.items() if key not in chosen and key not in alone}
    parts = []
    for title, some in (("chosen configuration", chosen), ("loss", alone), ("loss, with", other)):
        lines = [f"| {_name(key, title)} | {_cells(row)} |" for key, row in sorted(some.items())]
        head = f"| {title} | ring of 8: modes | good samples, % | grid of 25: modes | good samples, % |"
        parts += ["\n".join([head, "|---|---|---|---|---|", *lines])] if lines else []
    told = "\n".join(line for name, lines in commands.items() for line in (f"# {name}", *lines))
    return "\n\n".join([*parts, *([f"```sh\n{told}\n```"] if told else [])])


def _name(key: str, title: str) -> str:
    loss, way = key.split("|")
    return {"loss": loss, "chosen configuration": way}.get(title, f"{loss}, {way}")


def _cells(row: Mapping[str, Mapping[str, Any]]) -> str:
    """Return four cells, or why there are none; what is below 5 seeds, or diverged, is said."""
    cells = []
    for data in ("ring", "grid"):
        found = row.get(data, {"refused": "not run"})
        if "refused" in found:
            cells += [str(found["refused"]).split(":")[0], ""]
            continue
        diverged = f" ({found['diverged']} diverged)" if found["diverged"] else ""
        cells.append(_value(found["covered"], found["covered_error"], 1) + diverged)
        error = found["good_error"]
        cells.append(_value(100 * found["good"], None if error is None else 100 * error, 0))
    return " | ".join(cells)


def _value(mean: float, error: float | None, decimals: int) -> str:
    return f"{mean:.{decimals}f}" + ("" if error is None else f" ± {error:.{decimals}f}")


def draw_heat_map(rows: Rows, plain: str, path: Path) -> None:
    """Draw losses × ways: the share of modes covered, and of good samples; what was not played is left blank."""
    from matplotlib.figure import Figure

    losses = [key.split("|")[0] for key in rows if key.endswith(f"|{plain}")]
    others = [key.split("|")[1] for key, row in rows.items() if any("covered" in cell for cell in row.values())]
    ways = [way for way in dict.fromkeys([plain, *others]) if any(f"{loss}|{way}" in rows for loss in losses)]
    figure = Figure(figsize=(2.4 + 0.62 * len(ways), 2.2 + 0.44 * len(losses)), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True, sharey=True)
    for line, data in zip(panels, ("ring", "grid"), strict=True):
        modes = len(toy_modes(data)[0])
        for axes, name, most in zip(line, ("covered", "good"), (modes, 1.0), strict=True):
            shares = [[_share(rows, f"{loss}|{way}", data, name) / most for way in ways] for loss in losses]
            image = axes.imshow(torch.tensor(shares).numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto")
            title = f"modes covered of {modes}" if name == "covered" else "good samples"
            axes.set_title(f"{data}: {title}", color=GREY)
            axes.set_xticks(range(len(ways)), ways, rotation=90)
            axes.set_yticks(range(len(losses)), losses)
            axes_style(axes)
    bar = figure.colorbar(image, ax=panels, shrink=0.5)
    bar.ax.tick_params(colors=GREY, labelsize=7)
    figure.savefig(path, dpi=110, transparent=True)


def _share(rows: Rows, key: str, data: str, name: str) -> float:
    found = rows.get(key, {}).get(data, {})
    return float(found.get(name, float("nan")))


def draw_samples(found: Mapping[str, Any], data: Sequence[str], path: Path) -> None:
    """Draw samples of the first seed over the modes: a row a data set, a column a configuration."""
    from matplotlib.figure import Figure

    drawn = {key: row["samples"] for key, row in found.items() if "samples" in row}
    titles = list(dict.fromkeys(tuple(key.split("|")[:2]) for key in drawn))
    figure = Figure(figsize=(2.1 * len(titles), 2.2 * len(data)), layout="constrained")
    panels = figure.subplots(len(data), len(titles), squeeze=False)
    for line, name in zip(panels, data, strict=True):
        centres, _ = toy_modes(name)
        limit = 1.3 * float(centres.abs().max())
        for axes, (loss, way) in zip(line, titles, strict=True):
            axes.scatter(*centres.T.tolist(), s=60, facecolors="none", edgecolors=GREY, linewidths=0.7)
            points = torch.tensor(drawn.get(f"{loss}|{way}|{name}|0", [])).view(-1, 2)
            axes.scatter(*points.T.tolist(), s=3, color=BLUE, alpha=0.6, linewidths=0)
            axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
            axes.set_title(f"{loss}\n{way}", color=GREY, fontsize=8)
            axes_style(axes)
    figure.savefig(path, dpi=110, transparent=True)
