"""`fit`: how to train any model, and all that can be chosen about it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from triptych.data.examples import Examples
from triptych.models.base import Model
from triptych.training.loop import Training
from triptych.training.outcome import Run
from triptych.training.setup import check_options, usable_examples


def fit(
    model: Model,
    train: Examples,
    valid: Examples | None = None,
    *,
    steps: int | None = None,
    epochs: float | None = None,
    minutes: float | None = None,
    batch_size: int = 64,
    lr: float | None = None,
    schedule: str = "constant",
    warmup: int = 0,
    clip: float | None = None,
    ema: float | None = None,
    seed: int = 0,
    run: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    log_every: int = 50,
    checkpoint_every: int | None = None,
    sample_every: int | None = None,
    accelerator: str = "auto",
    devices: int = 1,
    threads: str | int = "auto",
    precision: str = "32-true",
    compile: bool = False,
    channels_last: bool = False,
    tensorboard: bool = False,
    progress: bool = True,
) -> Run:
    """Train any model on examples, by playing its game.

    A round gives each player its turns; the first draws a minibatch per turn, later ones see the last one
    drawn (Goodfellow et al. 2014, Algorithm 1). What is random in round t is a function of (seed, t) alone:
    a resumed run ends with the same bytes as one never interrupted, on the same machine.

    Args:
        model: what is trained, in place.
        train: the training split.
        valid: held-out examples (never the test split). If the model bounds log p(x), it is measured on them
            at each fiftieth of the budget, and the model ends with the weights that were best.
        steps: budget in rounds of the game.
        epochs: budget in passes over the training split.
        minutes: budget in minutes of training time.
        batch_size: examples in a minibatch, over all processes.
        lr: learning rate of every player; None for those that the model recommends.
        schedule: of the learning rate over the budget: constant, cosine or linear.
        warmup: rounds in which the learning rate rises to its value.
        clip: largest norm of a player's gradient; None for any.
        ema: decay of an exponential moving average of the weights, which the trained model then has.
        seed: of the order of the data and of all noise.
        run: directory for configuration, metrics, samples, checkpoints and the model; None to keep nothing.
        resume: go on with the run that is in the directory.
        overwrite: drop the run that is in the directory.
        log_every: rounds in a logging window.
        checkpoint_every: rounds between checkpoints; None for about one a minute.
        sample_every: rounds between pictures of samples; None for one at each tenth of the budget.
        accelerator: auto, cpu, cuda or mps.
        devices: number of processes that share each minibatch.
        threads: processor threads of each process: a number, or auto to time a few rounds with 1, 2, 4, … threads, take
            the fewest within a tenth of the fastest, and adapt when another process gets in the way. Another number
            can change the last bits of all figures, so the run keeps the numbers that it used: a resumed or replayed
            run uses them at the same steps.
        precision: 32-true, or bf16-mixed on hardware that has it.
        compile: compile the networks with torch.compile; the first rounds then take up to a minute.
        channels_last: train with the channels innermost in memory, as the tensor cores of GPUs like it; on CPUs it
            is measured to be slower for most networks.
        tensorboard: also write TensorBoard events; needs the [track] extra.
        progress: show progress on standard error.

    Returns:
        What was done.

    Raises:
        ConfigurationError: for an option out of its range.
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
    options = SimpleNamespace(**{k: v for k, v in locals().items() if k not in ("model", "train", "valid")})
    check_options(options)
    valid = valid if valid is None else usable_examples(model, valid)
    return Training(model, usable_examples(model, train), valid, options, labelled=train).run()
