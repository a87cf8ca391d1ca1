"""What every model is: a game of players over one event, whose constructor arguments are its configuration."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MethodType
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from triptych.config import flattened, nested
from triptych.data.examples import Examples
from triptych.errors import ConfigurationError, DataError, UnsupportedQuery
from triptych.event import Event
from triptych.noise import Noise
from triptych.objectives.player import Player as Player
from triptych.objectives.player import Terms as Terms
from triptych.spaces import Labels

QUESTIONS = {
    "sample": "draw new examples",
    "sample_codes": "draw codes from the prior",
    "log_prob": "the exact log p(x)",
    "log_prob_bounds": "bounds on log p(x)",
    "encode": "the code of an example",
    "decode": "the example of a code",
    "reconstruct": "an example from its code",
    "corrupt": "an example as the model saw it in training",
    "judge": "what the critic of a game says of an example",
    "complete": "the unknown part of an example",
}
"""Every primitive query, and what it gives. A model declares those that it answers; see `Model.answers`."""

_QUERIES: set[Callable[..., Any]] = set()

if TYPE_CHECKING:
    from typing_extensions import Self

    query = final
else:

    class query:
        """Declare a public method as one of `QUESTIONS`: only a model that lists it in its `answers` has it."""

        def __init__(self, method: Callable[..., Any]) -> None:
            assert method.__name__ in QUESTIONS, f"{method.__name__} is no question"
            _QUERIES.add(method)
            functools.update_wrapper(self, method)

        def __get__(self, model: Model | None, kind: type[Model]) -> Callable[..., Any]:
            """Return the method; of a model that does not answer raise what `Model.__getattr__` explains."""
            if model is None:
                return self.__wrapped__
            if self.__name__ not in model.answers:
                raise AttributeError
            return MethodType(self.__wrapped__, model)


def declared(kind: type[Model]) -> tuple[str, ...]:
    """Return the queries that the models of a class answer.

    >>> from triptych.models.adversarial.gan import GAN
    >>> declared(GAN)
    ('sample', 'sample_codes', 'decode', 'judge')
    """
    return tuple(name for name in QUESTIONS if getattr(kind, name, None) in _QUERIES)


_INSTEAD = {
    "log_prob": "for a likelihood train a model with a density (pixelcnn) or a bound (vae); "
    "to judge samples, ask `evaluate` for their Fréchet distance and near-copies",
    "encode": "for codes train a model with an encoder (vae, autoencoder)",
    "complete": "for completion train an autoregressive model (pixelcnn), or a context-autoencoder",
    "judge": "for a critic train a model that plays against one (gan)",
    "corrupt": "for one that restores what it is trained to restore train a denoising-autoencoder",
}
_INSTEAD["log_prob_bounds"] = _INSTEAD["log_prob"]
_INSTEAD["reconstruct"] = "for reconstructions train a model that encodes and decodes (vae, autoencoder)"
_INSTEAD["sample"] = "for samples train a model with a prior (vae, gan) or a density (pixelcnn)"
_INSTEAD["sample_codes"] = "for codes with a prior train a vae or a gan"
_INSTEAD["decode"] = "for examples of codes train a model with a decoder (vae, autoencoder, gan)"


class Model(nn.Module, ABC):
    """A generative model of examples of one event.

    A subclass names its parts in `__init__`, its game in `players`, and derives from the questions that it
    answers (see `triptych.models.questions`). `arguments` holds what the constructor was given, by flat name (see
    `triptych.config`): it is what a model on disk is rebuilt from, by `Model.of`.

    Args:
        event: what one example is.
        classes: number of labels that the model is conditioned on; 0 for none.
        embedding: length of the vectors that it is conditioned on instead of labels; 0 for none.
    """

    arguments: dict[str, Any]
    label_names: tuple[str, ...] = ()
    """The names of its labels, as the data it was trained on has them; empty if they have none."""
    called: str = ""
    """The name of the catalogue that it was built by, if any: other arguments do not make it another model."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Model:
        """Remember the constructor's arguments."""
        model = super().__new__(cls)
        if args or kwargs:  # copying and unpickling make an empty one first
            bound = inspect.signature(cls).bind(*args, **kwargs)
            bound.apply_defaults()
            own = {name: value for name, value in bound.arguments.items() if name != "event"}
            model.__dict__["arguments"] = flattened(cls, own)
        return model

    @classmethod
    def of(cls, event: Event, arguments: Mapping[str, Any]) -> Self:
        """Build a model from constructor arguments by flat name.

        Args:
            event: what one example is.
            arguments: values by name.

        Raises:
            ConfigurationError: for an unknown name, or what the constructor refuses.
        """
        return cls(event, **nested(cls, arguments))

    def __init__(self, event: Event, classes: int = 0, embedding: int = 0) -> None:
        super().__init__()
        if not isinstance(event, Event):
            raise ConfigurationError(f"{event!r} was given: expected an Event, such as train.event")
        if classes < 0:
            raise ConfigurationError(f"classes={classes}: expected the number of labels, or 0 for none")
        if embedding < 0 or (classes and embedding):
            raise ConfigurationError(
                f"classes={classes}, embedding={embedding}: expected labels, vectors of a length, or neither"
            )
        self.event = event
        self.classes = classes
        self.embedding = embedding

    @property
    def conditional(self) -> bool:
        """Whether the model takes a label, or a vector, with each example."""
        return bool(self.classes or self.embedding)

    @property
    def learns_labels(self) -> bool:
        """Whether it is trained on labelled examples."""
        return self.conditional

    def check_training(self, train: Examples) -> None:
        """Raise `DataError` for examples of the model's event that it cannot learn from; most learn from any."""

    def labels_in(self, examples: Examples) -> Tensor | None:
        """Return the conditions of examples, labels matched by name to the model's own; None if it takes none.

        Raises:
            DataError: for a label whose name the model does not know.
        """
        if not self.conditional or examples.labels is None or self.embedding:
            return examples.labels if self.conditional else None
        return Labels(self.classes, self.label_names).matched(examples.labels, examples.classes)

    @property
    def any_label(self) -> Tensor | None:
        """What to sample with where it does not matter: None draws labels, a model of vectors takes zeros."""
        return torch.zeros(self.embedding) if self.embedding else None

    @property
    @abstractmethod
    def players(self) -> tuple[Player, ...]:
        """The players of the game that trains this model, in the order of their turns."""

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        return next(self.parameters()).device

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Answer queries within: in evaluation mode, without gradients."""
        was_training = self.training
        self.eval()
        try:
            with torch.no_grad():
                yield
        finally:
            self.train(was_training)

    def labels(
        self, label: int | str | Sequence[int] | Tensor | None, n: int, noise: Noise | None = None
    ) -> Tensor | None:
        """Return `n` labels on the model's device, None for an unconditional model.

        Args:
            label: one for all, by number or name, one each, or None: then drawn uniformly from `noise`. Vectors,
                `(E,)` or `(n, E)`, must be given.
            n: how many.
            noise: where missing labels are drawn from; None if they must be given.

        Raises:
            ConfigurationError: for a label given to an unconditional model, or out of range.
            DataError: for missing labels or vectors, or not one each.
        """
        if self.embedding:
            return self._vectors(label, n)
        if not self.classes:
            if label is not None:
                raise ConfigurationError(
                    f"label {label} was asked of a model without labels: train it with --classes N"
                )
            return None
        if label is None:
            if noise is None:
                raise DataError(f"a model of {self.classes} classes needs the label of each example: none were given")
            return noise.integers(self.classes, (n,)).to(self.device)
        if isinstance(label, str):
            label = Labels(self.classes, self.label_names).number(label)
        labels = torch.as_tensor(label, device=self.device)
        if n and labels.is_floating_point():
            raise DataError(f"labels are {labels.dtype} numbers: this model's are whole, 0 to {self.classes - 1}")
        labels = labels.long()
        labels = labels.expand(n) if labels.dim() == 0 else labels
        if labels.shape != (n,):
            raise DataError(f"{n} examples were given {tuple(labels.shape)} labels: expected one for all, or one each")
        if n and (int(labels.min()) < 0 or int(labels.max()) >= self.classes):
            outside = int(labels.min()) if int(labels.min()) < 0 else int(labels.max())
            raise ConfigurationError(f"label {outside} is out of range: this model's are 0 to {self.classes - 1}")
        return labels

    def _vectors(self, given: int | str | Sequence[int] | Tensor | None, n: int) -> Tensor:
        expected = f"expected {self.embedding} numbers for all, or ({n}, {self.embedding}): one vector each"
        if isinstance(given, str):
            raise ConfigurationError(f"label {given!r} was asked of a model that is conditioned on vectors: {expected}")
        if given is None:
            raise DataError(f"a model of embedding={self.embedding} was given no vectors as labels: {expected}")
        vectors = torch.as_tensor(given, dtype=torch.float32, device=self.device)
        vectors = vectors.expand(n, -1) if vectors.dim() == 1 else vectors
        if vectors.shape != (n, self.embedding):
            raise DataError(f"vectors of shape {tuple(torch.as_tensor(given).shape)} were given as labels: {expected}")
        if not torch.isfinite(vectors).all():
            raise DataError("a vector given as label is not finite: expected real numbers")
        return vectors

    @property
    def answers(self) -> tuple[str, ...]:
        """The queries that this model answers; any other is refused in one line, with what to do instead.

        A model whose parts decide what it can answer overrides it.
        """
        return declared(type(self))

    def __getattr__(self, name: str) -> Any:
        """Explain a query that this model does not answer; find parameters and modules as torch does."""
        if name in QUESTIONS:
            raise UnsupportedQuery(
                f"{type(self).__name__} does not answer {name} ({QUESTIONS[name]}): it answers "
                + ", ".join(self.answers)
                + (f"; {_INSTEAD[name]}" if name in _INSTEAD else "")
            )
        return super().__getattr__(name)
