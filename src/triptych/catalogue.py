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
    "autoencoder": Entry(
        "variational",
        "autoencoders.autoencoder:Autoencoder",
        "Hinton & Salakhutdinov 2006",
        "fully connected, of any depth: codes and reconstructions, no samples",
        {"encoder": "mlp", "decoder": "mlp"},
    ),
    "linear-autoencoder": Entry(
        "variational",
        "autoencoders.autoencoder:Autoencoder",
        "Bourlard & Kamp 1988",
        "without hidden layers: the reconstructions of principal component analysis",
        {"encoder": "mlp", "decoder": "mlp", "layers": 0},
    ),
    "convolutional-autoencoder": Entry(
        "variational",
        "autoencoders.autoencoder:Autoencoder",
        "Masci et al. 2011",
        "strided convolutions, and transposed ones or resizing: codes and reconstructions of images",
        {"encoder": "conv", "decoder": "conv"},
    ),
    "denoising-autoencoder": Entry(
        "variational",
        "autoencoders.autoencoder:Autoencoder",
        "Vincent et al. 2008",
        "encodes corrupted examples and decodes clean ones: restores what is missing",
        {"corruption": "masking"},
    ),
    "stacked-autoencoder": Entry(
        "variational",
        "autoencoders.stacked:StackedAutoencoder",
        "Bengio et al. 2007",
        "trained layer by layer, then as a whole: codes and reconstructions",
    ),
    "context-autoencoder": Entry(
        "variational",
        "autoencoders.context:ContextAutoencoder",
        "Pathak et al. 2016",
        "predicts removed blocks from what is around them: completes images",
    ),
    "vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Kingma & Welling 2014",
        "encoder and decoder on one lower bound: codes, a bound, fast samples",
    ),
    "planar-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Rezende & Mohamed 2015",
        "a VAE whose posterior is a Gaussian bent along planes",
        {"posterior": "planar", "transforms": 16},
    ),
    "sylvester-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "van den Berg et al. 2018",
        "a VAE whose posterior is a Gaussian bent along all planes of the code at once",
        {"posterior": "sylvester"},
    ),
    "iaf-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Kingma et al. 2016",
        "a VAE whose posterior is an inverse autoregressive flow",
        {"posterior": "iaf"},
    ),
    "auxiliary-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Maaløe et al. 2016",
        "a VAE whose posterior is a mixture of Gaussians over auxiliary variables",
        {"posterior": "auxiliary"},
    ),
    "hamiltonian-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Salimans et al. 2015",
        "a VAE whose posterior follows the gradient of log p(x, z)",
        {"posterior": "hamiltonian"},
    ),
    "conditional-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Sohn et al. 2015",
        "a VAE given the label of each example: 10 labels, --classes for another number",
        {"classes": 10},
    ),
    "beta-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Higgins et al. 2017",
        "a VAE whose rate counts more: fewer nats, in dimensions that mean more",
        {"beta": 4.0},
    ),
    "beta-tc-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Chen et al. 2018",
        "a VAE in which dependence between the code's dimensions counts more",
        {"total_correlation": 6.0},
    ),
    "iwae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Burda et al. 2016",
        "a VAE trained on the importance-weighted bound of several codes",
        {"importance": 5},
    ),
    "vamp-vae": Entry(
        "variational",
        "autoencoders.vae:VAE",
        "Tomczak & Welling 2018",
        "a VAE whose prior is the mixture of the posteriors of learned examples",
        {"prior": "vamp"},
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
        model = entry.model(event, **{**entry.arguments, **arguments})
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
