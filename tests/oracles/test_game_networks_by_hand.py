"""Networks of games, layer by layer: what they compute is written out again from the papers' figures."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.oracles.games import critic, generator
from triptych.event import Event
from triptych.networks.blocks import BatchNorm

EVENT = Event((2, 32, 32), 256)


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def loud(net):
    """Return a network in double precision and evaluation mode, all of whose numbers matter."""
    for part in net.modules():
        if isinstance(part, BatchNorm):
            nn.init.uniform_(part.running_mean), nn.init.uniform_(part.running_var, 0.5, 2)
    for p in net.parameters():
        nn.init.normal_(p, 0.1, p[0].numel() ** -0.5 if p.dim() > 1 else 0.5)
    return net.double().eval()


def test_a_resnet_critic_by_hand():
    """Miyato et al. 2018, fig. 7 and table 4; of the first block Gulrajani et al. 2017's own program."""
    net, x = loud(critic("resnet", EVENT, channels=1, norm="none")), torch.randn(3, 2, 32, 32, dtype=torch.double)
    first, *others, _ = net.trunk.layers
    assert [block.halves for block in others] == [True, False, False]
    h = F.avg_pool2d(first.two(torch.relu(first.one(x))), 2) + first.beside(F.avg_pool2d(x, 2))
    for block in others:
        r = block.two(torch.relu(block.one(torch.relu(h))))
        h = F.avg_pool2d(r, 2) + F.avg_pool2d(block.beside(h), 2) if block.halves else r + h
    assert torch.allclose(net(x), net.head(torch.relu(h).sum((2, 3))))


def test_a_resnet_generator_by_hand():
    """Miyato et al. 2018, fig. 7 and table 4."""
    net, z = loud(generator("resnet", EVENT, channels=1)), torch.randn(3, 5, dtype=torch.double)
    up = nn.Upsample(scale_factor=2)
    h = net.first(z).view(3, 4, 4, 4)
    for block in net.blocks:
        one, two = block.norms
        h = block.two(torch.relu(two(block.one(up(torch.relu(one(h))))))) + block.beside(up(h))
    assert torch.allclose(net(z), net.last(torch.relu(net.norm(h))))


def test_a_dcgan_critic_by_hand():
    """Radford et al. 2016, §3: norms everywhere but at the image, leaky rectifiers of slope 0.2."""
    net, x = loud(critic("dcgan", EVENT, channels=2, norm="batch")), torch.randn(3, 2, 32, 32, dtype=torch.double)
    convolutions = [part for part in net.trunk.layers if isinstance(part, nn.Conv2d)]
    norms = [nn.Identity(), *(part for part in net.trunk.layers if isinstance(part, BatchNorm))]
    assert [part.out_channels for part in convolutions] == [2, 4, 8] and len(norms) == 3
    h = x
    for convolution, norm in zip(convolutions, norms, strict=True):
        h = F.leaky_relu(norm(convolution(h)), 0.2)
    assert torch.allclose(net(x), net.head(h.flatten(1))) and h.shape[1:] == (8, 4, 4)


def test_a_dcgan_generator_by_hand():
    net, z = loud(generator("dcgan", EVENT, channels=2)), torch.randn(3, 5, dtype=torch.double)
    h = net.first(z).view(3, 8, 4, 4)
    for norm, doubled in zip(net.norms, net.doublings, strict=True):
        h = doubled(torch.relu(norm(h)))
    assert torch.allclose(net(z), h)


def test_perceptrons_by_hand():
    """A norm behind every hidden map, but not at the example."""
    nets = [(loud(generator("mlp:layers=2", norm="batch")), torch.randn(3, 5), torch.relu, True)]
    nets += [(loud(critic("mlp:layers=2", norm="batch")), torch.randn(3, 544), lambda x: F.leaky_relu(x, 0.2), False)]
    for net, x, activation, first in nets:
        hidden = net.hidden if first else net.trunk.hidden
        assert [isinstance(norm, BatchNorm) for norm in hidden.norms] == [first, True]
        h = x = x.double()
        for linear, norm in zip(hidden.maps, hidden.norms, strict=True):
            h = activation(norm(linear(h)))
        expected = net.last(h) if first else net.head(h)
        assert torch.allclose(net(x if first else x.view(3, 2, 16, 17)).flatten(1), expected)
