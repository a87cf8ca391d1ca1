"""f-divergences and their variational bounds, `D_f(P ‖ Q) = E_Q f(p / q) ≥ E_P g(V) - E_Q f*(g(V))` for every critic V.

`f*(t) = sup_u (u t - f(u))` is the conjugate, and g an output activation that keeps the critic's logits where f* is
finite. The bound is tight at `g(V) = f'(p / q)`. Reference: Nowozin, Cseke & Tomioka 2016, *f-GAN*, §2.2-2.4; their
tables 1, 2 and 6 list what is here:

| name | f(u) | f*(t) | t | g(v) |
|---|---|---|---|---|
| kl | u log u | exp(t - 1) | | v |
| reverse-kl | -log u | -1 - log(-t) | < 0 | -exp(-v) |
| pearson | (u - 1)² | t²/4 + t | | v |
| neyman | (1 - u)²/u | 2 - 2 √(1 - t) | < 1 | 1 - exp(-v) |
| squared-hellinger | (√u - 1)² | t/(1 - t) | < 1 | 1 - exp(-v) |
| jeffreys | (u - 1) log u | W + 1/W + t - 2, W = W(exp(1 - t)) | | v |
| jensen-shannon | u log u - (u + 1) log((u + 1)/2) | -log(2 - exp t) | < log 2 | log 2 - log(1 + exp(-v)) |
| weighted-jensen-shannon | π u log u - m log m, m = 1 - π + π u | (1 - π) log((1 - π)/(1 - π exp(t/π))) | < -π log π \
| -π log π - log(1 + exp(-v)) |
| alpha, α < 1 | (u^α - 1 - α (u - 1))/(α (α - 1)) | ((1 + (α - 1) t)^(α/(α - 1)) - 1)/α | < 1/(1 - α) \
| 1/(1 - α) - log(1 + exp(-v)) |
| alpha, α > 1 | the same | the same, with no less than 0 for 1 + (α - 1) t | | v |
| total-variation | abs(u - 1)/2 | t | -½ to ½ | ½ tanh v |
| gan | u log u - (u + 1) log(u + 1) | -log(1 - exp t) | < 0 | -log(1 + exp(-v)) |

So `jensen-shannon` is twice the mean of both divergences from the mixture, as f of the paper's table makes it; `gan` is
that less log 4; and π is the weight of P. Two things differ from the tables, and neither changes a divergence: all
activations rise with the logit, so that higher means "more real" as in every loss here; and where an exponential of the
logit would overflow, the logit is bent above 10, to go on as a logarithm: another activation with the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.errors import ConfigurationError
from triptych.specs import Registry

DIVERGENCES: Registry[Callable[..., Divergence]] = Registry("divergence")
"""What makes each divergence, from its options."""
BEND = 10.0
"""The exponent from which on an exponential is continued by a line."""


class Output(NamedTuple):
    """What an activation makes of logits."""

    t: Tensor
    """g(V), where the conjugate is finite."""
    log_gap: Tensor
    """`log(c - t)`, with c the upper end of the conjugate's domain; without meaning where that is infinite."""


Activation = Callable[[Tensor, float], Output]

ACTIVATIONS: Registry[Activation] = Registry("activation")
"""Output activations: `v`, `c - exp(-v)`, `c - log(1 + exp(-v))`, `½ tanh v`; c is the upper end of the
conjugate's domain, 0 if it has none."""


def _bent(v: Tensor) -> Tensor:
    """Return v, continued by `10 + log(1 + v - 10)` above 10, so that its exponential is continued by a line."""
    return torch.where(v > BEND, BEND + torch.log1p((v - BEND).clamp(min=0)), v)


@ACTIVATIONS.register("identity")
def _identity(v: Tensor, end: float) -> Output:
    return Output(v, v)


@ACTIVATIONS.register("exponential")
def _exponential(v: Tensor, end: float) -> Output:
    log_gap = _bent(-v)
    return Output(end - log_gap.exp(), log_gap)


@ACTIVATIONS.register("softplus")
def _softplus(v: Tensor, end: float) -> Output:
    sure = v > 15
    near = F.softplus(-torch.where(sure, 15, v)).log()
    return Output(end - F.softplus(-v), torch.where(sure, -v - 0.5 * (-v.clamp(min=15)).exp(), near))


