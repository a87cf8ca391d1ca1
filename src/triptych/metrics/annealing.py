"""Annealed importance sampling: log p(x) from chains that go from the prior of codes to their posterior, and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.metrics.figure import mean_and_error
from triptych.metrics.hamiltonian import Target, moved, state_at
from triptych.noise import Noise
from triptych.running.progress import track

ACCEPTANCE = 0.65
"""The share of trajectories that step sizes are adapted to."""
PILOTS = 2
"""Chains of each example that step sizes are adapted on; their weights are not counted."""
_FIRST, _LEAST, _GREATEST, _GAIN = 0.3, 1e-5, 3.0, 0.1  # of step sizes, and how fast they change
_SHARPNESS = 4.0


def schedule(steps: int) -> Tensor:
    """Return the powers β of the likelihood, `(steps + 1,)` float64 from 0 to 1: a sigmoid, slow at both ends.

    `β_t = (σ(δ (2t/T - 1)) - σ(-δ)) / (σ(δ) - σ(-δ))`, δ = 4. Reference: Wu, Burda, Salakhutdinov & Grosse 2017, *On
    the Quantitative Analysis of Decoder-Based Generative Models*, §4.

    >>> [round(beta, 3) for beta in schedule(4).tolist()]
    [0.0, 0.105, 0.5, 0.895, 1.0]
    """
    raw = torch.sigmoid(_SHARPNESS * torch.linspace(-1, 1, steps + 1, dtype=torch.float64))
    return (raw - raw[0]) / (raw[-1] - raw[0])


class Annealed(NamedTuple):
    """What chains have found for B examples."""

    log_weights: Tensor
    """`(B, K)` float64, in nats; exp of each is an unbiased estimate: of p(x) forward, of 1/p(x) in reverse."""
    acceptance: Tensor
    """`(B,)`: the share of trajectories that was accepted, in expectation."""
    sizes: Tensor
    """`(B, T - 1)`: the step sizes that were used, from the prior to the posterior."""


def forward(
    target: Target, start: Tensor, betas: Tensor, chains: int, noise: Noise, ticks: Iterator[object] | None = None
) -> Annealed:
    """Anneal chains from the prior to the posterior.

    `log w = Σ_t (β_t - β_{t-1}) log p(x | z_{t-1})`, where z_t is z_{t-1} moved by Hamiltonian dynamics that leave
    `p(z) p(x | z)^β_t` invariant. Then `E w = p(x)`, and `E log 1/K Σ_k w_k ≤ log p(x)`. Step sizes, one for each
    example and t, follow from the acceptance of `PILOTS` chains more, whose weights are not counted: for the others
    they are as if fixed beforehand, so that both statements hold exactly. References: Neal 2001, *Annealed Importance
    Sampling*; Wu et al. 2017, §2.2, §4.

    Args:
        target: log p(z) and log p(x | z) of rows, those of the first example first.
        start: draws from the prior, `(B · (PILOTS + chains), d)`; the pilots of each example come first.
        betas: from 0 to 1, `(T + 1,)`.
        chains: K.
        noise: for all that is drawn.
        ticks: something to take from at each step, such as a progress bar.
    """
    rows = PILOTS + chains
    state = state_at(target, start)
    count = len(start) // rows
    log_size = torch.full((count,), math.log(_FIRST), device=start.device)
    log_weights = torch.zeros(len(start), dtype=torch.float64, device=start.device)
    sizes, accepted = [], torch.zeros(count, device=start.device)
    for step in track(range(1, len(betas)), "annealing"):
        next(ticks or iter(()), None)
        log_weights += float(betas[step] - betas[step - 1]) * state.likelihood.double()
        if step == len(betas) - 1:
            break
        sizes.append(log_size.exp())
        state, chance = moved(target, state, float(betas[step]), sizes[-1].repeat_interleave(rows), noise)
        chances = chance.view(count, rows)
        log_size = log_size + _GAIN * (chances[:, :PILOTS].mean(1) - ACCEPTANCE)
        log_size = log_size.clamp(math.log(_LEAST), math.log(_GREATEST))
        accepted += chances[:, PILOTS:].mean(1)
    used = torch.stack(sizes, 1) if sizes else start.new_empty(count, 0)
    return Annealed(log_weights.view(count, rows)[:, PILOTS:], accepted / max(1, len(sizes)), used)


def reverse(
    target: Target, start: Tensor, betas: Tensor, sizes: Tensor, noise: Noise, ticks: Iterator[object] | None = None
) -> Annealed:
    """Anneal chains from exact draws of the posterior to the prior, which bounds log p(x) from above.

    `E 1/w = 1/p(x)` over what the forward chains would do backwards, so `E -log 1/K Σ_k 1/w_k ≥ log p(x)`. The
    posterior can be drawn from where the example was: z ~ p(z), x ~ p(x | z). Step sizes are those of forward chains,
    which do not know that z. Reference: Grosse, Ghahramani & Adams 2015, *Sandwiching the Marginal Likelihood Using
    Bidirectional Monte Carlo*, §3.

    Args:
        target: as of `forward`.
        start: draws from the posterior, `(B · K, d)`.
        betas: from 0 to 1, `(T + 1,)`.
        sizes: what `forward` used, `(B, T - 1)`.
        noise: for all that is drawn.
        ticks: as of `forward`.
    """
    count = len(sizes)
    chains = len(start) // count
    state = state_at(target, start)
    log_weights = torch.zeros(len(start), dtype=torch.float64, device=start.device)
    accepted = torch.zeros(count, device=start.device)
    for step in track(range(len(betas) - 1, 0, -1), "annealing back"):
        next(ticks or iter(()), None)
        log_weights -= float(betas[step] - betas[step - 1]) * state.likelihood.double()
        if step == 1:
            break
        own = sizes[:, step - 2].repeat_interleave(chains)
        state, chance = moved(target, state, float(betas[step - 1]), own, noise)
        accepted += chance.view(count, chains).mean(1)
    return Annealed(log_weights.view(count, chains), accepted / max(1, sizes.shape[1]), sizes)


def log_mean(log_weights: Tensor) -> Tensor:
    """Return `log 1/K Σ_k w_k` of each row of `(N, K)` log-weights, `(N,)`."""
    return torch.logsumexp(log_weights, 1) - math.log(log_weights.shape[1])


class ChainError(NamedTuple):
    """How far the mean over examples of `log_mean` is from the mean of their log p(x), in nats."""

    spread: float
    """Its standard deviation over chains."""
    bias: float
    """How much too low it is in expectation, negative where the jackknife sees no such thing."""

    @property
    def size(self) -> float:
        """Root of the mean square, `√(spread² + bias²)`."""
        return math.hypot(self.spread, self.bias)


def chain_error(log_weights: Tensor) -> ChainError | None:
    """Estimate the error that finitely many chains leave, by a jackknife over the chains of each example.

    With `θ_(k)` the estimate without chain k and `θ̄` their mean, the variance of an example's estimate is
    `(K - 1)/K Σ_k (θ_(k) - θ̄)²` and its bias `(K - 1)(θ̄ - θ)`; examples are independent, so variances of the mean over
    them add up to `Σ / N²`, biases to their mean. Reference: Efron & Tibshirani 1993, *An Introduction to the
    Bootstrap*, §11.

    Args:
        log_weights: `(N, K)` float64.

    Returns:
        None for one chain, which says nothing of its error, and where of an example only one has a weight above 0.

    Example:
        >>> equal = torch.zeros(5, 4, dtype=torch.float64)
        >>> round(chain_error(equal).size, 9)
        0.0
    """
    count, chains = log_weights.shape
    if chains < 2:
        return None
    without = _left_out(log_weights)
    if not bool(torch.isfinite(without).all()):
        return None
    centre = without.mean(1, keepdim=True)
    variance = (chains - 1) / chains * (without - centre).square().sum(1)
    bias = -(chains - 1) * (centre[:, 0] - log_mean(log_weights))
    return ChainError(float(variance.sum().sqrt()) / count, float(bias.mean()))


def _left_out(log_weights: Tensor) -> Tensor:
    """Return `log_mean` without each chain in turn, `(N, K)`; the largest weight is left out without cancellation."""
    chains = log_weights.shape[1]
    total = torch.logsumexp(log_weights, 1, keepdim=True)
    rest = total + torch.log1p(-(log_weights - total).exp())
    most = log_weights.argmax(1, keepdim=True)
    others = torch.logsumexp(log_weights.scatter(1, most, -torch.inf), 1, keepdim=True)
    return rest.scatter(1, most, others) - math.log(chains - 1)


def mean_of_chains(log_weights: Tensor) -> tuple[float, float | None]:
    """Return the mean of `log_mean` over N examples, and its error as an estimate of E log p(x).

    The standard error over examples holds what chains differ by; the bias of finitely many chains is added in
    quadrature.

    Args:
        log_weights: `(N, K)` float64.

    Returns:
        Both in nats; no error of one example, which says nothing of others.
    """
    mean, error = mean_and_error(log_mean(log_weights))
    chains = chain_error(log_weights)
    return mean, None if error is None else math.hypot(error, chains.bias if chains else 0.0)
