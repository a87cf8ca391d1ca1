"""Options that several verbs have: one word, and one text of help, for one thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Run = Annotated[Path, typer.Argument(help="A run directory.")]
Images = Annotated[
    list[Path] | None,
    typer.Option("--image", help="An image file; may be given several times. Else test examples of the run's data."),
]
ImagesForData = Annotated[
    list[Path] | None, typer.Option("--image", help="An image file, in place of data; may be given several times.")
]
Fit = Annotated[
    bool, typer.Option("--fit", help="Crop, resize and round images that are not of the model's size and levels.")
]
OtherData = Annotated[
    str | None, typer.Option("--data", help="Other data, read as the run's were. Else the run's own.")
]
Split = Annotated[str, typer.Option("--split", help="Of the data: train, test or both.")]
Count = Annotated[int, typer.Option("--count", help="How many test examples, where no image is given.")]
LabelOfAll = Annotated[
    str | None, typer.Option("--label", help="Of a conditional model: the label of all, by name or number.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[
    str,
    typer.Option(
        "--threads", help="Processor threads: a number, or auto to time a few and adapt when the machine is busy."
    ),
]

PictureOut = Annotated[Path, typer.Option("-o", "--out", help="A .png or an .npz file.")]
GridOut = Annotated[Path, typer.Option("-o", "--out", help="A .png grid, or an .npz file.")]
WalkOut = Annotated[Path, typer.Option("-o", "--out", help="A .png, a .gif, or an .npz file.")]
TableOut = Annotated[Path, typer.Option("-o", "--out", help="A .csv file.")]
