"""triptych: classic deep generative models behind one interface, measured side by side on your own data.

    >>> import triptych as tp
    >>> train, test = tp.data.load("digits")
    >>> model = tp.VAE(train.event, latent=8)
    >>> run = tp.fit(model, train, steps=20, progress=False)
    >>> model.sample(16, seed=0).shape
    torch.Size([16, 1, 8, 8])

Names are imported when they are first used: `import triptych` itself loads nothing heavy.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

from triptych.version import __version__ as __version__

if TYPE_CHECKING:
    from triptych import adversary as adversary
    from triptych import catalogue as catalogue
    from triptych import data as data
    from triptych import distributions as distributions
    from triptych import evaluation as evaluation
    from triptych import metrics as metrics
    from triptych import networks as networks
    from triptych import objectives as objectives
    from triptych import queries as queries
    from triptych import testing as testing
    from triptych.adversary import AdversaryConfig as AdversaryConfig
    from triptych.catalogue import build as build
    from triptych.comparison.compare import compare as compare
    from triptych.data import Examples as Examples
    from triptych.errors import UnsupportedQuery as UnsupportedQuery
    from triptych.errors import UserError as UserError
    from triptych.event import Event as Event
    from triptych.models.adversarial.auxiliary_classifier import AuxiliaryClassifierGAN as AuxiliaryClassifierGAN
    from triptych.models.adversarial.coupled import CoupledGAN as CoupledGAN
    from triptych.models.adversarial.gan import GAN as GAN
    from triptych.models.adversarial.infogan import InfoGAN as InfoGAN
    from triptych.models.adversarial.semantic import SemanticGAN as SemanticGAN
    from triptych.models.autoencoders.autoencoder import Autoencoder as Autoencoder
    from triptych.models.autoencoders.context import ContextAutoencoder as ContextAutoencoder
    from triptych.models.autoencoders.stacked import StackedAutoencoder as StackedAutoencoder
    from triptych.models.autoencoders.vae import VAE as VAE
    from triptych.models.autoregressive.bayesnet import BayesianNetwork as BayesianNetwork
    from triptych.models.autoregressive.fvbn import FVBN as FVBN
    from triptych.models.autoregressive.gated import GatedPixelCNN as GatedPixelCNN
    from triptych.models.autoregressive.made import MADE as MADE
    from triptych.models.autoregressive.multiscale import MultiScalePixelCNN as MultiScalePixelCNN
    from triptych.models.autoregressive.nade import NADE as NADE
    from triptych.models.autoregressive.pixelcnn import PixelCNN as PixelCNN
    from triptych.models.autoregressive.pixelcnnpp import PixelCNNPlusPlus as PixelCNNPlusPlus
    from triptych.models.autoregressive.pixelrnn import PixelRNN as PixelRNN
    from triptych.models.base import Model as Model
    from triptych.models.base import Player as Player
    from triptych.training import TrainingConfig as TrainingConfig
    from triptych.training import fit as fit
    from triptych.training import load as load
    from triptych.training import save as save

# Threads that wait for each other must soon sleep, not spin: spinning ones rob whatever else the machine does, a second
# training first of all. Some microseconds are worth while. OpenMP reads this when torch is first imported.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & set(os.environ):
    os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}

_LAZY = {
    "AdversaryConfig": "triptych.adversary",
    "AuxiliaryClassifierGAN": "triptych.models.adversarial.auxiliary_classifier",
    "CoupledGAN": "triptych.models.adversarial.coupled",
    "InfoGAN": "triptych.models.adversarial.infogan",
    "SemanticGAN": "triptych.models.adversarial.semantic",
    "Autoencoder": "triptych.models.autoencoders.autoencoder",
    "BayesianNetwork": "triptych.models.autoregressive.bayesnet",
    "FVBN": "triptych.models.autoregressive.fvbn",
    "GatedPixelCNN": "triptych.models.autoregressive.gated",
    "MADE": "triptych.models.autoregressive.made",
    "MultiScalePixelCNN": "triptych.models.autoregressive.multiscale",
    "NADE": "triptych.models.autoregressive.nade",
    "PixelCNN": "triptych.models.autoregressive.pixelcnn",
    "PixelCNNPlusPlus": "triptych.models.autoregressive.pixelcnnpp",
    "PixelRNN": "triptych.models.autoregressive.pixelrnn",
    "ContextAutoencoder": "triptych.models.autoencoders.context",
    "Event": "triptych.event",
    "Examples": "triptych.data",
    "GAN": "triptych.models.adversarial.gan",
    "Model": "triptych.models.base",
    "Player": "triptych.models.base",
    "StackedAutoencoder": "triptych.models.autoencoders.stacked",
    "TrainingConfig": "triptych.training",
    "UnsupportedQuery": "triptych.errors",
    "UserError": "triptych.errors",
    "VAE": "triptych.models.autoencoders.vae",
    "build": "triptych.catalogue",
    "compare": "triptych.comparison.compare",
    "fit": "triptych.training",
    "load": "triptych.training",
    "save": "triptych.training",
}
_MODULES = (
    "adversary",
    "catalogue",
    "data",
    "distributions",
    "evaluation",
    "metrics",
    "networks",
    "objectives",
    "queries",
    "testing",
)

__all__ = ["__version__", *_LAZY, *_MODULES]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name in _LAZY:
        value = getattr(import_module(_LAZY[name]), name)
    elif name in _MODULES:
        value = import_module(f"triptych.{name}")
    else:
        raise AttributeError(f"module 'triptych' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
