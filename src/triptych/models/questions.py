"""The questions that a model can answer. A model derives from those it answers and gives their one primitive.

Each class has a final public method, which checks what was given, sets the model to evaluation, makes the
randomness from a seed and bounds the memory; and one abstract method on plain tensors that a model writes, of the same
name after an underscore: `sample` and `_sample`, `encode` and `_encode`.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from triptych.adversary import Adversary
from triptych.data.examples import Examples
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError, DataError
from triptych.models.asking import BATCH, Label, Question, Seed, chunks
from triptych.models.base import query
from triptych.models.likelihoods import Bounded, Bounds, Density, ImportanceWeighted, Weights
from triptych.noise import Noise
from triptych.objectives.corruption import Corruption, corrupted

__all__ = [
    "BATCH",
    "Bounded",
    "Bounds",
    "Decoder",
    "Density",
    "Encoder",
    "ImportanceWeighted",
    "Judge",
    "Label",
    "LatentSampler",
    "Question",
    "Reconstructor",
    "Sampler",
    "Seed",
    "SharpSampler",
    "Weights",
    "chunks",
]


class Sampler(Question):
    """Draws new examples."""

    @query
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
                for part in chunks(n, "sampling")
            ]
        return self._examples(parts, labels)

    def _draw(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        if not sharpness.plain:
            raise ConfigurationError(
                f"{type(self).__name__} has no temperature or top_p: models that draw part by part do (pixelcnn)"
            )
        return self._sample(n, label, noise)

    @abstractmethod
    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return `n` new examples, `(n, *event.shape)`."""


class SharpSampler(Sampler):
    """Draws new examples part by part, each part from a law that can be made sharper or flatter."""

    @final
    def _sample(self, n: int, label: Tensor | None, noise: Noise) -> Tensor:
        """Return `n` examples of the model as it is."""
        return self._sample_sharp(n, label, noise, Sharpness())

    @final
    def _draw(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        return self._sample_sharp(n, label, noise, sharpness)

    @abstractmethod
    def _sample_sharp(self, n: int, label: Tensor | None, noise: Noise, sharpness: Sharpness) -> Tensor:
        """Return `n` new examples, `(n, *event.shape)`, each part drawn by `sharpness`."""


class Encoder(Question):
    """Finds the code of an example."""

    latent: int

    @query
    def encode(self, x: Examples | Tensor, *, label: Label = None) -> Tensor:
        """Return the code of each example, `(N, latent)`: the mean of the posterior where it is stochastic.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        data, labels = self._given(x, label)
        with self.asking():
            parts = [
                self._encode(data[part].to(self.device), None if labels is None else labels[part]).cpu()
                for part in chunks(len(data), "encoding")
            ]
        return torch.cat([torch.empty(0, self.latent), *parts])

    @abstractmethod
    def _encode(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return `(B, latent)`."""


class Decoder(Question):
    """Makes an example from a code."""

    latent: int

    @query
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
            for part in chunks(len(z), "decoding"):
                own = None if labels is None else labels[part]
                parts.append(event.rounded(self._decode(z[part].to(self.device), own) * finer).cpu())
        return Examples(torch.cat(parts), event, None if labels is None else labels.cpu())

    @abstractmethod
    def _decode(self, z: Tensor, label: Tensor | None) -> Tensor:
        """Return the expected example of each code, float32 `(B, *event.shape)` in the data's own units."""


class LatentSampler(Sampler, Decoder):
    """Draws codes from a prior, and examples by their codes."""

    @property
    def codes_have_labels(self) -> bool:
        """Whether each code belongs to one label, so that none has an example under every label."""
        return False

    @query
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
            return self._sample_codes(n, self._noise(seed)).cpu()

    @abstractmethod
    def _sample_codes(self, n: int, noise: Noise) -> Tensor:
        """Return `(n, latent)` codes drawn from the prior."""


class Judge(Question):
    """Plays against a critic, and tells what that says of examples."""

    adversary: Adversary
    """The critic, and the game that both play."""

    @query
    def judge(self, x: Examples | Tensor, *, label: Label = None) -> Tensor:
        """Return the critic's raw output for each example, `(N,)`; higher means more real.

        What a number means is the loss's own; a critic may look at all examples given at once.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        data, labels = self._given(x, label)
        with self.asking():
            parts = [
                self._judge(data[part].to(self.device), None if labels is None else labels[part]).cpu()
                for part in chunks(len(data), "judging")
            ]
        return torch.cat([torch.empty(0), *parts])

    @abstractmethod
    def _judge(self, x: Tensor, label: Tensor | None) -> Tensor:
        """Return the critic's raw output, `(B,)`, for examples in the data's own units."""


class Reconstructor(Encoder, Decoder):
    """Encodes and decodes."""

    @query
    def reconstruct(self, x: Examples | Tensor, *, label: Label = None) -> Examples:
        """Return each example as its code tells it: `decode(encode(x))`.

        Raises:
            DataError: for examples of another event, or missing labels.
        """
        data, labels = self._given(x, label)
        return self.decode(self.encode(data, label=labels), label=labels)


class Corrupter(Question):
    """Was trained to restore corrupted examples, and can corrupt others alike."""

    corruption: Corruption | None
    """What it was trained with; None for nothing."""

    @query
    def corrupt(self, x: Examples | Tensor, *, seed: Seed = None) -> Examples:
        """Return examples as the model saw them in training.

        Args:
            x: examples of the model's event.
            seed: a number or a `torch.Generator`; None for a fresh one. The same seed gives the same bytes.

        Raises:
            DataError: for examples of another event.
            ConfigurationError: for a model that is trained without a corruption.
        """
        if self.corruption is None:
            raise ConfigurationError(
                f"this {type(self).__name__} is trained without a corruption: train it with --corruption masking"
            )
        given = x if isinstance(x, Examples) else Examples(torch.as_tensor(x), self.event)
        self.event.check(given.data)
        noise = self._noise(seed)
        parts = [given.data[:0]]
        for part in chunks(len(given), "corrupting"):
            clean = given.data[part].to(self.device)
            parts.append(corrupted(clean, self.event, self.corruption, noise).cpu())
        return replace(given, data=torch.cat(parts), intensities=None, source={})
