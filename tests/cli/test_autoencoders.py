"""Autoencoders at the command line: what is said after training, and every mistake in one line."""

import json

import numpy as np
import pytest

from tests.program import refused, well


def train(name, out, *options):
    return well("train", name, "--data", "digits", "--steps", 3, "--out", out, *options)


@pytest.fixture(scope="module")
def context(tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "context"
    assert f"next: triptych complete {run}" in train("context-autoencoder", run, "--latent", 4, "--hidden", 16)
    return run


def test_a_context_autoencoder_completes_and_does_not_sample(context, tmp_path):
    told = well("complete", context, "--keep", "left", "-n", 2, "--count", 3, "-o", tmp_path / "x.npz")
    assert "predicted: each unknown pixel once" in told
    x = np.load(tmp_path / "x.npz")["x"]
    assert x.shape == (3, 2, 1, 8, 8) and (x[:, 0] == x[:, 1]).all()
    well("complete", context, "--keep", "around", "-n", 1, "-o", tmp_path / "a.npz")
    known = np.load(tmp_path / "a.npz")["known"][0]
    assert not known[2:6, 2:6].any() and known.sum() == 48, "what it was trained to predict is unknown, no more"
    assert "draws nothing" in refused("complete", context, "--candidates", 3, "-o", tmp_path / "y.npz")
    assert "does not answer sample" in refused("sample", context, "-o", tmp_path / "z.png")
    assert f"try: triptych complete {context} --keep around -n 1 -o" in well("explain", context)


def test_a_stack_has_figures(tmp_path):
    run = tmp_path / "stack"
    told = train("stacked-autoencoder", run, "--latent", 2, "--hidden", 8, "--layers", 1, "--pretraining", 1)
    assert f"next: triptych reconstruct {run}" in told
    measured = json.loads(well("evaluate", run, "--json"))["models"][0]
    assert measured["figures"]["reconstruction"]["value"] > 0
    assert measured["figures"]["fid"]["value"] is None and measured["likelihood"] == "none"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["autoencoder", "--latent", 65], "only 64 dimensions"),
        (["autoencoder", "--loss", "squred"], "did you mean squared?"),
        (["autoencoder", "--loss", "bernoulli"], "Bernoulli pixels have 2 levels"),
        (["denoising-autoencoder", "--corruption", "maskin"], "did you mean masking?"),
        (["denoising-autoencoder", "--amount", 1.5], "amount=1.5 of masking: expected a probability"),
        (["convolutional-autoencoder", "--upsampling", "resized"], "did you mean resize?"),
        (["stacked-autoencoder", "--pretraining", -1], "pretraining=-1: expected rounds for each layer"),
        (["context-autoencoder", "--removed", "middle"], "there is: centre, random"),
        (["context-autoencoder", "--block", 1], "block=1: expected a share"),
        (["context-autoencoder", "--adversarial", -1], "adversarial=-1: expected a weight"),
        (["context-autoencoder", "--data", "moons"], "blocks are removed from images"),
        (["convolutional-autoencoder", "--data", "moons"], "'conv' takes images of at least 8×8"),
        (["denoising-autoencoder", "--data", "moons", "--corruption", "salt-and-pepper"], "a vector of 2 has none"),
    ],
)
def test_a_mistake_is_one_line(arguments, line, tmp_path):
    name, *options = arguments
    data = [] if "--data" in options else ["--data", "digits"]
    assert line in refused("train", name, *data, "--steps", 1, "--out", tmp_path / "run", *options)
