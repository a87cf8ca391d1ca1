"""What a critic returns: logits, of whole examples or of patches, and the features that they are read from."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError
from triptych.networks import conditioned
from triptych.networks.critics import Critic


class View(NamedTuple):
    """What a critic scores at once.

    Args:
        x: scaled examples, or codes, `(B, ...)`.
        condition: labels `(B,)`, vectors `(B, E)`, or images, that belong to them; None for none.
        codes: `(B, latent)`, what they were made of, or what an encoder found for them; None for none.
    """

    x: Tensor
    condition: Tensor | None = None
    codes: Tensor | None = None


def joined(view: View) -> Tensor:
    """Return each example in one row, its code behind it, `(B, dims + latent)`.

    Example:
        >>> joined(View(torch.zeros(2, 3, 4, 4), codes=torch.zeros(2, 5))).shape
        torch.Size([2, 53])
    """
    assert view.codes is not None, "a view with codes has them"
    return torch.cat([view.x.flatten(1), view.codes], 1)


class Scores(NamedTuple):
    """What a critic returns for a minibatch.

    Args:
        logits: `(B,)`, or `(B, P)` of P patches each; higher means more real.
        features: `(B, F)`, what the logits are read from; None of a critic that does not give them.
    """

    logits: Tensor
    features: Tensor | None

    @property
    def by_example(self) -> Tensor:
        """One logit an example, `(B,)`: the mean of its patches."""
        return self.logits if self.logits.dim() == 1 else self.logits.mean(1)


@runtime_checkable
class HasFeatures(Protocol):
    """A critic that gives the features its logits are read from."""

    def features(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the features of scaled examples, `(B, width)`."""
        ...

    def logits(self, features: Tensor, label: Tensor | None = None) -> Tensor:
        """Return the logits that are read from features, `(B, 1)`."""
        ...


def scores(critic: nn.Module, x: Tensor, condition: Tensor | None) -> Scores:
    """Return what a critic says of scaled examples.

    Args:
        critic: maps them (and their condition) to `(B, 1)`, or to `(B, 1, H, W)` of patches; if it gives its features,
            it has `features` and `logits`, as `triptych.networks.critics.Critic` does.
        x: `(B, ...)`.
        condition: of each of them; None for none.

    Raises:
        ConfigurationError: for more or fewer logits than examples.

    Example:
        >>> scores(nn.Linear(3, 1), torch.zeros(5, 3), None).logits.shape
        torch.Size([5])
        >>> scores(nn.Conv2d(3, 1, 2), torch.zeros(5, 3, 4, 4), None).logits.shape
        torch.Size([5, 9])
    """
    if not isinstance(critic, Critic | HasFeatures):  # a protocol is slow to look up: the usual case comes first
        return Scores(_of_each(conditioned(critic, x, condition), len(x)), None)
    features = critic.features(x, condition)
    return Scores(_of_each(critic.logits(features, condition), len(x)), features)


def _of_each(logits: Tensor, n: int) -> Tensor:
    """Return a critic's raw output for `n` examples as `(n,)`, or as `(n, P)` of patches."""
    if logits.dim() == 4 and logits.shape[:2] == (n, 1):
        return logits.float().flatten(1)
    if logits.numel() != n:
        raise ConfigurationError(f"the critic gave {tuple(logits.shape[1:])} numbers an example: expected 1")
    return logits.float().view(n)


def width_of(critic: nn.Module, what: str) -> int:
    """Return how many features a critic gives, for a head that reads them.

    Args:
        critic: of a game.
        what: reads the features, as the error names it.

    Raises:
        ConfigurationError: for a critic that does not give its features.

    Example:
        >>> width_of(nn.Linear(2, 1), "infogan")
        Traceback (most recent call last):
        triptych.errors.ConfigurationError: infogan was given a critic that is a Linear: expected one with features, ...
    """
    width = getattr(critic, "width", None)
    if not isinstance(critic, HasFeatures) or not isinstance(width, int):
        raise ConfigurationError(
            f"{what} was given a critic that is a {type(critic).__name__}: expected one with features, logits and "
            "width, as triptych.networks.critics.Critic has; or a name, such as 'auto'"
        )
    return width
