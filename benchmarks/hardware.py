"""What figures were measured on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path


def hardware() -> dict[str, str | int]:
    """Return what the figures were measured on."""
    import torch  # not above: a benchmark may want to set something before

    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), platform.machine())
    return {
        "processor": model,
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "commit": commit,
        "command": "python " + " ".join(sys.argv),
    }
