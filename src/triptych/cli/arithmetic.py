"""`triptych arithmetic`: what two labels differ in, added to an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.codes import WALKS, LabelOfAll, decoder_of, write_walks
from triptych.cli.inputs import Fit, Images, Overwrite, Run, labels_of, read_images
from triptych.cli.options import Debug, Quiet, Seed
from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.queries.arithmetic import Expression


def arithmetic(
    run: Run,
    expression: Annotated[
        str | None, typer.Argument(help='Such as "3 - 5 + image", or "3 - 5 + 8": labels of the data, by name.')
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="Instead of an expression: the label to leave.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Instead of an expression: the label to go to.")] = None,
    image: Images = None,
    steps: Annotated[int, typer.Option("--steps", help="Columns, from nothing added on.")] = 5,
    strength: Annotated[float, typer.Option("--strength", help="How often the last column adds the difference.")] = 2.0,
    count: Annotated[int, typer.Option("--count", help="How many test examples, where no image is given.")] = 4,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .png, a .gif, or an .npz file.")] = Path("arithmetic.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Add what two labels differ in to the code of an image, and draw what comes of it, a row for each image.

    "A - B + C" is the mean code of the training examples of label A, less that of B, added to C, which is `image` (the
    files of --image) or a label (its first test examples). --from B --to A is short for "A - B + image", or without
    --image "A - B + B". The columns add nothing of the difference, then more and more of it.
    """
    import torch

    from triptych.cli.output import check_free
    from triptych.cli.use import data_of_run
    from triptych.queries import attribute_vector, shift

    check_free(out, overwrite, WALKS)
    if steps < 2 or count < 1:
        raise ConfigurationError(f"--steps {steps} --count {count}: expected at least 2 columns, and 1 example")
    asked = _asked(expression, source, target, bool(image))
    model: Any = decoder_of(run, out)
    model.reconstruct  # noqa: B018 - before the data are read: it says so if the model cannot
    train, test = data_of_run(run, quiet, "another run")
    pairs = [(of_label(train, a), of_label(train, b)) for a, b in zip(asked.plus, asked.minus, strict=True)]
    base = read_images(image, run, model.event, fit, seed) if image else of_label(test, asked.base)[:count]
    own = labels_of(model, base, label, 1)
    vector = torch.stack([attribute_vector(model, *pair) for pair in pairs]).sum(0)
    walks = shift(model, base, vector, torch.linspace(0, strength, steps).tolist(), label=own)
    write_walks(model, walks, out)
    if not quiet:
        added = " + ".join(f"({a} − {b})" for a, b in zip(asked.plus, asked.minus, strict=True))
        what = ", ".join(map(str, image)) if image else f"{len(base)} test examples of {asked.base}"
        typer.echo(f"0 to {strength:g} times {added} added to {what} by {run}: {out}")


def _asked(expression: str | None, source: str | None, target: str | None, image: bool) -> Expression:
    """Return what was asked for, in either form.

    Raises:
        ConfigurationError: unless it is exactly one of them, and names `image` if and only if one is given.
    """
    from triptych.queries.arithmetic import IMAGE, Expression, parse

    short = source is not None and target is not None
    if short == (expression is not None) or (source is None) != (target is None):
        raise ConfigurationError('expected an expression such as "3 - 5 + image", or --from 5 --to 3')
    if expression is None:
        assert source is not None and target is not None
        return Expression(IMAGE if image else source, (target,), (source,))
    asked = parse(expression)
    if (asked.base == IMAGE) != image:
        try_this = f"name {IMAGE} in it, as A - B + {IMAGE}" if image else "give --image FILE"
        raise ConfigurationError(f"expression {expression!r} and {'an' if image else 'no'} --image: {try_this}")
    return asked


def of_label(x: Examples, name: str) -> Examples:
    """Return the examples of a label.

    Raises:
        ConfigurationError: for data without labels of classes, or without this one.
    """
    if x.labels is None or x.labels.dim() > 1 or not x.classes:
        raise ConfigurationError("the run's data have no labels by name: arithmetic takes two that they have")
    if name not in x.classes:
        raise ConfigurationError(f"no label {name!r} in the run's data; {did_you_mean(name, x.classes)}")
    found = x[x.labels == x.classes.index(name)]
    if not len(found):
        raise ConfigurationError(f"label {name!r} has no examples in this split: choose another")
    return found
