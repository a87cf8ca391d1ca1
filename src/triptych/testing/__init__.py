"""Laws that are true of every model. Run them on a model of your own: `triptych.testing.check_model(model)`."""

from __future__ import annotations

import copy
from collections.abc import Callable

from triptych.models.base import Model
from triptych.testing.autoregressive import AUTOREGRESSIVE, AUTOREGRESSIVE_OF_SIBLINGS
from triptych.testing.general import GENERAL, GENERAL_OF_SIBLINGS
from triptych.testing.parts import examples_of

__all__ = ["LAWS", "LAWS_OF_SIBLINGS", "check_model", "examples_of"]

LAWS: dict[str, Callable[[Model], bool]] = {**GENERAL, **AUTOREGRESSIVE}
"""Each law of a model itself by name; it returns False where it does not apply to the model."""
LAWS_OF_SIBLINGS: dict[str, Callable[[Model], bool]] = {**GENERAL_OF_SIBLINGS, **AUTOREGRESSIVE_OF_SIBLINGS}
"""Each law of a model's siblings for small events by name.

A sibling depends on the model's class and arguments alone, without `classes`. Models that differ only in their event or
their classes have the same siblings.
"""


def check_model(model: Model, siblings: bool = True) -> list[str]:
    """Check every law that applies to a model; raise `AssertionError` at the first that is broken.

    The model itself is not changed: the laws are tried on copies, and on small siblings built from the same
    arguments for events that can be enumerated.

    Args:
        model: any model, trained or not.
        siblings: also check the laws of small siblings. Models of the same arguments need them once.

    Returns:
        The names of the laws that were checked.

    Example:
        >>> import triptych as tp
        >>> check_model(tp.build("vae", tp.Event((1, 2, 2), 2), latent=2, hidden=16))[:2]
        ['players share out the parameters', 'each turn moves its own player']
    """
    checked = []
    for name, law in {**LAWS, **(LAWS_OF_SIBLINGS if siblings else {})}.items():
        if law(copy.deepcopy(model)):
            checked.append(name)
    return checked
