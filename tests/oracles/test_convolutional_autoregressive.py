"""Gated PixelCNN, PixelCNN++ and multi-scale models against literal loops, sums over all images, and gradients."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import triptych as tp
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.autoregressive.gated import GatedPixelCNN
from triptych.models.autoregressive.multiscale import MultiScalePixelCNN, order_of_scales
from triptych.models.autoregressive.pixelcnn import PixelCNN
from triptych.models.autoregressive.pixelcnnpp import PixelCNNPlusPlus
from triptych.models.autoregressive.pixelrnn import PixelRNN
from triptych.networks import CausalConvNet
from triptych.networks.causal import CausalConv2d, CausalUpsample2d, ConcatELU, Gate, WithOnes
from triptych.networks.gated import GatedConvNet, Given
from triptych.networks.pixelcnnpp import TwoStreamNet
from triptych.testing.autoregressive import AUTOREGRESSIVE, AUTOREGRESSIVE_OF_SIBLINGS
from triptych.testing.parts import all_images, random_examples

COMPLETION = "completion is exact where it says so"
CAUSALITY_AND_PASSES = [
    law for name, law in {**AUTOREGRESSIVE, **AUTOREGRESSIVE_OF_SIBLINGS}.items() if name != COMPLETION
]


def gated(event, **arguments):
    return GatedPixelCNN(event, **{"channels": 6, "layers": 2, "kernel_size": 3, **arguments})


def two_streams(event, scales=2, **arguments):
    """A PixelCNN++ that goes down further than it would for so small an image."""
    model = PixelCNNPlusPlus(event, **{"channels": 6, "blocks": 1, "scales": 1, **arguments})
    frame = model.frame
    size = (frame.height, frame.width)
    model.network = TwoStreamNet(frame.inputs, frame.outputs, size, 6, 1, scales, colours=frame.colours)
    return model


def multiscale(event, **arguments):
    return MultiScalePixelCNN(event, **{"channels": 6, "layers": 2, **arguments})


def multiscale_plain(event, **arguments):
    return multiscale(event, network="pixelcnn", **arguments)


ALL = [gated, two_streams, multiscale, multiscale_plain]


def built(make, event, std=0.5, **arguments):
    torch.manual_seed(0)
    model = make(event, **arguments).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=std)
    return model


class TestLayers:
    @pytest.mark.parametrize(
        ("size", "rows", "columns", "stride", "colours", "own"),
        [
            ((5, 6), (-2, -1), (-2, 2), 1, 1, True),
            ((5, 6), (0, 0), (-2, 0), 1, 3, False),
            ((3, 3), (-1, 0), (-1, 0), 1, 3, True),
            ((1, 1), (-3, -2), (1, 2), 1, 1, True),
            ((7, 5), (-1, 0), (-1, 0), 2, 3, True),
            ((8, 8), (-1, 0), (-1, 1), 2, 1, True),
        ],
    )
    def test_a_convolution_is_its_sum(self, size, rows, columns, stride, colours, own):
        layer = CausalConv2d(3, 6, rows, columns, stride, colours, own).double()
        x = torch.randn(2, 3, *size).double()
        out = layer(x)
        assert out.shape[2:] == tuple(math.ceil(s / stride) for s in size)
        for r in range(out.shape[2]):
            for c in range(out.shape[3]):
                expected = layer.bias.expand(2, 6).clone()
                for dy in range(rows[0], rows[1] + 1):
                    for dx in range(columns[0], columns[1] + 1):
                        y, z = stride * r + dy, stride * c + dx
                        if not (0 <= y < size[0] and 0 <= z < size[1]):
                            continue
                        for o in range(6):
                            for i in range(3):
                                hidden = i * colours // 3 + (not own) > o * colours // 6
                                if not ((dy, dx) == (0, 0) and hidden):
                                    weight = layer.weight[o, i, dy - rows[0], dx - columns[0]]
                                    expected[:, o] += weight * x[:, i, y, z]
                assert torch.allclose(out[:, :, r, c], expected)

    @pytest.mark.parametrize("columns", [(0, 1), (-1, 1)])
    @pytest.mark.parametrize("size", [(8, 8), (7, 5)])
    def test_upsampling_is_the_published_transposed_convolution_cropped(self, columns, size):
        layer = CausalUpsample2d(3, 4, *size, columns=columns)
        x = torch.randn(2, 3, -(-size[0] // 2), -(-size[1] // 2))
        full = F.conv_transpose2d(x, layer.weight.transpose(0, 1), layer.bias, stride=2)
        padded = F.pad(full - layer.bias.view(-1, 1, 1), (0, 1, 0, 1)) + layer.bias.view(-1, 1, 1)
        start = -columns[0]
        expected = padded[:, :, : size[0], start : start + size[1]]
        assert torch.allclose(layer(x), expected, atol=1e-6)

    def test_upsampling_masks_colours_at_its_own_pixel_alone(self):
        layer = CausalUpsample2d(3, 3, 4, 4, colours=3)
        x = torch.zeros(1, 3, 2, 2, requires_grad=True)
        for place, seen in (((2, 2), [True, False, False]), ((2, 3), [True] * 3), ((3, 2), [True] * 3)):
            (slope,) = torch.autograd.grad(layer(x)[0, 0][place], x)
            assert slope[0, :, 1, 1].ne(0).tolist() == seen

    def test_colours_keep_their_blocks(self):
        x = torch.randn(2, 12, 3, 3)
        for layer in (Gate(3), Gate(3, bounded=False), ConcatELU(3), WithOnes(3)):
            apart = [type(layer)(1)(part) if not isinstance(layer, Gate) else Gate(1, layer.bounded)(part)
                     for part in x.chunk(3, 1)]  # fmt: skip
            assert torch.allclose(layer(x), torch.cat(apart, 1))
        a, b = x[:, :6], x[:, 6:]
        assert torch.allclose(Gate()(x), torch.tanh(a) * torch.sigmoid(b))

    def test_windows_that_look_ahead_are_refused(self):
        with pytest.raises(ConfigurationError, match="offset 0 or above"):
            CausalConv2d(1, 1, (-1, 1), (0, 0))
        with pytest.raises(ConfigurationError, match="offset 0 or below"):
            CausalUpsample2d(1, 1, 2, 2, rows=(-1, 0))


def of_both_signs(x):
    return F.elu(torch.cat([x, -x], 1))


def published_block(block, x, label, skip=None, beside=None):
    """`gated_resnet` of the code that was published with PixelCNN++; its 1×1 map of concatenated maps is two here."""
    c1 = block.first(of_both_signs(x))
    if skip is not None:
        c1 = c1 + block.skip(of_both_signs(skip))
    if beside is not None:
        c1 = c1 + block.beside(of_both_signs(beside))
    c2 = block.second(of_both_signs(c1)) + block.shift(label)[:, :, None, None]
    a, b = c2.chunk(2, 1)
    return x + a * torch.sigmoid(b)


class TestPublishedNetworks:
    def test_pixelcnnpp_is_the_published_code(self):
        net = TwoStreamNet(1, 5, (8, 8), channels=6, blocks=2, scales=3, given=Given(classes=3)).eval()
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        x, label = torch.randn(2, 1, 8, 8), torch.tensor([2, 0])
        down, up = iter(net.down), iter(net.up)
        padded = torch.cat([x, torch.ones_like(x)], 1)
        us = [net.first_above(padded)]
        uls = [net.first_right(padded) + net.first_left(padded)]
        windows = [(c.rows, c.columns) for c in (net.first_above, net.first_right, net.first_left)]
        assert windows == [((-2, -1), (-1, 1)), ((-1, -1), (-1, 1)), ((-1, 0), (-1, -1))]
        for scale in range(3):
            if scale:
                halve = next(down)
                us.append(halve.above(us[-1]))
                uls.append(halve.left(uls[-1]))
            for _ in range(2):
                block = next(down)
                us.append(published_block(block.above, us[-1], label))
                uls.append(published_block(block.left, uls[-1], label, beside=us[-1]))
        u, ul = us.pop(), uls.pop()
        for scale in (2, 1, 0):
            if scale < 2:
                double = next(up)
                u, ul = double.above(u), double.left(ul)
            for _ in range(2 if scale == 2 else 3):
                block = next(up)
                u = published_block(block.above, u, label, skip=us.pop())
                ul = published_block(block.left, ul, label, skip=uls.pop(), beside=u)
                assert (block.above.first.rows, block.above.first.columns) == ((-1, 0), (-1, 1))
                assert (block.left.second.rows, block.left.second.columns) == ((-1, 0), (-1, 0))
        assert not us and not uls and not [*down, *up]
        assert torch.allclose(net(x, label), net.head(F.elu(ul)), rtol=1e-4, atol=1e-4)

    def test_gated_layers_are_equations_2_and_4_and_figure_2(self):
        net = GatedConvNet(1, 3, channels=4, layers=3, reach=2, given=Given(classes=3, condition=2))
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x, label, condition = torch.randn(2, 1, 5, 6), torch.tensor([2, 0]), torch.randn(2, 2, 5, 6)
        v = h = x
        for number, layer in enumerate(net.layers):
            assert layer.above.rows == (-2, 0 if number else -1) and layer.above.columns == (-2, 2)
            assert layer.left.rows == (0, 0) and layer.left.columns == (-2, 0 if number else -1)
            rows = layer.above(v) + layer.shift_above(label)[:, :, None, None]
            both = layer.left(h) + layer.shift_left(label)[:, :, None, None] + layer.across(rows)
            a, b = (both + layer.project(condition)).chunk(2, 1)
            out = layer.out(torch.tanh(a) * torch.sigmoid(b))
            h = h + out if number else out
            a, b = rows.chunk(2, 1)
            v = torch.tanh(a) * torch.sigmoid(b)
        first, second = net.head[1], net.head[3]
        expected = second(torch.relu(first(torch.relu(h))))
        assert torch.allclose(net(x, label, condition), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize("layer", ["row", "diagonal-bi"])
    def test_a_pixelrnn_is_residual_layers_and_its_labels_shift_each(self, layer):
        net = PixelRNN(Event((1, 4, 5), 2), layer, channels=4, layers=2, kernel_size=3, classes=3).network
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x, label = torch.randn(2, 1, 4, 6), torch.tensor([2, 0])
        h = net.first(x)
        for lstm, up, shift in zip(net.recurrent, net.up, net.shifts, strict=True):
            h = h + shift(label)[:, :, None, None]
            h = h + up(lstm(h))
        assert torch.allclose(net(x, label), net.head(h), rtol=1e-4, atol=1e-4)

    def test_a_pixelcnn_is_residual_layers_and_its_labels_and_maps_shift_each(self):
        net = CausalConvNet(1, 2, 4, 3, (3, 3), classes=3, condition=2)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.4)
        x, label, condition = torch.randn(2, 1, 4, 5), torch.tensor([2, 0]), torch.randn(2, 2, 4, 5)
        h = 0
        for number, conv in enumerate([net.first, *net.hidden]):
            h = h + conv(torch.relu(h)) if number else conv(x)
            h = h + net.shifts[number](label)[:, :, None, None] + net.projections[number](condition)
        assert torch.allclose(net(x, label, condition), net.head(h), rtol=1e-4, atol=1e-4)


class TestDensity:
    @pytest.mark.parametrize("levels", [2, 3])
    @pytest.mark.parametrize("size", [(2, 2), (3, 2)])
    @pytest.mark.parametrize("make", ALL)
    def test_probabilities_sum_to_one(self, make, size, levels):
        event = Event((1, *size), levels)
        for pixels in ("auto", "logistic-mixture"):
            model = built(make, event, pixels=pixels)
            log_p = model.log_prob(all_images(event)).double()
            assert log_p.std() > 0.1
            assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-5)

    @pytest.mark.parametrize("pixels", ["bernoulli", "logistic-mixture"])
    @pytest.mark.parametrize("make", ALL)
    def test_over_colours_too(self, make, pixels):
        event = Event((3, 2, 1), 2)
        assert float(built(make, event, pixels=pixels).log_prob(all_images(event)).double().exp().sum()) == (
            pytest.approx(1, abs=1e-5)
        )

    @pytest.mark.parametrize("make", [multiscale, multiscale_plain])
    def test_the_large_image_sums_to_the_small_one(self, make):
        event = Event((1, 3, 3), 2)
        model = built(make, event)
        images, small = all_images(event), Event((1, 2, 2), 2)
        p = model.log_prob(images).double().exp()
        corners = all_images(small)
        with torch.no_grad():
            base = model.law(model.networks[0](small.scaled(corners), None), small).log_prob(corners).double().exp()
        for corner, expected in zip(corners, base, strict=True):
            same = (images[:, :, ::2, ::2] == corner).flatten(1).all(1)
            assert float(p[same].sum()) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("make", "event", "arguments"),
    [
        (gated, Event((3, 3, 4), 4), {"ordering": "reverse", "classes": 3}),
        (two_streams, Event((3, 4, 3), 4), {"ordering": "reverse"}),
        (multiscale, Event((3, 3, 4), 4), {"classes": 2}),
        (multiscale, Event((1, 6, 5), 3), {"scales": 3, "pixels": "logistic-mixture"}),
        (multiscale_plain, Event((3, 4, 3), 3), {"classes": 2}),
    ],
    ids=["gated", "two streams", "two scales", "three scales", "plain scales"],
)
def test_causality_and_passes(make, event, arguments):
    model = built(make, event, 0.3, **arguments)  # larger weights give features whose rounding shows
    assert all(law(model) for law in CAUSALITY_AND_PASSES)


def seen_by(model, row, column):
    """Return which pixels move the features of a pixel, by gradients at random examples: `(H, W)`."""
    torch.manual_seed(1)
    x = torch.randn(8, *model.event.shape, dtype=torch.float64).requires_grad_()
    model = model.double().eval()
    (slope,) = torch.autograd.grad((model.features(x, None)[:, :, row, column] ** 2).sum(), x)
    return slope.abs().sum((0, 1)) > 1e-12


def before(size, row, column):
    return torch.arange(size * size).view(size, size) < row * size + column


class TestReach:
    SIZE, ROW, COLUMN, LAYERS = 9, 5, 4, 3

    def away(self):
        rows = torch.arange(self.SIZE)[:, None] - self.ROW
        columns = torch.arange(self.SIZE)[None] - self.COLUMN
        return rows, columns

    def test_a_gated_pixelcnn_sees_every_pixel_before_within_reach(self):
        model = GatedPixelCNN(Event((1, 9, 9), 2), channels=16, layers=self.LAYERS, kernel_size=3)
        rows, columns = self.away()
        near = (rows.abs() <= self.LAYERS) & (columns.abs() <= self.LAYERS)
        assert torch.equal(seen_by(model, self.ROW, self.COLUMN), near & before(9, self.ROW, self.COLUMN))

    def test_a_pixelcnn_has_a_blind_spot_to_the_right(self):
        model = PixelCNN(Event((1, 9, 9), 2), channels=16, layers=self.LAYERS, kernel_size=3)
        rows, columns = self.away()
        near = (rows.abs() <= self.LAYERS) & (columns.abs() <= self.LAYERS) & (columns <= -rows)
        assert torch.equal(seen_by(model, self.ROW, self.COLUMN), near & before(9, self.ROW, self.COLUMN))

    @pytest.mark.parametrize("scales", [1, 2])
    def test_pixelcnnpp_sees_every_pixel_before(self, scales):
        torch.manual_seed(0)
        model = PixelCNNPlusPlus(Event((1, 8, 8), 2), channels=8, blocks=2, scales=scales)
        for row, column in ((7, 7), (4, 0), (5, 3), (1, 6), (0, 1)):
            assert torch.equal(seen_by(model, row, column), before(8, row, column)), (row, column)

    def test_the_pixels_between_see_all_of_the_small_image(self):
        model = MultiScalePixelCNN(Event((1, 6, 6), 2), channels=16, layers=2)
        order = order_of_scales((6, 6), 2)
        at = divmod(order.index(3 * 6 + 2), 6)  # where pixel (3, 2) is, as the order arranges them
        small = seen_by(model, *at).flatten()[:9].view(3, 3)
        assert small[0:3, 0:3].all()

    def test_far_resolutions_are_left_out(self):
        downs = [PixelCNNPlusPlus(Event((1, n, n), 2), channels=4, blocks=1).network.down for n in (4, 8, 28)]
        assert [len(down) for down in downs] == [1, 3, 5]


class TestVectorsAsLabels:
    @pytest.fixture(scope="class")
    @staticmethod
    def digits():
        train, test = tp.data.load("digits", binarize="threshold")
        return tuple(tp.Examples(part.data, part.event, TestVectorsAsLabels.of(part.labels)) for part in (train, test))

    @staticmethod
    def of(label):
        angle = label.float() * (2 * math.pi / 10)
        return torch.stack([angle.cos(), angle.sin()], 1)

    def test_a_model_learns_what_they_mean(self, digits, tmp_path):
        train, test = digits
        torch.manual_seed(0)
        model = gated(train.event, embedding=2)
        tp.fit(model, train, steps=100, lr=5e-3, run=tmp_path / "run", sample_every=80, progress=False)
        turned = test.labels.flip(1)
        right, wrong = model.log_prob(test), model.log_prob(test, label=turned)
        assert float((right - wrong).mean()) > 0.5
        one = model.sample(3, label=train.labels[0], seed=0)
        each = model.sample(3, label=train.labels[:1].expand(3, 2), seed=0)
        assert torch.equal(one.data, each.data) and torch.equal(one.labels, train.labels[:1].expand(3, 2))
        again = tp.load(tmp_path / "run")
        assert torch.equal(again.sample(3, label=train.labels[0], seed=0).data, one.data)
        filled = model.complete(test[:3], torch.arange(8)[:, None] < 4, seed=0)
        assert torch.equal(filled.data[:, :, :4], test.data[:3, :, :4])

    def test_the_pass_is_that_of_the_vector(self, digits):
        train, _ = digits
        model = gated(train.event, embedding=2).eval()
        x, label = train.data[:3], train.labels[:3] * 5
        with torch.no_grad():
            parallel = model.by_site(model.features(train.event.scaled(x), label))
            assert (parallel - model.by_site(model.features(train.event.scaled(x), -label))).abs().max() > 1e-3
            steps = model.steps(3, label)
            for site in range(64):
                assert torch.allclose(steps.features(site), parallel[:, site], atol=1e-4)
                steps.tell(site, train.event.scaled(x).flatten(1)[:, site : site + 1])

    def test_mistakes_are_one_line(self, digits):
        train, test = digits
        model = gated(train.event, embedding=2)
        with pytest.raises(DataError, match="was given no vectors as labels: expected 2 numbers for all, or"):
            model.sample(2)
        with pytest.raises(DataError, match=r"vectors of shape \(3,\) were given as labels: expected 2 numbers"):
            model.sample(2, label=[1.0, 2.0, 3.0])
        with pytest.raises(DataError, match="is not finite"):
            model.sample(2, label=[1.0, math.nan])
        with pytest.raises(DataError, match="asks for a vector with each example, the data has none"):
            tp.fit(model, tp.Examples(train.data, train.event), steps=1, progress=False)
        with pytest.raises(DataError, match="give embedding=2 instead of classes"):
            tp.fit(gated(train.event, classes=10), train, steps=1, progress=False)
        with pytest.raises(ConfigurationError, match="classes=3, embedding=2: expected labels, vectors"):
            gated(train.event, classes=3, embedding=2)

    def test_vectors_in_an_archive(self, tmp_path):
        x = np.random.default_rng(0).integers(0, 2, (20, 4, 4), dtype=np.uint8)
        y = np.arange(40, dtype=np.float64).reshape(20, 2)
        np.savez(tmp_path / "set.npz", x=x, y=y)
        train, test = tp.data.load(tmp_path / "set.npz")
        assert (train.labels.shape, train.labels.dtype, train.classes) == ((15, 2), torch.float32, ())
        rows = torch.cat([train.labels, test.labels])
        for part in (train, test):
            assert torch.equal(part.data[:, 0], torch.from_numpy(x)[(part.labels[:, 0] / 2).long()])
        assert sorted(rows[:, 0].tolist()) == list(range(0, 40, 2))
        np.savez(tmp_path / "given.npz", x_train=x, x_test=x[:5], y_train=y, y_test=y[:5])
        train, test = tp.data.load(tmp_path / "given.npz")
        assert torch.equal(train.labels, torch.from_numpy(y).float()) and len(test.labels) == 5


class TestMultiScale:
    def test_completion_is_exact_from_the_small_image_on(self):
        model = multiscale(Event((1, 6, 6), 2))
        known = torch.zeros(6, 6, dtype=torch.bool)
        known[::2, ::2] = True
        x = random_examples(model.event, 3)
        assert model.complete(x, known, seed=0).exact
        assert not model.complete(x, torch.arange(6)[:, None] < 3, seed=0).exact

    def test_scales_come_one_after_the_other(self):
        order = order_of_scales((5, 7), 3)
        pixels = torch.arange(35).view(5, 7)
        assert order[:4] == pixels[::4, ::4].flatten().tolist()
        assert sorted(order[:12]) == pixels[::2, ::2].flatten().tolist()
        assert sorted(order) == list(range(35)) and order[12:] == sorted(order[12:])


@pytest.mark.parametrize(
    ("make", "event", "arguments", "says"),
    [
        (GatedPixelCNN, Event((1, 4, 4), 2), {"kernel_size": 4}, "kernel_size=4: expected an odd number"),
        (GatedPixelCNN, Event((1, 4, 4), 2), {"ordering": "random"}, "raster or reverse"),
        (PixelCNNPlusPlus, Event((4,)), {}, "is a model of images, the data is a vector of 4: try pixelcnn"),
        (PixelCNNPlusPlus, Event((1, 4, 4), 2), {"dropout": 1.0}, "dropout=1: expected a share"),
        (PixelCNNPlusPlus, Event((1, 4, 4), 2), {"blocks": 0}, "blocks=0"),
        (MultiScalePixelCNN, Event((4,)), {}, "the data is a vector of 4"),
        (MultiScalePixelCNN, Event((1, 4, 4), 2), {"scales": 4}, "scales=4: expected 2 to 3"),
        (MultiScalePixelCNN, Event((1, 4, 4), 2), {"network": "gate"}, "did you mean gated"),
    ],
)
def test_mistakes_are_one_line(make, event, arguments, says):
    with pytest.raises(ConfigurationError, match=says) as raised:
        make(event, **arguments)
    assert "\n" not in str(raised.value)
