"""`fit`: how to train any model."""

from __future__ import annotations

from typing import Any

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.training.config import TrainingConfig
from triptych.training.loop import Training
from triptych.training.outcome import Run
from triptych.training.setup import usable_examples


def fit(
    model: Model,
    train: Examples,
    valid: Examples | None = None,
    config: TrainingConfig = TrainingConfig(),
    **options: Any,
) -> Run:
    """Train any model on examples, by playing its game.

    A round gives each player its turns; the first draws a minibatch per turn, later ones see the last one
    drawn (Goodfellow et al. 2014, Algorithm 1). What is random in round t is a function of (seed, t) alone:
    a resumed run ends with the same bytes as one never interrupted, on the same machine.

    The settings, each explained by the dataclass that holds it:

    - `triptych.training.BudgetConfig`: `steps`, `epochs` or `minutes`; one of them must be given.
    - `triptych.training.OptimizerConfig`: `lr`, `schedule`, `warmup`, `clip`, `ema`.
    - `triptych.training.OutputConfig`: `run`, `resume`, `overwrite`, `log_every`, `checkpoint_every`, `sample_every`,
      `tensorboard`, `progress`.
    - `triptych.training.HardwareConfig`: `accelerator`, `devices`, `threads`, `precision`, `compile`, `channels_last`.
    - `triptych.TrainingConfig`: these four, `batch_size` and `seed`.

    Args:
        model: what is trained, in place.
        train: the training split.
        valid: held-out examples (never the test split). If the model bounds log p(x), it is measured on them
            at each fiftieth of the budget, and the model ends with the weights that were best.
        config: the settings.
        options: settings that differ from these, each by its own name, such as `steps=300, run="runs/vae"`.

    Returns:
        What was done.

    Raises:
        ConfigurationError: for an unknown option, or one out of its range.
        DataError: for examples that are not the model's, too few, or without the labels it needs.
        CheckpointError: for a run directory that holds something else, or cannot be written.
        NonFiniteError: as soon as a loss or gradient is NaN or infinite.
        Interrupted: after Ctrl-C, when everything has been saved.

    Example:
        >>> import triptych as tp
        >>> train, _ = tp.data.load("digits")
        >>> run = tp.fit(tp.GAN(train.event), train, steps=3, progress=False)
        >>> run.steps
        3
    """
    config = config.changed(**options)
    valid = valid if valid is None else usable_examples(model, valid)
    return Training(model, usable_examples(model, train), valid, config, labelled=train).run()
