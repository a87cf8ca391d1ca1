"""What a comparison fixes once for all models: the splits, the sample count, the extractor, the seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.distances import frechet_distance, frechet_error
from triptych.evaluation.features import Extractor, Function, resolve_extractor
from triptych.evaluation.figure import Figure
from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
from triptych.evaluation.novelty import Nearest, nearest, share, threshold
from triptych.event import Event
from triptych.noise import mix

_FEWEST, _MOST_SAMPLES, _MOST_SCORED = 100, 1000, 2000
_DIMS = 1 << 20  # sub-pixels of all samples, and of half of the scored examples: bounds time, not memory
KERNELS = 16_384
"""Samples of a Parzen estimate, as Nowozin et al. 2016, §4.1, has them."""


@dataclass(frozen=True, eq=False)
class Protocol:
    """The conditions under which models are compared; make one with `Protocol.prepare`.

    Args:
        data: name of the data.
        train: training split.
        test: held-out split.
        extractor: features of the Fréchet distance.
        seed: of all that is drawn.
        samples: n, drawn from each model; as many real examples are compared with.
        importance: K of likelihood bounds.
        kernels: samples that a Parzen estimate is made of.
        real: the n test examples that samples are compared with, as many as samples.
        scored: the test examples whose log-likelihood is measured.
        real_features: `(n, F)`.
        held_out: the nearest training example of unseen ones (all scored, unless another number was asked for).
    """

    data: str
    train: Examples
    test: Examples
    extractor: Extractor
    seed: int
    samples: int
    importance: int
    kernels: int
    real: Examples
    scored: Examples
    real_features: Tensor = field(repr=False)
    held_out: Nearest = field(repr=False)

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
        """Choose the subsets, train the extractor if need be, and measure the held-out yardstick.

        Args:
            train: training split.
            test: held-out split of the same event.
            data: name of the data, for reports.
            extractor: see `triptych.evaluation.features.resolve_extractor`.
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
        if train.event != test.event:
            raise DataError(f"training examples are a {train.event}, test examples a {test.event}")
        fit = max(_FEWEST, _DIMS // train.event.dims)
        n = min(len(test), len(train), min(_MOST_SAMPLES, fit) if samples is None else samples)
        if n < 2 or (samples is not None and n < samples):
            asked = "" if samples is None else f", {samples} asked for"
            raise DataError(
                f"{len(train)} training and {len(test)} test examples{asked}: a comparison "
                "takes 2 samples or more, and as many examples of each split"
            )
        if importance < 1:
            raise ConfigurationError(f"importance={importance}: expected at least 1 code of each example")
        if kernels < 1:
            raise ConfigurationError(f"kernels={kernels}: expected at least 1 sample with a kernel")
        unseen = subset(test, min(_MOST_SCORED, 2 * fit), mix(seed, 2))
        asked_for = unseen if scored is None else _scored(test, scored, mix(seed, 2))
        chosen = resolve_extractor(extractor, train, test, data=data, seed=seed, cache=cache)
        real = subset(test, n, mix(seed, 1))
        held_out = nearest(unseen.data, train.data, train.event)
        return cls(data, train, test, chosen, seed, n, importance, kernels, real, asked_for, chosen(real), held_out)

    @property
    def event(self) -> Event:
        """What one example is."""
        return self.train.event

    @property
    def near_copy_distance(self) -> float:
        """The relative distance at or below which a sample is a near-copy; see `novelty.threshold`."""
        return threshold(self.held_out.relative)

    @property
    def held_out_copies(self) -> Figure:
        """The near-copy share of unseen real data, in %: the yardstick."""
        unseen = self.held_out.relative
        return share(unseen, self.near_copy_distance, f"copies@test-{len(unseen)}")

    def frechet(self, samples: Examples) -> Figure:
        """Return the Fréchet distance of n examples to n test examples, with its standard error."""
        features = self.extractor(samples)
        error = frechet_error(features, self.real_features)
        value = frechet_distance(features, self.real_features)
        return Figure(value, error, "", f"fd-{len(samples)}@{self.extractor.name}")

    def nearest(self, samples: Examples) -> Nearest:
        """Return the nearest training example of each sample."""
        return nearest(samples.data, self.train.data, self.event)

    def copies(self, found: Nearest) -> Figure:
        """Return the share of samples that are near-copies, in %."""
        return share(found.relative, self.near_copy_distance, f"copies-{len(found.relative)}")

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


def _scored(test: Examples, count: int, seed: int) -> Examples:
    if not 1 <= count <= len(test):
        raise DataError(f"{count:,} test examples were to be scored: expected 1 to all {len(test):,}")
    return subset(test, count, seed)


def subset(examples: Examples, n: int, seed: int) -> Examples:
    """Return n examples drawn without replacement, in the order of the data; all if there are no more."""
    if n >= len(examples):
        return examples
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    return examples[order[:n].sort().values]
