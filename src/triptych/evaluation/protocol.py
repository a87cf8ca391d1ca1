"""What a comparison fixes once for all models: the splits, the sample count, the extractor, the seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import DataError
from triptych.evaluation.distances import frechet_distance, frechet_error
from triptych.evaluation.features import Extractor, Function, resolve_extractor
from triptych.evaluation.figure import Figure
from triptych.evaluation.likelihood import IMPORTANCE_SAMPLES
from triptych.evaluation.novelty import Nearest, nearest, share, threshold
from triptych.event import Event
from triptych.noise import mix

MOST_SAMPLES = 1000
MOST_SCORED = 2000
RESAMPLES = 20


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
        real: the n test examples that samples are compared with, as many as samples.
        scored: the test examples whose log-likelihood is measured.
        real_features: `(n, F)`.
        held_out: the nearest training example of each scored test example.
    """

    data: str
    train: Examples
    test: Examples
    extractor: Extractor
    seed: int
    samples: int
    importance: int
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
        seed: int = 0,
        cache: Path | None = None,
    ) -> Protocol:
        """Choose the subsets, train the extractor if need be, and measure the held-out yardstick.

        Args:
            train: training split.
            test: held-out split of the same event.
            data: name of the data, for reports.
            extractor: see `triptych.evaluation.features.resolve_extractor`.
            samples: n; None for all test examples, at most 1000.
            seed: of subsets, samples and bounds.
            cache: folder of trained extractors.

        Raises:
            DataError: for splits of different events, or fewer than 2 examples to compare.
            ConfigurationError: for an unknown extractor.
        """
        if train.event != test.event:
            raise DataError(f"training examples are a {train.event}, test examples a {test.event}")
        n = min(len(test), len(train), samples if samples is not None else MOST_SAMPLES)
        if n < 2 or (samples is not None and n < samples):
            asked = "" if samples is None else f", {samples} asked for"
            raise DataError(
                f"{len(train)} training and {len(test)} test examples{asked}: a comparison "
                "takes 2 samples or more, and as many examples of each split"
            )
        chosen = resolve_extractor(extractor, train, test, data=data, seed=seed, cache=cache)
        real, scored = subset(test, n, mix(seed, 1)), subset(test, MOST_SCORED, mix(seed, 2))
        held_out = nearest(scored.data, train.data, train.event)
        features = chosen(real)
        return cls(
            data, train, test, chosen, seed, n, IMPORTANCE_SAMPLES, real, scored, features, held_out
        )

    @property
    def event(self) -> Event:
        """What one example is."""
        return self.train.event

    @property
    def near_copy_distance(self) -> float:
        """The distance at or below which a sample is a near-copy; see `novelty.threshold`."""
        return threshold(self.held_out.distance)

    @property
    def held_out_copies(self) -> Figure:
        """The near-copy share of unseen real data, in %: the yardstick."""
        distance = self.held_out.distance
        return share(distance, self.near_copy_distance, f"copies@test-{len(distance)}")

    def frechet(self, samples: Examples) -> Figure:
        """Return the Fréchet distance of n examples to n test examples, with its bootstrap standard error."""
        name = f"fd-{len(samples)}@{self.extractor.name}"
        if not bool(torch.isfinite(samples.data).all()):
            return _not_finite(samples, name, "")
        features = self.extractor(samples)
        error = frechet_error(features, self.real_features, RESAMPLES, mix(self.seed, 3))
        return Figure(frechet_distance(features, self.real_features), error, "", name)

    def copies(self, samples: Examples) -> tuple[Figure, Nearest | None]:
        """Return the near-copy share of samples in %, and the nearest training example of each."""
        name = f"copies-{len(samples)}"
        if not bool(torch.isfinite(samples.data).all()):
            return _not_finite(samples, name, "%"), None
        found = nearest(samples.data, self.train.data, self.event)
        return share(found.distance, self.near_copy_distance, name), found

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
            "bootstrap_resamples": RESAMPLES,
            "near_copy_distance": self.near_copy_distance,
            "seed": self.seed,
        }


def subset(examples: Examples, n: int, seed: int) -> Examples:
    """Return n examples drawn without replacement, in the order of the data; all if there are no more."""
    if n >= len(examples):
        return examples
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(seed))
    return examples[order[:n].sort().values]


def _not_finite(samples: Examples, protocol: str, unit: str) -> Figure:
    bad = int((~torch.isfinite(samples.data)).flatten(1).any(1).sum())
    note = f"{bad} of {len(samples)} samples are not finite numbers: the training diverged"
    return Figure(None, unit=unit, protocol=protocol, note=note)
