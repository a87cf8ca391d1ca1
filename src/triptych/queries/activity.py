"""Which coordinates of a code tell of the example."""

from __future__ import annotations

from torch import Tensor

from triptych.errors import DataError

ACTIVE = 0.01
"""Variance over examples above which a coordinate of the posterior's mean is active."""


def active_units(codes: Tensor) -> Tensor:
    """Return which coordinates of a code depend on the example, boolean `(Z,)`.

    A coordinate is active if `Var_x(E_q(z | x)[z]) > 0.01`; one that is not carries the prior alone: its posterior has
    collapsed. Reference: Burda et al. 2016, *Importance Weighted Autoencoders*, §5.

    Args:
        codes: `(N, Z)`, the mean of the posterior of each example, as `encode` gives it.

    Raises:
        DataError: for fewer than 2 examples.

    Example:
        >>> import torch
        >>> active_units(torch.tensor([[1.0, 0.5], [-1.0, 0.5]])).tolist()
        [True, False]
    """
    if len(codes) < 2:
        raise DataError(f"{len(codes)} codes were given: which coordinates vary takes at least 2")
    return codes.double().var(0) > ACTIVE
