"""The report of a comparison: a page that needs nothing else, and the same figures as JSON, CSV and Markdown."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from triptych.errors import CheckpointError, ConfigurationError
from triptych.evaluation.measure import Measures, reference
from triptych.evaluation.protocol import Protocol
from triptych.reports.commands import command_of
from triptych.reports.flat import figures_csv, markdown
from triptych.reports.page import page
from triptych.reports.panel import Panel
from triptych.reports.steadiest import steadiest
from triptych.reports.table import table
from triptych.reports.verdict import verdicts
from triptych.version import __version__

FILES = ("report.html", "report.json", "report.csv", "report.md")
"""What a report is written into."""


def write_report(
    out: str | Path,
    panels: Sequence[Panel],
    protocol: Protocol,
    *,
    title: str | None = None,
    commands: Sequence[str] = (),
    settings: dict[str, Any] | None = None,
    real: Measures | None = None,
    notes: Sequence[str] = (),
) -> list[Path]:
    """Write `report.html`, `report.json`, `report.csv` and `report.md`, each whole or not at all.

    Args:
        out: folder to write into; made if need be.
        panels: one for each model, measured under `protocol`.
        protocol: the conditions of the comparison.
        title: of the page; None for one made of the data and the models.
        commands: what to type to make this report again.
        settings: further conditions to print: budget, training seed.
        real: measures of the training data in a model's place; None to take them now.
        notes: what a reader must know of the data, or of the comparison as a whole.

    Returns:
        The paths of the files.

    Raises:
        ConfigurationError: without panels, or for two of the same name.
    """
    names = [panel.measures.name for panel in panels]
    if not names or len(set(names)) < len(names):
        given = ", ".join(names) or "none"
        raise ConfigurationError(f"{given}: a report takes at least one model, each of another name")
    real = real or reference(protocol)
    content = {
        "title": title or f"{' · '.join(names)} on {protocol.data}",
        "notes": list(notes),
        **_content(panels, real, protocol, settings or {}),
        "commands": list(commands),
    }
    built = table([panel.measures for panel in panels], real, protocol)
    texts = (
        page(content, panels, built, protocol),
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
        figures_csv(panels, real, protocol),
        markdown(content, panels, real, protocol),
    )
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    return [_written(folder / name, text) for name, text in zip(FILES, texts, strict=True)]


def check_place(out: Path) -> None:
    """Raise if a report would replace what is not a comparison's.

    Args:
        out: the directory of the report.

    Raises:
        CheckpointError: if it is a file, or a run, or holds a report of another kind.
    """
    if out.exists() and not out.is_dir():
        raise CheckpointError(f"{out} is a file: expected a directory for the report")
    if (out / "model.json").exists():
        raise CheckpointError(f"{out} is a run: choose another --out for the report")
    there = [name for name in FILES if (out / name).exists()]
    if there and not _is_ours(out / "report.json"):
        raise CheckpointError(f"{out} holds a {there[0]} that is no comparison's: choose another --out")


def _is_ours(path: Path) -> bool:
    try:
        return "verdicts" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def _content(panels: Sequence[Panel], real: Measures, protocol: Protocol, settings: dict[str, Any]) -> dict[str, Any]:
    """Return all that the report says, as JSON can hold it."""
    sound = [panel.measures for panel in panels if not panel.diverged]
    found = verdicts(sound, real, protocol.held_out_copies) if sound else []
    return {
        "verdicts": [v.to_dict() for v in [*found, steadiest(panels)]],
        "models": [_model(panel, protocol) for panel in panels],
        "reference": {**real.to_dict(), "held_out_near_copies": protocol.held_out_copies.to_dict()},
        "protocol": {**protocol.describe(), **settings},
        "environment": environment(),
    }


def _model(panel: Panel, protocol: Protocol) -> dict[str, Any]:
    """Return what is told of a model; each figure with the command that measures it again."""
    told = panel.measures.to_dict()
    for key, figure in told["figures"].items():
        figure["command"] = command_of(panel.runs, key, protocol)
    return {**told, "runs": list(panel.runs), "findings": list(panel.findings)}


def environment() -> dict[str, str]:
    """Return versions and hardware, as far as they can change a figure."""
    from importlib.metadata import version

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU only"
    return {
        "triptych": __version__,
        "torch": torch.__version__,
        **{name: version(name) for name in ("numpy", "scipy", "scikit-learn")},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "threads": str(torch.get_num_threads()),
        "accelerator": device,
    }


def _written(path: Path, text: str) -> Path:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return path
