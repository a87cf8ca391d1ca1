"""Trainings that the doctor is held to: sabotaged ones, with what must be found in them, and healthy ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

import triptych as tp
from triptych.data.examples import Examples
from triptych.models.base import Model, Player

SMALL = {"hidden": 128, "generator": "mlp", "critic": "mlp"}
GRADIENT, R1 = "gradient:weight=1", "r1:weight=0.1"


class StillGenerator(tp.GAN):
    """A GAN whose generator takes steps of no length."""

    @property
    def players(self) -> tuple[Player, ...]:
        """Return the critic, and a generator whose learning rate is 0."""
        critic, generator = super().players
        return critic, replace(generator, rate=0.0)


class StillCritic(tp.GAN):
    """A GAN whose critic takes steps of no length."""

    @property
    def players(self) -> tuple[Player, ...]:
        """Return a critic whose learning rate is 0, and the generator."""
        critic, generator = super().players
        return replace(critic, rate=0.0), generator


class Blind(nn.Module):
    """A generator that hardly sees its codes."""

    def __init__(self, latent: int, out: tuple[int, ...]) -> None:
        super().__init__()
        size = torch.Size(out).numel()
        self.net = nn.Sequential(nn.Linear(latent, 128), nn.ReLU(), nn.Linear(128, size), nn.Unflatten(1, out))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Return examples, of codes that are all but one and the same."""
        return self.net(1e-3 * z)


@dataclass(frozen=True)
class Case:
    """A training, what must be found in it (any of these), and what else is true of it.

    Args:
        name: what is done.
        data: of the embedded ones.
        model: name of the catalogue.
        arguments: of the model.
        options: of `fit`.
        must: findings of which one must be made; none for a healthy training.
        may: further findings that are no error.
        data_of: what is done to the training data.
        make: another constructor than the catalogue's.
    """

    name: str
    data: str
    model: str = "gan"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    must: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    data_of: Callable[[Examples], Examples] | None = None
    make: Callable[..., Model] | None = None


def one_class(x: Examples) -> Examples:
    return replace(x, labels=torch.full_like(x.labels, 3))


def first(count: int) -> Callable[[Examples], Examples]:
    return lambda x: x[:count]


def blind(event: Any, **arguments: Any) -> Model:
    return tp.build("gan", event, **{**arguments, "generator": Blind(64, event.shape)})


