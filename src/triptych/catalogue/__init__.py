"""The names a user can type, and what they stand for: an entry a model, a file a family; no model is imported early."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triptych.catalogue.adversarial import ADVERSARIAL
from triptych.catalogue.autoregressive import AUTOREGRESSIVE
from triptych.catalogue.entry import Entry
from triptych.catalogue.hybrid import HYBRID
from triptych.catalogue.variational import VARIATIONAL
from triptych.specs import Registry

if TYPE_CHECKING:
    from triptych.event import Event
    from triptych.models.base import Model

__all__ = ["CATALOGUE", "Entry", "build", "name_of"]

CATALOGUE: Registry[Entry] = Registry("model", **AUTOREGRESSIVE, **VARIATIONAL, **ADVERSARIAL, **HYBRID)
"""Every model by the name that a user can type."""


def build(name: str, event: Event, seed: int = 0, **arguments: Any) -> Model:
    """Build a model by name, its weights drawn from `seed`; torch's global random state is left as it was.

    Args:
        name: a name of the catalogue.
        event: what one example is.
        seed: for the initial weights.
        arguments: constructor arguments that differ from the entry's, by flat name (see `triptych.config`).

    Raises:
        ConfigurationError: for an unknown name or argument.

    Example:
        >>> import triptych as tp
        >>> build("vae", tp.Event((2,)), latent=2).latent
        2
    """
    import torch

    from triptych.config import nested
    from triptych.noise import mix

    entry = CATALOGUE.find(name)
    given = nested(entry.model, {**entry.presets_beside(arguments), **arguments}, name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        model = entry.model(event, **given)
    model.called = name
    return model


def name_of(model: Model) -> str:
    """Return the name that a model was built by, else the catalogue's for its class, else the class's own."""
    if model.called:
        return model.called
    where = f"{type(model).__module__}:{type(model).__qualname__}"
    named = [name for name, entry in CATALOGUE.items() if where == f"triptych.models.{entry.where}"]
    fitting = [n for n in named if all(model.arguments.get(k) == v for k, v in CATALOGUE[n].arguments.items())]
    if fitting:  # a class may go by several names, that differ in its arguments: the one that says most
        return max(fitting, key=lambda name: len(CATALOGUE[name].arguments))
    return named[0] if named else type(model).__qualname__
