"""The questions that a model can answer. A model derives from those it answers and gives their one primitive.

Each class has a final public method, which checks what was given, sets the model to evaluation, makes the
randomness from a seed and bounds the memory; and one abstract method on plain tensors that a model writes.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple, final

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, DataError
from triptych.models.base import Model
from triptych.noise import Noise
from triptych.objectives.likelihood import importance_bound

BATCH = 256
"""How many examples are computed at a time in answering a query."""

Label = int | Sequence[int] | Tensor | None
"""One for all, or one each; of a model of vectors `(E,)` or `(N, E)`."""
Seed = int | torch.Generator | None


class Bounds(NamedTuple):
    """A bracket around log p(x), in nats per example."""

    lower: Tensor
    """`(N,)`; for a bound that is estimated, in expectation."""
    upper: Tensor
    """`(N,)`; infinite where no upper bound is known."""


def chunks(n: int) -> Iterator[slice]:
    """Yield the parts of `n` examples that are computed at a time."""
    for start in range(0, n, BATCH):
        yield slice(start, min(start + BATCH, n))


class Question(Model):
    """What all questions share."""

    def _given(self, x: Examples | Tensor, label: Label) -> tuple[Tensor, Tensor | None]:
        """Check examples against the event; return them, and their labels if the model is conditional."""
        if isinstance(x, Examples):
            if label is None and self.conditional:
                label = x.labels
            x = x.data
        x = torch.as_tensor(x)
        self.event.check(x)
        return x, self.labels(label, len(x))

    def _noise(self, seed: Seed) -> Noise:
        return Noise.of(seed, self.device)

    def _examples(self, parts: list[Tensor], labels: Tensor | None = None) -> Examples:
        data = torch.cat(parts) if parts else torch.empty(0, *self.event.shape, dtype=self.event.dtype)
        return Examples(data.cpu(), self.event, None if labels is None else labels.cpu())


class Sampler(Question):
    """Draws new examples."""

    @final
    def sample(
        self, n: int = 16, *, label: Label = None, seed: Seed = None, temperature: float = 1.0, top_p: float = 1.0
    ) -> Examples:
        """Draw `n` examples.

        Args:
            n: how many.
            label: of a conditional model: one for all, or one each; None draws labels uniformly. A model of
                vectors takes `(E,)` or `(n, E)` numbers.
            seed: a number or a `torch.Generator`; None for a fresh one. The same seed gives the same bytes.
            temperature: of models that draw part by part: each part from `p^(1/T)`; below 1 sharper.
            top_p: of the same: keep the most probable levels that have this share together.

        Raises:
            ConfigurationError: for n < 1, a label that the model does not have, or a temperature ≤ 0 or of a
                model that has none.
        """
        if n < 1:
            raise ConfigurationError(f"{n} samples were asked for: expected at least 1")
        sharpness = Sharpness(temperature, top_p)
        noise = self._noise(seed)
        with self.asking():
            labels = self.labels(label, n, noise)
            parts = [
                self._draw(part.stop - part.start, None if labels is None else labels[part], noise, sharpness)
                for part in chunks(n)
            ]
        return self._examples(parts, labels)

    def _draw(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        if isinstance(self, SharpSampler):
            return self.draw_sharp(n, label, noise, sharpness)
        if not sharpness.plain:
            raise ConfigurationError(
                f"{type(self).__name__} has no temperature or top_p: models that draw part by part do (pixelcnn)"
            )
        return self.draw(n, label, noise)

    @abstractmethod
    def draw(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return `n` new examples, `(n, *event.shape)`."""


