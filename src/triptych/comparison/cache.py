"""What was measured of a model, kept on disk: an interrupted comparison goes on with the next model."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import CheckpointError
from triptych.evaluation.measure import Measures, measure_subject, reference
from triptych.evaluation.protocol import Protocol
from triptych.evaluation.subject import Subject
from triptych.metrics.figure import Figure
from triptych.training.checkpoint import plain_arguments
from triptych.training.files import read_tensors, write_tensors

FOLDER = "measures"
"""Where a comparison keeps them, below its own directory."""
_TOLD_BY = 100  # test examples by whose features an extractor is known


def measured(name: str, subject: Subject, folder: Path | None) -> Measures:
    """Measure a model, or return what is kept of it if model, data, conditions and program are the same.

    Args:
        name: how reports call it.
        subject: the model under a protocol.
        folder: where measures are kept; None to keep nothing.
    """
    if folder is None:
        return measure_subject(name, subject)
    path, key = _place(folder, name), _key(name, subject.protocol, subject)
    found = _read(path, key, subject.protocol)
    if found is None:
        found = measure_subject(name, subject)
        _write(path, key, found)
    return found


def measured_reference(protocol: Protocol, folder: Path | None) -> Measures:
    """Do the same of real training data in a model's place.

    Args:
        protocol: the conditions.
        folder: where measures are kept; None to keep nothing.
    """
    if folder is None:
        return reference(protocol)
    path, key = folder / "data.safetensors", _key("", protocol, None)
    found = _read(path, key, protocol)
    if found is None:
        found = reference(protocol)
        _write(path, key, found)
    return found


def _place(folder: Path, name: str) -> Path:
    return folder / f"model-{name.strip('/').replace('/', '--')}.safetensors"


def _key(name: str, protocol: Protocol, subject: Subject | None) -> str:
    """Return a hash of all that a measure depends on: weights, data, features, conditions, program, threads."""
    about: dict[str, Any] = {
        "name": name,
        "program": _program(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "protocol": protocol.describe(),
        "train": len(protocol.train),
    }
    digest = hashlib.sha256()
    for examples in (protocol.real, protocol.scored, protocol.train[:1000]):
        digest.update(_bytes(examples.data))
    digest.update(_bytes(protocol.extractor(protocol.real[:_TOLD_BY])))  # a user's own may have changed, and no name
    if subject is not None:
        model = subject.any_model
        about |= {
            "model": type(model).__name__,
            "arguments": plain_arguments(model),
            "device": str(next(model.parameters()).device),
            "training": [subject.training_seconds, subject.training_rounds, str(subject.course)],
        }
        for part, tensor in sorted(model.state_dict().items()):
            digest.update(part.encode() + _bytes(tensor))
    digest.update(json.dumps(about, sort_keys=True, default=str).encode())
    return digest.hexdigest()


@cache
def _program() -> str:
    """Return a hash of the program itself, so that no measure of another version is taken for one of this."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()


def _write(path: Path, key: str, found: Measures) -> None:
    parts = {
        "samples": found.samples,
        "neighbours": found.neighbours,
        "feature-neighbours": found.feature_neighbours,
    }
    tensors = {name: part.data for name, part in parts.items() if part is not None}
    tensors |= {f"{n}-labels": part.labels for n, part in parts.items() if part is not None and part.labels is not None}
    tensors["distances"] = torch.tensor(found.distances, dtype=torch.float64)
    tensors["feature-distances"] = torch.tensor(found.feature_distances, dtype=torch.float64)
    if found.density is not None:
        tensors["density"] = found.density
    write_tensors(path, tensors, {"key": key, "measures": found.to_dict()})


def _read(path: Path, key: str, protocol: Protocol) -> Measures | None:
    """Return what is kept under a key; None if nothing is, or it is damaged."""
    try:
        tensors, record = read_tensors(path)
    except CheckpointError:
        return None
    if record.get("key") != key:
        return None
    stored = record["measures"]
    names = [field.name for field in fields(Figure)]
    figures = {key: Figure(**{name: one[name] for name in names}) for key, one in stored["figures"].items()}

    def examples(name: str) -> Examples | None:
        if name not in tensors:
            return None
        return Examples(tensors[name], protocol.event, tensors.get(f"{name}-labels"), protocol.real.classes)

    return Measures(
        stored["name"],
        stored["family"],
        stored["class"],
        tuple(stored["answers"]),
        stored["likelihood"],
        figures,
        examples("samples"),
        examples("neighbours"),
        tuple(tensors["distances"].tolist()),
        examples("feature-neighbours"),
        tuple(tensors["feature-distances"].tolist()),
        tensors.get("density"),
    )
