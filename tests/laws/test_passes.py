"""A pass computes, site by site, what the network's own forward computes for all of them at once."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from triptych.networks.arrays import Arrays
from triptych.networks.causal import CausalConv2d, CausalUpsample2d, ConcatELU, Gate, WithOnes
from triptych.networks.incremental import incremental_pass
from triptych.networks.masked import CausalConvNet, MaskedConv2d


class Stacks(nn.Module):
    """Vertical and horizontal stacks with a gate, and a static map of conditions."""

    def __init__(self, inputs, outputs, colours, classes=0):
        super().__init__()
        n = 4 * colours
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


def test_a_network_that_sees_its_own_pixel_is_refused():
    with pytest.raises(ValueError, match="not causal"):
        incremental_pass(nn.Sequential(WithOnes()), 1, (2, 2), 1, 1, torch.device("cpu"))


def test_a_step_without_an_incremental_form_is_named():
    class Doubled(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = MaskedConv2d(1, 1, (3, 3), own=False)

        def forward(self, x):
            return torch.cumsum(self.first(x), 3)

    with pytest.raises(NotImplementedError, match="cumsum"):
        incremental_pass(Doubled(), 1, (2, 2), 1, 1, torch.device("cpu"))
