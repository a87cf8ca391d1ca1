"""What is settled before the first round: options, examples, processes, the configuration."""

from __future__ import annotations

import inspect
import logging
import math
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from triptych.catalogue import name_of
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.models.base import Model
from triptych.training.alone import Alone
from triptych.training.budget import check_schedule
from triptych.training.checkpoint import plain_arguments
from triptych.training.throughput import check as check_threads
from triptych.version import __version__

if TYPE_CHECKING:
    from lightning_fabric import Fabric

PRECISIONS = ("32-true", "bf16-mixed")
NOT_CONFIGURATION = ("run", "resume", "overwrite", "progress")
"""Options of `fit` that say where and how to show a run, and are no part of what it is."""


def configuration(
    model: Model, train: Examples, validated: tuple[Model, Examples] | None, options: SimpleNamespace
) -> dict[str, Any]:
    """Return the resolved configuration of a run: all that is needed to do it again."""
    return {
        "triptych": __version__,
        "model": name_of(model),
        "arguments": plain_arguments(model),
        "data": dict(train.source) or {"event": model.event.to_dict(), "examples": len(train)},
        "validated_on": len(validated[1]) if validated else 0,
        "training": {name: value for name, value in vars(options).items() if name not in NOT_CONFIGURATION},
    }


def needs_fabric(options: SimpleNamespace) -> bool:
    """Return whether a training asks for more than one process on the processors in single precision."""
    plain = options.devices == 1 and options.precision == "32-true" and "WORLD_SIZE" not in os.environ
    accelerated = torch.cuda.is_available() or torch.backends.mps.is_available()
    return not plain or not (options.accelerator == "cpu" or (options.accelerator == "auto" and not accelerated))


def launch(options: SimpleNamespace) -> Fabric | Alone:
    """Start the processes, and set each one's device and precision."""
    if not needs_fabric(options):
        return Alone()
    from lightning_fabric import Fabric

    for logger in ("lightning_fabric", "lightning.fabric"):
        logging.getLogger(logger).setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=options.accelerator,
            devices=options.devices,
            strategy="ddp" if options.devices > 1 else "auto",
            precision=options.precision,
        )
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"accelerator={options.accelerator}, devices={options.devices}: {reason}") from error
    fabric.launch()
    return fabric


def check_options(options: SimpleNamespace) -> None:
    """Raise `ConfigurationError` for an option of `fit` that is out of its range."""
    check_schedule(options.schedule, options.warmup)
    for name in ("lr", "clip", "log_every", "checkpoint_every", "sample_every", "devices", "batch_size"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise ConfigurationError(f"{name}={value}: expected a number above 0")
    if options.batch_size % options.devices:
        raise ConfigurationError(
            f"batch_size={options.batch_size} cannot be shared by devices={options.devices}: expected a multiple"
        )
    if options.accelerator in ("auto", "cpu") and options.devices > (os.cpu_count() or 1) + 8:
        raise ConfigurationError(f"devices={options.devices}: this machine has {os.cpu_count()} processors")
    if options.ema is not None and not 0 <= options.ema < 1:
        raise ConfigurationError(f"ema={options.ema}: expected a decay from 0 to below 1, such as 0.999")
    if options.precision not in PRECISIONS:
        raise ConfigurationError(f"precision={options.precision}: expected {' or '.join(PRECISIONS)}")
    if options.accelerator not in ACCELERATORS:
        raise ConfigurationError(f"accelerator={options.accelerator}: expected {' or '.join(ACCELERATORS)}")
    check_threads(options.threads)
    if options.resume and options.overwrite:
        raise ConfigurationError("resume and overwrite were both given: expected one of them")
    if (options.resume or options.overwrite or options.tensorboard) and options.run is None:
        raise ConfigurationError("resume, overwrite and tensorboard need a run directory: give run=...")


ACCELERATORS = ("auto", "cpu", "cuda", "mps")


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
