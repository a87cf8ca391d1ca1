"""Adversarial models, by name: an entry each."""

from functools import partial

from triptych.catalogue.entry import Entry

_entry = partial(Entry, "adversarial")
_GAN = "adversarial.gan:GAN"
_RESNET = {"generator": "resnet", "critic": "resnet"}

ADVERSARIAL: dict[str, Entry] = {
    "gan": _entry(_GAN, "Goodfellow et al. 2014", "generator against critic: fast samples, no likelihood"),
    "dcgan": _entry(
        _GAN,
        "Radford et al. 2016",
        "strided convolutions and batch normalisation in both players: images from 8×8 on",
        {"generator": "dcgan", "critic": "dcgan", "critic_norm": "batch", "latent": 100, "prior": "uniform"},
    ),
    "lsgan": _entry(
        _GAN,
        "Mao et al. 2017",
        "a GAN whose critic regresses labels: gradients where the original game has none",
        {"loss": "least-squares"},
    ),
    "wgan": _entry(
        _GAN,
        "Arjovsky et al. 2017",
        "a critic of clipped weights estimates the Wasserstein distance; by Adam without momentum, in place of RMSProp",
        {
            "loss": "wasserstein",
            "weight_clip": 0.01,
            "critic_steps": 5,
            "critic_norm": "none",
            "rate": 5e-5,
            "beta1": 0.0,
            "beta2": 0.99,
        },
    ),
    "wgan-gp": _entry(
        _GAN,
        "Gulrajani et al. 2017",
        "a critic of slope 1 between real and made examples estimates the Wasserstein distance",
        {
            "loss": "wasserstein",
            "penalty": "gradient:weight=10",
            "critic_steps": 5,
            "critic_norm": "none",
            "rate": 1e-4,
            "beta1": 0.0,
            "beta2": 0.9,
        },
    ),
    "relativistic-gan": _entry(
        _GAN,
        "Jolicoeur-Martineau 2019",
        "a critic that tells which of two is more real than the other's average",
        {"loss": "relativistic-average"},
    ),
    "sngan": _entry(
        _GAN,
        "Miyato et al. 2018",
        "residual networks, a critic of spectral norm 1, the hinge loss: images from 8×8 on",
        {**_RESNET, "critic_norm": "spectral", "loss": "hinge", "critic_steps": 5, "beta1": 0.0, "beta2": 0.9},
    ),
    "sagan": _entry(
        _GAN,
        "Zhang et al. 2019",
        "an SNGAN with self-attention at 8×8 in both players, which learn at two rates: images from 9×9 on",
        {
            "generator": "resnet:attention=8",
            "critic": "resnet:attention=8",
            "critic_norm": "spectral",
            "loss": "hinge",
            "rate": 1e-4,
            "critic_rate": 4.0,
            "beta1": 0.0,
            "beta2": 0.9,
        },
    ),
    "conditional-gan": _entry(
        _GAN,
        "Mirza & Osindero 2014",
        "a GAN given the label of each example: 10 labels, --classes for another number",
        {"classes": 10},
    ),
    "projection-gan": _entry(
        _GAN,
        "Miyato & Koyama 2018",
        "labels scale the generator's normalised layers, and are projected on the critic's features",
        {"classes": 10, "generator_labels": "batch-norm", "critic_labels": "projection", "loss": "hinge"},
    ),
    "auxiliary-classifier-gan": _entry(
        "adversarial.auxiliary_classifier:AuxiliaryClassifierGAN",
        "Odena et al. 2017",
        "a generator given the label, a critic that must name it: 10 labels, --classes for another number",
    ),
    "infogan": _entry(
        "adversarial.infogan:InfoGAN",
        "Chen et al. 2016",
        "parts of the code stay readable from what is made of it: classes and factors without labels",
        {"rate": 1e-3, "critic_rate": 0.2},
    ),
    "coupled-gan": _entry(
        "adversarial.coupled:CoupledGAN",
        "Liu & Tuzel 2016",
        "one code, an example in each of two domains, learned without pairs; see --domains",
    ),
    "sd-gan": _entry(
        "adversarial.semantic:SemanticGAN",
        "Donahue et al. 2018",
        "a code of identity and one of observation, learned by a critic of pairs",
    ),
}
