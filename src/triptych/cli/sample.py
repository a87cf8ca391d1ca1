"""`triptych sample`: draw examples from a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.cli.loading import load
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free, write_examples
from triptych.cli.shared_options import LabelOfAll, Overwrite, Run
from triptych.errors import ConfigurationError


def sample(
    run: Run,
    n: Annotated[int, typer.Option("-n", help="How many.")] = 64,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png grid, an .npz file, or a directory.")] = Path(
        "samples.png"
    ),
    label: LabelOfAll = None,
    by_label: Annotated[
        bool, typer.Option("--by-label", help="Of a conditional model: a row for each label, -n in each.")
    ] = False,
    temperature: Annotated[
        float, typer.Option("--temperature", help="Of models that draw part by part: below 1 sharper, above flatter.")
    ] = 1.0,
    top_p: Annotated[
        float, typer.Option("--top-p", help="Of the same: keep the most probable levels with this share together.")
    ] = 1.0,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Draw samples from a trained model into a picture, a file or a directory.

    With --by-label a model that makes examples of codes (gan, vae) has the same codes in each row: of a coupled-gan the
    columns are joint samples of its domains.
    """
    check_free(out, overwrite)
    model = load(run)
    if model.embedding:
        raise ConfigurationError(f"{run} is conditioned on vectors: sample it in Python, model.sample(n, label=...)")
    sharpness = {"temperature": temperature, "top_p": top_p}
    if by_label:
        if label is not None:
            raise ConfigurationError("--label and --by-label were given: choose one of them")
        write_examples(_each_label(model, n, seed, sharpness), out, columns=n)
    else:
        write_examples(model.sample(n, label=label, seed=seed, **sharpness), out)
    if not quiet:
        sharpened = f", temperature {temperature:g}, top_p {top_p:g}" if (temperature, top_p) != (1, 1) else ""
        of = f" of each of {model.classes} labels" if by_label else ""
        typer.echo(f"{n} samples{of} of {run} (seed {seed}{sharpened}) are in {out}")


def _each_label(model: Any, n: int, seed: int, sharpness: dict[str, float]) -> Any:
    """Return n examples of each label, those of the first label first; of the same codes if they are of codes."""
    import torch

    from triptych.queries import LatentSampler

    if not model.classes:
        raise ConfigurationError("--by-label was given, and the model has no labels: train it with --classes N")
    labels = torch.arange(model.classes).repeat_interleave(n)
    shares = isinstance(model, LatentSampler) and not model.codes_have_labels
    if shares and set(sharpness.values()) == {1.0}:
        return model.decode(model.sample_codes(n, seed=seed).repeat(model.classes, 1), label=labels)
    return model.sample(len(labels), label=labels, seed=seed, **sharpness)
