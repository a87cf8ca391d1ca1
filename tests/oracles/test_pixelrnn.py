"""PixelRNN against a literal loop over pixels, what each kind of layer sees, and probabilities that sum to one."""

import itertools
import math

import pytest
import torch

from triptych.catalogue import CATALOGUE, build, name_of
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models.autoregressive.base import Repeated
from triptych.models.autoregressive.pixelrnn import LAYERS, PixelRNN
from triptych.networks.diagonal import DiagonalBiLSTM, DiagonalLSTM
from triptych.networks.recurrent import RowLSTM
from triptych.testing import check_model

KINDS = {"row": RowLSTM, "diagonal": DiagonalLSTM, "diagonal-bi": DiagonalBiLSTM}


def literal(layer, image, mirrored=False):
    """States of one image `(inputs, H, W)`, gate by gate and pixel by pixel, from the paper's equation 3."""
    inputs, height, width = image.shape
    h, colours = layer.channels, layer.colours
    weight = (layer.input.weight * layer.input.mask)[:, :, 0]  # (4h, inputs, k)
    parts = layer.state.view(-1, h, 4 * h)
    reach = weight.shape[2] // 2
    state, memory = {}, {}
    zero = torch.zeros(h)
    for r, step in itertools.product(range(height), range(width)):
        c, left = (width - 1 - step, 1) if mirrored else (step, -1)
        gates = layer.input.bias.clone()
        for tap in range(-reach, reach + 1):
            if 0 <= c + tap < width:
                gates += weight[:, :, tap + reach] @ image[:, r, c + tap]
        if isinstance(layer, RowLSTM):
            near = [(r - 1, c + shift) for shift in (-1, 0, 1)]
            kept = memory.get((r - 1, c), zero)
        else:
            near = [(r, c + left), (r - 1, c)]
            kept = memory.get((r, c + left), zero)
        for part, place in zip(parts, near, strict=True):
            gates += state.get(place, zero) @ part
        each = h // colours
        of_feature = [
            [colour * 4 * each + gate * each + f for colour in range(colours) for f in range(each)] for gate in range(4)
        ]
        let_in, keep, let_out, content = (gates[index] for index in of_feature)
        memory[r, c] = torch.sigmoid(keep) * kept + torch.sigmoid(let_in) * torch.tanh(content)
        state[r, c] = torch.sigmoid(let_out) * torch.tanh(memory[r, c])
    return torch.stack([state[r, c] for r in range(height) for c in range(width)], 1).view(h, height, width)


@pytest.mark.parametrize("size", [(4, 5), (5, 3), (1, 4), (3, 1)])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_the_literal_loop_over_pixels(kind, size):
    torch.manual_seed(0)
    layer = KINDS[kind](6, 9, colours=3)
    x = torch.randn(2, 6, *size)
    with torch.no_grad():
        if kind == "diagonal-bi":
            expected = torch.stack([literal(layer.left, image) for image in x])
            right = torch.stack([literal(layer.right, image, mirrored=True) for image in x])
            expected[:, :, 1:] += right[:, :, :-1]
        else:
            expected = torch.stack([literal(layer, image) for image in x])
        assert (layer(x) - expected).abs().max() < 1e-5


@pytest.mark.parametrize("size", [(3, 4), (4, 2), (1, 3), (3, 1)])
def test_the_written_derivative_of_the_diagonals_is_right(size):
    torch.manual_seed(0)
    layer = DiagonalBiLSTM(2, 4, colours=2).double()
    x = torch.randn(2, 2, *size, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, *parameters: layer(x), (x, *layer.parameters()))


def test_the_recurrence_keeps_its_precision_under_autocast():
    torch.manual_seed(0)
    layer = DiagonalBiLSTM(4, 6)
    x = torch.randn(2, 4, 5, 5)
    with torch.autocast("cpu", torch.bfloat16):
        states = layer(x)
        states.sum().backward()
    assert states.dtype == torch.float32 and layer.left.state.grad.dtype == torch.float32
    assert 0 < (states - layer(x)).abs().max() < 0.02


