"""Adversarial models, by name: an entry each."""

from triptych.catalogue.entry import Entry

ADVERSARIAL: dict[str, Entry] = {
    "gan": Entry(
        "adversarial",
        "adversarial.gan:GAN",
        "Goodfellow et al. 2014",
        "generator against critic: fast samples, no likelihood",
    ),
}
