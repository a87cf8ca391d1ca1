"""Examples as points: the codes of a model, and what they are compared with."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from triptych.catalogue import CATALOGUE, build, name_of
from triptych.data.examples import Examples
from triptych.evaluation.features.extractor import pixels
from triptych.evaluation.subject import Subject, Unanswered
from triptych.metrics.alignment import Array, Embedding
from triptych.models.base import Model
from triptych.noise import mix


def encoded(model: Model, train: Examples, test: Examples) -> Embedding:
    """Return the codes of a model.

    Raises:
        UnsupportedQuery: for a model that has none; the message names what it answers.
        Unanswered: for codes that are not finite.
    """
    space = Embedding(*(model.encode(examples).double().numpy() for examples in (train, test)))
    if not all(np.isfinite(side).all() for side in space):
        raise Unanswered("codes that are not finite numbers: the training diverged")
    return space


def raw(train: Examples, test: Examples) -> Embedding:
    """Return scaled pixels (averaged down to 32×32 if there are more), or standardised coordinates."""
    flat = pixels(train.event)
    return Embedding(*(flat(examples).double().numpy() for examples in (train, test)))


def principal(space: Embedding, dims: int, seed: int) -> Embedding:
    """Return the first `dims` principal components, fitted to the training points."""
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    fitted = PCA(min(dims, *space.train.shape), random_state=seed % (1 << 32)).fit(space.train)
    return Embedding(fitted.transform(space.train), fitted.transform(space.test))


def untrained(model: Model, seed: int) -> Model:
    """Return the same architecture with the weights that it would begin with.

    Raises:
        Unanswered: if the user gave it a network of their own, whose first weights are not known.
    """
    if any(isinstance(given, nn.Module) for given in model.arguments.values()):
        raise Unanswered("a network of the user's own: its first weights are not known")
    name = name_of(model)
    if name in CATALOGUE:
        return build(name, model.event, seed=seed, **model.arguments).to(model.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        return type(model).of(model.event, model.arguments).to(model.device)


def yardsticks(subject: Subject, train: Examples, test: Examples) -> dict[str, Embedding]:
    """Return the codes of a subject's model, and what they are compared with, by name.

    Raises:
        Unanswered: if there are no codes.
    """
    codes, flat = encoded(subject.model, train, test), raw(train, test)
    seed = subject.protocol.seed
    return {"codes": codes, "PCA": principal(flat, codes.train.shape[1], seed), "pixels": flat}


def classes_of(examples: Examples) -> Array:
    """Return the labels `(N,)`.

    Raises:
        Unanswered: for examples without labels of two classes or more.
    """
    labels = examples.labels
    if labels is None or labels.dim() > 1 or len(torch.unique(labels)) < 2:
        raise Unanswered("the data has no labels of two classes or more, which this is measured by")
    return labels.numpy()
