"""Published results of autoregressive models."""

from __future__ import annotations

from typing import Any

from triptych.recipes.recipe import Recipe

_PIXELRNN = "van den Oord et al. 2016, Pixel Recurrent Neural Networks, table"
_MADE = "Germain et al. 2015, MADE, table 6"
_FIXED = "The paper trains on one fixed binarisation, here each epoch draws its own, which overfits less."
_ADAM = "Adam in place of RMSProp; learning rate and budget are ours, as the paper names neither."
_THIRDS = "The paper has 128 units; the three colours share 129 equally."
_CIFAR_HEAD = "The paper's two last 1×1 layers have 1,024 feature maps."


def _mnist(model: str, figure: float, reference: str, note: str, arguments: dict[str, Any], **training: Any) -> Recipe:
    """Return a recipe on binarised MNIST; a sixth of its training split is 10,000 images, the usual validation set."""
    protocol = "exact log p(x) of the 10,000 test images, each pixel drawn once with its intensity as the probability"
    options = {"binarize": "stochastic"}
    return Recipe(model, "mnist", figure, "nats", reference, note, arguments, training, options, protocol=protocol)


def _cifar(model: str, figure: float, reference: str, note: str, arguments: dict[str, Any], **training: Any) -> Recipe:
    """Return a recipe on CIFAR-10; a tenth of its training split is 5,000 images."""
    protocol = "exact log p(x) of the 10,000 test images at 256 levels"
    return Recipe(
        model, "cifar10", figure, "bits/dim", reference, note, arguments, training, validate=0.1, protocol=protocol
    )


AUTOREGRESSIVE: dict[str, Recipe] = {
    "fvsbn-mnist": _mnist(
        "fvbn",
        97.45,
        "Gan et al. 2015, Learning Deep Sigmoid Belief Networks with Data Augmentation",
        f"The paper infers the weights by Gibbs sampling under a prior, here they are of maximum likelihood. {_FIXED}",
        {},
        epochs=50,
        batch_size=100,
        lr=1e-3,
        schedule="cosine",
    ),
    "nade-mnist": _mnist(
        "nade",
        88.33,
        f"{_MADE}, NADE 1hl (fixed order); model: Larochelle & Murray 2011",
        f"Adam in place of stochastic gradient descent. {_FIXED}",
        {"hidden": 500, "activation": "sigmoid"},
        epochs=100,
        batch_size=100,
        lr=1e-3,
        schedule="cosine",
    ),
    "made-mnist": _mnist(
        "made",
        86.64,
        f"{_MADE}, MADE 2hl (32 masks)",
        "Adam in place of Adagrad with learning rate 0.01; the paper stops 30 epochs after the best, here 300 are the "
        f"most. {_FIXED}",
        {"hidden": 8000, "layers": 2, "masks": 32, "orders": "each", "direct": True},
        epochs=300,
        batch_size=100,
        lr=1e-4,
    ),
    "pixelcnn-mnist": _mnist(
        "pixelcnn",
        81.30,
        f"{_PIXELRNN} 4",
        f"The paper gives neither depth nor width for MNIST, these are ours. {_ADAM}",
        {"channels": 64, "layers": 7, "kernel_size": 5},
        epochs=100,
        batch_size=16,
        lr=3e-4,
        schedule="cosine",
    ),
    "row-lstm-mnist": _mnist(
        "row-lstm",
        80.54,
        f"{_PIXELRNN} 4",
        f"The paper gives neither depth nor width for this row, they are the Diagonal BiLSTM's. {_ADAM}",
        {"channels": 16, "layers": 7},
        epochs=100,
        batch_size=16,
        lr=1e-3,
        schedule="cosine",
    ),
    "diagonal-bilstm-mnist": _mnist(
        "diagonal-bilstm",
        79.20,
        f"{_PIXELRNN} 4",
        _ADAM,
        {"channels": 16, "layers": 7},
        epochs=100,
        batch_size=16,
        lr=1e-3,
        schedule="cosine",
    ),
    "pixelcnn-cifar10": _cifar(
        "pixelcnn",
        3.14,
        f"{_PIXELRNN} 5",
        f"The paper's layers are bottlenecks of 128 maps within residual blocks of 256. {_CIFAR_HEAD} {_ADAM}",
        {"channels": 192, "layers": 15, "kernel_size": 3, "pixels": "categorical"},
        epochs=100,
        batch_size=16,
        lr=3e-4,
        schedule="cosine",
    ),
    "row-lstm-cifar10": _cifar(
        "row-lstm",
        3.07,
        f"{_PIXELRNN} 5",
        f"{_THIRDS} {_CIFAR_HEAD} {_ADAM}",
        {"channels": 129, "layers": 12, "pixels": "categorical"},
        epochs=50,
        batch_size=16,
        lr=1e-3,
        schedule="cosine",
    ),
    "diagonal-bilstm-cifar10": _cifar(
        "diagonal-bilstm",
        3.00,
        f"{_PIXELRNN} 5",
        f"{_THIRDS} {_CIFAR_HEAD} {_ADAM}",
        {"channels": 129, "layers": 12, "pixels": "categorical"},
        epochs=50,
        batch_size=16,
        lr=1e-3,
        schedule="cosine",
    ),
    "gated-pixelcnn-cifar10": _cifar(
        "gated-pixelcnn",
        3.03,
        "van den Oord et al. 2016, Conditional Image Generation with PixelCNN Decoders, table 1",
        "The paper gives neither depth, width nor schedule for CIFAR-10, these are ours.",
        {"channels": 126, "layers": 15, "kernel_size": 5, "pixels": "categorical"},
        epochs=100,
        batch_size=128,
        lr=3e-4,
        schedule="cosine",
    ),
    "pixelcnn++-cifar10": _cifar(
        "pixelcnn++",
        2.92,
        "Salimans et al. 2017, PixelCNN++, table 1",
        "The paper's Adam has β = (0.95, 0.9995), its weights are normalised, and its learning rate decays by 5e-6 a "
        "step; its code stops after 5,000 epochs at the latest, about five days on eight GPUs of 2016.",
        {"channels": 160, "blocks": 5, "scales": 3, "dropout": 0.5, "pixels": "logistic-mixture"},
        epochs=5000,
        batch_size=96,
        lr=1e-3,
        ema=0.9995,
    ),
}
"""By the name that a user can type."""
