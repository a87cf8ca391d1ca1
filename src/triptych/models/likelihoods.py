"""The questions about log p(x): its exact value, bounds on it, and bounds by weighted codes."""

from __future__ import annotations

from abc import abstractmethod
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError
from triptych.models.asking import Label, Question, Seed, chunks
from triptych.models.base import query
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound


class Bounds(NamedTuple):
    """A bracket around log p(x), in nats per example."""

    lower: Tensor
    """`(N,)`; for a bound that is estimated, in expectation."""
    upper: Tensor
    """`(N,)`; infinite where no upper bound is known."""


class Bounded(Question):
    """Brackets log p(x)."""

    @query
    def log_prob_bounds(self, x: Examples | Tensor, *, label: Label = None, samples: int = 1, seed: Seed = 0) -> Bounds:
        """Return a lower and an upper bound on log p(x) in nats, each `(N,)`. Exact models give one twice.

        Args:
            x: examples of the model's event.
            label: of a conditional model, unless the examples carry their own.
            samples: K of an importance-weighted bound; 1 is the ELBO. Exact models do not use it.
            seed: for what is drawn.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        if samples < 1:
            raise ConfigurationError(f"a bound of {samples} samples was asked for: expected at least 1")
        data, labels = self._given(x, label)
        noise = self._noise(seed)
        parts = [Bounds(torch.empty(0, device=self.device), torch.empty(0, device=self.device))]
        with self.asking():
            for part in chunks(len(data), "scoring"):
                own = None if labels is None else labels[part]
                parts.append(self._log_prob_bounds(data[part].to(self.device), own, noise, samples))
        return Bounds(*(torch.cat(side).cpu() for side in zip(*parts, strict=True)))

    @abstractmethod
    def _log_prob_bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        """Return `(B,)` lower and upper bounds on log p(x), in nats."""


class Weights(NamedTuple):
    """Importance weights of K codes for each example, in two parts, in nats."""

    log_likelihood: Tensor
    """log p(x | z_k), `(B, K)`; its negative is the distortion."""
    log_ratio: Tensor
    """log p(z_k) - log q(z_k | x), `(B, K)`; the mean of its negative is the rate."""

    @property
    def log_weights(self) -> Tensor:
        """Log w_k = log p(x, z_k) - log q(z_k | x), `(B, K)`."""
        return self.log_likelihood + self.log_ratio


ROWS, NUMBERS = 2000, 1 << 20
"""How many codes are weighed at a time at most, and how many numbers their examples have: bounds the memory."""


@cache
def _keep_freed_memory() -> None:
    """Have the C library keep what a chunk frees for the next one.

    glibc gives freed memory back to the system above a threshold, which it learns from the largest block (up to
    32 MB) that it was given back. To take the pages anew for every chunk would cost a third of the time.
    """
    torch.empty(28 << 20, dtype=torch.uint8)


class ImportanceWeighted(Bounded):
    """Bounds log p(x) from below by weighted codes: `log p(x) ≥ E log 1/K Σ_k w_k` (Burda et al. 2016, eq. 8)."""

    @final
    def weights(self, x: Examples | Tensor, *, label: Label = None, samples: int = 1, seed: Seed = 0) -> Weights:
        """Return the importance weights of `samples` codes for each example, `(N, samples)`.

        Args:
            x: examples of the model's event.
            label: of a conditional model, unless the examples carry their own.
            samples: K.
            seed: for what is drawn.

        Raises:
            DataError: for examples of another event, or missing labels.
            ConfigurationError: for samples < 1.
        """
        if samples < 1:
            raise ConfigurationError(f"{samples} codes of each example were asked for: expected at least 1")
        data, labels = self._given(x, label)
        noise = self._noise(seed)
        parts = [Weights(*(torch.empty(0, samples) for _ in range(2)))]
        with self.asking():
            for part in chunks(len(data), "weighing codes"):
                own = None if labels is None else labels[part]
                found = self._weighed(data[part].to(self.device), own, noise, samples)
                parts.append(Weights(*(side.cpu() for side in found)))
        return Weights(*(torch.cat(side) for side in zip(*parts, strict=True)))

    @final
    def _log_prob_bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        """Return the importance-weighted bound; one sample is the ELBO."""
        lower = importance_bound(self._weighed(x, label, noise, samples).log_weights.T)
        return Bounds(lower, torch.full_like(lower, torch.inf))

    def _weighed(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Weights:
        """Return `(B, samples)` weights, at most about `ROWS` codes at a time, fewer of large examples."""
        _keep_freed_memory()
        rows = min(ROWS, max(1, NUMBERS // self.event.dims))
        at_once = max(1, rows // samples)
        # Filled in place: small results that live on between the large blocks of their chunks would splinter the heap.
        weights = Weights(*(torch.empty(len(x), samples, device=x.device) for _ in range(2)))
        for start in range(0, len(x), at_once):
            part = slice(start, start + at_once)
            own = None if label is None else label[part]
            for done in range(0, samples, rows):
                found = self._weights(x[part], own, noise, min(rows, samples - done))
                for whole, some in zip(weights, found, strict=True):
                    whole[part, done : done + rows] = some
        return weights

    @abstractmethod
    def _weights(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Weights:
        """Return the weights of `samples` codes for each of B examples, `(B, samples)`, all at once."""


class Density(Bounded):
    """Knows log p(x) exactly: a probability for images, a density for vectors."""

    @query
    def log_prob(self, x: Examples | Tensor, *, label: Label = None) -> Tensor:
        """Return log p(x) in nats, `(N,)`.

        Args:
            x: examples of the model's event.
            label: of a conditional model, unless the examples carry their own; gives log p(x | label).

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        return self.log_prob_bounds(x, label=label).lower

    @final
    def _log_prob_bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        """Return the exact log p(x) as both bounds."""
        exact = self._log_prob(x, label)
        return Bounds(exact, exact)

    @abstractmethod
    def _log_prob(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return log p(x) in nats, `(B,)`."""