LOST = ("critic wins", "saturating loss", "exploding gradients", "mode collapse", "dead critic", "still generator")
SABOTAGED = (
    Case(
        "critic's learning rate x100",
        "digits",
        arguments={"critic_rate": 100.0},
        must=("critic wins", "exploding gradients", "mode collapse"),
        may=(*LOST, "generator wins", "oscillation"),
    ),
    Case(
        "generator frozen",
        "digits",
        make=StillGenerator,
        must=("still generator",),
        may=("critic wins", "mode collapse"),
    ),
    Case(
        "generator blind to its codes",
        "digits",
        make=blind,
        must=("mode collapse",),
        may=("critic wins", "oscillation", "generator wins", "exploding gradients"),
    ),
    Case("latent of 1", "digits", arguments={"latent": 1}, must=("mode collapse",), may=("oscillation", "critic wins")),
    Case("all labels one class", "digits", arguments={"classes": 10}, data_of=one_class, must=("missing labels",)),
    Case(
        "5 images",
        "digits",
        data_of=first(5),
        options={"batch_size": 5},
        must=("few examples",),
        may=("memorisation", "critic wins", "mode collapse", "oscillation"),
    ),
    Case(
        "60 images, 2,500 rounds",
        "digits",
        data_of=first(60),
        options={"batch_size": 60, "steps": 2500},
        arguments={"critic_norm": "none"},
        must=("memorisation",),
        may=("critic wins",),
    ),
    Case(
        "minimax without normalisation, critic x10, 5 steps",
        "digits",
        arguments={
            "loss": "minimax",
            "critic_norm": "none",
            "generator_norm": "none",
            "critic_steps": 5,
            "critic_rate": 10.0,
        },
        must=("saturating loss", "critic wins"),
        may=(*LOST,),
    ),
    Case("critic frozen", "ring", make=StillCritic, must=("generator wins",), may=(*LOST, "oscillation")),
    Case(
        "critic of 2 units",
        "grid",
        arguments={"critic": nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))},
        must=("generator wins", "mode collapse", "oscillation", "dead critic"),
        may=("exploding gradients",),
    ),
    Case(
        "generator's learning rate x100",
        "digits",
        arguments={"critic_rate": 0.01},
        options={"lr": 2e-2},
        must=("mode collapse", "generator wins", "oscillation"),
        may=LOST,
    ),
    Case(
        "learning rate 1",
        "ring",
        options={"lr": 1.0},
        must=("exploding gradients", "non-finite figures", "dead critic", "mode collapse"),
        may=(*LOST, "generator wins", "oscillation"),
    ),
    Case(
        "weights clipped to 0.0001",
        "ring",
        arguments={"loss": "wasserstein", "weight_clip": 1e-4},
        must=("dead critic",),
        may=(*LOST, "generator wins"),
    ),
    Case(
        "minimax without momentum's brake, lr x25",
        "ring",
        arguments={"loss": "minimax", "beta1": 0.9, "critic_norm": "none"},
        options={"lr": 5e-3},
        must=("oscillation", "mode collapse", "saturating loss", "critic wins"),
        may=(*LOST, "generator wins"),
    ),
    Case(
        "momentum of 0.9, lr x15",
        "ring",
        arguments={"beta1": 0.9},
        options={"lr": 3e-3, "steps": 2500},
        must=("oscillation",),
        may=LOST,
    ),
    Case(
        "critic's learning rate x0.1",
        "grid",
        arguments={"critic_rate": 0.1},
        options={"steps": 2500},
        must=("oscillation",),
        may=("mode collapse", "generator wins"),
    ),
    Case(
        "VAE, beta 1000",
        "digits",
        "vae",
        {"beta": 1000.0, "hidden": 64, "encoder": "mlp", "decoder": "mlp"},
        must=("posterior collapse",),
    ),
    Case(
        "VAE, learning rate 1e6",
        "digits",
        "vae",
        {"hidden": 64, "encoder": "mlp", "decoder": "mlp"},
        {"lr": 1e6, "steps": 300},
        must=("non-finite figures", "exploding gradients"),
        may=("posterior collapse",),
    ),
    Case(
        "MADE, learning rate 1e30",
        "digits",
        "made",
        {"hidden": 64},
        {"lr": 1e30, "steps": 300},
        must=("non-finite figures", "exploding gradients"),
    ),
)
HEALTHY = (
    Case("non-saturating + R1 on ring", "ring", arguments={"penalty": R1}),
    Case("hinge + R1 on ring", "ring", arguments={"loss": "hinge", "penalty": R1}),
    Case("least squares + R1 on grid", "grid", arguments={"loss": "least-squares", "penalty": R1}),
    Case(
        "WGAN-GP on grid",
        "grid",
        arguments={"loss": "wasserstein", "penalty": GRADIENT, "critic_steps": 3},
    ),
    Case("non-saturating + R1 on grid", "grid", arguments={"penalty": R1}),
    Case("non-saturating + R1 on moons", "moons", arguments={"penalty": R1}),
    Case(
        "WGAN-GP on swiss-roll",
        "swiss-roll",
        arguments={"loss": "wasserstein", "penalty": GRADIENT, "critic_steps": 3},
    ),
    Case("non-saturating + R1 on digits", "digits", arguments={"penalty": "r1:weight=1"}),
    Case("defaults on digits", "digits"),
    Case("hinge on digits", "digits", arguments={"loss": "hinge"}),
    Case(
        "WGAN-GP on digits",
        "digits",
        arguments={"loss": "wasserstein", "penalty": "gradient:weight=10", "critic_steps": 2},
    ),
    Case("conditional on digits", "digits", arguments={"classes": 10, "penalty": "r1:weight=1"}),
    Case("VAE on digits", "digits", "vae", {"hidden": 64, "encoder": "mlp", "decoder": "mlp"}),
    Case("MADE on digits", "digits", "made", {"hidden": 64}, {"steps": 500}),
    Case("PixelCNN on digits", "digits", "pixelcnn", {"channels": 8, "layers": 2}, {"steps": 300}),
)
