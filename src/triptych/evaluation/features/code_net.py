"""The autoencoder that the program trains on images without labels, whose code gives features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from triptych.data.batches import Batches
from triptych.data.examples import Examples, subset
from triptych.evaluation.features.extractor import Extractor
from triptych.evaluation.features.net_cache import Record, kept
from triptych.evaluation.streams import Stream
from triptych.event import Event
from triptych.metrics.figure import Figure, mean_and_error
from triptych.metrics.resolution import shrunk
from triptych.networks import Sizes, resolve_decoder, resolve_encoder
from triptych.noise import mix
from triptych.running.progress import slices, track

FEATURES = 32
STEPS = 600
BATCH = 64
RATE = 3e-3
MEASURED = 2000
"""So many test examples at most have their reconstruction measured, and so many training examples scale the codes."""
_CHUNK = 500
# Part of the cache's key: change it with anything below that changes the features.
_RECIPE = f"code-net 1: {FEATURES} features, {STEPS} steps of {BATCH}, one cycle to {RATE}, squared error"


class CodeNet(nn.Module):
    """A small autoencoder: examples as stored, `(B, *event.shape)`, to codes `(B, F)`.

    Convolutional for images from 8×8 on (those above 32×32 are averaged down), else a perceptron. Codes are centred,
    and divided by one number for all, so that their variance over training examples is 1 on average: how large a
    network makes its code means nothing, how much larger in one direction than in another does.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, event: Event) -> None:
        super().__init__()
        self.event = event
        self.seen = Event(tuple(shrunk(torch.empty(1, *event.shape)).shape[1:]), event.levels)
        features = min(FEATURES, self.seen.dims)
        kind = "conv" if event.is_image and min(self.seen.shape[1:]) >= 8 else "mlp"
        sizes = Sizes(hidden=256, channels=32, classes=0)
        self.encoder = resolve_encoder(kind, self.seen, features, sizes)
        self.decoder = resolve_decoder(kind, self.seen, features, self.seen.shape[0], sizes)
        self.register_buffer("centre", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return scaled codes, `(B, F)`."""
        return (self.raw(x) - self.centre) / self.scale

    def raw(self, x: Tensor) -> Tensor:
        """Return codes as the encoder gives them, `(B, F)`."""
        code: Tensor = self.encoder(self.given(x))
        return code

    def errors(self, x: Tensor) -> Tensor:
        """Return the mean squared error of reconstructing each example, `(B,)`, in the units of `squared_errors`."""
        given = self.given(x)
        made: Tensor = self.decoder(self.encoder(given))
        return (made.view_as(given) - given).square().flatten(1).mean(1) / (
            4 if self.event.is_image else 1
        )  # scaled images: black and white differ by 2

    def given(self, x: Tensor) -> Tensor:
        """Return what is encoded: scaled examples, large images averaged down."""
        return shrunk(self.event.scaled(x))


def code_net(
    train: Examples, test: Examples, *, data: str = "data", seed: int = 0, cache: Path | None = None
) -> Extractor:
    """Return the code of an autoencoder trained on examples; train it unless it is in the cache.

    Its reconstruction error on test examples is part of its record, beside their variance, which is the error of
    giving the mean for all: what a code does not hold, no distance between codes can see. For the cache see
    `triptych.evaluation.features.net_cache.kept`.

    Args:
        train: examples; labels are not looked at.
        test: examples to measure the reconstruction error on.
        data: the extractor is called `<data>-code`.
        seed: of initial weights and minibatches.
        cache: folder; None for `$TRIPTYCH_CACHE`, or `~/.cache/triptych`.

    Returns:
        An extractor of 32 features, or as many as an example has dimensions if fewer.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed, Stream.CODE_WEIGHTS))
        net = CodeNet(train.event)

        def make() -> Record:
            _train(net, train, seed)
            return _measured(net, train, test, seed)

        record = kept(net, _RECIPE, _unlabelled(train), _unlabelled(test), seed, cache, make)
    return Extractor(f"{data}-code", net, _note(record), reconstruction=_figure(record))


def _unlabelled(examples: Examples) -> Examples:
    """Return the examples alone, so that the same images with other labels have the same network in the cache."""
    return Examples(examples.data, examples.event, resident=examples.resident)


def _train(net: CodeNet, train: Examples, seed: int) -> None:
    """Minimise the squared error of reconstruction, `‖x - g(f(x))‖²`, then scale the codes."""
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=STEPS)
    batches = Batches(_unlabelled(train), min(BATCH, len(train)), seed=mix(seed, Stream.CODE_BATCHES)).since(0)
    for _ in track(range(STEPS), "training the autoencoder for features"):
        loss = net.errors(next(batches).x).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    net.eval()
    codes = _chunked(net.raw, subset(train, MEASURED, mix(seed, Stream.CODE_TRAIN)).data)
    spread = codes.var(0, unbiased=False).mean().sqrt()
    varies = spread > 1e-6 * codes.abs().amax()  # else rounding would be what is scaled up
    net.centre.copy_(codes.mean(0))
    net.scale.copy_(torch.where(varies, spread, torch.ones(())))


def _measured(net: CodeNet, train: Examples, test: Examples, seed: int) -> Record:
    """Return the error of reconstructing test examples, and that of giving the training examples' mean for all."""
    seen, unseen = (
        subset(train, MEASURED, mix(seed, Stream.CODE_TRAIN)),
        subset(test, MEASURED, mix(seed, Stream.CODE_TEST)),
    )
    error, deviation = mean_and_error(_chunked(net.errors, unseen.data))
    mean = _chunked(net.given, seen.data).mean(0)
    away = (_chunked(net.given, unseen.data) - mean).square().mean() / (4 if train.event.is_image else 1)
    return {"test": len(unseen), "error": error, "deviation": deviation, "without": float(away)}


def _chunked(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([function(part) for part in slices(x, _CHUNK, "measuring the autoencoder")])


def _figure(record: Record) -> Figure:
    return Figure(record["error"], record["deviation"], "", f"mse@test-{record['test']}")


def _note(record: Record) -> str:
    trained = f"code of an autoencoder trained on {record['train']:,} training examples"
    error = f"reconstruction error {_figure(record).text} on {record['test']:,} test examples"
    return f"{trained}; {error}, where the mean image has {record['without']:.2g}"
