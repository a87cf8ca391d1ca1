"""Examples that belong together: one code under every label, or one identity seen several times."""

from __future__ import annotations

import torch

from triptych.errors import ConfigurationError, UnsupportedQuery
from triptych.models.adversarial.layout import HasIdentities
from triptych.models.questions import LatentSampler
from triptych.queries.codes import Decoded, decode_rows

OBSERVATIONS = 8
"""How often an identity is seen, unless a number is given."""


def joint(model: LatentSampler, n: int = 8, each: int | None = None, *, seed: int | None = None) -> Decoded:
    """Draw rows of examples that share what they can share.

    Of a model of labels a row is one code under each label in turn: a tuple of a coupled GAN's domains (Liu & Tuzel
    2016, fig. 2), the classes of a conditional one. Of an SD-GAN it is one identity code with several observation codes
    (Donahue et al. 2018, fig. 1).

    Args:
        model: with labels, or with identities.
        n: how many rows.
        each: observations of an identity (8); a row of labels has one example each.
        seed: a number; None for a fresh one.

    Raises:
        UnsupportedQuery: for a model with neither.
        ConfigurationError: for n or each below 1, or `each` of a model of labels.

    Example:
        >>> import triptych as tp
        >>> model = tp.build("coupled-gan", tp.Event((1, 8, 8), levels=17))
        >>> joint(model, 2, seed=0).examples.labels
        tensor([0, 1, 0, 1])
    """
    if n < 1:
        raise ConfigurationError(f"{n} rows were asked for: expected at least 1")
    if isinstance(model, HasIdentities):
        return decode_rows(model, model.sample_identities(n, OBSERVATIONS if each is None else each, seed=seed))
    if not model.classes or model.codes_have_labels:
        raise UnsupportedQuery(
            f"{type(model).__name__} has neither labels nor identities: examples that belong together are drawn by a "
            "conditional model (conditional-gan, coupled-gan, sd-gan)"
        )
    if each is not None:
        raise ConfigurationError(f"each={each}: a row has one example of each of {model.classes} labels; leave it out")
    codes = model.sample_codes(n, seed=seed).unsqueeze(1).expand(-1, model.classes, -1)
    return decode_rows(model, codes, torch.arange(model.classes).expand(n, -1))
