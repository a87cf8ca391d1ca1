"""Published results of adversarial models, and how their papers train on MNIST."""

from __future__ import annotations

from typing import Any

from triptych.recipes.recipe import Recipe

_FGAN = "Nowozin et al. 2016, f-GAN, §4.1"
_TREES = (
    "the Parzen estimate by scikit-learn's trees from 16,384 samples on the 10,000 test images, as the paper's figures "
    "seem to be; the exact estimate is hundreds of nats lower, for real images too"
)
_EXACT = "the Parzen estimate from 10,000 samples on the 10,000 test images"
_CLASS = "the share of 10,000 samples, 1,000 a class, that an independent classifier takes for what was asked"
_MATCHED = (
    "the share of the 10,000 test images whose class the first code tells, its values matched to classes on training "
    "images"
)
_MEASURED = {
    _TREES: "--metrics parzen,parzen-sklearn --test-count 10000",
    _EXACT: "--metrics parzen --kernels 10000 --test-count 10000",
    _CLASS: "--metrics agreement",
    _MATCHED: "--metrics matching",
}
_UNPUBLISHED = "The paper has no such figure on MNIST; what is measured is the class."
_PLAYERS = {
    "latent": 100,
    "prior": "uniform",
    "generator": "mlp:hidden=1200",
    "critic": "mlp:hidden=240",
    "critic_norm": "none",
}
_CLASSES = {"classes": 10, "generator_labels": "concatenation", "critic_labels": "concatenation"}


def _mnist(
    model: str,
    figure: float | None,
    unit: str,
    reference: str,
    note: str,
    arguments: dict[str, Any],
    protocol: str,
    **training: Any,
) -> Recipe:
    """Return a recipe on MNIST in all its 256 levels, trained on the whole training split."""
    return Recipe(
        model,
        "mnist",
        figure,
        unit,
        reference,
        note,
        arguments,
        training,
        validate=0.0,
        protocol=protocol,
        measured=_MEASURED[protocol],
        better=1,
    )


def _fgan(loss: str, figure: float, row: str) -> Recipe:
    return _mnist(
        "gan",
        figure,
        "nats",
        f"{_FGAN}, {row}",
        "The paper trains for an hour on a GPU of 2016, here it is a number of rounds; it moves both players at once, "
        "here they take turns, and initial weights are torch's own.",
        {"loss": f"fgan-{loss}", **_PLAYERS, "generator_norm": "batch", "critic": "mlp:hidden=240,activation=elu"},
        _TREES,
        steps=20_000,
        batch_size=4096,
        lr=2e-4,
    )


ADVERSARIAL: dict[str, Recipe] = {
    "fgan-kl-mnist": _fgan("kl", 416, "Kullback-Leibler"),
    "fgan-reverse-kl-mnist": _fgan("reverse-kl", 319, "reverse Kullback-Leibler"),
    "fgan-pearson-mnist": _fgan("pearson", 429, "Pearson χ²"),
    "fgan-neyman-mnist": _fgan("neyman", 300, "Neyman χ²"),
    "fgan-hellinger-mnist": _fgan("squared-hellinger", -708, "squared Hellinger"),
    "fgan-jeffreys-mnist": _fgan("jeffreys", -2101, "Jeffreys"),
    "fgan-jensen-shannon-mnist": _fgan("jensen-shannon", 367, "Jensen-Shannon"),
    "fgan-gan-mnist": _fgan("gan", 305, "GAN"),
    "gan-mnist": _mnist(
        "gan",
        225,
        "nats",
        "Goodfellow et al. 2014, Generative Adversarial Nets, table 1",
        "The paper's critic has maxout units and dropout, and both players learn by momentum; Adam and the budget are "
        "ours.",
        _PLAYERS,
        _EXACT,
        epochs=100,
        batch_size=100,
        lr=2e-4,
    ),
    "conditional-gan-mnist": _mnist(
        "conditional-gan",
        132,
        "nats",
        "Mirza & Osindero 2014, Conditional Generative Adversarial Nets, table 1",
        "The paper's networks join code and label behind a layer of each, its critic has maxout units, and both "
        "players learn by momentum with dropout; networks, Adam and the budget are ours.",
        {**_CLASSES, **_PLAYERS},
        _EXACT,
        epochs=100,
        batch_size=100,
        lr=2e-4,
    ),
    "dcgan-mnist": _mnist(
        "dcgan",
        None,
        "%",
        "settings: Radford et al. 2016, Unsupervised Representation Learning with DCGANs, §4",
        f"{_UNPUBLISHED} Labels as by Mirza & Osindero 2014; the budget is ours.",
        {**_CLASSES, "latent": 100, "prior": "uniform"},
        _CLASS,
        epochs=25,
        batch_size=128,
        lr=2e-4,
    ),
    "wgan-gp-mnist": _mnist(
        "wgan-gp",
        None,
        "%",
        "settings: Gulrajani et al. 2017, Improved Training of Wasserstein GANs, Algorithm 1",
        f"{_UNPUBLISHED} Labels as by Mirza & Osindero 2014; width and budget are ours.",
        {**_CLASSES, "latent": 128, "channels": 64},
        _CLASS,
        steps=20_000,
        batch_size=64,
        lr=1e-4,
    ),
    "acgan-mnist": _mnist(
        "auxiliary-classifier-gan",
        None,
        "%",
        "settings: Odena et al. 2017, Conditional Image Synthesis with Auxiliary Classifier GANs, appendix A",
        f"{_UNPUBLISHED} The networks are DCGAN's, the budget ours.",
        {"classes": 10, "latent": 110},
        _CLASS,
        epochs=25,
        batch_size=100,
        lr=2e-4,
    ),
    "infogan-mnist": _mnist(
        "infogan",
        95,
        "%",
        "Chen et al. 2016, InfoGAN, §7.2",
        "The networks are DCGAN's; the budget is ours. Learning rates are the paper's, 1e-3 of the generator and 2e-4 "
        "of the critic.",
        {"categorical": "10", "continuous": 2, "latent": 62},
        _MATCHED,
        epochs=50,
        batch_size=128,
        lr=1e-3,
    ),
}
"""By the name that a user can type."""
