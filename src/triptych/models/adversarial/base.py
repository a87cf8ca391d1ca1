"""What models with a generator and an adversary on its examples have in common."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol, final

import torch
from torch import Tensor, nn

from triptych.adversary import Adversary, View
from triptych.config import setting
from triptych.data.batches import Batch
from triptych.event import Event
from triptych.models.base import Player, Terms
from triptych.models.codes import Codes
from triptych.models.latent_variable import CodeSpace, LatentVariable
from triptych.models.questions import Judge
from triptych.networks import Sizes, conditioned
from triptych.networks.critics import GENERATORS, resolve_generator
from triptych.networks.norms import GENERATOR_NORMS
from triptych.noise import Noise
from triptych.objectives.player import AdamConfig


@dataclass(frozen=True)
class GeneratorConfig:
    """A generator.

    Args:
        network: "auto", or a name with options behind a colon ("resnet:attention=16"); or a module from codes to
            scaled examples, before the final tanh.
        norm: "auto" (batch for convolutions, else none), or a name.
        labels: how it sees labels: "concatenation", to the code, or "batch-norm", as scales and shifts of it.
    """

    network: str | nn.Module = setting("auto", "generator", GENERATORS)
    norm: str = setting("auto", "generator_norm", GENERATOR_NORMS)
    labels: str = setting("concatenation", "generator_labels")

    def build(self, event: Event, latent: int, sizes: Sizes) -> nn.Module:
        """Return the network, from codes `(B, latent)` to scaled examples before the final tanh."""
        return resolve_generator(self.network, event, latent, sizes, self.norm, self.labels)


@dataclass(frozen=True)
class SizeConfig:
    """Sizes of the networks that are chosen by name.

    Args:
        hidden: units of an MLP's hidden layers.
        layers: hidden layers of an MLP.
        channels: channels next to the image in a convolutional network.
    """

    hidden: int = 400
    layers: int = 2
    channels: int = 64

    def sizes(self, classes: int) -> Sizes:
        """Return them for networks that see so many labels."""
        return Sizes(self.hidden, self.channels, classes, layers=self.layers)


class Views(Protocol):
    """How examples form the views that an adversary scores."""

    def of_batch(self, batch: Batch, noise: Noise) -> tuple[Batch, bool]:
        """Return a minibatch of views, and whether there were any."""
        ...

    def of_one(self, x: Tensor) -> Tensor:
        """Return the view that stands for each single example."""
        ...


class SingleViews:
    """Each example is a view."""

    def of_batch(self, batch: Batch, noise: Noise) -> tuple[Batch, bool]:
        """Return the minibatch."""
        return batch, True

    def of_one(self, x: Tensor) -> Tensor:
        """Return the examples."""
        return x


class GeneratorModel(LatentVariable):
    """A generator x = G(z), z ~ p(z): what can be asked of it, however it learns.

    Args:
        event: what one example is.
        classes: number of labels to condition on; 0 for none.
        codes: how z is drawn.
    """

    generator: nn.Module
    adversary: Adversary

    def __init__(self, event: Event, classes: int, codes: Codes) -> None:
        super().__init__(event, classes)
        self.codes = codes

    @property
    @final
    def code_space(self) -> CodeSpace:
        """Real coordinates of codes."""
        return self.codes.space

    @final
    def generate(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return scaled examples of codes, or of several each: in [-1, 1] for images, unbounded for vectors."""
        made = conditioned(self.generator, z.flatten(0, 1) if z.dim() == 3 else z, label).float()
        made = torch.tanh(made) if self.event.is_image else made
        return made.view(*z.shape[:2], *self.event.shape) if z.dim() == 3 else made

    @final
    def fakes(self, batch: Batch, noise: Noise) -> View:
        """Return views of new examples, with a graph to their codes if a trick differentiates by them."""
        z = self.codes.draw_views(len(batch.x), noise)
        z = z.requires_grad_() if self.adversary.sees_codes and torch.is_grad_enabled() else z
        return View(self.generate(z, batch.label), batch.label, z)

    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw z from the prior, `(n, latent)`."""
        return self.codes.draw(n, noise)

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes, and make their examples."""
        return self.event.restored(self.generate(self._sample_codes(n, noise), label))

    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return G(z), in the data's own units."""
        return self.event.unscaled(self.generate(z, label))


class AdversarialModel(GeneratorModel, Judge):
    """A generator against an adversary on its examples: a subclass puts the parts together.

    Args:
        event: what one example is.
        classes: number of labels to condition on; 0 for none.
        codes: how z is drawn.
        adam: the optimiser of both players.
        views: how examples form views.
    """

    def __init__(
        self, event: Event, classes: int, codes: Codes, adam: AdamConfig, views: Views = SingleViews()
    ) -> None:
        super().__init__(event, classes, codes)
        self.adam, self.views = adam, views

    @property
    @final
    def players(self) -> tuple[Player, ...]:
        """Two players: the critic, `critic_steps` turns a step, and the generator."""
        critic = self.adversary.player(self.critic_objective, self.adam)
        generator = Player("generator", [self.generator], self.generator_objective, optimizer=self.adam.optimizer)
        return critic, self.adversary.against(generator)

    @final
    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises, on fakes that carry no graph."""
        batch, found = self.views.of_batch(batch, noise)
        fake = self.adversary.fakes.of_critic(self.generator, batch, partial(self.fakes, batch, noise))
        return _counted(self.adversary.critic_terms(self._real(batch), fake, batch, noise), found)

    @final
    def generator_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the generator minimises."""
        batch, found = self.views.of_batch(batch, noise)
        fake = self.adversary.fakes.of_opponent(batch, partial(self.fakes, batch, noise))
        return _counted(self.adversary.opponent_terms(fake, self._real(batch), batch, noise), found)

    def _real(self, batch: Batch) -> View:
        return View(self.event.scaled(batch.x), batch.label)

    def _judge(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the critic's logits, `(B,)`, for examples in the data's own units."""
        return self.adversary.logits(self.views.of_one(self.event.scaled(x)), label)


def _counted(terms: Terms, found: bool) -> Terms:
    """Return the terms, or zeros where a minibatch had no view."""
    return terms if found else {name: 0 * term for name, term in terms.items()}
