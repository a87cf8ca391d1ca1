"""Likelihood objectives: log-densities, and the bounds made of them, in nats per example."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def importance_bound(log_weights: Tensor) -> Tensor:
    """Return the importance-weighted bound `log 1/K Σ_k w_k ≤ log p(x)` in expectation, `(B,)`.

    `w_k = p(x, z_k) / q(z_k | x)`; K = 1 is the evidence lower bound. Reference: Burda et al. 2016, eq. 8.

    Args:
        log_weights: `(K, B)` nats.

    Example:
        >>> importance_bound(torch.tensor([[0.0], [1.0]]))   # log (1 + e) / 2
        tensor([0.6201])
    """
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


def bits_per_dim(nats: Tensor, dims: int) -> Tensor:
    """Return `-log p / (D ln 2)`: the negative log-likelihood in bits per dimension.

    Example:
        >>> bits_per_dim(torch.tensor(-64 * math.log(256)), 64).round(decimals=4)
        tensor(8.)
    """
    return -nats / (dims * math.log(2))
