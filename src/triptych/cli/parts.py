"""Examples that are scored or classified together, and ordinary ones that a threshold is learnt from."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from triptych.cli.inputs import Sources, read_data

if TYPE_CHECKING:
    from triptych.data.examples import Examples
    from triptych.models.base import Model

ORDINARY = 10_000
"""How many examples the threshold is learnt from, at most: a rate of 1 % then errs by a tenth of itself."""


@dataclass(frozen=True)
class Part:
    """Examples that are scored together: a split, or image files."""

    name: str
    examples: Examples
    sources: Sequence[str] = ()
    """Of each example: its split, or its file."""


def _parts_of(train: Examples, test: Examples, split: str) -> list[Part]:
    """Return one split, or both one after the other."""
    named = {
        "train": Part("training examples", train, ["train"] * len(train)),
        "test": Part("test examples", test, ["test"] * len(test)),
    }
    return list(named.values()) if split == "both" else [named[split]]


def asked_parts(sources: Sources, model: Model, own: Iterable[tuple[Examples, Examples]]) -> list[Part]:
    """Return what a verb is asked about: image files, else the split of other data, else of the runs' own."""
    if sources.image:
        return [Part("images", sources.images(model), list(map(str, sources.image)))]
    splits = own if sources.data is None else [read_data(sources.data, sources.run, model, sources.quiet)]
    return [part for train, test in splits for part in _parts_of(train, test, sources.split)]


def ordinary_of(run: Path, train: Examples) -> tuple[Examples, str]:
    """Return what a threshold is learnt from, training examples, held out if some were; and which they are."""
    from triptych.data import hold_out
    from triptych.training.rundir import read_config

    config = read_config(run / "config.yaml")
    fitted, held_out = hold_out(train, config["data"].get("validate", 0.0), seed=config["training"]["seed"])
    chosen, whence = (fitted, "training") if held_out is None else (held_out, "held-out training")
    return chosen, whence


def write_table(out: Path, parts: Sequence[Part], names: Sequence[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a .csv file with a row for each example of each part; folders on the way are made.

    Args:
        out: where to.
        parts: whose examples they are. The first columns are source, index, and label if some examples have one.
        names: of the other columns.
        rows: their cells, of all examples one after the other.
    """
    labelled = any(part.examples.labels is not None for part in parts)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["source", "index", *["label"] * labelled, *names])
        numbered = [(part, i) for part in parts for i in range(len(part.examples))]
        for (part, i), cells in zip(numbered, rows, strict=True):
            label = [_label_of(part.examples, i)] * labelled
            table.writerow([part.sources[i], i, *label, *cells])


def _label_of(x: Examples, i: int) -> str:
    """Return the label of an example: its class by name, a vector by its numbers."""
    label = None if x.labels is None else x.labels[i].tolist()
    return x.classes[label] if isinstance(label, int) and x.classes else str(label)
