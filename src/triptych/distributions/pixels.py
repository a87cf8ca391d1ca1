"""Laws over images: probabilities of whole images, so that they sum to one over all of them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.distributions.discretized import (
    Logistic,
    Normal,
    bin_log_prob,
    expected_level,
    standard_normal,
)
from triptych.distributions.law import LAWS, Law
from triptych.errors import ConfigurationError
from triptych.event import Event


def quantile(probabilities: Tensor, u: Tensor) -> Tensor:
    """Return the least level whose cumulative probability exceeds `u`: `(B, C, L, …)` and `(B, C, …)` to `(B, C, …)`.

    Example:
        >>> quantile(torch.tensor([[[0.2, 0.3, 0.5]]]), torch.tensor([[0.4]]))
        tensor([[1]])
    """
    cumulative = probabilities.cumsum(2)
    u = u.unsqueeze(2) * cumulative[:, :, -1:]
    return (u >= cumulative).sum(2).clamp_(max=probabilities.shape[2] - 1)


class ImageLaw(Law):
    """A law over images of any number of levels."""

    @classmethod
    def check(cls, event: Event) -> None:
        """Raise `ConfigurationError` unless the event is an image."""
        if not event.is_image:
            raise ConfigurationError(f"{cls.__name__} is a law over images, the data is a {event}: try 'gaussian'")

    @classmethod
    def draws(cls, event: Event) -> int:
        """Return one number per sub-pixel."""
        return event.shape[0]

    @property
    def levels(self) -> int:
        """Number of values of a sub-pixel."""
        assert self.event.levels is not None
        return self.event.levels


@LAWS.register("bernoulli")
class Bernoulli(ImageLaw):
    """Independent binary pixels, `p(x_i = 1) = σ(logit_i)`.

    Example:
        >>> law = Bernoulli(torch.zeros(2, 1, 8, 8), Event((1, 8, 8), 2))
        >>> law.log_prob(torch.ones(2, 1, 8, 8, dtype=torch.uint8))   # 64 log ½
        tensor([-44.3614, -44.3614])
    """

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return one logit per sub-pixel."""
        return event.shape[0]

    @classmethod
    def check(cls, event: Event) -> None:
        """Raise `ConfigurationError` unless the event is an image of 2 levels."""
        super().check(event)
        if event.levels != 2:
            raise ConfigurationError(
                f"Bernoulli pixels have 2 levels, the data {event.levels}: try 'categorical', or --binarize"
            )

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, C, H, W)` nats, computed from logits (never from probabilities)."""
        return F.binary_cross_entropy_with_logits(self.features, x.to(self.features.dtype), reduction="none")

    def at(self, u: Tensor) -> Tensor:
        """Return `uint8 (B, C, H, W)` in {0, 1}."""
        return (u < self.mean).view(torch.uint8)

    @property
    def mean(self) -> Tensor:
        """The probability of a one, `(B, C, H, W)`."""
        return torch.sigmoid(self.features)


@LAWS.register("categorical")
class Categorical(ImageLaw):
    """Independent sub-pixels with a free probability for each level, `p(x_i = l) = softmax(logits_i)_l`.

    Reference: van den Oord et al. 2016, *Pixel Recurrent Neural Networks*, §3.2.

    Example:
        >>> event = Event((1, 8, 8), 17)
        >>> law = Categorical(torch.zeros(1, Categorical.channels(event), 8, 8), event)
        >>> law.log_prob(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))   # -64 log 17
        tensor([-181.3257])
    """

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return one logit per sub-pixel and level."""
        return event.shape[0] * (event.levels or 0)

    @property
    def logits(self) -> Tensor:
        """Unnormalised log-probabilities `(B, C, L, H, W)`."""
        return torch.stack(self.by_colour(self.levels), 2)

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, C, H, W)` nats."""
        batch, colours, height, width = x.shape
        logits = self.features.reshape(batch * colours, self.levels, height, width)
        nats = F.cross_entropy(logits, x.flatten(0, 1).long(), reduction="none")
        return nats.view(x.shape)

    def at(self, u: Tensor) -> Tensor:
        """Return `uint8 (B, C, H, W)`, the quantile `u` of each sub-pixel."""
        return quantile(torch.softmax(self.logits, 2), u).to(torch.uint8)

    def level_nats(self, x: Tensor, colour: int) -> Tensor:
        """Return -log p of every level of one colour, `(B, L, H, W)` nats."""
        return -torch.log_softmax(self.logits[:, colour], 1)

    @property
    def mean(self) -> Tensor:
        """The expected level, `(B, C, H, W)`."""
        levels = torch.arange(self.levels, device=self.features.device).view(1, 1, -1, 1, 1)
        return (torch.softmax(self.logits, 2) * levels).sum(2)


@LAWS.register("discretized-gaussian")
class DiscretizedGaussian(ImageLaw):
    """Independent sub-pixels, each a Gaussian rounded to its levels: `p(x) = Φ(b⁺) - Φ(b⁻)`.

    The end levels take the tails, so that the probabilities sum to one. Reference: Ho et al. 2020,
    *Denoising Diffusion Probabilistic Models*, eq. 13.
    """

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return mean and log-scale per sub-pixel."""
        return 2 * event.shape[0]

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, C, H, W)` nats."""
        mean, log_scale = self.by_colour(2)
        return -bin_log_prob(Normal, x, mean, log_scale, self.levels)

    def at(self, u: Tensor) -> Tensor:
        """Return `uint8 (B, C, H, W)`: a Gaussian draw, rounded to the nearest level."""
        mean, log_scale = self.by_colour(2)
        return self.event.restored(mean + Normal.scale(log_scale) * standard_normal(u))

    def level_nats(self, x: Tensor, colour: int) -> Tensor:
        """Return -log p of every level of one colour, `(B, L, H, W)` nats."""
        mean, log_scale = (each[:, colour].unsqueeze(1) for each in self.by_colour(2))
        levels = torch.arange(self.levels, device=x.device).view(1, -1, 1, 1)
        return -bin_log_prob(Normal, levels, mean, log_scale, self.levels)

    @property
    def mean(self) -> Tensor:
        """The expected level, `(B, C, H, W)`."""
        mean, log_scale = self.by_colour(2)
        return expected_level(Normal, mean, log_scale, self.levels)


@LAWS.register("logistic-mixture")
class DiscretizedLogisticMixture(ImageLaw):
    """Pixels as mixtures of logistics rounded to their levels, colours linear in the colours before them.

    `p(r, g, b) = Σ_k π_k p_k(r) p_k(g | r) p_k(b | r, g)`, where the mean of g moves with `α_k r` and that
    of b with `β_k r + γ_k g`. Reference: Salimans et al. 2017, *PixelCNN++*, §2.1-2.2. The probability of
    a bin is computed without cancellation, so that no approximation is needed for narrow components.
    """

    joint: ClassVar[bool] = True
    components: ClassVar[int] = 10

    @classmethod
    def channels(cls, event: Event) -> int:
        """Return, per component: a weight, mean and log-scale per colour, a coefficient per pair of colours."""
        colours = event.shape[0]
        return cls.components * (1 + 2 * colours + colours * (colours - 1) // 2)

    def _parameters(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return logits `(B, K, H, W)`, means and log-scales `(B, K, C, H, W)`, coefficients `(B, K, pairs, H, W)`."""
        batch, _, height, width = self.features.shape
        per = self.features.reshape(batch, self.components, -1, height, width)
        colours = self.event.shape[0]
        logits, means, log_scales, pairs = torch.split(per, [1, colours, colours, per.shape[2] - 1 - 2 * colours], 2)
        return logits.squeeze(2), means, log_scales, torch.tanh(pairs)

    @staticmethod
    def _shifted(mean: Tensor, coefficients: Tensor, colour: int, before: list[Tensor]) -> Tensor:
        """Move a colour's mean by its coefficients times the (scaled) colours before it."""
        first = colour * (colour - 1) // 2
        for earlier, value in enumerate(before):
            mean = mean + coefficients[..., first + earlier, :, :] * value
        return mean

    def nll_map(self, x: Tensor) -> Tensor:
        """Return `(B, H, W)` nats: the colours of a pixel are one event."""
        logits, means, log_scales, coefficients = self._parameters()
        scaled = self.event.scaled(x).unsqueeze(1)  # (B, 1, C, H, W)
        total = torch.log_softmax(logits, 1)  # (B, K, H, W)
        for colour in range(self.event.shape[0]):
            before = [scaled[:, :, earlier] for earlier in range(colour)]
            mean = self._shifted(means[:, :, colour], coefficients, colour, before)
            value = x[:, colour].unsqueeze(1)
            total = total + bin_log_prob(Logistic, value, mean, log_scales[:, :, colour], self.levels)
        return -torch.logsumexp(total, 1)

    @classmethod
    def draws(cls, event: Event) -> int:
        """Return one number for the component, and one per colour."""
        return 1 + event.shape[0]

    def at(self, u: Tensor) -> Tensor:
        """Return `uint8 (B, C, H, W)`; each colour is rounded before the next is conditioned on it."""
        logits, means, log_scales, coefficients = self._parameters()
        chosen = quantile(torch.softmax(logits, 1).unsqueeze(1), u[:, :1]).unsqueeze(1)

        def pick(t: Tensor) -> Tensor:
            return t.gather(1, chosen.expand(-1, 1, *t.shape[2:])).squeeze(1)

        means, log_scales, coefficients = pick(means), pick(log_scales), pick(coefficients)
        drawn: list[Tensor] = []
        before: list[Tensor] = []
        for colour in range(self.event.shape[0]):
            mean = self._shifted(means[:, colour], coefficients, colour, before)
            standard = torch.logit(u[:, 1 + colour].clamp(1e-7, 1 - 1e-7))
            level = self.event.restored(mean + Logistic.scale(log_scales[:, colour]) * standard)
            drawn.append(level)
            before.append(self.event.scaled(level))
        return torch.stack(drawn, 1)

    def level_nats(self, x: Tensor, colour: int) -> Tensor:
        """Return -log p of every level of one colour, given the colours before it in `x`: `(B, L, H, W)` nats."""
        logits, means, log_scales, coefficients = self._parameters()
        scaled = self.event.scaled(x).unsqueeze(1)
        weight = torch.log_softmax(logits, 1)
        for earlier in range(colour):
            mean = self._shifted(means[:, :, earlier], coefficients, earlier, list(scaled.unbind(2)[:earlier]))
            weight = weight + bin_log_prob(
                Logistic, x[:, earlier].unsqueeze(1), mean, log_scales[:, :, earlier], self.levels
            )
        weight = torch.log_softmax(weight, 1).unsqueeze(2)  # (B, K, 1, H, W)
        mean = self._shifted(means[:, :, colour], coefficients, colour, list(scaled.unbind(2)[:colour]))
        levels = torch.arange(self.levels, device=x.device).view(1, 1, -1, 1, 1)
        each = bin_log_prob(Logistic, levels, mean.unsqueeze(2), log_scales[:, :, colour].unsqueeze(2), self.levels)
        return -torch.logsumexp(weight + each, 1)

    @property
    def mean(self) -> Tensor:
        """The expected level, `(B, C, H, W)`; a later colour is taken at the expectation of those before it.

        Exact for one colour, and for more of them up to the clipping at the first and last level.
        """
        logits, means, log_scales, coefficients = self._parameters()
        expected: list[Tensor] = []
        before: list[Tensor] = []
        for colour in range(self.event.shape[0]):
            mean = self._shifted(means[:, :, colour], coefficients, colour, before)
            level = expected_level(Logistic, mean, log_scales[:, :, colour], self.levels)
            expected.append(level)
            before.append(self.event.scaled(level))
        return (torch.softmax(logits, 1).unsqueeze(2) * torch.stack(expected, 2)).sum(1)
