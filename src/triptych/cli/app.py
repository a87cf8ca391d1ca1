"""The verbs of the program `triptych`."""

from __future__ import annotations

from typing import Annotated

import typer

from triptych.cli.arithmetic import arithmetic
from triptych.cli.classify import classify
from triptych.cli.compare import COMPARE, compare_verb
from triptych.cli.complete import complete
from triptych.cli.compress import compress
from triptych.cli.denoise import denoise
from triptych.cli.diagnose import diagnose
from triptych.cli.encode import encode, reconstruct
from triptych.cli.evaluate import EVALUATE, evaluate_verb
from triptych.cli.invert import invert
from triptych.cli.joint import joint
from triptych.cli.lazy import HELP, Lazy, lazy_group
from triptych.cli.loading import with_program_options
from triptych.cli.models import explain, models
from triptych.cli.quiz import quiz
from triptych.cli.sample import sample
from triptych.cli.score import score
from triptych.cli.train import recipes, train_app
from triptych.cli.traverse import traverse
from triptych.cli.walks import interpolate, manifold

_VERBS = {"evaluate": Lazy(EVALUATE, evaluate_verb), "compare": Lazy(COMPARE, compare_verb)}

app = typer.Typer(
    name="triptych",
    cls=lazy_group(_VERBS, "command"),
    help="Train, sample, score and compare every classic family of deep generative model on your own data.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=HELP,
)
app.command()(models)
app.command()(explain)
app.command()(recipes)
app.command()(diagnose)
app.add_typer(train_app, name="train")
for _verb in (
    sample,
    complete,
    reconstruct,
    encode,
    invert,
    interpolate,
    traverse,
    manifold,
    joint,
    arithmetic,
    score,
    classify,
    quiz,
    denoise,
    compress,
):
    app.command()(with_program_options(_verb))


def _version(asked: bool) -> None:
    if asked:
        from triptych.version import __version__

        print(f"triptych {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
