"""The questions, and what is derived from them for every model that answers."""

from __future__ import annotations

from triptych.models.base import Model
from triptych.models.completion import Completer, Completion
from triptych.models.questions import (
    Bounded,
    Bounds,
    Decoder,
    Density,
    Encoder,
    ImportanceWeighted,
    LatentSampler,
    Reconstructor,
    Sampler,
    Weights,
)
from triptych.objectives.likelihood import bits_per_dim
from triptych.queries.anomaly import anomaly_scores, auroc
from triptych.queries.arithmetic import attribute_vector, shift, shift_codes
from triptych.queries.classification import bayes_classifier
from triptych.queries.codes import Decoded, Spread, decode_rows, shades, spread_of
from triptych.queries.complexity import compressed_length, mutated
from triptych.queries.directions import Directions, along, principal_directions, sweep
from triptych.queries.export import save_codes
from triptych.queries.inversion import Inverted, invert
from triptych.queries.joint import joint
from triptych.queries.paths import code_path, interpolate, nearer_label
from triptych.queries.reconstruction import squared_errors
from triptych.queries.traversal import importance, manifold, traverse

__all__ = [
    "Bounded",
    "Bounds",
    "Completer",
    "Completion",
    "Decoded",
    "Decoder",
    "Density",
    "Directions",
    "Encoder",
    "ImportanceWeighted",
    "Inverted",
    "LatentSampler",
    "Reconstructor",
    "Sampler",
    "Spread",
    "Weights",
    "along",
    "anomaly_scores",
    "attribute_vector",
    "auroc",
    "bayes_classifier",
    "bits_per_dim",
    "code_path",
    "compressed_length",
    "decode_rows",
    "importance",
    "interpolate",
    "joint",
    "invert",
    "likelihood_kind",
    "manifold",
    "mutated",
    "nearer_label",
    "principal_directions",
    "save_codes",
    "shades",
    "shift",
    "shift_codes",
    "spread_of",
    "squared_errors",
    "sweep",
    "traverse",
]


def likelihood_kind(model: Model | type[Model]) -> str:
    """Return what a model can say of log p(x): "exact", "lower bound" or "none".

    >>> from triptych.models.autoencoders.vae import VAE
    >>> likelihood_kind(VAE)
    'lower bound'
    """
    kind = model if isinstance(model, type) else type(model)
    if issubclass(kind, Density):
        return "exact"
    return "lower bound" if issubclass(kind, Bounded) else "none"
