"""`triptych arithmetic`: what two labels differ in, added to an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from triptych.cli.codes import WALKS, coded, decoder_of, write_walks
from triptych.cli.inputs import Sources, data_of_run, labels_of
from triptych.cli.options import Quiet, Seed
from triptych.cli.output import check_free
from triptych.cli.sampled import Samples
from triptych.cli.shared_options import Fit, Images, LabelOfAll, Overwrite, Run, WalkOut
from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.queries.arithmetic import Expression

INVERTED = 64
"""Examples of a label whose codes are found, where that takes descents."""


def arithmetic(
    run: Run,
    expression: Annotated[
        str | None, typer.Argument(help='Such as "3 - 5 + image", or "3 - 5 + 8": labels of the data, by name.')
    ] = None,
    source: Annotated[str | None, typer.Option("--from", help="Instead of an expression: the label to leave.")] = None,
    target: Annotated[str | None, typer.Option("--to", help="Instead of an expression: the label to go to.")] = None,
    plus: Annotated[str | None, typer.Option("--plus", help="Of samples: numbers in the --grid, as 3,7,11.")] = None,
    minus: Annotated[
        str | None, typer.Option("--minus", help="Of samples: those whose mean code is subtracted.")
    ] = None,
    base: Annotated[str | None, typer.Option("--base", help="Of samples: those to whose mean it is added.")] = None,
    grid: Annotated[
        bool, typer.Option("--grid", help="Draw --count samples of the model with their numbers, and nothing else.")
    ] = False,
    image: Images = None,
    steps: Annotated[int, typer.Option("--steps", help="Columns, from nothing added on.")] = 5,
    strength: Annotated[float, typer.Option("--strength", help="How often the last column adds the difference.")] = 2.0,
    count: Annotated[
        int | None,
        typer.Option("--count", help="How many test examples, where no image is given (4), or samples (64)."),
    ] = None,
    out: WalkOut = Path("arithmetic.png"),
    label: LabelOfAll = None,
    fit: Fit = False,
    overwrite: Overwrite = False,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Add what two labels differ in to the code of an image, and draw what comes of it, a row for each image.

    "A - B + C" is the mean code of the training examples of label A, less that of B, added to C, which is `image` (the
    files of --image) or a label (its first test examples). --from B --to A is short for "A - B + image", or without
    --image "A - B + B". The columns add nothing of the difference, then more and more of it. Of a model that does not
    reconstruct (gan) codes are found by descent, of 64 examples of each label.

    Instead of labels, samples may be chosen: --grid draws them with their numbers, and --plus, --minus and --base name
    those whose codes are averaged. The --seed, --count and --label must be the grid's.
    """
    check_free(out, overwrite, WALKS)
    count = count or (64 if grid or plus or minus or base else 4)
    if steps < 2 or count < 1:
        raise ConfigurationError(f"--steps {steps} --count {count}: expected at least 2 columns, and 1 example")
    by_number = {"--plus": plus, "--minus": minus, "--base": base}
    model: Any = decoder_of(run, out)
    amounts = [strength * k / (steps - 1) for k in range(steps)]
    if grid or any(by_number.values()):
        if expression or source or target or image or (grid and any(by_number.values())):
            raise ConfigurationError("--plus, --minus and --base choose samples, --grid draws them: give nothing else")
        samples = Samples.of(model, count, label, seed)
        told = samples.draw(out) if grid else samples.added(by_number, amounts, out)
    else:
        asked = _asked(expression, source, target, bool(image))
        sources = Sources(run, image, fit=fit, seed=seed, quiet=quiet)
        told = _by_labels(sources, model, asked, count, amounts, label, out)
    if not quiet:
        typer.echo(f"{told} by {run}: {out}")


def _by_labels(
    sources: Sources, model: Any, asked: Expression, count: int, amounts: list[float], label: str | None, out: Path
) -> str:
    """Add what labels differ in, draw it, and say what was done."""
    import torch

    from triptych.queries import Reconstructor, shift_codes

    train, test = data_of_run(sources.run, sources.quiet, "another run")
    sides = {sign: [of_label(train, name) for name in getattr(asked, sign)] for sign in ("plus", "minus")}
    if not isinstance(model, Reconstructor):
        sides = {sign: [x[:INVERTED] for x in parts] for sign, parts in sides.items()}
    image, seed = sources.image, sources.seed
    given = sources.images(model) if image else of_label(test, asked.base)[:count]
    own = labels_of(model, given, label)
    means = {
        sign: torch.stack([coded(model, x, None, seed).mean(0) for x in parts]).sum(0) for sign, parts in sides.items()
    }
    codes = coded(model, given, own, seed)
    write_walks(model, shift_codes(model, codes, means["plus"] - means["minus"], amounts, label=own), out)
    added = " + ".join(f"({a} − {b})" for a, b in zip(asked.plus, asked.minus, strict=True))
    what = ", ".join(map(str, image)) if image else f"{len(given)} test examples of {asked.base}"
    return f"0 to {amounts[-1]:g} times {added} added to {what}"


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
