"""Draw the rooms of the program, as the import contract in pyproject.toml orders them.

    python docs/rooms.py docs/images/rooms.png     # Python 3.11 or later

Each box is a package, with its lines of code. A package imports only from rows below its own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import tomllib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).parents[1]
HOLDS = {
    "cli": "verbs",
    "comparison": "compare and its cache",
    "reports": "verdict, table, page",
    "testing": "laws",
    "training": "one loop, checkpoints, doctor",
    "evaluation": "features, protocols, studies",
    "queries": "walks, inversion, anomalies",
    "catalogue": "names of models",
    "recipes": "published settings",
    "models": "one file each",
    "adversary": "critic, tricks, pace",
    "objectives": "losses, penalties, bounds",
    "networks": "modules",
    "distributions": "p(x | z), p(z), q(z | x)",
    "data": "sources to examples",
    "metrics": "formulas",
    "running": "progress, threads, signals",
    "event": "what an example is",
    "spaces": "labels with names",
    "noise": "randomness",
    "config": "settings by flat name",
    "specs": "parts by name",
}
"""What the larger rooms hold."""


def lines(package: str) -> int:
    """Return the lines of code of a package or module."""
    place = ROOT / "src" / "triptych" / package
    files = place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]
    return sum(len(file.read_text().splitlines()) for file in files)


def rows() -> list[list[str]]:
    """Return the packages, row by row, the highest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [[name.removeprefix("triptych.") for name in layer.split(" | ")] for layer in layers]


def draw(path: Path) -> None:
    """Draw the rooms into a file."""
    stacked = rows()
    figure, axes = pyplot.subplots(figsize=(11, 0.62 * len(stacked)))
    for y, row in enumerate(reversed(stacked)):
        width = 1 / len(row)
        for x, name in enumerate(row):
            shade = min(0.75, lines(name) / 12000)
            box = (x * width + 0.004, y + 0.08)
            size = (width - 0.008, 0.84)
            axes.add_patch(FancyBboxPatch(box, *size, "round,pad=0,rounding_size=0.01", fc=(0.25, 0.45, 0.7, shade)))
            text = f"{name}  {lines(name):,}"
            axes.text((x + 0.5) * width, y + 0.64, text, ha="center", va="center", fontsize=10, weight="bold")
            axes.text((x + 0.5) * width, y + 0.32, HOLDS.get(name, ""), ha="center", va="center", fontsize=8)
    axes.set(xlim=(0, 1), ylim=(0, len(stacked)))
    axes.axis("off")
    figure.savefig(path, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
