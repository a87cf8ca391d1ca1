"""What a comparison fixes once for all models: the splits, the sample count, the extractor, the seeds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from triptych.data.examples import Examples, subset
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.features.extractor import Extractor, Function, pixels
from triptych.evaluation.features.resolve import resolve_extractor
from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
from triptych.evaluation.streams import Stream
from triptych.event import Event
from triptych.metrics.alterations import centres, nearest_altered
from triptych.metrics.figure import Figure
from triptych.metrics.influence import Summary, summary
from triptych.metrics.novelty import Nearest, nearest, share, threshold, untold
from triptych.models.base import Model
from triptych.noise import mix

_FEWEST, _MOST_SAMPLES, _MOST_SCORED = 100, 1000, 2000
_DIMS = 1 << 20  # sub-pixels of all samples, and of half of the scored examples: bounds time, not memory
KERNELS = 16_384
"""Samples of a Parzen estimate, as Nowozin et al. 2016, §4.1, has them."""
ANNEALING = (1000, 16)
"""Intermediate distributions and chains of annealed importance sampling."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """The conditions under which models are compared; make one with `Protocol.prepare`, another with `changed`.

    What is costly (features, neighbours) is computed once, when a metric first asks for it.

    Args:
        data: name of the data.
        train: training split.
        test: held-out split.
        extractor: features that samples and data are compared on.
        seed: of all that is drawn.
        samples: n, drawn from each model; as many real examples are compared with.
        importance: K of likelihood bounds.
        kernels: samples that a Parzen estimate is made of.
        annealing: intermediate distributions and chains of annealed importance sampling.
        count: how many test examples are scored; None for at most 2000, fewer if large.
        against: other examples, that models are to tell from the data's.
        background: a model that likelihoods are divided by, to tell them.

    Raises:
        DataError: for examples or models of different events, fewer than 2 examples to compare, or fewer than were
            asked for.
        ConfigurationError: for numbers below 1.
        UnsupportedQuery: for a background that does not bound log p(x).
    """

    data: str
    train: Examples
    test: Examples
    extractor: Extractor
    seed: int
    samples: int
    importance: int = IMPORTANCE_SAMPLES
    kernels: int = KERNELS
    annealing: tuple[int, int] = ANNEALING
    count: int | None = None
    against: Examples | None = None
    background: Model | None = None

    def __post_init__(self) -> None:
        """Refuse what no comparison can be made of."""
        if self.train.event != self.test.event:
            raise DataError(f"training examples are a {self.train.event}, test examples a {self.test.event}")
        for name, other in {"other examples are": self.against, "the background is": self.background}.items():
            if other is not None and not other.event.same_space(self.event):
                raise DataError(f"{name} of a {other.event}, the data of a {self.event}")
        if self.background is not None:
            self.background.log_prob_bounds  # noqa: B018 - it says so if the model does not answer
        there = min(len(self.train), len(self.test))
        if there < 2:
            raise DataError(
                f"{len(self.train):,} training and {len(self.test):,} test examples: expected at least 2 of each to "
                "measure by; use more data, or another --test-fraction"
            )
        if not 2 <= self.samples <= there:
            raise DataError(
                f"{self.samples:,} samples are compared with as many examples of each split, and there are "
                f"{len(self.train):,} training and {len(self.test):,} test examples: expected 2 to {there:,} samples"
            )
        if self.count is not None and not 1 <= self.count <= len(self.test):
            raise DataError(f"{self.count:,} test examples were to be scored: expected 1 to all {len(self.test):,}")
        for name, what in {"importance": "code of each example", "kernels": "sample with a kernel"}.items():
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name}={getattr(self, name)}: expected at least 1 {what}")
        if min(self.annealing) < 1:
            raise ConfigurationError(f"annealing={self.annealing}: expected at least 1 step and 1 chain")

    @classmethod
    def prepare(
        cls,
        train: Examples,
        test: Examples,
        *,
        data: str = "data",
        extractor: str | Function | Extractor = "auto",
        samples: int | None = None,
        importance: int = IMPORTANCE_SAMPLES,
        kernels: int = KERNELS,
        scored: int | None = None,
        seed: int = 0,
        cache: Path | None = None,
    ) -> Protocol:
        """Fix the conditions, and train the extractor if need be.

        Args:
            train: training split.
            test: held-out split of the same event.
            data: name of the data, for reports.
            extractor: see `triptych.evaluation.features.resolve.resolve_extractor`.
            samples: n; None for all test examples, at most 1000, fewer for large images.
            importance: K of likelihood bounds.
            kernels: samples that a Parzen estimate is made of.
            scored: how many test examples their likelihood is measured of; None for at most 2000, fewer if large.
            seed: of subsets, samples and bounds.
            cache: folder of trained extractors.

        Raises:
            DataError: for splits of different events, fewer than 2 examples to compare, or fewer than `scored`.
            ConfigurationError: for an unknown extractor, importance < 1, or kernels < 1.
        """
        n = min(len(test), len(train), _MOST_SAMPLES, _fit(train.event)) if samples is None else samples
        chosen = extractor if isinstance(extractor, Extractor) else pixels(train.event)
        made = cls(data, train, test, chosen, seed, n, importance, kernels, count=scored)
        return made.changed(extractor=extractor, cache=cache)

    def changed(
        self, *, extractor: str | Function | Extractor | None = None, cache: Path | None = None, **fields: Any
    ) -> Protocol:
        """Return a protocol of which some conditions are others.

        Args:
            extractor: see `triptych.evaluation.features.resolve.resolve_extractor`; None for the same.
            cache: folder of trained extractors.
            fields: values by field.
        """
        if extractor is not None:
            fields["extractor"] = resolve_extractor(
                extractor, self.train, self.test, data=self.data, seed=self.seed, cache=cache
            )
        return replace(self, **fields) if fields else self

    @cached_property
    def real(self) -> Examples:
        """The n test examples that samples are compared with."""
        return subset(self.test, self.samples, mix(self.seed, Stream.REAL))

    @cached_property
    def real_features(self) -> Tensor:
        """Their features, `(n, F)`."""
        return self.extractor(self.real)

    @cached_property
    def real_summary(self) -> Summary:
        """What one pass over their features leaves, where these are too many to be kept."""
        return summary(self.extractor.stream(self.real), len(self.real))

    @cached_property
    def train_features(self) -> Tensor:
        """The features of all training examples, `(N, F)`."""
        return self.extractor(self.train)

    @cached_property
    def scored(self) -> Examples:
        """The test examples whose log-likelihood is measured."""
        most = min(_MOST_SCORED, 2 * _fit(self.event)) if self.count is None else self.count
        return subset(self.test, most, mix(self.seed, Stream.SCORED))

    @cached_property
    def unseen(self) -> Examples:
        """The test examples that the yardstick of copying is made of, however many are scored."""
        return subset(self.test, min(_MOST_SCORED, 2 * _fit(self.event)), mix(self.seed, Stream.SCORED))

    @cached_property
    def held_out(self) -> Nearest:
        """The nearest training example of each of `unseen`."""
        return nearest(self.unseen.data, self.train.data, self.event)

    @cached_property
    def held_out_by_features(self) -> Nearest:
        """The same by the protocol's features."""
        return self.nearest_by_features(self.extractor(self.unseen))

    @cached_property
    def train_outlines(self) -> Tensor:
        """What changes of brightness and contrast leave of the training images; see `alterations.centres`."""
        return centres(self.train.data, self.event)

    @cached_property
    def held_out_altered(self) -> Nearest:
        """The nearest training image of each of `unseen`, whatever its brightness, shifted as it fits best."""
        return nearest_altered(self.unseen.data, self.train_outlines, self.event)

    @property
    def event(self) -> Event:
        """What one example is."""
        return self.train.event

    @property
    def space(self) -> str:
        """What near-copies are near in, in words."""
        return "pixels" if self.event.is_image else "coordinates"

    @property
    def near_copy_distance(self) -> float:
        """The relative distance at or below which a sample is a near-copy; see `novelty.threshold`."""
        return threshold(self.held_out.relative)

    @property
    def held_out_copies(self) -> Figure:
        """The near-copy share of unseen real data, in %: the yardstick; no value where copies cannot be told."""
        unseen = self.held_out.relative
        if reason := untold(unseen, self.space):
            return Figure(None, unit="%", note=reason)
        return share(unseen, self.near_copy_distance, f"copies@test-{len(unseen)}")

    def nearest(self, samples: Examples) -> Nearest:
        """Return the nearest training example of each sample."""
        return nearest(samples.data, self.train.data, self.event)

    def nearest_by_features(self, features: Tensor) -> Nearest:
        """Return the training example whose features are nearest, for each row of `(n, F)`."""
        return nearest(features, self.train_features, Event((features.shape[1],)))

    def describe(self) -> dict[str, Any]:
        """Return the conditions, as JSON can hold them."""
        accuracy = self.extractor.accuracy
        return {
            "data": self.data,
            "event": str(self.event),
            "train": len(self.train),
            "test": len(self.test),
            "samples": self.samples,
            "scored": len(self.scored),
            "extractor": self.extractor.name,
            "extractor_note": self.extractor.note,
            "extractor_accuracy": None if accuracy is None else accuracy.to_dict(),
            "importance_samples": self.importance,
            "near_copy_distance": self.near_copy_distance,
            "seed": self.seed,
        }


def _fit(event: Event) -> int:
    """Return how many examples of an event are measured in reasonable time, at least 100."""
    return max(_FEWEST, _DIMS // event.dims)


def counted(n: int) -> str:
    """Return a count as protocols write it, thousands from 10,000 on as k; a Parzen estimate's 16k is 16,384.

    >>> counted(360), counted(10_000), counted(16_384), counted(16_000)
    ('360', '10k', '16k', '16000')
    """
    if n == KERNELS:
        return "16k"
    return f"{n // 1000}k" if n >= 10_000 and n % 1000 == 0 and n != 16_000 else str(n)
