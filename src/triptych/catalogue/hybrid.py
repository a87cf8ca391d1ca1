"""Models that join two families, by name: an entry each."""

from functools import partial

from triptych.catalogue.entry import Entry

_entry = partial(Entry, "hybrid")

HYBRID: dict[str, Entry] = {
    "aae": _entry(
        "hybrids.aae:AdversarialAutoencoder",
        "Makhzani et al. 2016",
        "an autoencoder whose codes match any prior, by an adversary: codes, reconstructions, samples",
    ),
    "bigan": _entry(
        "hybrids.bigan:BiGAN",
        "Donahue et al. 2017",
        "a GAN with an encoder that learns to invert its generator: codes, reconstructions, samples",
    ),
    "ali": _entry(
        "hybrids.bigan:BiGAN",
        "Dumoulin et al. 2017",
        "a BiGAN whose encoder draws codes from a Gaussian",
        {"stochastic": True},
    ),
}
