"""The generative adversarial network, for any loss, penalty, networks and tricks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from triptych.data.batches import Batch
from triptych.errors import ConfigurationError, did_you_mean
from triptych.event import Event
from triptych.models.adversarial.compatibility import check_each, check_held, check_numbers, check_tricks
from triptych.models.adversarial.held import Held, followed
from triptych.models.adversarial.tricks import TRICKS, Setting, Trick, Turn, resolve_tricks
from triptych.models.base import Player, Terms
from triptych.models.latent_variable import CodeSpace, LatentVariable, normal_space, uniform_space
from triptych.models.questions import Judge
from triptych.networks import Sizes, conditioned
from triptych.networks.critics import GENERATORS, TRUNKS, Layer, resolve_critic, resolve_generator
from triptych.networks.norms import NORMS
from triptych.networks.reference import filling
from triptych.noise import Noise
from triptych.objectives.adversarial import LOSSES, Loss
from triptych.objectives.game import Game, Opinion, opinion
from triptych.objectives.penalties import PENALTIES, Penalty, resolve_penalties

LR = 2e-4
"""The learning rate of both players, as in Radford et al. 2016, §4."""
PRIORS = ("normal", "uniform")


class GAN(LatentVariable, Judge):
    """A generator x = G(z), z ~ p(z), trained against a critic that tells its examples from real ones.

    The game is put together from parts that go with each other: a loss, one function of what the critic says of both
    (`triptych.objectives.adversarial`); penalties on the critic (`triptych.objectives.penalties`); networks and how
    they see labels; and tricks (`triptych.models.adversarial.tricks`). It defines no density. Reference: Goodfellow et
    al. 2014, *Generative Adversarial Nets*, Algorithm 1.

    By default the generator does not saturate (§3 there); convolutional critics have layers of spectral norm 1, which
    goes with every loss, penalty and trick and costs little (Miyato et al. 2018, §2); Adam is that of Radford et al.
    2016, §4; and there is no penalty and no trick, as each costs time, and what it gains depends on the data.

    Args:
        event: what one example is.
        latent: dimensions of the code z.
        prior: of the code: "normal", N(0, I), or "uniform", on [-1, 1].
        loss: "non-saturating", "minimax", "least-squares", "hinge", "wasserstein", "relativistic",
            "relativistic-average", or a divergence, such as "fgan-kl"; with options behind a colon
            ("least-squares:fake_label=-1"); or a function of real and fake logits.
        penalty: on the critic: "none", or some of "gradient", "dragan", "r1" and "r2", joined by "+", with options
            behind a colon ("gradient:weight=10"); or a function.
        critic_steps: critic's turns for each turn of the generator.
        generator: "auto", "mlp", "dcgan", "resnet", with options behind a colon ("resnet:attention=16"), or a module
            from codes to scaled examples, before the final tanh.
        critic: "auto", "mlp", "dcgan", "resnet", or a module from scaled examples to `(B, 1)`.
        generator_norm: "auto" (batch for convolutions, else none), "none", "batch", "layer", "instance", "virtual".
        critic_norm: "auto" (spectral for convolutions, else none), one of these, or "spectral".
        generator_labels: "concatenation", to the code, or "batch-norm", as scales and shifts of it.
        critic_labels: "concatenation", to the example, or "projection", on the features.
        hidden: units of an MLP's hidden layers.
        layers: hidden layers of an MLP.
        channels: channels next to the image in a convolutional network.
        classes: number of labels to condition on; 0 for none.
        tricks: "none", or some of "feature-matching", "historical-averaging", "instance-noise",
            "minibatch-discrimination", "minibatch-stddev", "path-length" and "replay", joined by "+", with options
            behind a colon ("replay:size=1000"); or a list of `Trick`.
        shared_fakes: in its turn the generator is judged on the critic's last fakes, not on new ones: faster.
        weight_clip: keep each of the critic's weights within ± this; 0 for no bound.
        critic_rate: the critic's learning rate, as a multiple of the generator's.
        beta1: Adam's decay of the gradient's mean, for both players.
        beta2: Adam's decay of its square.
        rate: the generator's learning rate, where training is given none.

    Raises:
        ConfigurationError: for a number out of its range, an unknown part or option, or parts that do not go together.

    Example:
        >>> import triptych as tp
        >>> model = tp.GAN(tp.Event((1, 8, 8), levels=17), latent=16, loss="hinge")
        >>> model.sample(4, seed=0).shape
        torch.Size([4, 1, 8, 8])
        >>> model.log_prob(model.sample(4))   # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        triptych.errors.UnsupportedQuery: GAN does not answer log_prob ...
    """

    parts = {"loss": LOSSES, "penalty": PENALTIES, "generator": GENERATORS, "critic": TRUNKS, "critic_norm": NORMS}
    parts |= {"tricks": TRICKS}

    def __init__(
        self,
        event: Event,
        latent: int = 64,
        prior: str = "normal",
        loss: str | Loss = "non-saturating",
        penalty: str | Penalty = "none",
        critic_steps: int = 1,
        generator: str | nn.Module = "auto",
        critic: str | nn.Module = "auto",
        generator_norm: str = "auto",
        critic_norm: str = "auto",
        generator_labels: str = "concatenation",
        critic_labels: str = "concatenation",
        hidden: int = 400,
        layers: int = 2,
        channels: int = 64,
        classes: int = 0,
        tricks: str | Sequence[Trick] = "none",
        shared_fakes: bool = False,
        weight_clip: float = 0.0,
        critic_rate: float = 1.0,
        beta1: float = 0.5,
        beta2: float = 0.999,
        rate: float = LR,
    ) -> None:
        super().__init__(event, classes)
        if latent < 1 or critic_steps < 1:
            raise ConfigurationError(f"latent={latent}, critic_steps={critic_steps}: expected at least 1 of each")
        if prior not in PRIORS:
            raise ConfigurationError(f"no prior {prior!r}; {did_you_mean(prior, PRIORS)}")
        check_numbers(critic_rate, weight_clip, rate, beta1, beta2)
        self.latent, self.prior = latent, prior
        self.game = Game(loss)
        self.penalties = resolve_penalties(penalty)
        self.critic_steps, self.shared_fakes, self.weight_clip = critic_steps, shared_fakes, weight_clip
        self.critic_rate = critic_rate
        self.adam = partial(torch.optim.Adam, lr=rate, betas=(beta1, beta2))
        self._tricks = resolve_tricks(tricks)
        self.tricks = nn.ModuleList(self._tricks)
        sizes = Sizes(hidden, channels, classes, layers=layers)
        self.generator = self.make_generator(generator, sizes, generator_norm, generator_labels)
        further = [trick.layer for trick in self._tricks]
        self.critic = self.make_critic(critic, sizes, critic_norm, critic_labels, further)
        own = isinstance(critic, nn.Module)
        check_tricks(self.critic, self._tricks, own)
        check_held(self.critic, self.game.loss, [penalty for _, penalty in self.penalties], weight_clip, own)
        check_each(self.critic, self._tricks, [] if callable(penalty) or penalty == "none" else penalty.split("+"))
        self.held: Held | None = None
        for trick in self._tricks:
            trick.begin(Setting(event, self.judged_shape, {"critic": self.critic, "generator": self.generator}))

    def make_generator(self, name: str | nn.Module, sizes: Sizes, norm: str, labels: str) -> nn.Module:
        """Return the generator that the constructor's arguments describe."""
        return resolve_generator(name, self.event, self.latent, sizes, norm, labels)

    def make_critic(
        self, name: str | nn.Module, sizes: Sizes, norm: str, labels: str, further: Sequence[Layer]
    ) -> nn.Module:
        """Return the critic that the constructor's arguments describe, with the layers of tricks behind its trunk."""
        return resolve_critic(name, self.event, sizes, norm, labels, further)

    @property
    def judged_shape(self) -> tuple[int, ...]:
        """Shape of what the critic judges at once: of one example, unless a subclass says otherwise."""
        return self.event.shape

    @property
    def players(self) -> tuple[Player, ...]:
        """Two players: the critic, `critic_steps` turns a round, and the generator."""
        critic = Player("critic", [self.critic], self.critic_objective, turns=self.critic_steps, optimizer=self.adam)
        generator = Player("generator", [self.generator], self.generator_objective, optimizer=self.adam)
        return (
            replace(critic, rate=self.critic_rate, after=self._critic_moved),
            replace(generator, after=partial(self._moved, "generator")),
        )

    def critic_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the critic minimises, on fakes that carry no graph."""
        codes = self.codes_for(batch, noise)
        made = fake = self._made(codes, batch)
        for trick in self._tricks:
            fake = trick.fakes(fake, batch, noise)
        known = codes if fake is made else None
        real, fake = self.shown(self.event.scaled(batch.x), batch, noise), self.shown(fake, batch, noise)
        with filling(self.critic):
            of_real = self.opinion(real, batch.label)
        of_fake = self.opinion(fake, batch.label)
        turn = Turn(batch, noise, known, real, fake, of_real, of_fake, made)
        terms = {"adversarial": self.game.loss(of_real.logit, of_fake.logit).critic}
        judge = partial(self.judged, label=batch.label)
        terms |= {name: penalty(judge, real, fake, noise) for name, penalty in self.penalties}
        terms |= self.critic_terms(turn)
        for trick in self._tricks:
            terms = trick.critic_terms(terms, turn)
        return terms

    def generator_objective(self, batch: Batch, noise: Noise) -> Terms:
        """Return what the generator minimises. Real examples are judged only if something looks at what is said."""
        codes, made = self._remade(batch, noise)
        fake = self.shown(made, batch, noise)
        of_fake = self.opinion(fake, batch.label)
        real, of_real, said_of_real = None, None, torch.zeros_like(of_fake.logit)
        if self.game.generator_sees_real or any(trick.sees_features for trick in self._tricks):
            with torch.no_grad():
                real = self.shown(self.event.scaled(batch.x), batch, noise)
                of_real = self.opinion(real, batch.label)
            said_of_real = of_real.logit
        turn = Turn(batch, noise, codes, real, fake, of_real, of_fake, made)
        terms = {"adversarial": self.game.loss(said_of_real, of_fake.logit).generator}
        terms |= self.generator_terms(turn)
        for trick in self._tricks:
            terms = trick.generator_terms(terms, turn)
        return terms

    def critic_terms(self, turn: Turn) -> Terms:
        """Return what else the critic minimises: nothing, unless a subclass says so."""
        return {}

    def generator_terms(self, turn: Turn) -> Terms:
        """Return what else the generator minimises: nothing, unless a subclass says so."""
        return {}

    def _made(self, codes: Tensor, batch: Batch) -> Tensor:
        """Return a critic's turn's fakes, without a graph; hold them with theirs if they are to be judged again.

        Those of the last turn of a round are: minibatches are numbered, `critic_steps` a round. Outside of training
        they have no number, and nothing is held.
        """
        last = batch.number is not None and (batch.number + 1) % self.critic_steps == 0
        if not (self.shared_fakes and last):
            with torch.no_grad():
                return self.generate(codes, batch.label)
        with followed(self.generator):
            made = self.generate(self._leaf(codes), batch.label)
        assert batch.number is not None
        self.held = Held(batch.number, codes, made)
        return made.detach()

    def _remade(self, batch: Batch, noise: Noise) -> tuple[Tensor, Tensor]:
        """Return codes and fakes with a graph: those that the critic has just judged, or new ones."""
        held, self.held = self.held, None
        if held is not None and held.number == batch.number:
            return held.codes, held.made
        codes = self._leaf(self.codes_for(batch, noise))
        return codes, self.generate(codes, batch.label)

    def _leaf(self, codes: Tensor) -> Tensor:
        """Let fakes carry a graph to their codes, too, if a trick differentiates by them."""
        return codes.requires_grad_() if any(trick.sees_codes for trick in self._tricks) else codes

    def __getstate__(self) -> dict[str, Any]:
        """Return what is copied or pickled: not what is held within a round."""
        return {**self.__dict__, "held": None}

    def _moved(self, player: str) -> None:
        """Let the tricks take note of a player's move."""
        for trick in self._tricks:
            trick.after(player)

    @torch.no_grad()
    def _critic_moved(self) -> None:
        """Clip the critic's weights, if they are to be."""
        if self.weight_clip:
            for parameter in self.critic.parameters():
                parameter.clamp_(-self.weight_clip, self.weight_clip)
        self._moved("critic")

    def codes_for(self, batch: Batch, noise: Noise) -> Tensor:
        """Draw the codes of a minibatch's fakes, `(B, latent)`."""
        return self._sample_codes(len(batch.x), noise)

    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Draw z from the prior, `(n, latent)`."""
        return noise.normal((n, self.latent)) if self.prior == "normal" else 2 * noise.uniform((n, self.latent)) - 1

    @property
    def code_space(self) -> CodeSpace:
        """Normal numbers."""
        return normal_space(self.latent) if self.prior == "normal" else uniform_space(self.latent)

    def likelihood(self, z: Tensor, label: Tensor | None) -> None:
        """Return None: a code has one example."""

    def generate(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return scaled examples: in [-1, 1] for images, unbounded for vectors."""
        made = conditioned(self.generator, z, label).float()
        return torch.tanh(made) if self.event.is_image else made

    def shown(self, x: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return scaled examples, real or made, as the critic is shown them."""
        for trick in self._tricks:
            x = trick.show(x, batch, noise)
        return x

    def opinion(self, x: Tensor, label: Tensor | None) -> Opinion:
        """Return what the critic says of scaled examples."""
        return opinion(self.critic, x, label)

    def judged(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the critic's logits for scaled examples, `(B,)`; higher means more real."""
        return self.opinion(x, label).logit

    def _judge(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the same for examples in the data's own units."""
        return self.judged(self.event.scaled(x), label)

    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Draw codes, and make their examples."""
        return self.event.restored(self.generate(self._sample_codes(n, noise), label))

    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return G(z), in the data's own units."""
        return self.event.unscaled(self.generate(z, label))
