"""The run directory: one configuration, never mixed with another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.errors import CheckpointError
from triptych.training.files import write_whole

OWN = ("config.yaml", "metrics.jsonl", "model.json", "model.safetensors", "report.html")
OWN_FOLDERS = ("checkpoints", "samples", "tensorboard")
FREE = ("steps", "epochs", "minutes", "log_every", "checkpoint_every", "sample_every", "devices", "accelerator")
"""Training options that may change when a run is resumed: how long, how often to report, and on what."""


def claim(run: Path, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make `run` the directory of this configuration, or refuse.

    Args:
        run: the directory.
        config: the resolved configuration.
        resume: go on with what is there, if it has the same configuration.
        overwrite: drop the run that is there. Files that are not a run's stay.

    Raises:
        CheckpointError: if it holds another run, or this one without `resume`, or files that are no run.
    """
    if run.exists() and not run.is_dir():
        raise CheckpointError(f"{run} is a file: expected a directory for the run")
    stored = run / "config.yaml"
    if overwrite:
        for name in OWN:
            (run / name).unlink(missing_ok=True)
        for name in OWN_FOLDERS:
            shutil.rmtree(run / name, ignore_errors=True)
    elif stored.exists():
        different = _difference(read_config(stored), config)
        if different:
            raise CheckpointError(
                f"{run} holds a run of another configuration ({different}): choose another directory, or --overwrite"
            )
        if not resume:
            raise CheckpointError(f"{run} already holds this run: --resume to continue it, --overwrite to start anew")
    elif run.exists() and any(run.iterdir()):
        raise CheckpointError(f"{run} holds files that are not a run's: choose another directory, or --overwrite")
    for partial in run.rglob(".*.partial"):
        partial.unlink()
    write_config(stored, config)


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a configuration as YAML."""
    import yaml

    plain = json.loads(json.dumps(config))
    write_whole(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode())


def read_config(path: Path) -> dict[str, Any]:
    """Return the configuration in a YAML file.

    Raises:
        CheckpointError: if it cannot be read or is none.
    """
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise CheckpointError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a configuration: expected the config.yaml of a run")
    return config


def _difference(stored: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return the first difference between two configurations in words, "" if they train the same model."""
    there, here = _flat(stored), _flat(json.loads(json.dumps(given)))
    for name in here | there:
        if name == "triptych" or name.removeprefix("training.") in FREE:
            continue
        if there.get(name) != here.get(name):
            return f"{name}: {there.get(name)} there, {here.get(name)} here"
    return ""


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
