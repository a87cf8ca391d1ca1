"""Laws that hold for every model, whatever its family."""

from __future__ import annotations

import copy
import itertools
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch

from triptych.errors import UnsupportedQuery
from triptych.event import Event
from triptych.models.base import QUESTIONS, Model
from triptych.models.completion import Completer
from triptych.models.questions import Bounded, Decoder, Density, Encoder, Sampler
from triptych.noise import Noise
from triptych.testing.parts import N, all_images, batch_of, examples_of, sibling
from triptych.training.seat import make_optimizer


def _objectives(model: Model) -> bool:
    batch = batch_of(model)
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
    for one, other in itertools.combinations(model.players, 2):
        shared = {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
        assert not (shared and one.meets(other)), f"{one.name} and {other.name} own one parameter in the same round"
    assert all(len(p.parameters()) == len({id(own) for own in p.parameters()}) for p in model.players)
    missing = [name for name, p in model.named_parameters() if id(p) not in owned]
    assert not missing, f"no player owns {missing}"
    turning_points = {0, *(edge for player in model.players for edge in player.rounds if edge is not None)}
    idle = [step for step in sorted(turning_points) if not any(player.plays(step) for player in model.players)]
    assert not idle, f"no player plays after round {idle}"
    return True


def _own_gradients(model: Model) -> bool:
    model.train()
    names = {id(p): name for name, p in model.named_parameters()}
    for player in model.players:
        own = {id(p) for p in player.parameters()}
        for parameter in model.parameters():
            parameter.requires_grad_(id(parameter) in own)
            parameter.grad = None
        sum(term.mean() for term in player.objective(batch_of(model), Noise.of(0)).values()).backward()  # type: ignore[union-attr]
        for parameter in model.parameters():
            if id(parameter) in own:
                name, seen = names[id(parameter)], parameter.grad is not None
                assert seen, f"{name} gets no gradient from its player {player.name}"
                if parameter.grad is not None and not parameter.grad.any():
                    assert _indifferent(model, player.name, name), (
                        f"{name} has a gradient of 0, but {player.name} cares"
                    )
            else:
                assert parameter.grad is None, f"{player.name} moves {names[id(parameter)]}, which is not its own"
    return True


def _indifferent(model: Model, player: str, name: str) -> bool:
    """Return whether a player's loss stays as it is when a parameter moves, as when a Wasserstein critic is shifted."""
    losses = []
    for step in (0.0, 1e-2):
        trial = copy.deepcopy(model)
        with torch.no_grad():
            trial.get_parameter(name).add_(step)
        objective = next(p for p in trial.players if p.name == player).objective
        losses.append(sum(float(term.detach().mean()) for term in objective(batch_of(trial), Noise.of(0)).values()))
    return math.isclose(*losses, rel_tol=1e-5, abs_tol=1e-5)


def _loss_falls(model: Model) -> bool:
    """Each player, playing alone on the same examples with the same noise, lowers its own loss."""
    batch = batch_of(model, N // 2)
    for player in model.players:
        trial = copy.deepcopy(model).train()
        alone = next(p for p in trial.players if p.name == player.name)
        optimizer = make_optimizer(alone, alone.parameters())
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = torch.stack([t.mean() for t in alone.objective(batch, Noise.of(0)).values()]).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.append(float(loss.detach()))
        assert min(losses[-5:]) < losses[0], f"{player.name}'s loss does not fall: {losses[0]:.4g} to {losses[-1]:.4g}"
    return True


def _others_stay(model: Model) -> bool:
    """A whole turn, with its step and what is done after it, moves no parameter that is another player's alone."""
    if len(model.players) < 2:
        return False
    model.train()
    for player in model.players:
        own = {id(p) for p in player.parameters()}
        before = {name: p.detach().clone() for name, p in model.named_parameters() if id(p) not in own}
        optimizer = make_optimizer(player, player.parameters())
        sum(term.mean() for term in player.objective(batch_of(model), Noise.of(0)).values()).backward()  # type: ignore[union-attr]
        optimizer.step()
        if player.after is not None:
            player.after()
        moved = [name for name, was in before.items() if not torch.equal(was, model.get_parameter(name))]
        assert not moved, f"{player.name}'s turn moves {moved[0]}, which is not its own"
        strange = [name for name, buffer in model.named_buffers() if not torch.isfinite(buffer).all()]
        assert not strange, f"{player.name}'s turn leaves {strange[0]} not finite"
    return True


def _round_trip(model: Model) -> bool:
    from triptych.training.checkpoint import load, plain_arguments, save

    own = {name: model.arguments[name] for name, part in plain_arguments(model).items() if isinstance(part, dict)}
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
        if query not in model.answers:
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


ENUMERABLE = (
    Event((1, 2, 2), 2),
    Event((1, 2, 2), 3),
    Event((1, 3, 2), 2),
    Event((1, 3, 2), 3),
    Event((1, 3, 3), 2),
    Event((3, 1, 2), 2),
)
"""Events of so few images that all of them can be scored."""


def _sums_to_one(model: Model) -> bool:
    applies = False
    for event in ENUMERABLE:
        small = sibling(model, event)
        if isinstance(small, Density):
            total = float(small.log_prob(all_images(event)).double().exp().sum())
            assert abs(total - 1) < 1e-5, f"the probabilities of all images ({event}) sum to {total:.7f}"
            applies = True
    return applies


def _integrates_to_one(model: Model) -> bool:
    small = sibling(model, Event((1,), centre=(3.0,), spread=(2.0,)))
    if not isinstance(small, Density):
        return False
    x = torch.linspace(-200, 200, 400_001).view(-1, 1)
    total = float(torch.trapezoid(small.log_prob(x).double().exp(), x.view(-1).double()))
    assert abs(total - 1) < 1e-3, f"the density integrates to {total:.5f}"
    return True


def _samples_its_density(model: Model) -> bool:
    small = sibling(model, Event((1, 2, 2), 2))
    if not isinstance(small, Density) or not isinstance(small, Sampler):
        return False
    n = 4000
    expected = small.log_prob(all_images(Event((1, 2, 2), 2))).double().exp() * n
    which = (small.sample(n, seed=0).data.view(n, 4).long() * torch.tensor([8, 4, 2, 1])).sum(1)
    seen = torch.bincount(which, minlength=16).double()
    chi_square = float(((seen - expected) ** 2 / expected).sum())
    assert chi_square < 44.3, (
        f"samples do not follow the density: χ² = {chi_square:.1f}, 15 degrees of freedom"
    )  # p = 1e-4
    return True


def _bounds_below(model: Model) -> bool:
    small = sibling(model, Event((1, 2, 2), 2))
    if not isinstance(small, Bounded) or isinstance(small, Density):
        return False
    images = all_images(Event((1, 2, 2), 2))
    repeated = images.repeat_interleave(500, 0)
    elbo = small.log_prob_bounds(repeated, seed=0).lower.view(16, 500).double().mean(1)
    tight = small.log_prob_bounds(images, samples=5000, seed=1).lower.double()
    total = float(tight.exp().sum())
    assert abs(total - 1) < 0.02, f"the importance-weighted estimates over all images sum to {total:.4f}"
    assert bool((elbo <= tight + 0.02).all()), "the bound lies above log p(x)"
    assert math.isfinite(float(elbo.sum()))
    return True


GENERAL: dict[str, Callable[[Model], bool]] = {
    "players share out the parameters": _partition,
    "each turn moves its own player": _own_gradients,
    "terms are one finite number an example": _objectives,
    "each player can lower its loss": _loss_falls,
    "save and load give the same bytes": _round_trip,
    "a seed gives its samples": _samples,
    "undeclared queries are refused": _refusals,
    "a turn leaves the other players as they are": _others_stay,
    "codes decode": _codes,
    "completion keeps what is known": _completes,
}
"""Each law of a model itself by name; it returns False where it does not apply to the model."""
GENERAL_OF_SIBLINGS: dict[str, Callable[[Model], bool]] = {
    "probabilities sum to one": _sums_to_one,
    "a density integrates to one": _integrates_to_one,
    "samples follow the density": _samples_its_density,
    "a bound lies below": _bounds_below,
}
"""Each law of a model's siblings by name; it returns False where it does not apply to the model."""
