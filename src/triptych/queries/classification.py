"""The class of an example by Bayes' rule, from a density of each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError
from triptych.models.base import Model
from triptych.models.questions import Density
from triptych.running.progress import track

CODES = 10
"""Codes of each example and class, where log p(x | y) is not exact."""


@dataclass(frozen=True, eq=False)
class Posterior:
    """What N examples say of K classes.

    Args:
        log_likelihood: log p(x | y) or a bound on it, `(N, K)` nats.
        log_prior: log p(y), `(K,)` nats.
    """

    log_likelihood: Tensor
    log_prior: Tensor

    @property
    def log_joint(self) -> Tensor:
        """Log p(x, y), `(N, K)`."""
        return self.log_likelihood + self.log_prior

    @property
    def log_evidence(self) -> Tensor:
        """Log p(x), `(N,)`: a low one says that x is of none of the classes."""
        return self.log_joint.logsumexp(1)

    @property
    def log_posterior(self) -> Tensor:
        """Log p(y | x), `(N, K)`; of an example that no class can make it is the prior."""
        impossible = self.log_evidence.isneginf()[:, None]
        return torch.where(impossible, self.log_prior, self.log_joint).log_softmax(1)

    @property
    def predicted(self) -> Tensor:
        """The most probable class of each example, `(N,)`."""
        return self.log_posterior.argmax(1)

    @property
    def confidence(self) -> Tensor:
        """Its posterior, `(N,)`."""
        return self.log_posterior.max(1).values.exp()

    @property
    def log_odds(self) -> Tensor:
        """Log odds of the most probable class against all others, `(N,)`: as its posterior, but never rounded to 1."""
        ordered = self.log_posterior.sort(1, descending=True).values
        return ordered[:, 0] - ordered[:, 1:].logsumexp(1)


@dataclass(frozen=True, eq=False)
class BayesClassifier:
    """Tells classes by densities; make one with `bayes_classifier`."""

    models: tuple[Model, ...]
    log_prior: Tensor
    samples: int
    seed: int

    def __call__(self, x: Examples) -> Posterior:
        """Return what examples say of the classes; their own labels have no part in it.

        Every class is asked with the same random numbers, so that bounds differ by the class and not by the draw.

        Raises:
            DataError: for examples of another event, or a model whose answers are not numbers.
        """
        bare = Examples(x.data, x.event)
        told = [self._log_likelihood(bare, k) for k in track(range(len(self.log_prior)), "scoring under each class")]
        found = torch.stack(told, 1).double()
        bad = int(found.isnan().any(1).sum())
        if bad:
            raise DataError(f"log p(x | y) is no number for {bad} of {len(x)} examples: the training diverged")
        return Posterior(found, self.log_prior)

    def _log_likelihood(self, x: Examples, k: int) -> Tensor:
        conditional = len(self.models) == 1
        model, label = (self.models[0], k) if conditional else (self.models[k], None)
        found: Tensor = model.log_prob_bounds(x, label=label, samples=self.samples, seed=self.seed).lower
        return found


def bayes_classifier(
    models: Model | Sequence[Model], prior: Tensor | None = None, *, samples: int = CODES, seed: int = 0
) -> BayesClassifier:
    """Return the classifier that a class-conditional density is, or one density a class.

    `p(y | x) = p(x | y) p(y) / Σ_k p(x | k) p(k)`, with a lower bound in place of log p(x | y) where the model has no
    more. Reference: Duda, Hart & Stork 2001, *Pattern Classification*, §2.2; Chow 1970, *On Optimum Recognition Error
    and Reject Tradeoff*, for when not to tell.

    Args:
        models: one that takes labels, or one of each class, in the order of the labels.
        prior: how often each class is met, `(K,)`, in any unit; None for all alike.
        samples: codes of each example and class that a bound is made of.
        seed: of their draws.

    Raises:
        ConfigurationError: for a model without labels alone, models that take labels among several, models of different
            events or of different kinds of likelihood, or a prior of another length or of numbers that are not above 0.
        UnsupportedQuery: for a model that does not bound log p(x).

    Example:
        >>> import triptych as tp
        >>> model = tp.PixelCNN(tp.Event((1, 4, 4), 2), channels=4, layers=2, classes=3)
        >>> found = bayes_classifier(model)(model.sample(5, seed=0))
        >>> found.log_posterior.shape, bool(torch.allclose(found.log_posterior.exp().sum(1), torch.ones(()).double()))
        (torch.Size([5, 3]), True)
    """
    each = (models,) if isinstance(models, Model) else tuple(models)
    for model in each:
        model.log_prob_bounds  # noqa: B018 - it says so if the model does not answer
    classes = each[0].classes if len(each) == 1 else len(each)
    _check(each, classes)
    if samples < 1:
        raise ConfigurationError(f"{samples} codes of each example were asked for: expected at least 1")
    given = torch.ones(classes) if prior is None else torch.as_tensor(prior)
    if given.shape != (classes,) or not bool(((given > 0) & given.isfinite()).all()):
        raise ConfigurationError(
            f"a prior of shape {tuple(given.shape)} for {classes} classes: expected {classes} numbers above 0"
        )
    return BayesClassifier(each, (given.double() / given.double().sum()).log(), samples, seed)


def _check(models: Sequence[Model], classes: int) -> None:
    """Raise `ConfigurationError` for models that make no classifier."""
    if len(models) == 1 and classes < 2:
        raise ConfigurationError(
            f"{type(models[0]).__name__} has {classes or 'no'} labels to tell apart: "
            "train it with --classes N, or give one model of each class"
        )
    if len(models) > 1 and any(model.conditional for model in models):
        raise ConfigurationError("one model of each class takes no labels: give those alone, or one that takes labels")
    other = [str(model.event) for model in models if not model.event.same_space(models[0].event)]
    if other:
        raise ConfigurationError(f"models of a {models[0].event} and of a {other[0]}: expected one event")
    if len({isinstance(model, Density) for model in models}) > 1:
        raise ConfigurationError(
            "some models know log p(x) exactly and some bound it: a bound loses to an exact value; give one kind"
        )


def class_prior(examples: Examples, classes: int) -> Tensor:
    """Return how often each class is met, `(classes,)`: `(n_k + 1) / (N + K)`, so that none is impossible.

    Args:
        examples: with labels, such as training data.
        classes: K.

    Raises:
        DataError: for examples without labels, or with others than 0 to K - 1.

    Example:
        >>> import triptych as tp
        >>> three = tp.Examples(torch.zeros(3, 2), tp.Event((2,)), torch.tensor([0, 0, 1]))
        >>> class_prior(three, 2).tolist()
        [0.6, 0.4]
    """
    labels = examples.labels
    if labels is None or labels.dim() > 1 or (len(labels) and int(labels.max()) >= classes):
        raise DataError(
            f"a prior of {classes} classes is counted from labels 0 to {classes - 1}: give labelled examples"
        )
    counts = torch.bincount(labels, minlength=classes).double() + 1
    return counts / counts.sum()
