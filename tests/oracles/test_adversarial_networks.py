"""Networks of games: their sizes, their first weights, and attention, against direct computations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from tests.oracles.games import COMPATIBLE, critic, generator, weights
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.attention import SelfAttention
from triptych.networks.blocks import BatchNorm
from triptych.networks.critics import GENERATORS, Critic

OBLONG = [(8, 32), (30, 9), (17, 22)]


@pytest.fixture(autouse=True)
def _sameweights():
    torch.manual_seed(0)


@pytest.mark.parametrize("size", [*((side, side) for side in range(8, 66)), *OBLONG], ids=str)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_size_is_made_and_every_pixel_of_it_is_seen(name, size):
    event = Event((3, *size), 256)
    channels = 1 if max(size) > 32 else 2
    made = generator(name, event, channels=channels)(torch.randn(2, 5))
    assert made.shape == (2, *event.shape)
    x = torch.randn(2, *event.shape, requires_grad=True)
    said = critic(name, event, channels=8)(x)
    assert said.shape == (2, 1)
    (slope,) = torch.autograd.grad(said.sum(), x)
    assert bool((slope.abs().amax((0, 1)) > 0).all()), "a pixel is not seen"


@pytest.mark.parametrize("name", ["dcgan", "resnet"])
def test_other_sizes_are_the_centre_of_the_next_power_of_two(name):
    net = generator(name, Event((1, 28, 21), 256))
    whole = []
    last = net.doublings[-1] if name == "dcgan" else net.last
    last.register_forward_hook(lambda module, given, out: whole.append(out))
    image = net(torch.randn(2, 5))
    assert whole[0].shape == (2, 1, 32, 32)
    assert torch.equal(image, whole[0][:, :, 2:30, 5:26])


@pytest.mark.parametrize(("event", "why"), [(Event((1, 7, 30), 2), "1×7×30 image"), (Event((5,)), "vector of 5")])
@pytest.mark.parametrize("name", ["dcgan", "resnet"])
def test_sizes_that_a_network_cannot_make_are_refused_with_those_it_can(name, event, why):
    for make in (generator, critic):
        with pytest.raises(ConfigurationError, match=f"'{name}' takes images of at least 8×8.*{why}.*try 'mlp'"):
            make(name, event)


@pytest.mark.parametrize("labels", [0, 1])
@pytest.mark.parametrize("name", GENERATORS)
def test_gradients_reach_every_parameter(name, labels):
    option = ":attention=8" if name != "mlp" else ""
    event, label = Event((2, 16, 17), 256), torch.tensor([0, 2, 1, 2])
    for norm in COMPATIBLE[name] if not labels else ("batch", "virtual"):
        net = generator(f"{name}{option}", event, classes=3, norm=norm, labels=("concatenation", "batch-norm")[labels])
        _reached(net, net(torch.randn(4, 5), label), f"generator, {norm}")
    for norm in (*COMPATIBLE[name], "spectral"):
        net = critic(f"{name}{option}", event, classes=3, norm=norm, labels=("concatenation", "projection")[labels])
        _reached(net, net(torch.randn(4, *event.shape), label), f"critic, {norm}")


def _reached(net, out, what):
    for part in net.modules():
        if isinstance(part, SelfAttention):
            nn.init.ones_(part.gamma)
    label = torch.tensor([0, 2, 1, 2])
    shape = (4, 5) if not isinstance(net, Critic) else (4, 2, 16, 17)
    out = net(torch.randn(shape), label)
    (out * torch.randn(out.shape)).sum().backward()
    missing = [name for name, p in net.named_parameters() if p.grad is None or not bool(p.grad.ne(0).any())]
    assert not missing, f"{what}: {missing}"


def test_attention_is_off_at_first_and_only_where_it_is_asked_for():
    for name in ("dcgan", "resnet"):
        for make in (generator, critic):
            net = make(f"{name}:attention=16", Event((3, 32, 32), 256))
            (part,) = (part for part in net.modules() if isinstance(part, SelfAttention))
            assert part.gamma.item() == 0
            seen = []
            part.register_forward_hook(lambda module, given, out, seen=seen: seen.append(out.shape[2:]))
            net(torch.randn(2, 5) if make is generator else torch.randn(2, 3, 32, 32))
            assert seen == [(16, 16)]
            with pytest.raises(ConfigurationError, match="attention=12: expected the side of one of the feature maps"):
                make(f"{name}:attention=12", Event((3, 32, 32), 256))


def test_self_attention_against_a_direct_computation():
    layer, x = SelfAttention(16).double(), torch.randn(2, 16, 3, 4, dtype=torch.double)
    nn.init.constant_(layer.gamma, 0.7)
    f, g, h, v = (getattr(layer, name).weight.detach().numpy()[:, :, 0, 0] for name in "fghv")
    assert f.shape == (2, 16), "C/8 channels"
    out = layer(x).detach().numpy()
    for image, given in zip(out, x.numpy(), strict=True):
        columns = given.reshape(16, 12)
        for j in range(12):
            scores = np.array([(f @ columns[:, i]) @ (g @ columns[:, j]) for i in range(12)])
            weight = np.exp(scores) / np.exp(scores).sum()
            found = v @ sum(weight[i] * (h @ columns[:, i]) for i in range(12))
            np.testing.assert_allclose(image.reshape(16, 12)[:, j], columns[:, j] + 0.7 * found, atol=1e-6)


def test_dcgan_begins_with_the_weights_of_the_paper():
    event = Event((3, 64, 64), 256)
    nets = [generator("dcgan", event, channels=16, classes=10, labels="batch-norm")]
    nets += [critic("dcgan", event, channels=16, classes=10, labels="projection", norm="batch")]
    for net in nets:
        for part in weights(net):
            n = part.weight.numel()
            assert abs(part.weight.mean().item()) < 5 * 0.02 / n**0.5
            assert part.weight.std().item() == pytest.approx(0.02, rel=5 / (2 * n) ** 0.5)
            assert part.bias is None or not bool(part.bias.any())
    scales = torch.cat([part.weight.detach() for part in nets[1].modules() if isinstance(part, BatchNorm)])
    assert float(scales.mean()) == pytest.approx(1, abs=0.01) and float(scales.std()) == pytest.approx(0.02, rel=0.3)
    assert nets[1].embedding.weight.std().item() == pytest.approx(0.02, rel=0.1)
    sides = [tuple(part.weight.shape[:2]) for part in weights(nets[0])[1:]]
    assert sides == [(128, 64), (64, 32), (32, 16), (16, 3)], "channels halve as sides double"


def test_an_untrained_dcgan_makes_what_it_makes_in_training():
    """Its running statistics begin near those of the weights: else all that it is asked for would be one grey."""
    net, z = generator("dcgan", Event((3, 32, 32), 256), inputs=64, channels=16), torch.randn(64, 64)
    with torch.no_grad():
        asked, trained = net.eval()(z), net.train()(z)
    assert float(asked.std(0).mean()) == pytest.approx(float(trained.std(0).mean()), rel=0.3)


def test_resnet_begins_with_the_weights_of_the_authors():
    event = Event((3, 32, 32), 256)
    nets = [generator("resnet", event, channels=16), critic("resnet", event, channels=16, norm="none")]
    for net in nets:
        for part in weights(net):
            fans = (
                (part.weight[0].numel() + part.weight[:, 0].numel())
                if part.weight.dim() == 4
                else sum(part.weight.shape)
            )
            three = part.weight.shape[2:] == (3, 3) and len(part.weight) != event.shape[0]
            bound = math.sqrt(6 / fans) * (math.sqrt(2) if three else 1)
            assert part.weight.abs().max().item() <= bound
            if part.weight.numel() > 100:
                assert part.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert part.bias is None or not bool(part.bias.any())
    widths = [tuple(part.weight.shape[:2]) for part in weights(nets[0]) if part.weight.shape[2:] == (3, 3)]
    assert widths == [(64, 64)] * 6 + [(3, 64)], "table 4: three blocks of one width"
    widths = [tuple(part.weight.shape[:2]) for part in weights(nets[1]) if part.weight.shape[2:] == (3, 3)]
    assert widths == [(32, 3), *[(32, 32)] * 7], "table 4: four blocks of one width"


def test_resnets_of_larger_images_double_their_channels():
    event = Event((3, 128, 128), 256)
    net = generator("resnet", event, channels=2)
    assert [block.two.out_channels for block in net.blocks] == [32, 16, 8, 4, 2], "table 6"
    blocks = [part for part in critic("resnet", event, channels=2).trunk.layers if hasattr(part, "two")]
    assert [block.two.out_channels for block in blocks] == [2, 4, 8, 16, 32, 32], "table 6"


def test_names_norms_and_ways_of_labels_are_refused_with_those_that_there_are():
    for given, said in (
        (lambda: critic("dcgn"), "no critic 'dcgn'; did you mean dcgan"),
        (lambda: generator("conv"), "no generator 'conv'; there is: auto, dcgan, mlp, resnet"),
        (lambda: generator("mlp", norm="spectral"), "no generator_norm 'spectral'"),
        (lambda: generator("mlp", norm="instance"), "'mlp' has none: try 'layer'"),
        (lambda: critic("resnet:width=3"), "the critic 'resnet' has no option 'width'"),
        (lambda: critic("mlp", labels="batch-norm"), "no critic_labels 'batch-norm'"),
        (lambda: critic("resnet:channels=3,channels=4"), "the critic 'resnet' was given channels twice"),
        (lambda: critic("auto:channels=8"), "a network takes options, 'auto' none: try 'dcgan:channels=8'"),
        (lambda: generator("mlp", norm="auto:reference=8"), "'auto' takes no options"),
        (lambda: generator("mlp:layers=-2"), "layers=-2: expected the number of hidden layers"),
        (lambda: critic(nn.Flatten(), norm="batch"), "critic_norm='batch' with a critic of your own"),
    ):
        with pytest.raises(ConfigurationError, match=said):
            given()


def test_options_of_a_network_come_before_the_models():
    net = critic("mlp:hidden=7,layers=3,activation=elu")
    widths = [(part.in_features, part.out_features) for part in net.modules() if isinstance(part, nn.Linear)]
    assert widths == [(544, 7), (7, 7), (7, 7), (7, 1)] and any(isinstance(part, nn.ELU) for part in net.modules())
    assert [p.shape[0] for p in generator("mlp:layers=0").parameters()] == [544, 544], "a linear map and its bias"
    assert critic("dcgan:channels=5").trunk.layers[0].out_channels == 5
