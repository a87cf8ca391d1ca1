"""Pin what the program computes: record it before the code is reshaped, and compare after each step.

    python tests/pinned.py record pins.json              # before: some minutes on one core
    python tests/pinned.py compare pins.json             # after each step, on the same machine
    python tests/pinned.py compare pins.json gan vae     # some of the models

Each of 16 models is trained for 60 steps by the program itself, then sampled (encoded from, if it has no samples) and
evaluated. A pin holds the weights by value (a parameter may get another name), the arrays, and the figures. Another
machine rounds differently, so the file of pins is not kept with the code.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

CLASSES = ("--classes", "10")
SMALL = ("--channels", "8", "--layers", "2")
IMAGES = ("--data", "digits")
MODELS: dict[str, tuple[str, ...]] = {
    "bayesian-network": IMAGES,
    "made": IMAGES,
    "pixelcnn": (*IMAGES, *SMALL),
    "gated-pixelcnn": (*IMAGES, *SMALL, *CLASSES),
    "pixelcnn++": (*IMAGES, "--channels", "8"),
    "diagonal-bilstm": (*IMAGES, *SMALL),
    "vae": IMAGES,
    "iaf-vae": IMAGES,
    "stacked-autoencoder": (*IMAGES, "--pretraining", "10"),
    "context-autoencoder": (*IMAGES, "--adversarial", "0.01"),
    "gan": (*IMAGES, *CLASSES),
    "wgan-gp": IMAGES,
    "projection-gan": (*IMAGES, *CLASSES),
    "infogan": IMAGES,
    "coupled-gan": (*IMAGES, "--domains", "negative", "--classes", "2"),
    "sd-gan": IMAGES,
}
"""Each model, with what it is trained on and its options."""
ENVIRONMENT = {**os.environ, **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "MKL", "OPENBLAS")}}
ENCODED = ("stacked-autoencoder", "context-autoencoder")
"""Models without samples: what they encode is pinned."""
UNPINNED = ("speed", "latency", "scoring-speed", "encoding-speed", "memory", "training-time")
"""Figures in which two runs of one program differ."""


def triptych(*arguments: object) -> str:
    """Run the program with one thread; return what it prints. Raise `SystemExit` with its error if it fails."""
    command = [sys.executable, "-m", "triptych", *map(str, arguments), "--threads", "1", "--quiet"]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f"{' '.join(command[2:])}\n{ended.stderr}")
    return ended.stdout


def digest(array: np.ndarray) -> str:
    """Return a hash of an array's type, shape and values."""
    content = f"{array.dtype} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def pin(name: str, place: Path) -> dict[str, Any]:
    """Train a model in `place`, and return its pin: weights, arrays and figures."""
    run, arrays = place / "run", place / "arrays.npz"
    triptych("train", name, *MODELS[name], "--steps", 60, "--batch-size", 32, "--out", run)
    weights = load_file(run / "model.safetensors")
    if name in ENCODED:
        triptych("encode", run, "--out", arrays)
    else:
        triptych("sample", run, "-n", 16, "--out", arrays)
    with np.load(arrays) as made:
        digests = {key: digest(made[key]) for key in made}
    (model,) = json.loads(triptych("evaluate", run, "--test-count", 60, "--features", "pixels", "--json"))["models"]
    figures = {key: f"{f['value']} ± {f['error']}" for key, f in model["figures"].items() if key not in UNPINNED}
    return {"weights": sorted(map(digest, weights.values())), "arrays": digests, "figures": figures}


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return a line for each thing in which a model's pins differ."""
    lost, added = (set(a["weights"]) - set(b["weights"]) for a, b in ((before, now), (now, before)))
    lines = [f"{len(lost)} of {len(before['weights'])} weights are gone, {len(added)} are new"] if lost | added else []
    for kind in ("arrays", "figures"):
        keys = sorted(before[kind].keys() | now[kind].keys())
        pairs = [(key, before[kind].get(key), now[kind].get(key)) for key in keys]
        lines += [f"{kind} {key}: {was} before, {is_} now" for key, was, is_ in pairs if was != is_]
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument("models", nargs="*", help="some of the models; else all")
    asked = parser.parse_args()
    if unknown := [name for name in asked.models if name not in MODELS]:
        parser.error(f"{unknown[0]!r} is not pinned: choose from {', '.join(MODELS)}")
    pins: dict[str, Any] = json.loads(asked.file.read_text()) if asked.file.exists() else {}
    failed = 0
    for name in asked.models or MODELS:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            now = pin(name, Path(place))
        lines = []
        if asked.what == "record":
            pins[name] = now
            asked.file.write_text(json.dumps(pins, indent=1, ensure_ascii=False) + "\n")
        else:
            lines = differences(pins[name], now) if name in pins else ["was not recorded"]
        failed += bool(lines)
        outcome = "differs" if lines else {"record": "recorded", "compare": "same"}[asked.what]
        print(f"{name}: {outcome} ({time.monotonic() - started:.0f} s)", *lines, sep="\n    ", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
