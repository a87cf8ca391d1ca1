"""What a code is made of: named parts, categorical or continuous, their prior, and what is said of them."""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.distributions.latents import DiagonalNormal
from triptych.errors import ConfigurationError
from triptych.noise import Noise

CATEGORICAL, CONTINUOUS = "categorical", "continuous"
LEAST_LOG_SCALE = -5.0
"""The logarithm of the least standard deviation of a continuous code: else its likelihood has no maximum."""


class NamedCode(NamedTuple):
    """One part of a code.

    Args:
        name: of the part, such as "c1".
        kind: "categorical", one of `size` values as a one-hot vector, or "continuous", one number on [-1, 1].
        first: its first coordinate in the code.
        size: how many coordinates it takes.
    """

    name: str
    kind: str
    first: int
    size: int

    @property
    def part(self) -> slice:
        """Its coordinates."""
        return slice(self.first, self.first + self.size)


@runtime_checkable
class HasNamedCodes(Protocol):
    """A model whose code has parts with names."""

    latent: int

    @property
    def code_layout(self) -> tuple[NamedCode, ...]:
        """The parts that have a name; what is left of the code has none."""
        ...


class Layout:
    """Independent codes: `c_i` uniform over the values of a category, or uniform on [-1, 1].

    Args:
        categorical: the number of values of each category, with commas between: "10", "10,10", or "none".
        continuous: how many continuous codes.

    Raises:
        ConfigurationError: for anything else, a category of one value, or no code at all.

    Example:
        >>> layout = Layout("10", 2)
        >>> [(code.name, code.kind, code.first) for code in layout.codes]
        [('c1', 'categorical', 0), ('c2', 'continuous', 10), ('c3', 'continuous', 11)]
        >>> layout.size, layout.parameters
        (12, 14)
    """

    def __init__(self, categorical: str, continuous: int) -> None:
        given = f"categorical={categorical!r}, continuous={continuous}"
        try:
            sizes = [] if categorical == "none" else [int(size) for size in str(categorical).split(",")]
        except ValueError:
            sizes = [0]
        if any(size < 2 for size in sizes) or continuous < 0:
            raise ConfigurationError(
                f"{given}: expected the number of values, at least 2, of each category, such as '10' or '10,10', or "
                "'none'; and a number of continuous codes"
            )
        if not sizes and not continuous:
            raise ConfigurationError(f"{given}: expected a code of either kind; a model without any is called gan")
        kinds = [(CATEGORICAL, size) for size in sizes] + [(CONTINUOUS, 1)] * continuous
        starts = [sum(size for _, size in kinds[:i]) for i in range(len(kinds))]
        self.codes = tuple(NamedCode(f"c{i + 1}", kind, starts[i], size) for i, (kind, size) in enumerate(kinds))

    @property
    def size(self) -> int:
        """Coordinates of all codes together."""
        return sum(code.size for code in self.codes)

    @property
    def parameters(self) -> int:
        """Numbers that Q(c | x) needs: a logit a value, a mean and a log-scale a continuous code."""
        return sum(code.size if code.kind == CATEGORICAL else 2 for code in self.codes)

    @property
    def entropies(self) -> dict[str, float]:
        """H(c_i) in nats: log K of a category, log 2 (a differential entropy) of a uniform number on [-1, 1]."""
        return {code.name: math.log(code.size if code.kind == CATEGORICAL else 2) for code in self.codes}

    def draw(self, n: int, noise: Noise) -> Tensor:
        """Draw `(n, size)` codes."""
        drawn = []
        for code in self.codes:
            if code.kind == CATEGORICAL:
                drawn.append(F.one_hot(noise.integers(code.size, (n,)), code.size).float())
            else:
                drawn.append(2 * noise.uniform((n, 1)) - 1)
        return torch.cat(drawn, 1)

    def at(self, u: Tensor) -> Tensor:
        """Return the codes `(n, size)` that normal numbers `(n, number of codes)` stand for: quantiles of their laws.

        >>> Layout("4", 1).at(torch.tensor([[-9.0, 0.0], [0.1, 9.0]])).tolist()
        [[1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0, 1.0]]
        """
        found = []
        for code, own in zip(self.codes, u.unbind(1), strict=True):
            quantile = torch.special.ndtr(own)
            if code.kind == CATEGORICAL:
                value = (quantile.detach() * code.size).long().clamp(0, code.size - 1)
                found.append(F.one_hot(value, code.size).to(u.dtype))
            else:
                found.append(2 * quantile.unsqueeze(1) - 1)
        return torch.cat(found, 1)

    def cross_entropies(self, said: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """Return `-log Q(c_i | x)` of each code in nats, each `(B,)`.

        Args:
            said: `(B, parameters)`, what a network says of x.
            codes: `(B, size)` or longer, those that x was made of.
        """
        found = {}
        for code, own in zip(self.codes, self._parts(said), strict=True):
            c = codes[:, code.part]
            if code.kind == CATEGORICAL:
                found[code.name] = -(c * torch.log_softmax(own, 1)).sum(1)
            else:
                found[code.name] = -_normal(own).log_prob(c)
        return found

    def means(self, said: Tensor) -> Tensor:
        """Return E_Q[c | x], `(B, size)`: the probabilities of a category's values, the means of the others."""
        parts = zip(self.codes, self._parts(said), strict=True)
        return torch.cat([own.softmax(1) if code.kind == CATEGORICAL else own[:, :1] for code, own in parts], 1)

    def _parts(self, said: Tensor) -> tuple[Tensor, ...]:
        return torch.split(said.float(), [code.size if code.kind == CATEGORICAL else 2 for code in self.codes], 1)


def _normal(own: Tensor) -> DiagonalNormal:
    """Return the Gaussian of `(B, 2)` numbers; its scale stays above the least one."""
    return DiagonalNormal(own[:, :1], F.softplus(own[:, 1:] - LEAST_LOG_SCALE) + LEAST_LOG_SCALE)


@runtime_checkable
class HasIdentities(Protocol):
    """A model whose code has a part that says who it is."""

    def sample_identities(self, n: int, each: int = 2, *, seed: int | torch.Generator | None = None) -> Tensor:
        """Draw codes of several observations of each of several identities, `(n, each, latent)`."""
        ...