@ACTIVATIONS.register("tanh")
def _tanh(v: Tensor, end: float) -> Output:
    t = 0.5 * torch.tanh(v)
    return Output(t, (end - t).log() if end > 0.5 else t)


@dataclass(frozen=True)
class Divergence:
    """One f-divergence, by what its game needs.

    Args:
        f: the convex function of density ratios `u = p / q > 0`; in nats where it is made of logarithms.
        at: f* of an activation's output; it takes t, or `log_gap` where t alone would lose digits.
        end: the upper end of the conjugate's domain.
        activation: the output activation of the paper's table 6.
        growth: rate at which the conjugate grows exponentially in the logit; 0 where it does not.
        start: the lower end of the conjugate's domain.

    Example:
        >>> kl = divergence("kl")
        >>> kl.f(torch.tensor(2.0)), kl.conjugate(torch.tensor(1.0))   # 2 log 2, exp(1 - 1)
        (tensor(1.3863), tensor(1.))
    """

    f: Callable[[Tensor], Tensor]
    at: Callable[[Output], Tensor]
    end: float
    activation: str
    growth: float = 0.0
    start: float = -math.inf

    def conjugate(self, t: Tensor) -> Tensor:
        """Return `f*(t) = sup_u (u t - f(u))`, of any shape; infinite outside its domain."""
        inside = (t >= self.start) & (t <= self.end) if self.start > -math.inf else t < self.end
        safe = torch.where(inside, t, max(self.start, min(self.end, 0.0) - 1))
        return torch.where(inside, self.at(Output(safe, (self.end - safe).log())), math.inf)

    def output(self, logit: Tensor, activation: str = "auto") -> Output:
        """Return the activation's values for logits.

        Raises:
            ConfigurationError: for an unknown activation, or one with values where the conjugate is infinite.
        """
        name = self.activation if activation == "auto" else activation
        values = ACTIVATIONS.find(name, "auto")
        if not self._allows(name):
            fitting = " or ".join(other for other in ACTIVATIONS if self._allows(other))
            domain = f"on [{self.start:g}, {self.end:g}]" if self.start > -math.inf else f"below {self.end:.3g}"
            raise ConfigurationError(
                f"activation={name}: the conjugate of this divergence is finite only {domain}, and the activation "
                f"leaves that; try {fitting}"
            )
        if self.growth:
            logit = _bent(self.growth * logit) / self.growth
        return values(logit, self.end if self.end < math.inf else 0.0)

    def bound(self, real: Tensor, fake: Tensor, activation: str = "auto") -> Tensor:
        """Return the lower bound `E_P g(V) - E_Q f*(g(V))` on the divergence, one number.

        Args:
            real: logits V of examples of P, of any shape.
            fake: of examples of Q.
            activation: a name in `ACTIVATIONS`, or "auto" for the paper's.

        Raises:
            ConfigurationError: as `output` does.

        Example:
            >>> divergence("kl").bound(torch.ones(5), torch.ones(5))   # P = Q, with the best critic
            tensor(0.)
        """
        return self.output(real, activation).t.mean() - self.at(self.output(fake, activation)).mean()

    def _allows(self, activation: str) -> bool:
        """Return whether all values of an activation, which a float may round to their limits, are in the domain."""
        if activation == "identity":
            return self.end == math.inf
        if activation == "tanh":
            return self.start >= -0.5 and self.end <= 0.5 or self.start == -math.inf and self.end > 0.5
        return self.start == -math.inf


def _log_complement(log_w: Tensor) -> Tensor:
    """Return `log(1 - exp(-w))` from log w, by the series `log w - w / 2 + w² / 24` where w is small."""
    small = log_w < -8
    w = log_w.clamp(max=-8).exp()
    far = (-torch.expm1(-torch.where(small, -8, log_w).exp())).log()
    return torch.where(small, log_w - w / 2 + w**2 / 24, far)


class _LogOmega(torch.autograd.Function):
    """The solution z of `z + exp(z) = s`: the logarithm of Lambert's W of exp(s), which would overflow."""

    @staticmethod
    def forward(ctx: Any, s: Tensor) -> Tensor:
        z = torch.where(s > 1, s.clamp(min=1).log(), s)  # above the solution, from where Newton's steps only descend
        for _ in range(8):
            e = z.exp()
            z = z - (z + e - s) / (1 + e)
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (z,) = ctx.saved_tensors
        slope: Tensor = gradients[0] / (1 + z.exp())
        return slope


