"""Labels with names: they travel with a model, and data is matched to it by name."""

import dataclasses

import pytest
import torch
from PIL import Image

import triptych as tp
from tests.program import refused, well
from triptych.data import Examples
from triptych.errors import ConfigurationError, DataError

EVENT = tp.Event((2,), centre=(10.0, 10.0), spread=(8.0, 8.0))
PETS = ("cat", "cow", "dog")


def pets(n=300, order=PETS):
    """Return points around 0, 10 and 20: cats, cows, dogs, whatever the order of their labels."""
    kind = torch.arange(n) % 3
    data = torch.randn(n, 2, generator=torch.Generator().manual_seed(0)) + 10.0 * kind[:, None]
    labels = torch.tensor([order.index(name) for name in PETS])[kind]
    return Examples(data, EVENT, labels, order)


@pytest.fixture(scope="module")
def model():
    model = tp.build("vae", EVENT, classes=3, latent=1, hidden=32)
    tp.fit(model, pets(), steps=600, threads=1, progress=False)
    return model


def test_names_travel_with_the_model(model, tmp_path):
    tp.save(model, tmp_path / "pets")
    again = tp.load(tmp_path / "pets")
    assert again.label_names == model.label_names == PETS
    assert again.sample(200, label="dog", seed=0).data.mean() == pytest.approx(20, abs=2)
    assert torch.equal(again.sample(4, label="dog", seed=0).data, model.sample(4, label=2, seed=0).data)


def test_data_is_matched_by_name_and_not_by_position(model):
    shuffled = pets(order=("dog", "cat", "cow"))
    assert torch.equal(model.labels_in(shuffled), pets().labels)
    assert torch.allclose(model.encode(shuffled), model.encode(pets()))
    strange = dataclasses.replace(pets(n=2), classes=("cat", "cow", "emu"))
    assert model.encode(strange).shape == (2, 1), "no emu is among them"
    with pytest.raises(DataError, match="label 'emu', the model's are cat, cow, dog"):
        model.encode(dataclasses.replace(strange, labels=torch.tensor([2, 0])))


def test_training_goes_on_under_the_names_of_the_model(model):
    before = {name: p.clone() for name, p in model.state_dict().items()}
    again = tp.build("vae", EVENT, classes=3, latent=1, hidden=32)
    again.load_state_dict(before)
    again.label_names = PETS
    tp.fit(again, pets(order=("dog", "cat", "cow")), steps=50, threads=1, progress=False)
    assert again.label_names == PETS
    assert again.sample(200, label="cow", seed=0).data.mean() == pytest.approx(10, abs=2)


def test_an_unknown_name_is_refused_with_the_nearest(model):
    with pytest.raises(ConfigurationError, match="no label 'cats'; did you mean cat"):
        model.sample(2, label="cats")
    with pytest.raises(ConfigurationError, match="label 7 is out of range"):
        model.sample(2, label="7")


def test_labels_are_typed_by_name(tmp_path):
    for name, shade in zip(PETS, (0, 120, 250), strict=True):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(20):
            Image.new("L", (8, 8), shade + i % 5).save(tmp_path / "pets" / name / f"{i}.png")
    run = tmp_path / "run"
    train = ["train", "vae", "--data", tmp_path / "pets", "--image-size", 8, "--classes", 3, "--latent", 1]
    well(*train, "--encoder", "mlp", "--decoder", "mlp", "--steps", 5, "--batch-size", 8, "--out", run, "--quiet")
    for label in ("dog", 2):
        well("sample", run, "--label", label, "-n", 4, "-o", tmp_path / f"{label}.npz", "--quiet")
    assert (tmp_path / "dog.npz").read_bytes() == (tmp_path / "2.npz").read_bytes()
    assert "no label 'emu'; there is: cat, cow, dog" in refused("sample", run, "--label", "emu", "-o", "emu.npz")