def test_a_row_from_right_to_left_is_that_of_the_whole_image():
    torch.manual_seed(0)
    layer = DiagonalBiLSTM(4, 6)
    x = torch.randn(2, 4, 3, 5)
    with torch.no_grad():
        above = torch.zeros(2, 5, 6)
        rows = [above := layer.right_row(x[:, :, r].transpose(1, 2), above) for r in range(3)]
        whole = layer.right(x.flip(3)).flip(3)
    assert (torch.stack(rows, 2).permute(0, 3, 2, 1) - whole).abs().max() < 1e-5


def dependence(model):
    """Which sites' features depend on which sites' values, `(sites, sites)`: for any of 16 random examples."""
    torch.manual_seed(1)
    x = torch.randn(16, *model.event.shape, dtype=torch.double, requires_grad=True)  # no rectifier is shut for all
    features = model.by_site(model.double().features(x, None))
    weighted = (features * torch.randn(features.shape[2], dtype=torch.double)).sum((0, 2))
    rows = [torch.autograd.grad(of_site, x, retain_graph=True)[0] for of_site in weighted]
    return torch.stack([model.order.by_site(row, model.law.joint).abs().sum((0, 2)) for row in rows]) != 0


def colour_model(layer, **arguments):
    torch.manual_seed(0)
    event = Event((3, 4, 5), 4)
    return PixelRNN(event, layer, channels=6, layers=1, kernel_size=3, pixels="categorical", **arguments)


@pytest.mark.parametrize("layer", LAYERS)
def test_no_output_sees_its_own_or_a_later_sub_pixel_but_its_colours_before(layer):
    sees = dependence(colour_model(layer))
    assert not sees.triu().any()
    for site in range(60):
        assert sees[site, site - site % 3 : site].all()


def test_the_diagonal_bilstm_sees_every_sub_pixel_before():
    assert torch.equal(dependence(colour_model("diagonal-bi")), torch.ones(60, 60).tril(-1).bool())


def pixels_seen(states):
    """Pixels that the first convolution (3×3, mask A) shows to these positions, in the middle of a 4×5 image."""
    height, width = 4, 5
    seen = set()
    for r, c in states:
        seen |= {(r - 1, c - 1), (r - 1, c), (r - 1, c + 1), (r, c - 1)}
    return {(r, c) for r, c in seen if 0 <= r < height and 0 <= c < width}


@pytest.mark.parametrize("layer", ["row", "diagonal"])
def test_the_context_is_the_papers(layer):
    sees = dependence(colour_model(layer))
    every = list(itertools.product(range(4), range(5)))
    for site, (row, column) in enumerate(every):
        if layer == "diagonal":  # every state to the upper left
            states = [(r, c) for r, c in every if r <= row and c <= column]
        else:  # a triangle of states, each with its own and the left one's input
            rows = [(r, c) for r, c in every if r <= row and abs(c - column) <= row - r]
            states = rows + [(r, c - 1) for r, c in rows if c > 0]
        expected = pixels_seen(states) | {(row, column)}
        found = {every[other] for other in range(20) if sees[3 * site + 2, 3 * other : 3 * other + 3].any()}
        assert found == expected


def test_a_vectors_coordinates_see_all_before_them():
    for layer, layers in itertools.product(LAYERS, (1, 2)):
        torch.manual_seed(0)
        model = PixelRNN(Event((12,)), layer, channels=4, layers=layers, kernel_size=3)
        assert torch.equal(dependence(model), torch.ones(12, 12).tril(-1).bool())


