"""The standard Inception network of the literature's Fréchet and kernel distances, through torch-fidelity."""

from __future__ import annotations

import pickle
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from triptych.errors import ConfigurationError, DataError
from triptych.evaluation.features.extractor import Extractor
from triptych.event import Event

FEATURES = 2048
"""Activations of the last pooling layer."""
_CHUNK = 50
_WEIGHTS = "weights-inception-2015-12-05-6726825d.pth"
_EXTRA = "pip install 'triptych[inception]'"


class Inception(nn.Module):
    """Images as stored, `uint8 (B, C, H, W)`, to features `(B, 2048)`.

    The network takes 256 levels of three colours: other levels are stretched to 0…255, grey is repeated. It resizes to
    299×299 by itself, as the TensorFlow graph of the literature does, which other resizing is not equal to.

    Args:
        event: of the images.
        network: from `uint8 (B, 3, H, W)` to a tuple whose first is `(B, 2048)`.
    """

    def __init__(self, event: Event, network: nn.Module) -> None:
        super().__init__()
        self.event = event
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device)

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the last pooling layer, few images at a time."""
        parts = torch.split(self.coloured(x), _CHUNK)
        return torch.cat([self.network(part.to(self.device))[0] for part in parts])

    def coloured(self, x: Tensor) -> Tensor:
        """Return images as the network takes them, `uint8 (B, 3, H, W)` of 256 levels."""
        assert self.event.levels is not None
        if self.event.levels != 256:
            x = (x.float() * (255 / (self.event.levels - 1))).round().to(torch.uint8)
        return x.expand(-1, 3, -1, -1) if x.shape[1] == 1 else x


def inception(event: Event) -> Extractor:
    """Return the extractor of 2,048 features that published figures are measured on.

    Reference: Szegedy et al. 2016, *Rethinking the Inception Architecture for Computer Vision*; weights of 2015-12-05,
    as Salimans et al. 2016 and Heusel et al. 2017 took them, converted by torch-fidelity.

    Args:
        event: of images, grey or of three colours.

    Raises:
        DataError: for vectors, or images of other colours.
        ConfigurationError: where torch-fidelity, torchvision or the weights are absent or damaged, each told apart.
    """
    if not event.is_image or event.shape[0] not in (1, 3):
        raise DataError(f"inception takes images of 1 or 3 colours, the data is a {event}: try 'pixels'")
    network = _loaded(_network_class())
    note = "the standard Inception network (weights of 2015-12-05, by torch-fidelity), 2,048 features"
    return Extractor("inception", Inception(event, network), note)


def _network_class() -> Any:
    try:
        module = import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing == "torchvision":
            text = "torch-fidelity is there, but torchvision, which it imports, is not: install the one of your torch"
        elif missing == "torch_fidelity":
            text = f"torch-fidelity is not installed: {_EXTRA}"
        else:
            text = f"torch-fidelity cannot be imported without {missing}: {_EXTRA}"
        raise ConfigurationError(f"inception: {text}") from error
    except (ImportError, RuntimeError, OSError) as error:  # what torchvision raises when built for another torch
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigurationError(
            f"inception: torch-fidelity's import fails ({reason}): install the torchvision that was built for torch "
            f"{torch.__version__}"
        ) from error
    return module.FeatureExtractorInceptionV3


def _loaded(network_class: Any) -> nn.Module:
    """Make the network; torch-fidelity fetches its weights once, into the folder of `torch.hub`."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / _WEIGHTS
    try:
        network: nn.Module = network_class("inception", [str(FEATURES)])
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        if path.exists():
            raise ConfigurationError(f"inception: its weights in {path} are damaged: remove that file") from error
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"inception: its weights are not in {path} and cannot be fetched ({reason}): put {_WEIGHTS} of "
            "torch-fidelity's release v0.2.0 there"
        ) from error
    return network.requires_grad_(False).eval()
