"""The figures of an examination: a model in training beside a fixed batch of real examples, from fixed noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.event import Event
from triptych.metrics.modes import modes_covered
from triptych.metrics.novelty import nearest
from triptych.metrics.sets import advantage, effective, energy, variety
from triptych.models.base import Model
from triptych.models.questions import Encoder, ImportanceWeighted, Judge, LatentSampler
from triptych.noise import Noise
from triptych.queries.activity import active_units
from triptych.training.budget import Budget
from triptych.training.diagnosis.kinds import Kinds, distinct, kinds_of, scaled_points, spread_evenly
from triptych.training.logging import Record

EXAMPLES = 512
"""Most training examples that codes are looked at of, spread evenly over the training split."""
MADE = 256
"""Made examples, and real ones beside them, that a game is examined on."""
REFERENCE, COMPARED = 1024, 128
"""Most training examples that made ones are sorted by; and made ones that are compared with these for copies."""
SHARE, ROUNDS_BETWEEN, EXAMPLES_BETWEEN = 40, 100, 3200
"""A game is examined at each such part of the budget, but no sooner than so many rounds, and real examples seen, after
the last time: an examination takes about as long as two rounds of small networks, or as 60 examples of large ones."""
ACTIVE, INACTIVE = "codes/active_units", "codes/inactive_units"
AUC, ACCURACY, SPREAD, SLOPE = "verdicts/auc", "verdicts/accuracy", "verdicts/spread", "verdicts/slope"
ENERGY, VARIETY, KINDS, NOVELTY = "samples/energy", "samples/variety", "samples/kinds", "samples/novelty"
MODES, MODES_OF, GOOD = "samples/modes", "samples/modes_of", "samples/good"
KIND = "samples/kind/"
"""Followed by a class: its share among made examples."""
EXAMPLES_SEEN, DISTINCT = "data/examples", "data/distinct"
LABELS_SEEN, LABELS = "data/labels_seen", "data/labels"
PREFIXES = ("codes/", "verdicts/", "samples/", "data/", "finding/", "non-finite/")
"""Of all figures in a record that are an examination's, and no loss terms."""


