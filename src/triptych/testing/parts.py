"""What the laws are tried on: made-up examples, small siblings of a model, and all images of a small event."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.base import Model
from triptych.noise import Noise

N = 64
"""How many examples the laws are tried on."""
IDENTITIES = 8
"""Labels of examples for a model that learns from them and takes none."""


def examples_of(event: Event, n: int = N, classes: int = 0, seed: int = 0) -> Examples:
    """Return made-up examples of an event: smooth blobs for images, correlated Gaussians for vectors."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(max(classes, 1), (n,), generator=generator)
    if event.levels is None:
        centre, spread = (
            torch.tensor(given or (default,)) for given, default in ((event.centre, 0.0), (event.spread, 1.0))
        )
        data = torch.randn(n, 1, generator=generator) + 0.5 * torch.randn(n, *event.shape, generator=generator)
        data = data * spread + centre
    else:
        colours, height, width = event.shape
        rough = torch.rand(n, colours, max(2, height // 3), max(2, width // 3), generator=generator)
        smooth = torch.nn.functional.interpolate(rough, (height, width), mode="bilinear")
        data = (smooth * (event.levels - 1)).round().to(torch.uint8)
    return Examples(data, event, labels if classes else None)


def sibling(model: Model, event: Event) -> Model | None:
    """Return a model of the same class and arguments for another event, None if it cannot be one."""
    arguments = dict(model.arguments)
    if "classes" in arguments:
        arguments["classes"] = 0
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return type(model).of(event, arguments).eval()
    except ConfigurationError:
        return None


def batch_of(model: Model, n: int = N) -> Batch:
    """Return a minibatch of made-up examples of a model's event, with labels if it takes any."""
    examples = examples_of(model.event, n, model.classes or (IDENTITIES if model.learns_labels else 0))
    return Batch(examples.data, examples.labels)


def all_images(event: Event) -> Tensor:
    """Return every image of a small event, `(levels^dims, *event.shape)`, the last sub-pixel changing fastest."""
    assert event.levels is not None
    states = list(itertools.product(range(event.levels), repeat=event.dims))
    return torch.tensor(states, dtype=torch.uint8).view(-1, *event.shape)


def random_examples(event: Event, n: int, seed: int = 0) -> Tensor:
    """Return examples without any pattern, in which every part takes all values: `(n, *event.shape)`."""
    generator = torch.Generator().manual_seed(seed)
    if event.levels is None:
        return event.restored(torch.randn(n, *event.shape, generator=generator))
    return torch.randint(event.levels, (n, *event.shape), generator=generator, dtype=torch.uint8)


def taught(model: Model, x: Tensor, steps: int, faster: float = 1) -> Model:
    """Let each player take turns on the same examples, of one label after the other; return the model.

    Args:
        model: which learns.
        x: `(n, *event.shape)`.
        steps: how many turns.
        faster: factor on the learning rates that the model recommends.
    """
    label = torch.arange(len(x)) % model.classes if model.classes else None
    batch = Batch(x.to(model.device), None if label is None else label.to(model.device))
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for player in model.players:
            optimizer = player.optimizer(player.parameters())
            for group in optimizer.param_groups:
                group["lr"] *= faster
            for turn in range(steps):
                optimizer.zero_grad()
                terms = player.objective(batch, Noise.of(turn, model.device))
                sum(term.mean() for term in terms.values()).backward()  # type: ignore[union-attr]
                optimizer.step()
    model.zero_grad()
    return model.eval()
