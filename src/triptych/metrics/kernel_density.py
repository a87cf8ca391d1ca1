"""The kernel density estimate of log p(x), by Gaussian kernels of the best of several bandwidths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from triptych.errors import DataError
from triptych.running.progress import slices

BANDWIDTHS = tuple(10 ** (-2 + i / 12) for i in range(25))
"""From which the kernel's is chosen: 0.01 to 1, 12 to a decade."""
_ROWS, _CENTRES = 512, 4096  # of a block of distances: 16 MiB


def kernel_log_density(
    x: Tensor, centres: Tensor, bandwidths: Sequence[float], *, told: str = "weighing kernels"
) -> Tensor:
    """Return the logarithm of the kernel density estimate, for several bandwidths at once.

    `log p(x) = log 1/n Σ_i N(x; c_i, σ² I)`, computed in float64, a block of distances at a time.

    Args:
        x: `(N, D)`.
        centres: `(n, D)`, on the device that is to compute.
        bandwidths: S standard deviations σ.
        told: what the bar says.

    Returns:
        `(N, S)` nats, float64, on the CPU.

    Raises:
        DataError: for no centres, a bandwidth that is not positive, or points of another length.

    Example:
        >>> kernel_log_density(torch.zeros(1, 2), torch.zeros(3, 2), [1.0]).exp()    # 1/2π
        tensor([[0.1592]], dtype=torch.float64)
    """
    if x.dim() != 2 or centres.dim() != 2 or x.shape[1] != centres.shape[1] or not len(centres):
        raise DataError(
            f"points {tuple(x.shape)} and centres {tuple(centres.shape)}: expected (N, D) and (n, D), n at least 1"
        )
    if not bandwidths or min(bandwidths) <= 0:
        raise DataError(f"bandwidths {tuple(bandwidths)}: expected at least one, all above 0")
    origin = centres.double().mean(0)  # the distances of what lies around it lose fewer digits
    scale = torch.tensor(bandwidths, dtype=torch.float64, device=centres.device)
    parts = [torch.empty(0, len(scale), dtype=torch.float64)]
    for part in slices(x, _ROWS, told):
        rows = part.to(centres.device).double() - origin
        total = torch.full((len(rows), len(scale)), -math.inf, dtype=torch.float64, device=centres.device)
        for block in torch.split(centres, _CENTRES):
            own = block.double() - origin
            squares = rows.square().sum(1, keepdim=True) + own.square().sum(1) - 2 * rows @ own.T
            squares.clamp_(min=0)
            found = torch.stack([torch.logsumexp(squares * (-0.5 / s**2), 1) for s in scale], 1)
            total = torch.logaddexp(total, found)
        parts.append(total.cpu())
    normal = x.shape[1] * torch.log(math.sqrt(2 * math.pi) * scale.cpu()) + math.log(len(centres))
    return torch.cat(parts) - normal


class ParzenEstimate(NamedTuple):
    """A Parzen estimate."""

    log_density: Tensor
    """`(N,)` nats of each test example, float64."""
    bandwidth: float
    at_edge: bool
    """Whether the best bandwidth was the least or the greatest that was tried."""


def parzen_estimate(samples: Tensor, valid: Tensor, test: Tensor) -> ParzenEstimate:
    """Choose the bandwidth on some points and estimate the log-density of others.

    Args:
        samples: `(n, D)`.
        valid: `(V, D)`, on which the bandwidth is chosen: none of the samples, nor of the test points.
        test: `(N, D)`.

    Example:
        >>> from triptych.noise import Noise
        >>> x = Noise.of(0).normal((3000, 1))
        >>> found = parzen_estimate(x[:2000], x[2000:2500], x[2500:])
        >>> round(float(found.log_density.mean()), 1)     # -½ log 2πe = -1.4
        -1.4
    """
    tried = kernel_log_density(valid, samples, BANDWIDTHS, told="choosing the bandwidth").mean(0)
    best = int(tried.argmax())
    chosen = BANDWIDTHS[best]
    density = kernel_log_density(test, samples, [chosen])[:, 0]
    return ParzenEstimate(density, chosen, best in (0, len(BANDWIDTHS) - 1))
