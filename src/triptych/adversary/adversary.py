"""The adversary of a game, as a part of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from triptych.adversary.compatibility import check_codes, check_each, check_held, check_tricks
from triptych.adversary.config import AdversaryConfig
from triptych.adversary.scores import Scores, View, joined, scores
from triptych.adversary.sharing import SharedFakes
from triptych.adversary.tricks import Setting, StepContext, Trick, resolve_tricks
from triptych.data.batches import Batch
from triptych.event import Event
from triptych.networks.blocks import with_label
from triptych.networks.critics import Layer
from triptych.networks.reference import filling
from triptych.noise import Noise
from triptych.objectives.game import generator_sees_real, resolve_loss, slope
from triptych.objectives.penalties import resolve_penalties
from triptych.objectives.player import AdamConfig, Player, Terms


class Adversary(nn.Module):
    """A critic that tells a model's views from real ones, and gives both sides of their game.

    A view is what the critic scores at once: examples, examples with their condition, codes, or examples with codes
    (`View`). The critic minimises `critic_terms`, and its opponent, such as a generator, `opponent_terms`. Loss,
    penalties, tricks, norms and pace are those of an `AdversaryConfig`; what does not suit a view is refused when the
    model is built. Reference:
    Goodfellow et al. 2014, *Generative Adversarial Nets*, Algorithm 1.

    Args:
        config: the exchangeable parts.
        event: what one example is.
        make_critic: returns the critic, given the layers that tricks put behind its trunk.
        opponents: the networks that it plays against, by name: "generator" for the one whose steps tricks note.
        heads: read the critic's features, and learn in its turn.
        shape: of one view; None for that of an example.
        conditional: whether the critic sees conditions.
        codes: "none" if fakes are made of no codes, "hidden" if the critic does not see them, or "scored" if it scores
            examples together with their codes, labels behind them.
        classes: number of labels behind codes that are scored.

    Raises:
        ConfigurationError: for an unknown part or option, or parts that do not go together.
    """

    def __init__(
        self,
        config: AdversaryConfig,
        event: Event,
        make_critic: Callable[[Sequence[Layer]], nn.Module],
        opponents: Mapping[str, nn.Module],
        heads: Callable[[nn.Module], Sequence[Trick]] = lambda critic: (),
        shape: tuple[int, ...] | None = None,
        conditional: bool = True,
        codes: str = "hidden",
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.conditional, self.codes, self.classes = config, conditional, codes, classes
        self.loss = resolve_loss(config.loss)
        self.sees_real = generator_sees_real(self.loss)
        self.penalties = resolve_penalties(config.penalty)
        tricks = resolve_tricks(config.tricks)
        self.critic = make_critic([trick.layer for trick in tricks])
        self._check(tricks)
        self.heads = nn.ModuleList(heads(self.critic))
        self.tricks = nn.ModuleList(tricks)
        self.parts: tuple[Trick, ...] = (*self.heads, *tricks)
        self.fakes = SharedFakes(config.shared_fakes, config.steps)
        setting = Setting(event, event.shape if shape is None else shape, {"critic": self.critic, **opponents})
        for trick in tricks:
            trick.begin(setting)

    def _check(self, tricks: Sequence[Trick]) -> None:
        """Refuse parts that do not go together."""
        config = self.config
        own = isinstance(config.critic, nn.Module)
        named = [] if callable(config.penalty) or config.penalty == "none" else config.penalty.split("+")
        check_tricks(self.critic, tricks, own)
        check_codes(tricks, self.codes)
        check_held(self.critic, self.loss, [penalty for _, penalty in self.penalties], config.weight_clip, own)
        check_each(self.critic, tricks, named)

    def player(self, objective: Callable[[Batch, Noise], Terms], adam: AdamConfig) -> Player:
        """Return the critic's player: it owns the critic and the heads.

        Args:
            objective: gives `critic_terms` of a minibatch.
            adam: of its opponent; its own rate is `config.rate` times that.
        """
        return Player(
            "critic",
            [self.critic, *self.heads],
            objective,
            turns=self.config.steps,
            optimizer=adam.optimizer,
            rate=self.config.rate,
            after=self._moved,
        )

    def against(self, player: Player) -> Player:
        """Return the opponent's player, whose steps the tricks note, and which logs the figures of the parts."""
        return replace(player, after=partial(self.moved, "generator"), figures=self.figures)

    def critic_terms(self, real: View, fake: View, batch: Batch, noise: Noise) -> Terms:
        """Return the critic's loss terms.

        Args:
            real: of the data.
            fake: of the opponent; no gradient reaches it.
            batch: the minibatch.
            noise: a stream of randomness.
        """
        made = shown = fake.x.detach()
        for part in self.parts:
            shown = part.fakes(shown, batch, noise)
        codes = fake.codes if shown is made else None
        real = real._replace(x=self.shown(real.x, batch, noise))
        fake = fake._replace(x=self.shown(shown, batch, noise))
        with filling(self.critic):
            real_scores = self.scores(real)
        fake_scores = self.scores(fake)
        step = StepContext(batch, noise, codes, real.x, fake.x, real_scores, fake_scores, made)
        terms = {"adversarial": self._played(real_scores.logits, fake_scores.logits, "critic")}
        terms |= self._penalties(real, fake, noise)
        for part in self.parts:
            terms = part.critic_terms(terms, step)
        return terms

    def opponent_terms(self, fake: View, real: View, batch: Batch, noise: Noise, makes_both: bool = False) -> Terms:
        """Return the opponent's loss terms; the critic scores real views only if something needs the scores.

        Args:
            fake: of the opponent, with a graph to it.
            real: of the data.
            batch: the minibatch.
            noise: a stream of randomness.
            makes_both: whether real views carry a graph to the opponent, too, such as one to an encoder. It then
                minimises the loss for both kinds, each taken for the other.
        """
        made = fake.x
        fake = fake._replace(x=self.shown(made, batch, noise))
        fake_scores = self.scores(fake)
        real_x, real_scores, real_logits = None, None, torch.zeros_like(fake_scores.logits)
        if makes_both or self.sees_real or any(part.sees_features for part in self.parts):
            with torch.set_grad_enabled(makes_both):
                real_x = self.shown(real.x, batch, noise)
                real_scores = self.scores(real._replace(x=real_x))
            real_logits = real_scores.logits
        step = StepContext(batch, noise, fake.codes, real_x, fake.x, real_scores, fake_scores, made)
        terms = {"adversarial": self._played(real_logits, fake_scores.logits, "generator")}
        if makes_both:
            terms["adversarial"] = terms["adversarial"] + self._played(-fake_scores.logits, -real_logits, "generator")
        for part in self.parts:
            terms = part.generator_terms(terms, step)
        return terms

    def _penalties(self, real: View, fake: View, noise: Noise) -> Terms:
        """Return the critic's penalties, also along codes if it scores them."""
        at: Callable[[Tensor], Tensor] = partial(self.logits, condition=real.condition)
        if self.codes == "scored":
            at = partial(self._logits_of_rows, shape=real.x.shape[1:], condition=real.condition)
            real, fake = View(joined(real)), View(joined(fake))
        return {name: penalty(at, real.x, fake.x, noise) for name, penalty in self.penalties}

    def _logits_of_rows(self, rows: Tensor, shape: torch.Size, condition: Tensor | None) -> Tensor:
        """Return the logits of examples with their codes in rows, as `joined` puts them."""
        x, codes = rows[:, : shape.numel()], rows[:, shape.numel() :]
        return self.scores(View(x.view(-1, *shape), condition, codes)).by_example

    def _played(self, real: Tensor, fake: Tensor, side: str) -> Tensor:
        """Return one side's loss, `(B,)`: of patches their mean."""
        loss: Tensor = getattr(self.loss(real.flatten(), fake.flatten()), side)
        return loss if fake.dim() == 1 else loss.view(fake.shape).mean(1)

    @property
    def sees_codes(self) -> bool:
        """Whether fakes must carry a graph to their codes."""
        return any(part.sees_codes for part in self.parts)

    def shown(self, x: Tensor, batch: Batch, noise: Noise) -> Tensor:
        """Return views, real or fake, as the critic is shown them."""
        for part in self.parts:
            x = part.show(x, batch, noise)
        return x

    def scores(self, view: View) -> Scores:
        """Return the critic's scores of views."""
        if self.codes == "scored":
            assert view.codes is not None, "a view with codes has them"
            return scores(self.critic, view.x, with_label(view.codes, view.condition, self.classes))
        return scores(self.critic, view.x, view.condition if self.conditional else None)

    def logits(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """Return one logit for each view, `(B,)`; higher means more real."""
        return self.scores(View(x, condition)).by_example

    def figures(self, means: Mapping[str, float]) -> dict[str, float]:
        """Return the figures that heads and tricks log, from the means of the opponent's terms."""
        return {name: value for part in self.parts for name, value in part.figures(means).items()}

    def slope(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return how much the opponent's loss asks for at logits, `|∂ loss / ∂ fake|`, `(B,)`."""
        return slope(self.loss, real, fake)

    def moved(self, player: str) -> None:
        """Let the tricks update what they remember after a player's step."""
        for part in self.parts:
            part.after(player)

    @torch.no_grad()
    def _moved(self) -> None:
        """Clip the critic's weights, if they are to be, after its step."""
        bound = self.config.weight_clip
        if bound:
            for parameter in self.critic.parameters():
                parameter.clamp_(-bound, bound)
        self.moved("critic")
