"""Autoencoders and variational autoencoders, by name: an entry each."""

from functools import partial

from triptych.catalogue.entry import Entry

_entry = partial(Entry, "variational")
_AUTOENCODER, _VAE = "autoencoders.autoencoder:Autoencoder", "autoencoders.vae:VAE"

VARIATIONAL: dict[str, Entry] = {
    "autoencoder": _entry(
        _AUTOENCODER,
        "Hinton & Salakhutdinov 2006",
        "fully connected, of any depth: codes and reconstructions, no samples",
        {"encoder": "mlp", "decoder": "mlp"},
    ),
    "linear-autoencoder": _entry(
        _AUTOENCODER,
        "Bourlard & Kamp 1988",
        "without hidden layers: the reconstructions of principal component analysis",
        {"encoder": "mlp", "decoder": "mlp", "layers": 0},
    ),
    "convolutional-autoencoder": _entry(
        _AUTOENCODER,
        "Masci et al. 2011",
        "strided convolutions, and transposed ones or resizing: codes and reconstructions of images",
        {"encoder": "conv", "decoder": "conv"},
    ),
    "denoising-autoencoder": _entry(
        _AUTOENCODER,
        "Vincent et al. 2008",
        "encodes corrupted examples and decodes clean ones: restores what is missing",
        {"corruption": "masking"},
    ),
    "stacked-autoencoder": _entry(
        "autoencoders.stacked:StackedAutoencoder",
        "Bengio et al. 2007",
        "trained layer by layer, then as a whole: codes and reconstructions",
    ),
    "context-autoencoder": _entry(
        "autoencoders.context:ContextAutoencoder",
        "Pathak et al. 2016",
        "predicts removed blocks from what is around them: completes images",
    ),
    "vae": _entry(
        _VAE, "Kingma & Welling 2014", "encoder and decoder on one lower bound: codes, a bound, fast samples"
    ),
    "planar-vae": _entry(
        _VAE,
        "Rezende & Mohamed 2015",
        "a VAE whose posterior is a Gaussian bent along planes",
        {"posterior": "planar", "transforms": 16},
    ),
    "sylvester-vae": _entry(
        _VAE,
        "van den Berg et al. 2018",
        "a VAE whose posterior is a Gaussian bent along all planes of the code at once",
        {"posterior": "sylvester"},
    ),
    "iaf-vae": _entry(
        _VAE, "Kingma et al. 2016", "a VAE whose posterior is an inverse autoregressive flow", {"posterior": "iaf"}
    ),
    "auxiliary-vae": _entry(
        _VAE,
        "Maaløe et al. 2016",
        "a VAE whose posterior is a mixture of Gaussians over auxiliary variables",
        {"posterior": "auxiliary"},
    ),
    "hamiltonian-vae": _entry(
        _VAE,
        "Salimans et al. 2015",
        "a VAE whose posterior follows the gradient of log p(x, z)",
        {"posterior": "hamiltonian"},
    ),
    "conditional-vae": _entry(
        _VAE,
        "Sohn et al. 2015",
        "a VAE given the label of each example: 10 labels, --classes for another number",
        {"classes": 10},
    ),
    "beta-vae": _entry(
        _VAE,
        "Higgins et al. 2017",
        "a VAE whose rate counts more: fewer nats, in dimensions that mean more",
        {"beta": 4.0},
    ),
    "beta-tc-vae": _entry(
        _VAE,
        "Chen et al. 2018",
        "a VAE in which dependence between the code's dimensions counts more",
        {"total_correlation": 6.0},
    ),
    "iwae": _entry(
        _VAE, "Burda et al. 2016", "a VAE trained on the importance-weighted bound of several codes", {"importance": 5}
    ),
    "vamp-vae": _entry(
        _VAE,
        "Tomczak & Welling 2018",
        "a VAE whose prior is the mixture of the posteriors of learned examples",
        {"prior": "vamp"},
    ),
}
