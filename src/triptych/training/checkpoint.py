"""Models and training states on disk. Nothing here is ever unpickled."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triptych.catalogue import CATALOGUE, name_of
from triptych.errors import CheckpointError
from triptych.event import Event
from triptych.models.base import Model
from triptych.training.files import read_tensors, write_tensors, write_whole
from triptych.version import __version__

_AGAIN = "train the model again, or copy its directory anew"
KEPT = 2
"""How many checkpoints a run keeps."""


def _plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def plain_arguments(model: Model) -> dict[str, Any]:
    """Return a model's constructor arguments as JSON can hold them; a user's own part is named, not stored."""
    return {
        name: value if _plain(value) else {"custom": getattr(value, "__qualname__", type(value).__qualname__)}
        for name, value in model.arguments.items()
    }


def save(model: Model, path: str | Path, weights: dict[str, Tensor] | None = None) -> None:
    """Write a model as `model.json` (name, arguments, data) and `model.safetensors` into a directory.

    Args:
        model: what is written.
        path: the directory.
        weights: other weights than the model's own, by the names of its `state_dict`.

    Raises:
        CheckpointError: if it cannot be written.
    """
    path = Path(path)
    write_tensors(path / "model.safetensors", model.state_dict() if weights is None else weights, {})
    description = {
        "triptych": __version__,
        "model": name_of(model),
        "arguments": plain_arguments(model),
        "event": model.event.to_dict(),
        "labels": list(model.label_names),
    }
    write_whole(path / "model.json", (json.dumps(description, indent=2) + "\n").encode())


def load(path: str | Path, model: type[Model] | None = None, **parts: Any) -> Model:
    """Rebuild a model from a run directory, on the CPU and ready to be asked.

    Args:
        path: a directory that `fit(run=...)` or `save` wrote.
        model: the class, if it is the user's own and not in the catalogue.
        parts: the user's own modules or functions that it was built with, by argument name.

    Raises:
        CheckpointError: if there is no whole model, or a part of the user's own is missing.

    Example:
        >>> import tempfile, triptych as tp
        >>> vae = tp.VAE(tp.Event((2,)), latent=2)
        >>> with tempfile.TemporaryDirectory() as place:
        ...     tp.save(vae, place)
        ...     same = tp.load(place)
        >>> bool((same.decode(torch.zeros(1, 2)).data == vae.decode(torch.zeros(1, 2)).data).all())
        True
    """
    path = Path(path)
    description = read_description(path)
    name = description["model"]
    if model is None:
        if name not in CATALOGUE:
            raise CheckpointError(f"{path} holds a {name}, which is not in the catalogue: load it with model={name}")
        model = CATALOGUE[name].model
    arguments = {**description["arguments"], **parts}
    for argument, value in arguments.items():
        if isinstance(value, Mapping) and set(value) == {"custom"}:
            raise CheckpointError(
                f"{path} was built with your own {argument} ({value['custom']}): give load(..., {argument}=...)"
            )
    rebuilt = model.of(Event.from_dict(description["event"]), arguments)
    rebuilt.label_names = tuple(description.get("labels", ()))
    rebuilt.called = name if name in CATALOGUE else ""
    try:
        tensors, _ = read_tensors(path / "model.safetensors")
    except CheckpointError as error:
        raise CheckpointError(f"{error}: {_AGAIN}") from error
    try:
        rebuilt.load_state_dict(tensors)
    except RuntimeError as error:
        written = description.get("triptych", "an unknown version")
        what = f"by triptych {written}" if written != __version__ else "otherwise than its model.json says"
        raise CheckpointError(
            f"{path}: its weights do not fit its model, for they were written {what}: {_AGAIN}"
        ) from error
    return rebuilt.eval()


def read_description(path: Path) -> dict[str, Any]:
    """Return what `model.json` says.

    Raises:
        CheckpointError: if there is none, or it is not one.
    """
    try:
        description: dict[str, Any] = json.loads((path / "model.json").read_text())
        if {"model", "arguments", "event"} <= set(description):
            return description
    except FileNotFoundError:
        there = "there is no such directory" if not path.exists() else "it holds no model.json"
        raise CheckpointError(f"{path} is not a trained model: {there}; see `triptych train --help`") from None
    except (OSError, ValueError):
        pass
    raise CheckpointError(f"{path / 'model.json'} is damaged: it does not describe a model: {_AGAIN}")


def checkpoint_path(run: Path, step: int) -> Path:
    """Return where the checkpoint after `step` rounds is."""
    return run / "checkpoints" / f"step-{step:09d}.safetensors"


def write_checkpoint(run: Path, step: int, seconds: float, tensors: dict[str, Tensor], record: dict[str, Any]) -> Path:
    """Write the training state after `step` rounds, then drop all but the newest checkpoints.

    Raises:
        CheckpointError: if it cannot be written; earlier checkpoints are then untouched.
    """
    path = checkpoint_path(run, step)
    write_whole(path.with_suffix(".seconds"), f"{seconds:.4f}\n".encode())
    write_tensors(path, tensors, {"step": step, **record})
    for old in sorted(path.parent.glob("step-*.safetensors"))[:-KEPT]:
        old.unlink()
    kept = {kept.stem for kept in path.parent.glob("step-*.safetensors")}
    for clock in path.parent.glob("step-*.seconds"):
        if clock.stem not in kept:
            clock.unlink()
    return path


def read_seconds(run: Path, step: int) -> float:
    """Return the training time that a checkpoint was written at."""
    return float(checkpoint_path(run, step).with_suffix(".seconds").read_text())


def newest_checkpoint(run: Path) -> tuple[dict[str, Tensor], dict[str, Any], list[str]] | None:
    """Return the newest whole checkpoint's tensors and record, and what was wrong with newer ones.

    Raises:
        CheckpointError: if there are checkpoints and every one of them is damaged.
    """
    damaged: list[str] = []
    for path in sorted((run / "checkpoints").glob("step-*.safetensors"), reverse=True):
        try:
            tensors, record = read_tensors(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        return tensors, record, damaged
    if damaged:
        raise CheckpointError(f"no checkpoint of {run} is whole: {damaged[0]}; start again with --overwrite")
    return None


def optimizer_state(optimizer: torch.optim.Optimizer, prefix: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as named tensors, and its other numbers."""
    stored = optimizer.state_dict()
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {
        "groups": [{k: v for k, v in g.items() if k != "params"} for g in stored["param_groups"]]
    }
    for index, values in stored["state"].items():
        for key, value in values.items():
            if isinstance(value, Tensor):
                tensors[f"{prefix}{index}.{key}"] = value
            else:
                numbers[f"{index}.{key}"] = value
    return tensors, numbers


def restore_optimizer(
    optimizer: torch.optim.Optimizer, prefix: str, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]
) -> None:
    """Give an optimiser the state that `optimizer_state` returned."""
    state: dict[int, dict[str, Any]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in tensors.items():
        if name.startswith(prefix):
            index, key = name.removeprefix(prefix).split(".")
            like = parameters[int(index)]
            # Fused optimisers walk parameter and state in step: they must be laid out alike in memory.
            same = torch.empty_like(like).copy_(tensor) if tensor.shape == like.shape else tensor
            state.setdefault(int(index), {})[key] = same
    for name, value in numbers.items():
        if name != "groups":
            index, key = name.split(".")
            state.setdefault(int(index), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    restored = [{**stored, "params": group["params"]} for group, stored in zip(groups, numbers["groups"], strict=True)]
    optimizer.load_state_dict({"state": state, "param_groups": restored})
