"""From what a user types to a training and a test set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from triptych.data import arrays, embedded
from triptych.data.adapt import adapted
from triptych.data.asked import check_options, nothing_there
from triptych.data.decode import Decoding
from triptych.data.domains import divided
from triptych.data.examples import Examples
from triptych.data.folder import load_folder
from triptych.data.hub import load_hub, load_parquet, parquet_files
from triptych.data.source import Source
from triptych.data.stack import stacked
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.noise import mix
from triptych.running.progress import shown, task

_TABLES = (".csv", ".tsv")
# Keep the split and the fixed binarisation unrelated to each other, and to the draw of a toy.
_SPLIT, _BINARISE, _HOLD_OUT = 1, 2, 3


def load(
    spec: str | Path,
    *,
    image_size: int | None = None,
    colours: int | None = None,
    levels: int | None = None,
    binarize: str | None = None,
    test_fraction: float = 0.25,
    seed: int = 0,
    column: str | None = None,
    label_column: str | None = None,
    domains: str | None = None,
    stack: int | None = None,
    count: int | None = None,
    skip_bad: bool = False,
    progress: bool = True,
) -> tuple[Examples, Examples]:
    """Return the training and the test examples of a data set.

    A spec is `digits` (8×8, embedded); `factors` (32×32, drawn on the spot, labelled by what they were drawn
    from); a 2-D toy (`ring`, `grid`, `moons`, `swiss-roll`); a folder of images; a folder of parquet files; an
    `.npz`, `.npy` or `.csv` file; or `hub:owner/name`. Given splits are kept; where there are none, a seeded share
    of every class becomes the test set. Images are decoded once, into `$TRIPTYCH_CACHE` (`~/.cache/triptych`); a
    set larger than half of the available memory stays there and is read batch by batch.

    Args:
        spec: what to load.
        image_size: height and width in pixels; images are cropped to their central square and resized.
        colours: 1 to make images grey, 3 to make them RGB.
        levels: number of values of a sub-pixel, where the source does not say (arrays: 2 if all values are
            0 or 1, else 256).
        binarize: `threshold` (1 from half of the highest level on), or `stochastic` (1 with probability
            intensity / highest level; drawn anew every epoch for training, once for the test set).
        test_fraction: share of the examples that become the test set where none is given.
        seed: of the split, of the fixed draws of `stochastic`, and of toys.
        column: the column of images in a table that has several.
        label_column: the column of labels in a table.
        domains: `negative`, `edges` or `rotated`: half of the images, drawn by `seed`, are changed so, and the label
            of each becomes the one of two domains that it is in; no image is in both.
        stack: 3 to draw, by `seed`, three grey images of a split as the colours of one: each example's label is the
            triple of theirs, so that ten classes make 1,000 modes; 128,000 for training and 26,000 for the test.
        count: number of examples of a toy (10,000) or of a stack (154,000), both sets together.
        skip_bad: leave out images that cannot be read, with a warning, instead of refusing.
        progress: show how far reading is, on standard error.

    Raises:
        DataError: if the data do not exist, cannot be read or do not belong together.
        ConfigurationError: if an option is out of its range or does not apply to the spec.

    Example:
        >>> train, test = load("digits", binarize="threshold")
        >>> train.shape, len(test), train.event.levels
        (torch.Size([1348, 1, 8, 8]), 449, 2)
    """
    spec = str(spec)
    if not spec.strip():
        raise DataError("the data are named by nothing: expected a data set or a path; . is this folder")
    given = {name: value for name, value in locals().items() if name != "progress" and value is not None}
    if spec not in embedded.names() and Path(spec).expanduser().exists():
        given["spec"] = str(Path(spec).expanduser().resolve())
    check_options(image_size, colours, binarize, test_fraction, count, stack)
    how = Decoding(image_size, colours, skip_bad)
    with shown(progress), task(f"reading {spec}"):
        source = _read(spec, how, levels, column, label_column, count if stack is None else None, seed)
    if not len(source.data):
        raise DataError(f"{spec} holds no example: expected two or more")
    source = adapted(source, image_size, colours, levels, spec)
    source = _split(source, test_fraction, seed, spec)
    source = source if stack is None else stacked(source, count, seed, spec)
    source = source if domains is None else divided(source, domains, seed, spec)
    train, test = _examples(source) if binarize is None else binarised(source, binarize, seed, spec)
    return replace(train, source=given), replace(test, source=given)


def describe(examples: Examples) -> str:
    """Say in a few words what a set of examples is.

    Args:
        examples: any set.

    Example:
        >>> describe(load("digits")[0])
        '1,348 examples, 1×8×8 image, 17 levels, 10 classes'
    """
    what = "classes" if examples.labels is None or examples.labels.dim() == 1 else "factors"
    classes = f", {len(examples.classes)} {what}" if examples.classes else ""
    where = "" if examples.resident else ", on disk"
    return f"{len(examples):,} examples, {examples.event}{classes}{where}"


def hold_out(train: Examples, share: float, seed: int = 0) -> tuple[Examples, Examples | None]:
    """Split training examples into those that train and those that choose the best weights.

    Args:
        train: a training split; the test split has no part in this.
        share: of the examples to hold out, from 0 (none) to below 1.
        seed: of the choice.

    Returns:
        The rest, and the held-out examples (None for a share of 0).

    Raises:
        ConfigurationError: for a share out of its range, or one that leaves either side empty.

    Example:
        >>> rest, held_out = hold_out(load("digits")[0], 0.1)
        >>> len(rest), len(held_out)
        (1213, 135)
    """
    if not 0 <= share < 1:
        raise ConfigurationError(f"a share of {share:g} held out: expected a number from 0 to below 1")
    if share == 0:
        return train, None
    if not train.resident:
        raise ConfigurationError("a share of examples on disk cannot be held out: give --validate 0")
    held_out = round(len(train) * share)
    if not 0 < held_out < len(train):
        raise ConfigurationError(f"a share of {share:g} of {len(train)} examples leaves nothing: give another")
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(mix(seed, _HOLD_OUT)))
    source = {**train.source, "validate": share}
    rest, held = (replace(train[rows.sort().values], source=source) for rows in (order[held_out:], order[:held_out]))
    return rest, replace(held, intensities=None)


def require_classes(examples: Examples, what: str) -> None:
    """Raise unless the examples are of two classes or more.

    Args:
        examples: any set.
        what: what needs them, as the error names it.

    Raises:
        DataError: if they have no labels, or all the same.

    Example:
        >>> require_classes(load("digits")[0], "a class-conditional model")
    """
    if examples.labels is None or examples.labels.dim() > 1 or bool((examples.labels == examples.labels[0]).all()):
        raise DataError(
            f"one class only: {what} needs labels of two classes or more; "
            f"put the images of each class into a subfolder, or give a set with labels"
        )


def _read(
    spec: str,
    how: Decoding,
    levels: int | None,
    column: str | None,
    label: str | None,
    count: int | None,
    seed: int,
) -> Source:
    path = Path(spec).expanduser()
    ending = path.suffix.lower()
    own, remote = spec in embedded.names(), spec.startswith("hub:")
    if not (own or remote or path.exists()):
        raise nothing_there(spec, path)
    files = [] if own or remote else parquet_files(path)
    if column is not None and not (files or remote):
        raise ConfigurationError(f"--column is for parquet files and hub sets, not for {spec}: leave it out")
    if label is not None and not (files or remote or ending in _TABLES):
        raise ConfigurationError(f"--label-column is for tables, not for {spec}: leave it out")
    if count is not None and spec not in embedded.TOYS:
        raise ConfigurationError(f"a count of examples is for toys only, {', '.join(embedded.TOYS)}, and for --stack")
    if own:
        return embedded.named(spec, count, seed)
    if remote:
        return load_hub(spec.removeprefix("hub:"), how, column, label)
    if files:
        return load_parquet(files, how, column, label)
    if path.is_dir():
        return load_folder(path, how)
    if ending == ".npz":
        return arrays.load_npz(path, levels)
    if ending == ".npy":
        return arrays.load_npy(path, levels)
    if ending in _TABLES:
        return arrays.load_csv(path, label)
    raise DataError(f"{path} is no data set: expected a folder, or a .npz, .npy, .csv or .parquet file")


def _split(source: Source, test_fraction: float, seed: int, spec: str) -> Source:
    """Return the source with its training examples first, and their number as `given`."""
    total = len(source.data)
    held_out = int(total * test_fraction + 0.5) if source.given is None else total - source.given
    if not 0 < held_out < total:
        what = "test" if held_out < 1 else "training"
        raise DataError(
            f"no {what} example in {spec}: {total:,} in all, {held_out:,} of them for the test; "
            f"give more examples or another --test-fraction"
        )
    if source.given is not None:
        return source
    order = torch.randperm(total, generator=torch.Generator().manual_seed(mix(seed, _SPLIT)))
    if source.labels is not None and source.labels.dim() == 1:
        # NumPy's sort: torch's takes a tenth of a second to start its threads on a busy machine.
        order = order[torch.from_numpy(source.labels[order].numpy().argsort(kind="stable"))]
    # Every (total/held_out)-th of the shuffled classes laid end to end: a fair share of each of them.
    steps = torch.arange(total + 1) * held_out // total
    tested = torch.zeros(total, dtype=torch.bool).index_fill_(0, order[steps.diff().bool()], True)
    rows = torch.cat(((~tested).nonzero()[:, 0], tested.nonzero()[:, 0]))
    return replace(source.rearranged(rows), given=total - held_out)


def _examples(source: Source, intensities: Source | None = None) -> tuple[Examples, Examples]:
    """Cut a source that is in the order of its splits into training and test examples."""
    assert source.given is not None
    train = source.data[: source.given]
    shape = tuple(train.shape[1:])
    event = Event(shape, source.levels)
    if source.levels is None:
        centre, spread = train.double().mean(0), train.double().std(0, correction=0)
        constant = spread < torch.finfo(torch.float32).tiny
        event = Event(shape, None, tuple(centre.tolist()), tuple(spread.masked_fill(constant, 1.0).tolist()))
    parts = []
    for part in (slice(source.given), slice(source.given, None)):
        labels = None if source.labels is None else source.labels[part]
        parts.append(
            Examples(source.data[part], event, labels, source.classes, resident=source.resident, columns=source.columns)
        )
    if intensities is not None:
        drawn_from = intensities.data[: source.given]
        parts[0] = replace(parts[0], intensities=drawn_from, intensity_levels=intensities.levels or 256)
    return parts[0], parts[1]


def binarised(source: Source, how: str, seed: int, spec: str) -> tuple[Examples, Examples]:
    """Return training and test images of two levels.

    Args:
        source: images.
        how: "threshold" at half, or "stochastic": drawn with the intensity as probability, in training anew each epoch.
        seed: of what is drawn.
        spec: how messages call the data.

    Raises:
        DataError: for vectors.
    """
    if source.levels is None:
        raise DataError(f"{spec} holds vectors, which cannot be binarised: leave out --binarize")
    top = source.levels - 1
    if how == "threshold":
        binary = source.through("threshold", lambda x: (x.int() * 2 >= top).to(torch.uint8))
        return _examples(replace(binary, levels=2))
    generator = torch.Generator().manual_seed(mix(seed, _BINARISE))

    def draw(x: Tensor) -> Tensor:
        return torch.rand(x.shape, generator=generator).mul_(top).lt(x).to(torch.uint8)

    binary = source.through(f"stochastic {seed}", draw)
    return _examples(replace(binary, levels=2), source)
