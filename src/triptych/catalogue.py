"""The names a user can type, and what they stand for. One line a model; no model is imported before it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from triptych.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from triptych.event import Event
    from triptych.models.base import Model


@dataclass(frozen=True)
class Entry:
    """One name of the catalogue.

    Args:
        family: "autoregressive", "variational", "adversarial" or "hybrid".
        where: `module:Class` below `triptych.models`.
        reference: the paper.
        summary: what it is, in one line.
        arguments: constructor arguments that the name stands for, where they are not the defaults.
    """

    family: str
    where: str
    reference: str
    summary: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> type[Model]:
        """The model's class."""
        module, name = self.where.split(":")
        found: type[Model] = getattr(import_module(f"triptych.models.{module}"), name)
        return found


CATALOGUE: dict[str, Entry] = {
    "bayesian-network": Entry(
        "autoregressive",
        "autoregressive.bayesnet:BayesianNetwork",
        "Pearl 1988",
        "conditional probability tables along a given graph, fitted by counting: exact answers to any query",
    ),
    "fvbn": Entry(
        "autoregressive",
        "autoregressive.fvbn:FVBN",
        "Frey 1998",
        "each site linear in all before it: exact likelihood, the least of the family",
    ),
    "nade": Entry(
        "autoregressive",
        "autoregressive.nade:NADE",
        "Larochelle & Murray 2011",
        "hidden units that all sites share: exact likelihood, any law and order",
    ),
    "made": Entry(
        "autoregressive",
        "autoregressive.made:MADE",
        "Germain et al. 2015",
        "a masked autoencoder, alone or as an ensemble of masks and orders: exact likelihood",
    ),
    "pixelcnn": Entry(
        "autoregressive",
        "autoregressive.pixelcnn:PixelCNN",
        "van den Oord et al. 2016",
        "masked convolutions over the chain rule: exact likelihood, sampled pixel by pixel",
    ),
    "gated-pixelcnn": Entry(
        "autoregressive",
        "autoregressive.gated:GatedPixelCNN",
        "van den Oord et al. 2016b",
        "gated convolutions in two stacks, no blind spot: exact likelihood; conditioned on labels or vectors",
    ),
    "pixelcnn++": Entry(
        "autoregressive",
        "autoregressive.pixelcnnpp:PixelCNNPlusPlus",
        "Salimans et al. 2017",
        "residual streams at several resolutions with short-cuts and dropout: exact likelihood",
    ),
    "multiscale-pixelcnn": Entry(
        "autoregressive",
        "autoregressive.multiscale:MultiScalePixelCNN",
        "van den Oord et al. 2016",
        "a small image first, then the pixels between given all of it: one exact likelihood",
    ),
    "row-lstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "an LSTM from row to row, over a triangle of the pixels above: exact likelihood",
        {"layer": "row"},
    ),
    "diagonal-lstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "an LSTM along the diagonals, over all pixels to the upper left: exact likelihood",
        {"layer": "diagonal"},
    ),
    "diagonal-bilstm": Entry(
        "autoregressive",
        "autoregressive.pixelrnn:PixelRNN",
        "van den Oord et al. 2016",
        "LSTMs along both diagonals, over every pixel before: exact likelihood, slower to train than pixelcnn",
        {"layer": "diagonal-bi"},
    ),
    "vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Kingma & Welling 2014",
        "encoder and decoder on one lower bound: codes, a bound, fast samples",
    ),
    "gan": Entry(
        "adversarial",
        "adversarial.gan:GAN",
        "Goodfellow et al. 2014",
        "generator against critic: fast samples, no likelihood",
    ),
}


def find(name: str) -> Entry:
    """Return the entry of a name.

    Raises:
        ConfigurationError: for a name that is not there, with the nearest ones.

    Example:
        >>> find("vae").family
        'variational'
    """
    if name not in CATALOGUE:
        raise ConfigurationError(f"no model {name!r}; {did_you_mean(name, CATALOGUE)}")
    return CATALOGUE[name]


def build(name: str, event: Event, seed: int = 0, **arguments: Any) -> Model:
    """Build a model by name, its weights drawn from `seed`; torch's global random state is left as it was.

    Args:
        name: a name of the catalogue.
        event: what one example is.
        seed: for the initial weights.
        arguments: constructor arguments that differ from the entry's.

    Raises:
        ConfigurationError: for an unknown name or argument.

    Example:
        >>> import triptych as tp
        >>> build("vae", tp.Event((2,)), latent=2).latent
        2
    """
    import inspect

    import torch

    from triptych.noise import mix

    entry = find(name)
    accepted = list(inspect.signature(entry.model).parameters)[1:]
    for argument in arguments:
        if argument not in accepted:
            raise ConfigurationError(f"{name} has no option {argument!r}; {did_you_mean(argument, accepted)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(seed))
        return entry.model(event, **{**entry.arguments, **arguments})


def name_of(model: Model) -> str:
    """Return the catalogue's name for a model's class, or the class's own name for a user's model."""
    where = f"{type(model).__module__}:{type(model).__qualname__}"
    named = [name for name, entry in CATALOGUE.items() if where == f"triptych.models.{entry.where}"]
    for name in named:  # a class may go by several names, that differ in its arguments
        if all(model.arguments.get(key) == given for key, given in CATALOGUE[name].arguments.items()):
            return name
    return named[0] if named else type(model).__qualname__
