"""Networks of games: their sizes, their first weights, and their layers against direct computations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import triptych as tp
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.attention import SelfAttention
from triptych.networks.blocks import BatchNorm, Sizes
from triptych.networks.critics import GENERATORS, TRUNKS, Critic, resolve_critic, resolve_generator
from triptych.networks.norms import CRITIC_NORMS, GENERATOR_NORMS, Conditional
from triptych.networks.reference import Referring, VirtualBatchNorm, filling
from triptych.testing import examples_of

IMAGE = Event((2, 17, 16), 256)
OBLONG = [(8, 32), (30, 9), (17, 22)]
COMPATIBLE = {name: GENERATOR_NORMS if name != "mlp" else ("none", "batch", "layer", "virtual") for name in GENERATORS}


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


def generator(name, event=IMAGE, inputs=5, classes=0, norm="auto", labels="concatenation", channels=2, hidden=12):
    return resolve_generator(name, event, inputs, Sizes(hidden, channels, classes, 2), norm, labels)


def critic(name, event=IMAGE, classes=0, norm="auto", labels="concatenation", channels=2, hidden=12):
    return resolve_critic(name, event, Sizes(hidden, channels, classes, 2), norm, labels)


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
            assert part.gamma.item() == 0.0
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


def _weights(net):
    return [part for part in net.modules() if isinstance(part, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)]


def test_dcgan_begins_with_the_weights_of_the_paper():
    event = Event((3, 64, 64), 256)
    nets = [generator("dcgan", event, channels=16, classes=10, labels="batch-norm")]
    nets += [critic("dcgan", event, channels=16, classes=10, labels="projection", norm="batch")]
    for net in nets:
        for part in _weights(net):
            n = part.weight.numel()
            assert abs(part.weight.mean().item()) < 5 * 0.02 / n**0.5
            assert part.weight.std().item() == pytest.approx(0.02, rel=5 / (2 * n) ** 0.5)
            assert part.bias is None or not bool(part.bias.any())
    scales = torch.cat([part.weight for part in nets[1].modules() if isinstance(part, BatchNorm)])
    assert float(scales.mean()) == pytest.approx(1, abs=0.01) and float(scales.std()) == pytest.approx(0.02, rel=0.3)
    assert float(nets[1].embedding.weight.std()) == pytest.approx(0.02, rel=0.1)
    sides = [tuple(part.weight.shape[:2]) for part in _weights(nets[0])[1:]]
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
        for part in _weights(net):
            fans = (
                (part.weight[0].numel() + part.weight[:, 0].numel())
                if part.weight.dim() == 4
                else sum(part.weight.shape)
            )
            three = part.weight.shape[2:] == (3, 3) and len(part.weight) != event.shape[0]
            bound = math.sqrt(6 / fans) * (math.sqrt(2) if three else 1)
            assert float(part.weight.abs().max()) <= bound
            if part.weight.numel() > 100:
                assert float(part.weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert part.bias is None or not bool(part.bias.any())
    widths = [tuple(part.weight.shape[:2]) for part in _weights(nets[0]) if part.weight.shape[2:] == (3, 3)]
    assert widths == [(64, 64)] * 6 + [(3, 64)], "table 4: three blocks of one width"
    widths = [tuple(part.weight.shape[:2]) for part in _weights(nets[1]) if part.weight.shape[2:] == (3, 3)]
    assert widths == [(32, 3), *[(32, 32)] * 7], "table 4: four blocks of one width"


def test_resnets_of_larger_images_double_their_channels():
    event = Event((3, 128, 128), 256)
    net = generator("resnet", event, channels=2)
    assert [block.two.out_channels for block in net.blocks] == [32, 16, 8, 4, 2], "table 6"
    blocks = [part for part in critic("resnet", event, channels=2).trunk.layers if hasattr(part, "two")]
    assert [block.two.out_channels for block in blocks] == [2, 4, 8, 16, 32, 32], "table 6"


def test_virtual_batch_norm_by_hand():
    layer = VirtualBatchNorm(3, 4)
    x = torch.randn(6, 3, 2, 5) * torch.tensor([1.0, 5.0, 0.2]).view(1, 3, 1, 1) + 3
    nn.init.uniform_(layer.weight, 1, 2), nn.init.uniform_(layer.bias)
    out = layer(x).detach().numpy()
    scale, shift, x = layer.weight.detach().numpy(), layer.bias.detach().numpy(), x.double().numpy()
    for i in range(6):
        among = [*range(4), i] if i >= 4 else range(4)
        mean = np.mean([x[k].mean((1, 2)) for k in among], 0)
        square = np.mean([(x[k] ** 2).mean((1, 2)) for k in among], 0)
        each = (x[i].transpose(1, 2, 0) - mean) / np.sqrt(square - mean**2 + 1e-5) * scale + shift
        np.testing.assert_allclose(out[i], each.transpose(2, 0, 1), rtol=1e-3, atol=1e-4)


def _loud(net):
    """Give a network weights of such a scale that what it says differs from example to example."""
    for part in _weights(net):
        if not nn.utils.parametrize.is_parametrized(part):
            nn.init.normal_(part.weight, 0, part.weight[0].numel() ** -0.5)
    return net


@pytest.mark.parametrize("norm", [norm for norm in CRITIC_NORMS if norm != "batch"])
@pytest.mark.parametrize("name", GENERATORS)
def test_of_all_norms_batch_alone_lets_examples_see_each_other(name, norm):
    if norm not in (*COMPATIBLE[name], "spectral"):
        return
    nets = [(critic(name, norm=norm), torch.randn(6, *IMAGE.shape))]
    nets += [(generator(name, norm=norm), torch.randn(6, 5))] if norm in GENERATOR_NORMS else []
    for net, x in nets:
        _loud(net)
        with filling(net):
            net(x)
        net = net.eval() if norm == "spectral" else net  # each pass in training sharpens the estimate of the norm
        for part in net.modules():
            if isinstance(part, Referring):
                part.takes = False  # else the rest of what it is given here would go on filling its fixed batch
        other = torch.cat([x[:2], torch.randn(4, *x.shape[1:])])
        assert torch.allclose(net(x)[:2], net(other)[:2], atol=1e-5)
        assert not torch.allclose(net(x)[2:], net(other)[2:], atol=1e-2)


@pytest.mark.parametrize("name", GENERATORS)
def test_with_batch_norm_examples_see_each_other(name):
    net, x = _loud(critic(name, norm="batch")), torch.randn(6, *IMAGE.shape)
    other = torch.cat([x[:2], torch.randn(4, *x.shape[1:])])
    assert not torch.allclose(net(x)[:2], net(other)[:2], atol=1e-2)


def test_the_fixed_batch_is_the_first_real_examples_in_training_and_stays():
    net = critic("dcgan", norm="virtual:reference=5", classes=3, labels="projection")
    noise = net.trunk.fixed.clone()
    batches = [torch.randn(2, *IMAGE.shape) for _ in range(4)]
    labels = [torch.tensor(pair) for pair in ([0, 2], [1, 1], [2, 0], [0, 0])]
    net.eval()
    with filling(net):
        net(batches[3], labels[3])
    net.train()(batches[3], labels[3])  # made examples
    assert torch.equal(net.trunk.fixed, noise) and int(net.trunk.filled) == 0
    for i, (batch, label) in enumerate(zip(batches, labels, strict=True)):
        with filling(net):
            net(batch, label)
        seen = torch.cat(batches[: i + 1])[:5]
        assert int(net.trunk.filled) == min(2 * i + 2, 5)
        assert torch.equal(net.trunk.fixed, seen[torch.arange(5) % len(seen)]), "what has been seen, over and over"
    assert net.trunk.labels.tolist() == [0, 2, 1, 1, 2]


def test_a_game_with_virtual_batch_norm_resumes_exactly_while_its_fixed_batch_is_filled(tmp_path):
    examples = examples_of(Event((1, 8, 8), 4), 64, classes=3)
    norms = {"generator_norm": "virtual:reference=24", "critic_norm": "virtual:reference=24"}

    def make():
        torch.manual_seed(1)
        return tp.GAN(examples.event, latent=3, channels=2, classes=3, generator_labels="batch-norm", **norms)

    options = {"batch_size": 8, "progress": False}
    tp.fit(make(), examples, steps=6, run=tmp_path / "whole", **options)
    tp.fit(make(), examples, steps=2, run=tmp_path / "broken", **options)
    tp.fit(make(), examples, steps=6, run=tmp_path / "broken", resume=True, **options)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert one == two
    model = tp.load(tmp_path / "whole")
    assert int(model.critic.trunk.filled) == int(model.generator.filled) == 24
    real = set(map(tuple, examples.event.scaled(examples.data).flatten(1).tolist()))
    assert set(map(tuple, model.critic.trunk.fixed.flatten(1).tolist())) <= real


def test_virtual_batch_norm_is_refused_with_a_batch_of_1():
    with pytest.raises(ConfigurationError, match="virtual:reference=1: expected at least 2"):
        critic("mlp", norm="virtual:reference=1")
    for net, x in ((critic("mlp", norm="virtual"), torch.randn(1, *IMAGE.shape)),
                   (generator("mlp", norm="virtual"), torch.randn(1, 5))):  # fmt: skip
        net.eval()(x)
        with pytest.raises(ConfigurationError, match="virtual batch normalisation was given a batch of 1"):
            net.train()(x)
    with pytest.raises(ConfigurationError, match="batch normalisation was given a batch of 1"):
        generator("mlp", norm="batch")(torch.randn(1, 5))


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 2, 5)])
def test_conditional_batch_norm_by_hand(shape):
    layer = Conditional(BatchNorm(3, affine=False), 3, classes=4)
    assert bool((layer.scale == 1).all()) and bool((layer.shift == 0).all())
    nn.init.uniform_(layer.scale), nn.init.uniform_(layer.shift)
    x, label = torch.randn(shape) * 3 + 1, torch.tensor([0, 1, 2, 3, 3, 3, 1, 0])
    flat = x.view(8, 3, -1).double().numpy()
    mean, var = flat.mean((0, 2)), flat.var((0, 2))
    scale, shift = layer.scale.detach().numpy()[label], layer.shift.detach().numpy()[label]
    expected = ((flat.transpose(0, 2, 1) - mean) / np.sqrt(var + 1e-5)).transpose(0, 2, 1) * scale[..., None] + shift[
        ..., None
    ]
    np.testing.assert_allclose(layer(x, label).detach().view(8, 3, -1).numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", GENERATORS)
def test_labels_by_batch_norm_reach_the_example_and_by_nothing_else(name):
    net = generator(name, classes=3, labels="batch-norm").eval()
    z, one, other = torch.randn(2, 5), torch.tensor([0, 1]), torch.tensor([2, 2])
    assert torch.equal(net(z, one), net(z, other)), "scales and shifts are the same at first"
    for part in net.modules():
        if isinstance(part, Conditional):
            nn.init.uniform_(part.shift)
    assert not torch.allclose(net(z, one), net(z, other))
    with pytest.raises(ConfigurationError, match="generator_norm='layer': expected 'auto', 'batch' or 'virtual'"):
        generator(name, classes=3, labels="batch-norm", norm="layer")


@pytest.mark.parametrize("name", TRUNKS)
def test_projection_by_hand(name):
    net = critic(name, classes=3, labels="projection", norm="none")
    x, label = torch.randn(4, *IMAGE.shape), torch.tensor([2, 0, 1, 2])
    features = net.features(x, label)
    assert torch.equal(features, net.features(x, label.flip(0))), "the features do not see the label"
    phi, w, v = (t.detach().double().numpy() for t in (features, net.head.weight, net.embedding.weight))
    expected = [phi[i] @ w[0] + float(net.head.bias) + v[y] @ phi[i] for i, y in enumerate(label.tolist())]
    np.testing.assert_allclose(net(x, label).detach().numpy()[:, 0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", GENERATORS)
def test_without_classes_the_way_of_labels_has_no_effect(name):
    for make, ways in ((generator, ("concatenation", "batch-norm")), (critic, ("concatenation", "projection"))):
        shapes = [{key: tensor.shape for key, tensor in make(name, labels=way).state_dict().items()} for way in ways]
        assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", TRUNKS)
def test_every_layer_of_a_spectrally_normalised_critic_has_norm_1(name):
    option = ":attention=8" if name != "mlp" else ""
    net = critic(
        f"{name}{option}", Event((3, 16, 16), 256), classes=3, labels="projection", norm="spectral", channels=4
    )
    with torch.no_grad():
        for _ in range(60):
            net(torch.randn(2, 3, 16, 16), torch.tensor([0, 1]))
    norms = {}
    for key, part in net.eval().named_modules():
        if isinstance(part, nn.Conv2d | nn.Linear | nn.Embedding):
            norms[key] = float(torch.linalg.matrix_norm(part.weight.detach().flatten(1), 2))
    assert {"head", "embedding"} < set(norms) and len(norms) > 3
    assert all(norm == pytest.approx(1, abs=0.02) for norm in norms.values()), norms


def test_names_norms_and_ways_of_labels_are_refused_with_those_that_there_are():
    for given, said in (
        (lambda: critic("dcgn"), "no critic 'dcgn'; did you mean dcgan"),
        (lambda: generator("conv"), "no generator 'conv'; there is: auto, dcgan, mlp, resnet"),
        (lambda: generator("mlp", norm="spectral"), "no generator_norm 'spectral'"),
        (lambda: generator("mlp", norm="instance"), "'mlp' has none: try 'layer'"),
        (lambda: critic("resnet:width=3"), "the critic 'resnet' has no option 'width'"),
        (lambda: critic("mlp", labels="batch-norm"), "no critic_labels 'batch-norm'"),
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