class SharpSampler(Sampler):
    """Draws new examples part by part, each part from a law that can be made sharper or flatter."""

    @final
    def draw(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return `n` examples of the model as it is."""
        return self.draw_sharp(n, label, noise, Sharpness())

    @abstractmethod
    def draw_sharp(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        """Return `n` new examples, `(n, *event.shape)`, each part drawn by `sharpness`."""


class Bounded(Question):
    """Brackets log p(x)."""

    @final
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
            for part in chunks(len(data)):
                own = None if labels is None else labels[part]
                parts.append(self.bounds(data[part].to(self.device), own, noise, samples))
        return Bounds(*(torch.cat(side).cpu() for side in zip(*parts, strict=True)))

    @abstractmethod
    def bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
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
            for part in chunks(len(data)):
                own = None if labels is None else labels[part]
                found = self._weighed(data[part].to(self.device), own, noise, samples)
                parts.append(Weights(*(side.cpu() for side in found)))
        return Weights(*(torch.cat(side) for side in zip(*parts, strict=True)))

    @final
    def bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
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
                found = self.weigh(x[part], own, noise, min(rows, samples - done))
                for whole, some in zip(weights, found, strict=True):
                    whole[part, done : done + rows] = some
        return weights

    @abstractmethod
    def weigh(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Weights:
        """Return the weights of `samples` codes for each of B examples, `(B, samples)`, all at once."""


class Density(Bounded):
    """Knows log p(x) exactly: a probability for images, a density for vectors."""

    @final
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
    def bounds(self, x: Tensor, label: Tensor | None, noise: Noise, samples: int) -> Bounds:
        """Return the exact log p(x) as both bounds."""
        exact = self.log_density(x, label)
        return Bounds(exact, exact)

    @abstractmethod
    def log_density(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return log p(x) in nats, `(B,)`."""


class Encoder(Question):
    """Finds the code of an example."""

    latent: int

    @final
    def encode(self, x: Examples | Tensor, *, label: Label = None) -> Tensor:
        """Return the code of each example, `(N, latent)`: the mean of the posterior where it is stochastic.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        data, labels = self._given(x, label)
        with self.asking():
            parts = [
                self.codes(data[part].to(self.device), None if labels is None else labels[part]).cpu()
                for part in chunks(len(data))
            ]
        return torch.cat([torch.empty(0, self.latent), *parts])

    @abstractmethod
    def codes(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return `(B, latent)`."""


class Decoder(Question):
    """Makes an example from a code."""

    latent: int

    @final
    def decode(self, z: Tensor, *, label: Label = None, levels: int | None = None) -> Examples:
        """Return the expected example of each code.

        Args:
            z: codes `(N, latent)`.
            label: of a conditional model.
            levels: of images: round to so many levels (256: every shade between black and white); None for the
                event's own.

        Raises:
            DataError: for codes of another length, missing labels, or levels of vectors.
        """
        if z.dim() != 2 or z.shape[1] != self.latent:
            raise DataError(f"codes have shape {tuple(z.shape)}, this model's are (N, {self.latent})")
        labels = self.labels(label, len(z))
        event = self.event.graded(levels)
        finer = 1.0 if levels is None else (levels - 1) / ((self.event.levels or levels) - 1)
        parts = [torch.empty(0, *event.shape, dtype=event.dtype)]
        with self.asking():
            for part in chunks(len(z)):
                own = None if labels is None else labels[part]
                parts.append(event.rounded(self.expected(z[part].to(self.device), own) * finer).cpu())
        return Examples(torch.cat(parts), event, None if labels is None else labels.cpu())

    @abstractmethod
    def expected(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the expected example of each code, float32 `(B, *event.shape)` in the data's own units."""


class LatentSampler(Sampler, Decoder):
    """Draws codes from a prior, and examples by their codes."""

    @final
    def sample_codes(self, n: int = 16, *, seed: Seed = None) -> Tensor:
        """Draw `n` codes from the prior p(z), `(n, latent)`.

        Args:
            n: how many.
            seed: a number or a `torch.Generator`; None for a fresh one.

        Raises:
            ConfigurationError: for n < 1.
        """
        if n < 1:
            raise ConfigurationError(f"{n} codes were asked for: expected at least 1")
        with self.asking():
            return self.draw_codes(n, self._noise(seed)).cpu()

    @abstractmethod
    def draw_codes(self, n: int, noise: Noise) -> Tensor:
        """Return `(n, latent)` codes drawn from the prior."""


class Reconstructor(Encoder, Decoder):
    """Encodes and decodes."""

    @final
    def reconstruct(self, x: Examples | Tensor, *, label: Label = None) -> Examples:
        """Return each example as its code tells it: `decode(encode(x))`.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        data, labels = self._given(x, label)
        return self.decode(self.encode(data, label=labels), label=labels)