@pytest.mark.parametrize(("shape", "levels"), [((1, 2, 2), 2), ((1, 2, 2), 3), ((1, 3, 2), 2), ((1, 3, 2), 3)])
@pytest.mark.parametrize("layer", LAYERS)
def test_probabilities_sum_to_one(layer, shape, levels):
    torch.manual_seed(0)
    event = Event(shape, levels)
    every = torch.tensor(list(itertools.product(range(levels), repeat=event.dims)), dtype=torch.uint8)
    model = PixelRNN(event, layer, channels=4, layers=2, kernel_size=3)
    for parameter in model.parameters():  # far from the uniform distribution
        parameter.data *= 2
    probabilities = model.log_prob(every.view(-1, *shape)).double().exp()
    assert abs(float(probabilities.sum()) - 1) < 1e-5
    assert float(probabilities.max()) > 1.2 / len(every)


@pytest.mark.parametrize("pixels", ["categorical", "logistic-mixture"])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_pass_over_sites_gives_the_features_and_samples_of_the_definition(layer, pixels):
    torch.manual_seed(0)
    model = PixelRNN(Event((3, 3, 4), 8), layer, channels=6, layers=2, kernel_size=3, pixels=pixels, classes=3).eval()
    label = torch.tensor([0, 2])
    with torch.no_grad():
        x = torch.rand(2, 3, 3, 4) * 2 - 1
        features = model.by_site(model.features(x, label))
        values = model.order.by_site(x, model.law.joint)
        for steps in (model.steps(2, label), Repeated(model, 2, label)):
            for site in range(model.sites):
                assert (steps.features(site) - features[:, site]).abs().max() < 1e-4
                steps.tell(site, values[:, site])


@pytest.mark.parametrize(
    ("layer", "event", "arguments", "law"),
    [
        ("diagonal-bi", Event((1, 8, 8), 2), {}, "samples follow the density"),
        ("row", Event((3, 6, 6), 256), {"pixels": "categorical", "classes": 3}, "samples follow the density"),
        ("diagonal-bi", Event((3, 6, 6), 256), {"pixels": "logistic-mixture"}, "a seed gives its samples"),
        ("diagonal", Event((4,)), {"ordering": "random"}, "a density integrates to one"),
    ],
)
def test_the_laws_of_all_models(layer, event, arguments, law):
    torch.manual_seed(0)
    assert law in check_model(PixelRNN(event, layer, channels=6, layers=1, kernel_size=3, **arguments))


@pytest.mark.parametrize(
    ("name", "layer"), [("row-lstm", "row"), ("diagonal-lstm", "diagonal"), ("diagonal-bilstm", "diagonal-bi")]
)
def test_each_name_has_its_layer_and_each_model_its_name(name, layer):
    assert CATALOGUE[name].model is PixelRNN
    model = build(name, Event((1, 3, 3), 2), channels=4)
    assert model.arguments["layer"] == layer and name_of(model) == name


def test_what_cannot_be_built_is_refused_in_a_line():
    colour = Event((3, 4, 4), 256)
    for arguments, message in (
        ({"layer": "column"}, "no layer 'column'"),
        ({"channels": 16, "pixels": "categorical"}, "channels=16: expected a multiple of the 3 colours.*such as 15"),
        ({"kernel_size": 4}, "kernel_size=4"),
        ({"layers": 0}, "layers=0"),
        ({"ordering": "random"}, "raster or reverse"),
    ):
        with pytest.raises(ConfigurationError, match=message) as refusal:
            PixelRNN(colour, **arguments)
        assert "\n" not in str(refusal.value)


def test_a_forgotten_gate_starts_open_and_an_untrained_likelihood_is_near_uniform():
    torch.manual_seed(0)
    model = PixelRNN(Event((3, 4, 4), 2), channels=6, layers=1, pixels="categorical")
    layer = model.network.recurrent[0].left
    assert torch.equal(layer.input.bias.view(3, 4, 2)[:, 1], torch.ones(3, 2))
    nats = -model.log_prob(torch.randint(2, (8, 3, 4, 4), dtype=torch.uint8)).mean()
    assert abs(float(nats) / (48 * math.log(2)) - 1) < 0.1
