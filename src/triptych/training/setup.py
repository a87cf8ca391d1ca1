"""What is settled before the first round: examples, processes, the configuration."""

from __future__ import annotations

import inspect
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from triptych.catalogue import name_of
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.models.base import Model
from triptych.training.alone import Alone
from triptych.training.checkpoint import plain_arguments
from triptych.training.config import HardwareConfig, TrainingConfig
from triptych.version import __version__

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NOT_CONFIGURATION = ("run", "resume", "overwrite", "progress")
"""Options of `fit` that say where and how to show a run, and are no part of what it is."""


def configuration(
    model: Model,
    train: Examples,
    validated: tuple[Model, Examples] | None,
    config: TrainingConfig,
    threads: str | int,
) -> dict[str, Any]:
    """Return the resolved configuration of a run, with the numbers of threads that it keeps: it can be done again."""
    training = {**config.flat, "threads": threads}
    return {
        "triptych": __version__,
        "model": name_of(model),
        "arguments": plain_arguments(model),
        "data": dict(train.source) or {"event": model.event.to_dict(), "examples": len(train)},
        "validated_on": len(validated[1]) if validated else 0,
        "training": {name: value for name, value in training.items() if name not in NOT_CONFIGURATION},
    }


def needs_fabric(hardware: HardwareConfig) -> bool:
    """Return whether a training asks for more than one process on the processors in single precision."""
    plain = hardware.devices == 1 and hardware.precision == "32-true" and "WORLD_SIZE" not in os.environ
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return not plain or not (hardware.accelerator == "cpu" or (hardware.accelerator == "auto" and not accelerated))


def launch(hardware: HardwareConfig) -> Fabric | Alone:
    """Start the processes, and set each one's device and precision."""
    if not needs_fabric(hardware):
        return Alone()
    from lightning_fabric import Fabric

    for logger in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            strategy="ddp" if hardware.devices > 1 else "auto",
            precision=hardware.precision,  # type: ignore[arg-type]  # one of `PRECISIONS`
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"accelerator={hardware.accelerator}, devices={hardware.devices}: {reason}") from error
    fabric.launch()
    return fabric


def usable_examples(model: Model, train: Examples) -> Examples:
    """Return the examples as the model is trained on them: with labels only if it is conditioned on them.

    Raises:
        DataError: for examples that are not the model's, or without the labels that it needs.
    """
    if not isinstance(train, Examples):
        raise DataError(f"a {type(train).__name__} was given: expected Examples, as `load` returns them")
    if not train.event.same_space(model.event):
        raise DataError(f"the examples are {train.event}, the model takes {model.event}")
    if not model.learns_labels:
        return replace(train, labels=None, classes=())
    if model.embedding:
        shape = None if train.labels is None else tuple(train.labels.shape[1:])
        if shape != (model.embedding,):
            held = "none" if shape is None else "class labels" if shape == () else f"vectors of {shape[0]}"
            raise DataError(f"embedding={model.embedding} asks for a vector with each example, the data has {held}")
        return train
    if train.labels is None:
        asked = f"classes={model.classes} was asked for" if model.classes else f"{name_of(model)} learns from labels"
        instead = "give data with labels" + (", or --classes 0 for a model without" if model.classes else "")
        raise DataError(f"{asked}, but the data has no labels of two classes or more: {instead}")
    if train.labels.dim() > 1:
        takes = "embedding" in inspect.signature(type(model)).parameters
        instead = f"give embedding={train.labels.shape[1]} instead of classes" if takes else "leave classes out"
        raise DataError(f"the data is labelled by vectors: {instead}")
    if model.classes and int(train.labels.max()) >= model.classes:
        largest = int(train.labels.max())
        raise DataError(
            f"the data has a label {largest}, the model classes={model.classes}: give --classes {largest + 1}"
        )
    if train.classes and model.classes > len(train.classes):
        raise DataError(
            f"the data has {len(train.classes)} classes, the model classes={model.classes}: "
            f"give --classes {len(train.classes)}"
        )
    labels = model.labels_in(train)
    if model.classes and len(train.classes) == model.classes and not model.label_names:
        model.label_names = train.classes
    if model.classes:
        train = replace(train, labels=labels, classes=model.label_names or train.classes)
    model.check_training(train)
    return train
