"""The run directory: one configuration, never mixed with another."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from triptych.errors import CheckpointError
from triptych.training.files import write_whole

OWN = (
    "config.yaml",
    "metrics.jsonl",
    "model.json",
    "model.safetensors",
    "checkpoints/step-*.safetensors",
    "checkpoints/step-*.seconds",
    "samples/step-*.png",
    "tensorboard/events.out.tfevents.*",
    ".*.partial",
    "checkpoints/.*.partial",
)
"""All that a run writes. Nothing else in its directory is ever removed."""
BUDGET = ("steps", "epochs", "minutes")
FREE = (*BUDGET, "log_every", "checkpoint_every", "sample_every", "devices", "accelerator", "threads")
"""Training options that may change when a run is resumed: how long, how often to report, and on what."""


LOCK = ".lock"
BEGINNING = ".config.yaml.partial"


def claim(run: Path, config: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make `run` the directory of this configuration, or refuse.

    Args:
        run: the directory.
        config: the resolved configuration.
        resume: go on with what is there, if it has the same configuration.
        overwrite: drop the run that is there; what a run did not write stays.

    Raises:
        CheckpointError: if it holds another run, or this one without `resume`, or files that are no run.
    """
    if run.exists() and not run.is_dir():
        raise CheckpointError(f"{run} is a file: expected a directory for the run")
    stored = run / "config.yaml"
    if not stored.exists():
        if _is_used(run):
            raise CheckpointError(f"{run} holds files that are not a run's: choose another directory")
    elif overwrite:
        _remove(run)
    else:
        different = _difference(read_config(stored), config)
        if different:
            raise CheckpointError(
                f"{run} holds a run of another configuration ({different}): choose another directory, or --overwrite"
            )
        steps = config["training"]["steps"]
        if resume and steps is not None and steps < done(run):
            raise CheckpointError(f"{run} has done {done(run):,} steps: give a budget of that many or more")
        if not resume:
            raise CheckpointError(f"{run} already holds this run: --resume to continue it, --overwrite to start anew")
        for partial in (*run.glob(".*.partial"), *run.glob("checkpoints/.*.partial")):
            partial.unlink()
    write_config(stored, config)


def _is_used(run: Path) -> bool:
    """Return whether a directory holds more than what a run leaves that was killed before it was begun."""
    return run.exists() and any(entry.name not in (LOCK, BEGINNING) for entry in run.iterdir())


def done(run: Path) -> int:
    """Return the rounds after which the newest checkpoint was written, 0 if there is none."""
    return max((int(path.stem.removeprefix("step-")) for path in run.glob("checkpoints/step-*.safetensors")), default=0)


def _remove(run: Path) -> None:
    for pattern in OWN:
        for file in run.glob(pattern):
            file.unlink()
    for folder in ("checkpoints", "samples", "tensorboard"):
        with contextlib.suppress(OSError):  # it is not there, or holds files of the user's own
            (run / folder).rmdir()


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Keep other processes from writing into the same run directory meanwhile.

    Raises:
        CheckpointError: if one is at it.
    """
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        yield
        return
    if run.exists() and not run.is_dir():
        raise CheckpointError(f"{run} is a file: expected a directory for the run")
    if _is_used(run) and not (run / "config.yaml").exists():
        yield  # `claim` refuses it, and nothing is left in it
        return
    try:
        run.mkdir(parents=True, exist_ok=True)
        file = open(run / LOCK, "w")  # noqa: SIM115 - closed below
    except OSError as error:
        raise CheckpointError(f"{run} could not be made: {error.strerror}; choose another place") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CheckpointError(
                f"{run} is being written by another process: wait for it, or choose another"
            ) from None
        yield


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
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = f"{path} cannot be read: {error.strerror}"
        raise CheckpointError(f"{reason}: expected the config.yaml of a run") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        reason = f"{path} is not YAML{where}: {str(error).splitlines()[0]}"
        raise CheckpointError(f"{reason}: expected the config.yaml of a run") from error
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} is not a configuration: expected the config.yaml of a run")
    return config


def _difference(stored: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Return the first difference between two configurations in words, "" if they train the same model."""
    there, here = _flat(stored), _flat(json.loads(json.dumps(given)))
    for name in here | there:
        option = name.removeprefix("training.")
        if name == "triptych" or (option in FREE and not (option in BUDGET and _follows_budget(there))):
            continue
        if there.get(name) != here.get(name):
            return f"{name}: {there.get(name)} there, {here.get(name)} here"
    return ""


def _follows_budget(config: Mapping[str, Any]) -> bool:
    """Return whether the course of training depends on how long it was meant to be."""
    return bool(config.get("training.schedule", "constant") != "constant")


def _flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat
