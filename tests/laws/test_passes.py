"""A pass computes, site by site, what the network's own forward computes for all of them at once."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from triptych.networks.arrays import Arrays
from triptych.networks.causal import CausalConv2d, CausalUpsample2d, ConcatELU, Gate, WithOnes
from triptych.networks.diagonal import DiagonalBiLSTM, DiagonalLSTM
from triptych.networks.incremental import incremental_pass
from triptych.networks.masked import CausalConvNet, MaskedConv2d
from triptych.networks.recurrent import RowLSTM


class Stacks(nn.Module):
    """Vertical and horizontal stacks with a gate, and a static map of conditions."""

    def __init__(self, inputs, outputs, colours, classes=0):
        super().__init__()
        n = 8 * colours
        self.vertical = CausalConv2d(inputs, n, rows=(-2, -1), columns=(-1, 1))
        self.deeper = CausalConv2d(n, 2 * n, rows=(-1, 0), columns=(-1, 1))
        self.across = CausalConv2d(n, 2 * n, rows=(0, 0), columns=(0, 0))
        self.left = CausalConv2d(inputs, 2 * n, rows=(0, 0), columns=(-2, 0), colours=colours, own=False)
        self.own = CausalConv2d(n, n, rows=(0, 0), columns=(-1, 0), colours=colours)
        self.gate, self.elu = Gate(colours), ConcatELU(colours)
        self.label = nn.Embedding(max(classes, 1), n)
        self.condition = nn.Conv2d(1, n, 3, padding=1)
        self.head = MaskedConv2d(2 * n, outputs, (1, 1), own=True, colours=colours)

    def forward(self, x, label=None, condition=None):
        v = self.vertical(x)
        h = self.gate(self.left(x) + self.across(v))
        if label is not None:
            h = h + self.label(label)[:, :, None, None]
        if condition is not None:
            h = h * torch.sigmoid(self.condition(condition))
        h = F.elu(h) + torch.tanh(self.own(h)) * torch.relu(self.gate(self.deeper(v)))
        return self.head(self.elu(h))


class Hourglass(nn.Module):
    """Two streams at two resolutions, with short-cuts."""

    def __init__(self, inputs, outputs, size):
        super().__init__()
        height, width = size
        self.ones = WithOnes()
        self.u = CausalConv2d(inputs + 1, 6, rows=(-2, -1), columns=(-1, 1))
        self.ul = CausalConv2d(inputs + 1, 6, rows=(-1, 0), columns=(-1, -1))
        self.down_u = CausalConv2d(6, 6, rows=(-1, 0), columns=(-1, 1), stride=2)
        self.down_ul = CausalConv2d(6, 6, rows=(-1, 0), columns=(-1, 0), stride=2)
        self.mix = CausalConv2d(12, 12, rows=(-1, 0), columns=(-1, 0))
        self.gate = Gate(bounded=False)
        self.up_u = CausalUpsample2d(6, 6, height, width, columns=(-1, 1))
        self.up_ul = CausalUpsample2d(6, 6, height, width)
        self.head = CausalConv2d(18, outputs, rows=(0, 0), columns=(0, 0))

    def forward(self, x):
        x = self.ones(x)
        u, ul = self.u(x), self.ul(x)
        low_u, low_ul = self.down_u(u), self.down_ul(ul)
        low = self.gate(self.mix(torch.cat([low_u, low_ul], 1)))
        return self.head(torch.cat([self.up_u(low_u), self.up_ul(low), u + ul], 1))


def compare(network, batch, size, inputs, colours, **statics):
    """Return the largest difference between a pass and the forward, over all sites."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.4)
    x = torch.randn(batch, inputs, *size)
    with torch.no_grad():
        expected = network(x, **statics)
        run = incremental_pass(network.eval(), batch, size, inputs, colours, torch.device("cpu"), **statics)
        seen = torch.full_like(expected, float("nan"))
        n, each = expected.shape[1] // colours, inputs // colours
        for site in range(size[0] * size[1] * colours):
            pixel, colour = divmod(site, colours)
            row, column = divmod(pixel, size[1])
            seen[:, colour * n : (colour + 1) * n, row, column] = run.features(site)
            run.tell(site, x[:, colour * each : (colour + 1) * each, row, column])
    assert expected.std() > 0.1
    return float((seen - expected).abs().max())


@pytest.fixture(params=["numpy", "torch"])
def arrays(request, monkeypatch):
    """Let the pixel work be done by either library."""
    if request.param == "torch":
        start = Arrays.__init__

        def by_torch(self, device):
            start(self, device)
            self.by_numpy, self.library = False, torch

        monkeypatch.setattr(Arrays, "__init__", by_torch)
    return request.param


@pytest.mark.parametrize("size", [(5, 6), (1, 7), (4, 1)])
@pytest.mark.parametrize("colours", [1, 3])
def test_masked_convolutions(arrays, size, colours):
    network = CausalConvNet(colours, 2 * colours, 7, 3, (5, 3), colours, classes=3)
    assert compare(network, 3, size, colours, colours, label=torch.tensor([0, 2, 1])) < 1e-5
    assert compare(network, 3, size, colours, colours, label=None) < 1e-5


@pytest.mark.parametrize("colours", [1, 3])
def test_stacks_gates_labels_and_maps(arrays, colours):
    network = Stacks(3, 2 * colours, colours, classes=2)
    condition = torch.randn(2, 1, 4, 5)
    for label in (None, torch.tensor([1, 0])):
        for given in (None, condition):
            assert compare(network, 2, (4, 5), 3, colours, label=label, condition=given) < 1e-5


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (6, 5), (1, 3)])
def test_two_resolutions(arrays, size):
    assert compare(Hourglass(3, 4, size), 2, size, 3, 1) < 1e-5


class Embedded(nn.Module):
    """Sees the image first by itself, and masks it then."""

    def __init__(self, colours, first):
        super().__init__()
        self.embed = first(colours, 8 * colours, colours)
        self.masked = MaskedConv2d(8 * colours, 8 * colours, (3, 3), own=False, colours=colours)
        self.head = MaskedConv2d(8 * colours, 2 * colours, (3, 3), own=True, colours=colours)

    def forward(self, x):
        h = torch.tanh(self.embed(x))
        return self.head(F.elu(self.masked(h)))


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize(
    "first",
    [lambda i, o, c: CausalConv2d(i, o, (-1, 0), (-1, 0), colours=c), RowLSTM, DiagonalLSTM, DiagonalBiLSTM],
    ids=["convolution", "row", "diagonal", "both diagonals"],
)
def test_an_image_that_is_masked_later(first, colours):
    assert compare(Embedded(colours, first), 2, (4, 5), colours, colours) < 1e-5


class Deep(nn.Module):
    """Adds a map of a quarter of the resolution, which is known beforehand."""

    def __init__(self, size):
        super().__init__()
        self.first = CausalConv2d(1, 4, (-1, 0), (-1, -1))
        self.down = nn.Sequential(*(CausalConv2d(4, 4, (-2, 0), (-1, 0), stride=2) for _ in range(2)))
        sizes = [tuple(-(-side // by) for side in size) for by in (2, 1)]
        self.up = nn.Sequential(*(CausalUpsample2d(4, 4, *to) for to in sizes))

    def forward(self, x, condition):
        h = self.first(x)
        return h + self.up(torch.tanh(self.down(h) + condition))


@pytest.mark.parametrize("size", [(8, 8), (5, 5), (9, 6), (6, 2)])
def test_maps_at_other_resolutions(size):
    height, width = (-(-side // 4) for side in size)
    for shape in ((2, 4, height, width), (1, 4, height, 1), (1, 4, 1, width), (1, 4, 1, 1)):
        assert compare(Deep(size), 2, size, 1, 1, condition=torch.randn(shape)) < 1e-5


@pytest.mark.parametrize("columns", [(-1, 1), (-1, 0), (-2, -1), (0, 1)])
@pytest.mark.parametrize("size", [(8, 8), (5, 7), (3, 1)])
def test_rows_above_at_three_resolutions(size, columns):
    down = [CausalConv2d(4, 4, (-1, 0), (-1, 1), stride=2) for _ in range(2)]
    sizes = [tuple(-(-side // by) for side in size) for by in (2, 1)]
    up = [CausalUpsample2d(4, 4, *to, columns=columns) for to in sizes]
    assert compare(nn.Sequential(CausalConv2d(1, 4, (-2, -1), (-1, 1)), *down, *up), 2, size, 1, 1) < 1e-5


def test_colours_that_share_channels_unequally():
    layers = [
        MaskedConv2d(3, 7, (3, 3), own=False, colours=3),
        nn.ReLU(),
        MaskedConv2d(7, 8, (1, 3), own=True, colours=3),
        MaskedConv2d(8, 6, (3, 1), own=True, colours=3),
    ]
    assert compare(nn.Sequential(*layers), 2, (4, 3), 3, 3) < 1e-5


def test_passes_that_run_side_by_side_do_not_meet():
    network = CausalConvNet(1, 2, 6, 2, (3, 3)).eval()
    x = torch.randn(2, 1, 1, 3, 4)
    with torch.no_grad():
        runs = [incremental_pass(network, 1, (3, 4), 1, 1, torch.device("cpu")) for _ in x]
        for site in range(12):
            for image, run in zip(x, runs, strict=True):
                assert torch.allclose(run.features(site), network(image).flatten(2)[:, :, site], atol=1e-5)
                run.tell(site, image.flatten(2)[:, :, site])


def test_a_pass_has_the_weights_of_its_time():
    network = CausalConvNet(1, 2, 6, 2, (3, 3))
    for scale in (0.3, 0.5):
        for parameter in network.parameters():
            nn.init.normal_(parameter, std=scale)
        run = incremental_pass(network.eval(), 1, (1, 1), 1, 1, torch.device("cpu"))
        assert torch.allclose(run.features(0), network(torch.zeros(1, 1, 1, 1))[:, :, 0, 0], atol=1e-5)


@pytest.mark.parametrize(
    "network",
    [
        WithOnes(),
        MaskedConv2d(1, 2, (3, 3), own=True),
        nn.Sequential(MaskedConv2d(1, 2, (3, 3), own=False), CausalConv2d(2, 2, (-1, 0), (-1, 1))),
    ],
    ids=["pointwise", "convolution", "to the right"],
)
def test_a_network_that_sees_its_own_pixel_is_refused(network):
    with pytest.raises(ValueError, match="not causal"):
        incremental_pass(nn.Sequential(network), 1, (2, 2), 1, 1, torch.device("cpu"))


class Twice(nn.Module):
    """Hidden units that are joined in a way of which a pass knows nothing."""

    def __init__(self, join):
        super().__init__()
        self.a, self.b = (MaskedConv2d(3, 6, (3, 3), own=False, colours=3) for _ in range(2))
        self.join = join

    def forward(self, x):
        return self.join(self.a(x), self.b(x))


class Sum(WithOnes):
    def forward(self, x, y):
        return x + y


class Overwritten(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x, y):
        return x + self.relu(x) + y


@pytest.mark.parametrize(
    ("join", "says"),
    [(Sum(), "takes one value"), (Overwritten(), "inplace"), (lambda x, y: torch.cat([x, y], 1), "tears colours")],
    ids=["two values", "in place", "concatenation of colours"],
)
def test_what_a_pass_would_do_differently_is_refused(join, says):
    with pytest.raises(NotImplementedError, match=says):
        incremental_pass(Twice(join), 1, (2, 2), 3, 3, torch.device("cpu"))


def test_a_step_without_an_incremental_form_is_named():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = MaskedConv2d(1, 1, (3, 3), own=False)

        def forward(self, x):
            return torch.cumsum(self.first(x), 3)

    with pytest.raises(NotImplementedError, match="cumsum"):
        incremental_pass(Doubled(), 1, (2, 2), 1, 1, torch.device("cpu"))
