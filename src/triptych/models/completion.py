"""Completion: the unknown part of an example, drawn given the known one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, DataError
from triptych.models.base import query
from triptych.models.questions import Label, Question, Seed, chunks
from triptych.noise import Noise


class Filled(NamedTuple):
    """Examples with their unknown part drawn, and what importance resampling needs of them."""

    x: Tensor
    """`(B, *event.shape)`."""
    log_weight: Tensor
    """`(B,)`: log of p(x) over the probability of the draw, up to a constant; zeros where the draw is exact."""


@dataclass(frozen=True, eq=False)
class Completion(Examples):
    """Examples of which a part was given and the rest drawn.

    Args:
        exact: whether the rest is drawn from the model's p(unknown | known).
        method: how it was drawn, in words.
    """

    exact: bool = False
    method: str = ""


class Completer(Question):
    """Fills in the unknown part of an example."""

    predicts: ClassVar[bool] = False
    """Whether `fill` predicts the unknown part rather than draw it: then one prediction is as good as many."""

    @property
    def proposal(self) -> str:
        """How `fill` draws where it does not draw from p(unknown | known), in words."""
        return "each unknown part given only the parts before it"

    @query
    def complete(
        self,
        x: Examples | Tensor,
        known: Tensor,
        *,
        label: Label = None,
        seed: Seed = None,
        candidates: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
    ) -> Completion:
        """Return the examples with all that is not `known` drawn anew; what is known stays as it is.

        Where the known part comes first in the model's order the draw is exact. Elsewhere each unknown part is
        drawn given the parts before it alone; of `candidates` such draws one is kept with probability
        proportional to `p(x) / q(x)`, which tends to p(unknown | known) as they become many (Rubin 1987,
        sampling importance resampling). A model that predicts the unknown part gives the same each time.

        Args:
            x: examples of the model's event; their unknown parts are not looked at.
            known: boolean, `event.shape` or its last dimensions: true where the value is given.
            label: of a conditional model, unless the examples carry their own.
            seed: a number or a `torch.Generator`; None for a fresh one.
            candidates: how many proposals to draw for each example, where one is not exact.
            temperature: as in `sample`.
            top_p: as in `sample`.

        Raises:
            DataError: for a mask of another shape, or one that keeps nothing or everything.
            ConfigurationError: for fewer than 1 candidate, or several at another temperature than 1; for
                either, where the unknown part is predicted.
        """
        sharpness = Sharpness(temperature, top_p)
        if candidates < 1:
            raise ConfigurationError(f"candidates={candidates}: expected at least 1")
        if candidates > 1 and not sharpness.plain:
            raise ConfigurationError("candidates are weighed by the model as it is: leave temperature and top_p at 1")
        if self.predicts and (candidates > 1 or not sharpness.plain):
            raise ConfigurationError(
                f"{type(self).__name__} predicts the unknown part, and draws nothing: "
                "leave candidates, temperature and top_p at 1"
            )
        data, labels = self._given(x, label)
        mask = self._mask(known).to(self.device)
        exact = self.completes_exactly(mask) and sharpness.plain
        candidates = 1 if self.completes_exactly(mask) else candidates
        noise = self._noise(seed)
        parts = []
        with self.asking():
            for part in chunks(len(data) * candidates, "completing"):
                which = torch.arange(part.start, part.stop) // candidates
                own = None if labels is None else labels[which.to(labels.device)]
                parts.append(self._complete(data[which].to(self.device), mask, own, noise, sharpness))
        filled = self._examples([f.x for f in parts], labels=None)
        chosen = _resampled([f.log_weight for f in parts], candidates, noise)
        return Completion(
            filled.data[chosen],
            self.event,
            None if labels is None else labels.cpu(),
            exact=exact,
            method=f"predicted: {self.proposal}"
            if self.predicts
            else _method(exact, candidates, sharpness, self.proposal),
        )

    def _mask(self, known: Tensor) -> Tensor:
        known = torch.as_tensor(known).bool()
        try:
            mask = known.expand(self.event.shape)
        except RuntimeError:
            raise DataError(f"the mask has shape {tuple(known.shape)}, the examples {self.event.shape}") from None
        if mask.all() or not mask.any():
            raise DataError(f"the mask keeps {'all' if mask.all() else 'nothing'}: expected a part of the example")
        return mask

    @abstractmethod
    def completes_exactly(self, known: Tensor) -> bool:
        """Return whether `fill` draws from p(unknown | known) when this is known, `(*event.shape)`."""

    @abstractmethod
    def _complete(self, x: Tensor, known: Tensor, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Filled:
        """Return `(B, *event.shape)` with everything outside `known` drawn anew, and the draws' weights."""


def _resampled(log_weights: list[Tensor], candidates: int, noise: Noise) -> Tensor:
    """Return which of every `candidates` proposals is kept, by weight: indices `(N,)`."""
    weights = torch.cat([torch.empty(0, device=noise.device), *log_weights]).view(-1, candidates).double()
    first = torch.arange(len(weights)) * candidates
    if len(weights) and bool((weights.amax(1) == -torch.inf).any()):
        tried = "the only proposal" if candidates == 1 else f"all {candidates} proposals"
        raise DataError(f"what is known has probability zero after {tried}: draw more candidates, or know another part")
    if candidates == 1:
        return first
    p = torch.softmax(weights, 1).cumsum(1)
    u = noise.uniform((len(weights), 1)).to(p.device) * p[:, -1:]
    return first + (u >= p).sum(1).clamp(max=candidates - 1).cpu()


def _method(exact: bool, candidates: int, sharpness: Sharpness, proposal: str) -> str:
    if exact:
        return "exact: drawn from p(unknown | known)"
    if not sharpness.plain:
        return f"sharpened: temperature {sharpness.temperature:g}, top_p {sharpness.top_p:g}"
    if candidates > 1:
        return f"approximate: one of {candidates} proposals, by importance"
    return f"approximate: {proposal}"
