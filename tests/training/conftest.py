"""Small data and small models, so that training tests take a second."""

import pytest

from triptych.catalogue import build
from triptych.event import Event
from triptych.testing import examples_of

EVENT = Event((1, 8, 8), 4)


@pytest.fixture
def examples():
    return examples_of(EVENT, 256, classes=3)


@pytest.fixture(params=["vae", "gan", "pixelcnn"])
def name(request):
    return request.param


SMALL = {
    "vae": {"latent": 4, "hidden": 32},
    "gan": {"latent": 4, "hidden": 32, "critic_steps": 2},
    "pixelcnn": {"channels": 8, "layers": 2, "kernel_size": 3},
}


@pytest.fixture
def make():
    return lambda name, **more: build(name, EVENT, **{**SMALL[name], **more})
