"""Autoencoders against principal components, hand-made formulas, and what one would do without a network."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn
from torch.nn import functional as F

import triptych as tp
from triptych.data.batches import Batch
from triptych.errors import ConfigurationError
from triptych.evaluation.restoration import median_filtered, psnr
from triptych.event import Event
from triptych.models.autoencoders.removal import block_sides, centre, random
from triptych.networks import ConvDecoder, Sizes
from triptych.noise import Noise
from triptych.objectives.corruption import corrupted, resolve_corruption
from triptych.queries import squared_errors
from triptych.testing import examples_of


@pytest.fixture(scope="module")
def digits():
    return tp.data.load("digits")


def fitted(name, train, steps, options, **arguments):
    model = tp.build(name, train.event, **arguments)
    tp.fit(model, train, steps=steps, progress=False, **options)
    return model


def vectors():
    """Vectors of 6 correlated numbers, of a few sizes and far from 0."""
    mixing = np.random.default_rng(0).normal(size=(6, 6))
    x = np.random.default_rng(1).normal(size=(2000, 6)) @ mixing * np.array([1, 5, 1, 1, 20, 1]) + 30
    event = Event((6,), centre=tuple(x.mean(0)), spread=tuple(x.std(0)))
    return tp.Examples(torch.tensor(x, dtype=torch.float32), event)


@pytest.mark.parametrize(("kind", "latent", "steps"), [("digits", 4, 2500), ("vectors", 2, 600)])
def test_a_linear_autoencoder_is_principal_component_analysis(digits, kind, latent, steps):
    """The least error that any linear map through so few numbers can have, on what it was trained on."""
    train = digits[0] if kind == "digits" else vectors()
    model = fitted("linear-autoencoder", train, steps, {"schedule": "linear"}, latent=latent)
    x = train.event.scaled(train.data)
    with torch.no_grad():
        mine = float((model.decoder(model.encoder(x)) - x).square().flatten(1).sum(1).mean())
    flat = x.flatten(1).double().numpy()
    components = PCA(latent).fit(flat)
    theirs = ((components.inverse_transform(components.transform(flat)) - flat) ** 2).sum(1).mean()
    assert theirs * 0.9999 < mine < theirs * 1.01


def test_a_linear_autoencoder_is_linear(digits):
    """No activation hides in it, at its output either."""
    model = tp.build("linear-autoencoder", digits[0].event, latent=3)
    x, y = torch.randn(2, 5, 1, 8, 8).unbind(0)

    def there_and_back(x):
        return model.decoder(model.encoder(x))

    origin = there_and_back(torch.zeros_like(x))
    assert torch.allclose(there_and_back(x + 3 * y) + 3 * origin, there_and_back(x) + 3 * there_and_back(y), atol=1e-4)


def test_a_deep_autoencoder_beats_principal_components(digits):
    """On unseen examples, at the same code: what depth is for (Hinton & Salakhutdinov 2006)."""
    train, test = digits
    model = fitted("autoencoder", train, 800, {"schedule": "linear"}, latent=4, layers=2, hidden=128)
    components = PCA(4).fit(train.data.flatten(1).numpy())
    flat = test.data.flatten(1).numpy()
    restored = components.inverse_transform(components.transform(flat)).clip(0, 16)
    theirs = ((restored - flat) ** 2).mean() / 16**2
    assert float(squared_errors(model.reconstruct(test), test).mean()) < 0.9 * theirs


def test_a_likelihood_is_the_cross_entropy():
    event = Event((1, 8, 8), 2)
    model = tp.Autoencoder(event, latent=3, loss="bernoulli")
    x = examples_of(event, 5).data
    logits = model.decoder(model.encoder(x * 2.0 - 1.0))
    by_hand = F.binary_cross_entropy(torch.sigmoid(logits), x.float(), reduction="none").sum((1, 2, 3))
    (name, term), *rest = model.objective(Batch(x, None), Noise.of(0)).items()
    assert (name, rest) == ("distortion", []) and torch.allclose(term, by_hand, atol=1e-4)
    assert torch.equal(model.eval().decode(torch.zeros(1, 3)).data, (model.decoder(torch.zeros(1, 3)) > 0).byte())


# Corruptions.


@pytest.mark.parametrize(("corruption", "amount"), [("masking", 0.5), ("gaussian", 0.3), ("salt-and-pepper", 0.3)])
def test_what_was_corrupted_is_restored(digits, corruption, amount):
    """By more than a median filter does, and by 3 dB at the least."""
    train, test = digits
    parts = {"encoder": "mlp", "decoder": "mlp", "hidden": 200}
    model = fitted("denoising-autoencoder", train, 500, {}, corruption=corruption, amount=amount, **parts)
    noisy = model.corrupt(test, seed=1)
    before, filtered, after = (
        psnr(squared_errors(y, test)).value for y in (noisy, median_filtered(noisy), model.reconstruct(noisy))
    )
    assert after > before + 3 and after > filtered + 3


def test_a_corruption_does_what_it_says():
    event = Event((3, 16, 16), 256)
    x = torch.full((200, 3, 16, 16), 100, dtype=torch.uint8)

    def made(name, amount):
        return corrupted(x, event, resolve_corruption(name, amount, event), Noise.of(0))

    masked = made("masking", 0.3)
    assert set(masked.unique().tolist()) == {0, 100} and (masked == masked[:, :1]).all()  # colours go together
    assert float((masked == 0).float().mean()) == pytest.approx(0.3, abs=0.01)
    peppered = made("salt-and-pepper", 0.3)
    assert set(peppered.unique().tolist()) == {0, 100, 255} and (peppered == peppered[:, :1]).all()
    for level in (0, 255):
        assert float((peppered == level).float().mean()) == pytest.approx(0.15, abs=0.01)
    shift = made("gaussian", 0.1).float() - 100
    assert float(shift.std()) == pytest.approx(25.5, rel=0.01) and abs(float(shift.mean())) < 0.3
    assert int(made("gaussian", 2.0).max()) == 255 and int(made("gaussian", 2.0).min()) == 0


@pytest.mark.parametrize("name", ["masking", "gaussian", "salt-and-pepper"])
def test_two_processes_corrupt_as_one_would(name):
    event = Event((1, 4, 4), 16)
    x = examples_of(event, 8).data
    corruption = resolve_corruption(name, 0.5, event)
    whole = corrupted(x, event, corruption, Noise.of(3))
    halves = [corrupted(x[4 * rank :][:4], event, corruption, Noise(Noise.of(3).generator, rank, 2)) for rank in (0, 1)]
    assert torch.equal(torch.cat(halves), whole)


def test_what_is_corrupted_is_an_example_and_the_same_for_a_seed(digits):
    _, test = digits
    model = tp.Autoencoder(test.event, corruption="gaussian")
    one, again, other = (model.corrupt(test, seed=seed) for seed in (0, 0, 1))
    test.event.check(one.data)
    assert torch.equal(one.data, again.data) and not torch.equal(one.data, other.data)
    assert torch.equal(one.labels, test.labels) and one.source == {}
    with pytest.raises(ConfigurationError, match="trained without a corruption"):
        tp.Autoencoder(test.event).corrupt(test)
    with pytest.raises(tp.UnsupportedQuery, match="train a denoising-autoencoder"):
        tp.VAE(test.event).corrupt(test)


def test_the_corrupted_example_is_encoded_and_the_clean_one_is_the_target():
    event = Event((4,), centre=(1.0,) * 4, spread=(2.0,) * 4)
    seen = []

    class Watching(nn.Linear):
        def forward(self, x):
            seen.append(x)
            return super().forward(x)

    def doubled(x, noise):
        return 2 * x

    model = tp.Autoencoder(event, latent=2, encoder=Watching(4, 2), decoder="mlp", corruption=doubled)
    x = examples_of(event, 3).data
    term = model.objective(Batch(x, None), Noise.of(0))["squared_error"]
    scaled = (x - 1) / 2
    assert torch.allclose(seen[0], 2 * scaled, atol=1e-6)
    assert torch.allclose(term, (model.decoder(model.encoder(2 * scaled)) - scaled).square().sum(1), atol=1e-5)


@pytest.mark.parametrize(
    ("corruption", "returned"),
    [(lambda x, noise: x[..., :1], r"\(3, 1\)"), (lambda x, noise: x[:1], r"\(1, 4\)"), (lambda x, noise: 0, "a int")],
)
def test_a_corruption_of_another_shape_is_refused(corruption, returned):
    event = Event((4,))
    model = tp.Autoencoder(event, latent=2, corruption=corruption)
    x = examples_of(event, 3)
    for ask in (lambda: model.corrupt(x), lambda: tp.fit(model, x, steps=1, batch_size=3, progress=False)):
        with pytest.raises(ConfigurationError, match=rf"shape \(3, 4\) and returned {returned}: expected the same"):
            ask()


def test_a_corruption_without_numbers_is_refused():
    event = Event((1, 2, 2), 17)
    model = tp.Autoencoder(event, latent=2, encoder="mlp", decoder="mlp", corruption=lambda x, noise: x * math.nan)
    with pytest.raises(ConfigurationError, match="not finite"):
        model.corrupt(examples_of(event, 3))


# Stacks.


def test_each_layer_learns_to_undo_itself():
    """The loss of each layer by hand, from the weights."""
    event = Event((6,))
    model = tp.StackedAutoencoder(event, latent=2, hidden=5, layers=2, activation="sigmoid", classes=3)
    x, label = examples_of(event, 4).data, torch.tensor([0, 2, 1, 1])
    up = [m for m in model.encoder.layers if isinstance(m, nn.Linear)]
    down = [m for m in model.decoder.layers if isinstance(m, nn.Linear)]
    code = F.one_hot(label, 3).float()
    first = torch.sigmoid(up[0](torch.cat([x, code], 1)))
    second = torch.sigmoid(up[1](first))
    last = torch.cat([up[2](second), code], 1)
    expected = [
        (down[2](first) - x).square().sum(1),
        (torch.sigmoid(down[1](second)) - first).square().sum(1),
        (torch.sigmoid(down[0](last)) - second).square().sum(1),
        (down[2](torch.sigmoid(down[1](torch.sigmoid(down[0](last))))) - x).square().sum(1),
    ]
    for player, by_hand in zip(model.players, expected, strict=True):
        (term,) = player.objective(Batch(x, label), Noise.of(0)).values()
        assert torch.allclose(term, by_hand, atol=1e-5), player.name


def test_a_layer_is_corrupted_below_and_clean_as_target():
    model = tp.StackedAutoencoder(Event((6,)), latent=2, hidden=5, layers=1, corruption=lambda x, noise: x + 1)
    x = examples_of(Event((6,)), 4).data
    up, down = model.encoder.layers, model.decoder.layers
    hidden = torch.relu(up[0](x))
    (lowest,) = model.players[0].objective(Batch(x, None), Noise.of(0)).values()
    assert torch.allclose(lowest, (down[2](torch.relu(up[0](x + 1))) - x).square().sum(1), atol=1e-5)
    (term,) = model.players[1].objective(Batch(x, None), Noise.of(0)).values()
    by_hand = (torch.relu(down[0](up[2](hidden + 1))) - hidden).square().sum(1)
    assert torch.allclose(term, by_hand, atol=1e-5)


def test_layers_are_trained_in_turn():
    """In its rounds a layer moves, and no other does; afterwards all do."""
    x = examples_of(Event((1, 8, 8), 17), 64)

    def weights(steps):
        model = tp.build("stacked-autoencoder", x.event, latent=2, hidden=8, pretraining=3)
        if steps:
            tp.fit(model, x, steps=steps, batch_size=16, progress=False)
        layers = [nn.ModuleList([model.upward(k), model.downward(k)]) for k in range(3)]
        return [torch.cat([p.detach().flatten() for p in layer.parameters()]) for layer in layers]

    states = [weights(steps) for steps in (0, 3, 6, 9, 10)]
    moved = [
        [not torch.equal(a, b) for a, b in zip(*pair, strict=True)]
        for pair in zip(states[:-1], states[1:], strict=True)
    ]
    assert moved == [[True, False, False], [False, True, False], [False, False, True], [True, True, True]]


def test_layers_trained_one_by_one_are_a_deep_autoencoder(digits):
    """Without any fine-tuning the stack reconstructs, if far from what fine-tuning reaches."""
    train, test = digits
    arguments = {"latent": 16, "hidden": 64, "layers": 1, "pretraining": 300}
    start, stacked = (fitted("stacked-autoencoder", train, steps, {}, **arguments) for steps in (1, 600))
    before, after = (float(squared_errors(m.reconstruct(test), test).mean()) for m in (start, stacked))
    variance = float((test.data.float() / 16).var(0, correction=0).mean())
    assert before > variance and after < 0.6 * variance


# Contexts.


def test_a_hidden_block_is_filled_better_than_without_a_network(digits):
    """Better than the mean of the block, the pixel next to it, and the training image with the nearest rest."""
    train, test = digits
    known = torch.ones(8, 8, dtype=torch.bool)
    known[2:6, 2:6] = False
    x, y = train.data.float(), test.data.float()

    def error(filled):
        return float((filled - y)[:, :, ~known].square().mean())

    nearest = torch.cdist(y[:, :, known].flatten(1), x[:, :, known].flatten(1)).argmin(1)
    beside = y.clone()
    beside[:, :, 2:4, 2:6], beside[:, :, 4:6, 2:6] = y[:, :, 1:2, 2:6], y[:, :, 6:7, 2:6]
    model = fitted("context-autoencoder", train, 500, {}, encoder="mlp", decoder="mlp", hidden=200)
    done = model.complete(test, known)
    assert torch.equal(done.data[:, :, known], test.data[:, :, known])
    assert (done.exact, done.method.split(":")[0]) == (False, "predicted")
    others = [error(x.mean(0, keepdim=True).expand_as(y)), error(beside), error(x[nearest])]
    assert error(done.data.float()) < 0.7 * min(others)


def test_only_what_was_removed_is_judged_and_the_rest_alone_is_seen():
    event = Event((1, 8, 8), 17)
    seen = {}

    class Recording(nn.Module):
        def __init__(self, name, outputs):
            super().__init__()
            self.name, self.layer = name, nn.LazyLinear(outputs)

        def forward(self, x):
            seen[self.name] = x
            return self.layer(x.flatten(1))

    class Constant(nn.Module):
        def __init__(self):
            super().__init__()
            self.level = nn.Parameter(torch.tensor(0.25))

        def forward(self, z):
            return self.level.expand(len(z), 1, 8, 8)

    parts = {"encoder": Recording("encoder", 4), "decoder": Constant(), "critic": Recording("critic", 1)}
    model = tp.build("context-autoencoder", event, latent=4, adversarial=0.5, removed="random", **parts)
    x = examples_of(event, 6).data
    terms = model.objective(Batch(x, None), Noise.of(7))
    known = random((8, 8), (4, 4), 6, Noise.of(7))
    scaled = x / 8.0 - 1
    assert torch.allclose(seen["encoder"], torch.cat([scaled * known, known.float()], 1), atol=1e-6)
    assert torch.allclose(seen["critic"], 0.25 * ~known, atol=1e-6)
    assert torch.allclose(terms["squared_error"], ((0.25 - scaled) * ~known).square().sum((1, 2, 3)), atol=1e-4)
    said = model.adversary.critic(0.25 * ~known).view(6)
    assert torch.allclose(terms["adversarial"], 0.5 * F.softplus(-said), atol=1e-6)
    real = model.adversary.critic(scaled * ~known).view(6)
    (of_critic,) = model.critic_objective(Batch(x, None), Noise.of(7)).values()
    assert torch.allclose(of_critic, F.softplus(-real) + F.softplus(said), atol=1e-5)


def test_random_blocks_are_anywhere_and_never_more_than_the_one():
    sides = block_sides(Event((1, 12, 10), 2), 0.5)
    gone = ~random((12, 10), sides, 2000, Noise.of(0)).squeeze(1)
    assert sides == (6, 5) and int(gone.sum((1, 2)).max()) <= 4 * 3 * 2 <= 6 * 5
    share = gone.float().mean(0)
    assert float(share.min()) > 0.02 and len({tuple(g.flatten().tolist()) for g in gone}) > 1900
    assert torch.equal(random((12, 10), sides, 9, Noise.of(1))[:4], random((12, 10), sides, 9, Noise.of(1))[:4])
    assert int((~centre((12, 10), sides, 3, Noise.of(0))).sum()) == 3 * 6 * 5


def test_a_pixel_that_lacks_a_colour_is_shown_none_of_them():
    event = Event((3, 4, 4), 256)
    model = tp.build("context-autoencoder", event, latent=4, encoder="mlp", decoder="mlp", hidden=8)
    with torch.no_grad():
        model.encoder.layers[0].weight.mul_(20)
    x, whole = examples_of(event, 5).data, torch.ones(3, 4, 4, dtype=torch.bool)
    whole[:, 1, 2] = False
    lacking = torch.ones(3, 4, 4, dtype=torch.bool)
    lacking[0, 1, 2] = False
    found, expected = model.complete(x, lacking).data, model.complete(x, whole).data
    assert torch.equal(found[:, 0], expected[:, 0]) and torch.equal(found[:, 1:], x[:, 1:])


def test_the_critic_has_the_first_turn_of_a_round():
    model = tp.ContextAutoencoder(Event((1, 8, 8), 17), latent=4, adversarial=0.1)
    assert [player.name for player in model.players] == ["critic", "model"]


@pytest.mark.parametrize("sides", [(1, 1), (1, 4), (3, 1), (2, 2)])
def test_random_blocks_of_a_pixel_are_never_more_than_the_one_either(sides):
    gone = (~random((6, 6), sides, 500, Noise.of(0))).flatten(1).sum(1)
    assert int(gone.min()) >= 1 and int(gone.max()) == math.prod(sides)


# Decoders.


def test_resizing_leaves_no_checkerboard():
    """A grid that is everywhere the same becomes one, away from the edges; a transposed convolution's does not."""

    def roughness(upsampling):
        torch.manual_seed(0)
        decoder = ConvDecoder(Event((1, 32, 32), 256), 2, 1, Sizes(1, 8, 0, upsampling=upsampling)).eval()
        flat = torch.ones(1, *decoder.first.grid)
        made = decoder.layers(flat)[..., 12:20, 12:20]
        assert decoder(torch.zeros(2, 2)).shape == (2, 1, 32, 32)
        return float(made.detach().std())

    assert roughness("resize") < 1e-6 < roughness("transposed") / 1e3


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("sides", [(8, 8), (17, 22), (28, 28)])
def test_any_size_is_reached(upsampling, sides):
    decoder = ConvDecoder(Event((3, *sides), 256), 4, 5, Sizes(1, 4, 0, upsampling=upsampling))
    assert decoder(torch.randn(2, 4)).shape == (2, 5, *sides)


@pytest.mark.parametrize("kind", [tp.Autoencoder, tp.ContextAutoencoder, tp.VAE])
def test_an_encoder_that_gives_other_numbers_is_refused_by_every_model(kind):
    event = Event((1, 8, 8), 17)
    model = kind(event, latent=4, encoder=nn.Sequential(nn.Flatten(), nn.LazyLinear(3)))
    with pytest.raises(ConfigurationError, match=r"the encoder gave \(3,\) numbers an example: expected \("):
        model.encode(examples_of(event, 2))
