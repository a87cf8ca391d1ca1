"""How networks of games are normalised and see labels, by hand."""

import numpy as np
import pytest
import torch
from torch import nn

import triptych as tp
from tests.oracles.games import COMPATIBLE, IMAGE, critic, generator, weights
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.blocks import BatchNorm
from triptych.networks.critics import GENERATORS, TRUNKS
from triptych.networks.norms import CRITIC_NORMS, GENERATOR_NORMS, Conditional
from triptych.networks.reference import Referring, VirtualBatchNorm, filling
from triptych.testing import examples_of


@pytest.fixture(autouse=True)
def _same_weights():
    torch.manual_seed(0)


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
    for part in weights(net):
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
        return tp.build("gan", examples.event, latent=3, channels=2, classes=3, generator_labels="batch-norm", **norms)

    options = {"batch_size": 8, "progress": False}
    tp.fit(make(), examples, steps=6, run=tmp_path / "whole", **options)
    tp.fit(make(), examples, steps=2, run=tmp_path / "broken", **options)
    tp.fit(make(), examples, steps=6, run=tmp_path / "broken", resume=True, **options)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert one == two
    model = tp.load(tmp_path / "whole")
    assert int(model.adversary.critic.trunk.filled) == int(model.generator.filled) == 24
    real = set(map(tuple, examples.event.scaled(examples.data).flatten(1).tolist()))
    assert set(map(tuple, model.adversary.critic.trunk.fixed.flatten(1).tolist())) <= real


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
