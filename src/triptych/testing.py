"""Laws that are true of every model. Run them on a model of your own: `triptych.testing.check_model(model)`."""

from __future__ import annotations

import copy
import itertools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from triptych.data.batches import Batch
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, UnsupportedQuery
from triptych.event import Event
from triptych.models.base import QUESTIONS, Model
from triptych.models.questions import Bounded, Completer, Decoder, Density, Encoder, Sampler
from triptych.noise import Noise
from triptych.queries import answers

N = 64
"""How many examples the laws are tried on."""


def check_model(model: Model) -> list[str]:
    """Check every law that applies to a model; raise `AssertionError` at the first that is broken.

    The model itself is not changed: the laws are tried on copies, and on small siblings built from the same
    arguments for events that can be enumerated.

    Args:
        model: any model, trained or not.

    Returns:
        The names of the laws that were checked.

    Example:
        >>> import triptych as tp
        >>> check_model(tp.VAE(tp.Event((1, 2, 2), 2), latent=2, hidden=16))[:2]
        ['players share out the parameters', 'each turn moves its own player']
    """
    checked = []
    for name, law in LAWS.items():
        if law(copy.deepcopy(model)):
            checked.append(name)
    return checked


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


def _sibling(model: Model, event: Event) -> Model | None:
    """Return a model of the same class and arguments for another event, None if it cannot be one."""
    arguments = dict(model.arguments)
    if "classes" in arguments:
        arguments["classes"] = 0
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return type(model)(event, **arguments).eval()
    except ConfigurationError:
        return None


def _batch(model: Model, n: int = N) -> Batch:
    examples = examples_of(model.event, n, model.classes)
    return Batch(examples.data, examples.labels)


def _binary_images() -> Tensor:
    """Return all 16 binary images of 2×2."""
    return torch.tensor(list(itertools.product((0, 1), repeat=4)), dtype=torch.uint8).view(16, 1, 2, 2)


def _objectives(model: Model) -> bool:
    batch = _batch(model)
    for player in model.players:
        terms = player.objective(batch, Noise.of(0))
        assert terms, f"{player.name} has no term"
        for name, term in terms.items():
            assert term.shape == (N,), (
                f"{player.name}'s {name} has shape {tuple(term.shape)}, not one number an example"
            )
            assert torch.isfinite(term).all(), f"{player.name}'s {name} is not finite"
    return True


def _partition(model: Model) -> bool:
    owned = [id(p) for player in model.players for p in player.parameters()]
    assert len(owned) == len(set(owned)), "two players own one parameter"
    missing = [name for name, p in model.named_parameters() if id(p) not in owned]
    assert not missing, f"no player owns {missing}"
    return True


def _own_gradients(model: Model) -> bool:
    model.train()
    names = {id(p): name for name, p in model.named_parameters()}
    for player in model.players:
        own = {id(p) for p in player.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in own)
            parameter.grad = None
        sum(term.mean() for term in player.objective(_batch(model), Noise.of(0)).values()).backward()  # type: ignore[union-attr]
        for parameter in model.parameters():
            if id(parameter) in own:
                seen = parameter.grad is not None and bool(parameter.grad.ne(0).any())
                assert seen, f"{names[id(parameter)]} gets no gradient from its player {player.name}"
            else:
                assert parameter.grad is None, f"{player.name} moves {names[id(parameter)]}, which is not its own"
    return True


