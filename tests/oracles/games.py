"""Small networks of games, for the tests of them."""

from torch import nn

from triptych.event import Event
from triptych.networks.blocks import Sizes
from triptych.networks.critics import GENERATORS, resolve_critic, resolve_generator
from triptych.networks.norms import GENERATOR_NORMS

IMAGE = Event((2, 17, 16), 256)
COMPATIBLE = {name: GENERATOR_NORMS if name != "mlp" else ("none", "batch", "layer", "virtual") for name in GENERATORS}


def generator(name, event=IMAGE, inputs=5, classes=0, norm="auto", labels="concatenation", channels=2, hidden=12):
    return resolve_generator(name, event, inputs, Sizes(hidden, channels, classes, 2), norm, labels)


def critic(name, event=IMAGE, classes=0, norm="auto", labels="concatenation", channels=2, hidden=12):
    return resolve_critic(name, event, Sizes(hidden, channels, classes, 2), norm, labels)


def weights(net):
    return [part for part in net.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]