def _jeffreys_conjugate(o: Output) -> Tensor:
    """Return `W + 1 / W + t - 2` with `W = W(exp(1 - t))`, written as `1 / W - 1 - log W`."""
    z: Tensor = _LogOmega.apply(1 - o.t)  # type: ignore[no-untyped-call]
    return torch.expm1(-z) - z


@DIVERGENCES.register("weighted-jensen-shannon")
def _weighted_jensen_shannon(*, pi: float = 0.5) -> Divergence:
    if not 0 < pi < 1:
        raise ConfigurationError(f"pi={pi:g}: expected above 0 and below 1")
    return Divergence(
        lambda u: pi * torch.xlogy(u, u) - torch.xlogy(1 - pi + pi * u, 1 - pi + pi * u),
        lambda o: (1 - pi) * (math.log(1 - pi) - _log_complement(o.log_gap - math.log(pi))),
        end=-pi * math.log(pi),
        activation="softplus",
    )


@DIVERGENCES.register("alpha")
def _alpha(*, alpha: float = 1.5) -> Divergence:
    if alpha == 0 or not (alpha <= 0.75 or 1.1 <= alpha < math.inf) or alpha == -math.inf:
        near = "reverse-kl" if alpha == 0 else "kl"
        raise ConfigurationError(
            f"alpha={alpha:g}: expected a number other than 0, at most 0.75 or at least 1.1; its limit is fgan-{near}"
        )

    def f(u: Tensor) -> Tensor:
        return (torch.expm1(alpha * u.log()) / alpha - (u - 1)) / (alpha - 1)

    power = alpha / (alpha - 1)
    if alpha > 1:
        return Divergence(f, lambda o: (torch.relu(1 + (alpha - 1) * o.t) ** power - 1) / alpha, math.inf, "identity")
    scale = math.log(1 - alpha)
    return Divergence(
        f,
        lambda o: torch.expm1(power * (scale + o.log_gap)) / alpha,
        end=1 / (1 - alpha),
        activation="softplus",
        growth=max(-power, 0.0),
    )


def _plain(name: str, *parts: Any, **more: Any) -> None:
    """Enter a divergence that has no options, of the arguments of `Divergence`."""
    made = Divergence(*parts, **more)
    DIVERGENCES.register(name)(lambda: made)


_plain("kl", lambda u: torch.xlogy(u, u), lambda o: (o.t - 1).exp(), math.inf, "identity", growth=1.0)
_plain("reverse-kl", lambda u: -u.log(), lambda o: -1 - o.log_gap, 0.0, "exponential")
_plain("pearson", lambda u: (u - 1) ** 2, lambda o: o.t**2 / 4 + o.t, math.inf, "identity")
_plain("neyman", lambda u: (1 - u) ** 2 / u, lambda o: 2 - 2 * (o.log_gap / 2).exp(), 1.0, "exponential")
_plain(
    "squared-hellinger",
    lambda u: (u.sqrt() - 1) ** 2,
    lambda o: torch.expm1(-o.log_gap),
    1.0,
    "exponential",
    growth=1.0,
)
_plain("jeffreys", lambda u: (u - 1) * u.log(), _jeffreys_conjugate, math.inf, "identity", growth=1.0)
_plain(
    "jensen-shannon",
    lambda u: torch.xlogy(u, u) - torch.xlogy(u + 1, (u + 1) / 2),
    lambda o: -math.log(2) - _log_complement(o.log_gap),
    math.log(2),
    "softplus",
)
_plain("total-variation", lambda u: (u - 1).abs() / 2, lambda o: o.t, 0.5, "tanh", start=-0.5)
_plain(
    "gan",
    lambda u: torch.xlogy(u, u) - torch.xlogy(u + 1, u + 1),
    lambda o: -_log_complement(o.log_gap),
    0.0,
    "softplus",
)


def divergence(spec: str) -> Divergence:
    """Return the divergence of a name, with its options, such as "kl" or "alpha:alpha=0.5".

    Raises:
        ConfigurationError: for an unknown name or option, or one out of its range.

    Example:
        >>> divergence("pearson").f(torch.tensor(3.0))
        tensor(4.)
        >>> divergence("alpha:alpha=1")
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: alpha=1: expected a number other than 0, at most 0.75 or at least 1.1; ...
    """
    made: Divergence = DIVERGENCES.chosen(spec)()
    return made
