"""Published results of variational models."""

from __future__ import annotations

from typing import Any

from triptych.recipes.recipe import Recipe

_TABLE = "Mescheder et al. 2017, Adversarial Variational Bayes, table 2"
_NETWORKS = "The networks are ours, multi-layer perceptrons; so are learning rate and budget, chosen for a processor."
_ESTIMATE = (
    "the importance-weighted bound of 5,000 codes on the 10,000 test images, each pixel drawn once with its intensity "
    "as the probability; published by annealed importance sampling"
)
_BOUND = (
    "the evidence lower bound on the 10,000 test images, each pixel drawn once with its intensity as the probability"
)
_MEASURED = {
    _ESTIMATE: "--metrics bounds --importance 5000 --test-count 10000",
    _BOUND: "--metrics bounds --test-count 10000",
}
_MLP = {"encoder": "mlp", "decoder": "mlp", "layers": 2, "hidden": 512, "activation": "silu"}


def _mnist(
    model: str, figure: float, reference: str, note: str, arguments: dict[str, Any], protocol: str, **training: Any
) -> Recipe:
    """Return a recipe on MNIST binarised anew every epoch; 1,000 training images choose the best weights."""
    training = {"batch_size": 128, "lr": 1e-3, "schedule": "cosine", **training}
    options = {"binarize": "stochastic"}
    arguments, measured = {**_MLP, **arguments}, _MEASURED[protocol]
    return Recipe(
        model, "mnist", figure, "nats", reference, note, arguments, training, options, 1 / 60, protocol, measured
    )


VARIATIONAL: dict[str, Recipe] = {
    "vae-8-mnist": _mnist("vae", 90.9, f"{_TABLE}, VAE (8-dim)", _NETWORKS, {"latent": 8}, _ESTIMATE, steps=80_000),
    "vae-32-mnist": _mnist("vae", 81.9, f"{_TABLE}, VAE (32-dim)", _NETWORKS, {"latent": 32}, _ESTIMATE, steps=80_000),
    "planar-vae-mnist": _mnist(
        "planar-vae",
        85.1,
        f"{_TABLE}, VAE + NF (T = 80); model: Rezende & Mohamed 2015",
        _NETWORKS,
        {"latent": 40, "transforms": 80},
        _BOUND,
        steps=80_000,
    ),
    "iaf-vae-mnist": _mnist(
        "iaf-vae",
        80.8,
        f"{_TABLE}, VAE + IAF; model: Kingma et al. 2016",
        f"The paper has residual convolutional networks; its estimate of log p(x) is -79.1. {_NETWORKS}",
        {"latent": 32, "transforms": 4},
        _BOUND,
        steps=80_000,
    ),
    "hamiltonian-vae-mnist": _mnist(
        "hamiltonian-vae",
        88.3,
        f"{_TABLE}, VAE + HVI (T = 16); model: Salimans et al. 2015",
        f"{_NETWORKS} The estimate of log p(x) in the same row is -85.5.",
        {"latent": 32, "transforms": 16},
        _BOUND,
        steps=20_000,
    ),
    "auxiliary-vae-mnist": _mnist(
        "auxiliary-vae",
        83.0,
        f"{_TABLE}, Auxiliary VAE (L = 2); model: Maaløe et al. 2016",
        f"The paper has two layers of codes. {_NETWORKS}",
        {"latent": 32},
        _BOUND,
        steps=80_000,
    ),
}
"""By the name that a user can type."""