def _loss_falls(model: Model) -> bool:
    """Each player, playing alone on the same examples with the same noise, lowers its own loss."""
    batch = _batch(model)
    for player in model.players:
        trial = copy.deepcopy(model).train()
        alone = next(p for p in trial.players if p.name == player.name)
        optimizer = alone.optimizer(alone.parameters())
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.stack([t.mean() for t in alone.objective(batch, Noise.of(0)).values()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        assert min(losses[-5:]) < losses[0], f"{player.name}'s loss does not fall: {losses[0]:.4g} to {losses[-1]:.4g}"
    return True


def _round_trip(model: Model) -> bool:
    from triptych.training.checkpoint import load, save

    own = {name: part for name, part in model.arguments.items() if callable(part)}
    with tempfile.TemporaryDirectory() as place:
        first, second = Path(place) / "first", Path(place) / "second"
        save(model, first)
        again = load(first, model=type(model), **own)
        save(again, second)
        for name in ("model.json", "model.safetensors"):
            assert (first / name).read_bytes() == (second / name).read_bytes(), f"{name} changes from save to save"
    if isinstance(model, Sampler) and isinstance(again, Sampler):
        before, after = model.sample(4, seed=0).data, again.sample(4, seed=0).data
        assert torch.equal(before, after), "a loaded model samples something else"
    return True


def _samples(model: Model) -> bool:
    if not isinstance(model, Sampler):
        return False
    drawn = model.sample(N, seed=1)
    model.event.check(drawn.data)
    assert drawn.shape == (N, *model.event.shape)
    assert torch.equal(drawn.data, model.sample(N, seed=1).data), "the same seed gave other samples"
    assert not torch.equal(drawn.data, model.sample(N, seed=2).data), "another seed gave the same samples"
    return True


def _refusals(model: Model) -> bool:
    for query in QUESTIONS:
        if query not in answers(model):
            try:
                getattr(model, query)
            except UnsupportedQuery as refusal:
                assert query in str(refusal)
            else:
                raise AssertionError(f"{query} is not declared, but is there")
    return True


def _codes(model: Model) -> bool:
    if not (isinstance(model, Encoder) and isinstance(model, Decoder)):
        return False
    examples = examples_of(model.event, 8, model.classes)
    codes = model.encode(examples)
    assert codes.shape == (8, model.latent)
    decoded = model.decode(codes, label=examples.labels)
    model.event.check(decoded.data)
    return True


def _completes(model: Model) -> bool:
    if not isinstance(model, Completer):
        return False
    examples = examples_of(model.event, 8, model.classes)
    known = torch.zeros(model.event.shape, dtype=torch.bool)
    known.view(-1)[::2] = True
    filled = model.complete(examples, known, seed=0)
    assert torch.equal(filled.data[:, known], examples.data[:, known]), "what was known has changed"
    hidden = torch.where(known, examples.data, torch.zeros_like(examples.data))
    blind = model.complete(hidden, known, seed=0, label=examples.labels)
    assert torch.equal(filled.data, blind.data), "the unknown part was looked at"
    return True


def _sums_to_one(model: Model) -> bool:
    small = _sibling(model, Event((1, 2, 2), 2))
    if not isinstance(small, Density):
        return False
    total = float(small.log_prob(_binary_images()).double().exp().sum())
    assert abs(total - 1) < 1e-5, f"the probabilities of all binary 2×2 images sum to {total:.7f}"
    return True


def _integrates_to_one(model: Model) -> bool:
    small = _sibling(model, Event((1,), centre=(3.0,), spread=(2.0,)))
    if not isinstance(small, Density):
        return False
    x = torch.linspace(-200, 200, 400_001).view(-1, 1)
    total = float(torch.trapezoid(small.log_prob(x).double().exp(), x.view(-1).double()))
    assert abs(total - 1) < 1e-3, f"the density integrates to {total:.5f}"
    return True


def _samples_its_density(model: Model) -> bool:
    small = _sibling(model, Event((1, 2, 2), 2))
    if not isinstance(small, Density) or not isinstance(small, Sampler):
        return False
    n = 4000
    expected = small.log_prob(_binary_images()).double().exp() * n
    which = (small.sample(n, seed=0).data.view(n, 4).long() * torch.tensor([8, 4, 2, 1])).sum(1)
    seen = torch.bincount(which, minlength=16).double()
    chi_square = float(((seen - expected) ** 2 / expected).sum())
    assert chi_square < 44.3, (
        f"samples do not follow the density: χ² = {chi_square:.1f}, 15 degrees of freedom"
    )  # p = 1e-4
    return True


def _bounds_below(model: Model) -> bool:
    small = _sibling(model, Event((1, 2, 2), 2))
    if not isinstance(small, Bounded) or isinstance(small, Density):
        return False
    images = _binary_images()
    repeated = images.repeat_interleave(500, 0)
    elbo = small.log_prob_bounds(repeated, seed=0).lower.view(16, 500).double().mean(1)
    tight = small.log_prob_bounds(images, samples=5000, seed=1).lower.double()
    total = float(tight.exp().sum())
    assert abs(total - 1) < 0.02, f"the importance-weighted estimates over all images sum to {total:.4f}"
    assert bool((elbo <= tight + 0.02).all()), "the bound lies above log p(x)"
    assert math.isfinite(float(elbo.sum()))
    return True


LAWS: dict[str, Callable[[Model], bool]] = {
    "players share out the parameters": _partition,
    "each turn moves its own player": _own_gradients,
    "terms are one finite number an example": _objectives,
    "each player can lower its loss": _loss_falls,
    "save and load give the same bytes": _round_trip,
    "a seed gives its samples": _samples,
    "undeclared queries are refused": _refusals,
    "codes decode": _codes,
    "completion keeps what is known": _completes,
    "probabilities sum to one": _sums_to_one,
    "a density integrates to one": _integrates_to_one,
    "samples follow the density": _samples_its_density,
    "a bound lies below": _bounds_below,
}
"""Each law by name; it returns False where it does not apply to the model."""