class Examiner:
    """Examines one model in training, always on the same real examples and from the same noise.

    Args:
        model: what is trained.
        train: the training split, with labels if it has any: a model that does not see them can still be seen to
            have lost a class.

    Example:
        >>> import triptych as tp
        >>> train, _ = tp.data.load("ring", count=400)
        >>> figures = Examiner(tp.build("gan", train.event, latent=2, hidden=8), train).figures()
        >>> int(figures["samples/modes_of"])
        8
    """

    def __init__(self, model: Model, train: Examples) -> None:
        self.model, self.train = model, train

    def figures(self, averaged: Callable[[], AbstractContextManager[None]] | None = None) -> Record:
        """Return figures of the model as it is that its losses do not tell; none for models without any.

        Of models with codes and a bound: how many units of the code depend on the example; see `active_units`. Of a
        game: what the critic says of real and of made examples, and how the made ones lie beside the real.

        Args:
            averaged: makes a context in which the model has the weights that it is sampled with, if not its own.
        """
        model = self.model
        found: Record = {}
        made = None
        if isinstance(model, Judge) and isinstance(model, LatentSampler):
            made = self._made(model)
            found |= self._verdicts(model, made)
        with averaged() if averaged else nullcontext():
            if isinstance(model, ImportanceWeighted) and isinstance(model, Encoder):
                found |= self._codes(model)
            if isinstance(model, LatentSampler) and made is not None:
                made = self._made(model) if averaged else made
                found |= self._samples(scaled_points(made, model.event))
        return found

    def of_data(self) -> Record:
        """Return figures of the data as the model sees them."""
        found: Record = {EXAMPLES_SEEN: float(len(self.train)), DISTINCT: float(distinct(self._reference.data))}
        labels = self.train.labels
        if self.model.classes and labels is not None and labels.dim() == 1:
            found |= {LABELS_SEEN: float(len(torch.unique(labels))), LABELS: float(self.model.classes)}
        return found

    @cached_property
    def _reference(self) -> Examples:
        return spread_evenly(self.train, REFERENCE)

    @cached_property
    def _rows(self) -> Tensor:
        """Which of the reference are the fixed batch of real examples."""
        count = min(MADE, len(self._reference))
        return torch.arange(count) * len(self._reference) // count

    @cached_property
    def _kinds(self) -> Kinds:
        return kinds_of(scaled_points(self._reference.data, self.train.event), self._reference.labels)

    @cached_property
    def _own_novelty(self) -> float:
        """Median relative distance of the real batch to other training examples; 0 where there are too few."""
        reference = self._kinds.reference
        if len(reference) < 3:
            return 0.0
        return _novelty(reference[self._rows], reference, self._rows)

    def _labels(self, n: int) -> Tensor | None:
        """Return the labels that made examples are asked for: those of the real ones beside them."""
        labels = self._reference.labels
        if not self.model.conditional or labels is None:
            return None
        return labels[self._rows[torch.arange(n) % len(self._rows)]]

    def _made(self, model: LatentSampler) -> Tensor:
        """Return what the model makes of fixed codes, in the data's units and not rounded: as its critic sees it."""
        with model.asking():
            labels = self._labels(MADE)
            labels = None if labels is None else model.labels(labels, MADE)
            return model._decode(model._sample_codes(MADE, Noise.of(0, model.device)), labels)

    def _verdicts(self, model: Judge, made: Tensor) -> Record:
        """Return what the critic says; on the weights that play."""
        with model.asking():
            real, label = self._reference.data[self._rows].to(model.device), self._labels(len(self._rows))
            of_real = model._judge(real, None if label is None else model.labels(label, len(real)))
            label = self._labels(MADE)
            of_made = model._judge(made, None if label is None else model.labels(label, MADE))
        found: Record = {
            AUC: advantage(of_real.cpu(), of_made.cpu()),
            ACCURACY: float(((of_real > 0).float().mean() + (of_made <= 0).float().mean()) / 2),
            SPREAD: float(torch.cat([of_real, of_made]).float().std()),
        }
        n = min(len(of_real), len(of_made))
        found[SLOPE] = float(model.adversary.slope(of_real[:n], of_made[:n]).mean())
        return found

    def _samples(self, made: Tensor) -> Record:
        kinds = self._kinds
        real = kinds.reference[self._rows]
        which = kinds.of(made)
        shares = torch.bincount(which, minlength=len(kinds.shares)).double() / len(made)
        found: Record = {
            ENERGY: energy(real, made),
            VARIETY: variety(real, made),
            KINDS: effective(shares) / effective(kinds.shares),
        }
        if self._own_novelty > 0:
            found[NOVELTY] = _novelty(made[:COMPARED], kinds.reference) / self._own_novelty
        if kinds.centres is not None:
            due = 0.1 * len(made) * kinds.shares  # a tenth of what a perfect model would make of each
            covered, of, good = modes_covered(made, kinds.centres, kinds.spread, due)
            found |= {MODES: float(covered), MODES_OF: float(of), GOOD: good}
        return found | {f"{KIND}{k}": float(share) for k, share in enumerate(shares)}

    def _codes(self, model: Encoder) -> Record:
        examples = spread_evenly(self.train, EXAMPLES)
        codes = model.encode(examples)
        active = int(active_units(codes).sum()) if len(examples) > 1 else codes.shape[1]
        return {ACTIVE: active, INACTIVE: codes.shape[1] - active}


def _novelty(points: Tensor, train: Tensor, own: Tensor | None = None) -> float:
    """Return the median relative distance to the nearest training point; NaN for points that are not finite."""
    if not bool(torch.isfinite(points).all()):
        return math.nan
    return float(nearest(points, train, Event((points.shape[1],)), own).relative.median())


def examination_due(
    budget: Budget, record: Record, before: Sequence[Record], game: bool = False, batch_size: int = 64
) -> bool:
    """Return whether a model is to be examined: at each tenth of the budget; of a game at each fortieth.

    A game's fortieths may be no shorter than 100 rounds and 3,200 examples, which keeps the cost below 3 % of the time.
    It is a function of the records alone, so that a resumed run is examined when an uninterrupted one would be.

    Args:
        budget: of the run.
        record: the one that is about to be written.
        before: all earlier ones.
        game: whether the model plays against a critic.
        batch_size: real examples in a turn.

    >>> budget = Budget(steps=1000, seconds=None)
    >>> [examination_due(budget, {"step": step, "seconds": 1.0}, []) for step in (50, 100)]
    [False, True]
    >>> [examination_due(budget, {"step": step, "seconds": 1.0}, [], True, 8) for step in (350, 400)]
    [False, True]
    """
    last = next((r for r in reversed(before) if not game or ENERGY in r), None)
    since = record["step"] - (last["step"] if last else 0)
    if game and (since < ROUNDS_BETWEEN or since * batch_size < EXAMPLES_BETWEEN):
        return False
    parts = SHARE if game else 10

    def reached(r: Record) -> int:
        return int(parts * budget.fraction(int(r["step"]), r["seconds"]))

    return reached(record) > (reached(last) if last else 0)
