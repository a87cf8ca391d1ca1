"""The classifier that the program trains on the user's labels, whose last hidden layer gives features."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from triptych.data.batches import Batches
from triptych.data.examples import Examples
from triptych.data.stack import is_stacked
from triptych.evaluation.features.extractor import Extractor
from triptych.evaluation.features.net_cache import Record, kept
from triptych.evaluation.streams import Stream
from triptych.event import Event
from triptych.metrics.figure import Figure
from triptych.metrics.resolution import shrunk
from triptych.networks import Sizes, resolve_encoder
from triptych.noise import mix
from triptych.running.progress import track

FEATURES = 64
STEPS = 600
BATCH = 128
RATE = 3e-3
# Part of the cache's key: change it with anything below that changes the features.
_RECIPE = f"labels-net 1: {FEATURES} features, {STEPS} steps of {BATCH}, one cycle to {RATE}, dropout 0.3"


class LabelsNet(nn.Module):
    """A small classifier: examples as stored, `(B, *event.shape)`, to features `(B, F)`.

    Convolutional for images from 8×8 on (those above 32×32 are averaged down), else a perceptron. Of stacked images
    (`triptych.data.load(stack=3)`) each colour is classified by itself, all by the same weights: the features are those
    of the colours, and the logit of a triple is the sum of theirs.

    Args:
        event: what one example is.
        classes: how many; of stacked images all triples.
        stacked: whether each colour is an image with a class of its own.
    """

    def __init__(self, event: Event, classes: int, stacked: bool = False) -> None:
        super().__init__()
        self.event, self.classes = event, classes
        self.images = event.shape[0] if stacked else 1
        shape = (event.shape[0] // self.images, *event.shape[1:])
        seen = Event(tuple(shrunk(torch.empty(1, *shape)).shape[1:]), event.levels)
        kind = "conv" if event.is_image and min(seen.shape[1:]) >= 8 else "mlp"
        self.encoder = resolve_encoder(kind, seen, FEATURES, Sizes(hidden=256, channels=32, classes=0))
        self.head = nn.Sequential(nn.Dropout(0.3), nn.Linear(FEATURES, round(classes ** (1 / self.images))))

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the last hidden layer, `(B, F)`."""
        scaled = self.event.scaled(x)
        each = scaled if self.images == 1 else scaled.flatten(0, 1).unsqueeze(1)
        return torch.relu(self.encoder(shrunk(each))).reshape(len(x), -1)

    def logits(self, x: Tensor) -> Tensor:
        """Return unnormalised log-probabilities of the classes, `(B, classes)`."""
        each = self.head(self(x).reshape(len(x), self.images, FEATURES))
        out: Tensor = each[:, 0]
        for k in range(1, self.images):
            out = (out.unsqueeze(2) + each[:, k].unsqueeze(1)).flatten(1)
        return out


def labels_net(
    train: Examples, test: Examples, *, data: str = "data", seed: int = 0, cache: Path | None = None
) -> Extractor:
    """Return the features of a classifier trained on labelled data; train it unless it is in the cache.

    The classifier's test accuracy is part of its record: features of a classifier that cannot classify say little.
    For the cache see `triptych.evaluation.features.net_cache.kept`.

    Args:
        train: labelled examples of at least two classes.
        test: examples to measure accuracy on, if they are labelled.
        data: the extractor is called `<data>-net`.
        seed: of initial weights and minibatches.
        cache: folder; None for `$TRIPTYCH_CACHE`, or `~/.cache/triptych`.

    Returns:
        An extractor of 64 features, of stacked images of 192.
    """
    assert train.labels is not None, "resolve_extractor checks for labels"
    classes = max(len(train.classes), int(train.labels.max()) + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, Stream.CLASSIFIER_WEIGHTS))
        net = LabelsNet(train.event, classes, is_stacked(train))

        def make() -> Record:
            _train(net, train, seed)
            return _accuracy(net, test)

        recipe = _RECIPE if net.images == 1 else f"{_RECIPE}, colour by colour"
        record = kept(net, recipe, train, test, seed, cache, make)
    return Extractor(f"{data}-net", net, _note(record, net.images * FEATURES), _figure(record))


def _train(net: LabelsNet, train: Examples, seed: int) -> None:
    """Minimise cross-entropy, `-log p(label | x)`."""
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    batches = Batches(train, min(BATCH // net.images, len(train)), seed=mix(seed, Stream.CLASSIFIER_BATCHES)).since(0)
    for _ in track(range(STEPS), "training the classifier for features"):
        batch = next(batches)
        assert batch.label is not None
        loss = nn.functional.cross_entropy(net.logits(batch.x), batch.label)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


def _accuracy(net: LabelsNet, test: Examples) -> Record:
    if test.labels is None or not len(test):
        return {"test": 0, "correct": None}
    net.eval()
    with torch.no_grad():
        said = [net.logits(test.data[i : i + 500]).argmax(1) for i in range(0, len(test), 500)]
    return {"test": len(test), "correct": int((torch.cat(said) == test.labels).sum())}


def _figure(record: Record) -> Figure | None:
    if record["correct"] is None:
        return None
    n, share = record["test"], record["correct"] / record["test"]
    return Figure(100 * share, 100 * math.sqrt(share * (1 - share) / n), "%", f"accuracy@test-{n}")


def _note(record: Record, features: int) -> str:
    accuracy = _figure(record)
    measured = "test accuracy not measured: the test data has no labels"
    if accuracy is not None:
        measured = f"test accuracy {accuracy.text} % on {record['test']:,} examples"
    trained = f"classifier trained on {record['train']:,} labelled training examples"
    return f"{trained}, {features} features; {measured}"
