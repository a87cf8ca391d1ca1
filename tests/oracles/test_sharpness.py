"""Temperature and nucleus against their definitions, by enumeration of all levels and of all colours of a pixel."""

import itertools

import pytest
import torch
from scipy import stats

from triptych.distributions import LAWS
from triptych.distributions.pixels import quantile
from triptych.distributions.sharpness import Sharpness
from triptych.errors import ConfigurationError
from triptych.event import Event

IMAGE_LAWS = ["bernoulli", "categorical", "logistic-mixture", "discretized-gaussian"]
VECTORS = Event((2,), centre=(3.0, -1.0), spread=(2.0, 3.0))


def pixel_of(name, levels):
    """Return the event of one pixel of three colours, features of a law, and the probability of every pixel."""
    event, law = Event((3, 1, 1), levels), LAWS[name]
    features = 1.5 * torch.randn(1, law.channels(event), 1, 1, generator=torch.Generator().manual_seed(4))
    pixels = torch.tensor(list(itertools.product(range(levels), repeat=3)), dtype=torch.uint8).view(-1, 3, 1, 1)
    p = law(features.expand(len(pixels), -1, -1, -1), event).log_prob(pixels).double().exp()
    return event, law, features, p.view(levels, levels, levels)


def conditionals(p, red, green):
    """Return p(r), p(g | r) and p(b | r, g) of a table `(L, L, L)`."""
    return [p.sum((1, 2)), p[red].sum(1) / p[red].sum(), p[red, green] / p[red, green].sum()]


def sharpened(p, temperature, top_p):
    """The definition, level by level."""
    p = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    kept, share = torch.zeros_like(p), 0.0
    for level in sorted(range(len(p)), key=lambda level: -p[level]):
        if share < top_p:
            kept[level] = p[level]
        share += float(p[level])
    return kept / kept.sum()


@pytest.mark.parametrize("name", IMAGE_LAWS)
def test_nats_of_every_level_are_those_given_the_colours_before(name):
    levels = 2 if name == "bernoulli" else 4
    event, law, features, p = pixel_of(name, levels)
    for red, green in itertools.product(range(levels), repeat=2):
        x = torch.tensor([red, green, 0], dtype=torch.uint8).view(1, 3, 1, 1)
        for colour, expected in enumerate(conditionals(p, red, green)):
            found = law(features, event).level_nats(x, colour).flatten().double()
            assert torch.allclose((-found).exp(), expected, atol=1e-5)


@pytest.mark.parametrize(("temperature", "top_p"), [(0.5, 1.0), (2.0, 0.8), (1.0, 0.6), (0.7, 0.05)])
@pytest.mark.parametrize("name", IMAGE_LAWS)
def test_draws_are_of_each_sub_pixels_power_and_nucleus(name, temperature, top_p):
    levels, n = 2 if name == "bernoulli" else 4, 20_000
    event, law, features, p = pixel_of(name, levels)
    expected = torch.zeros_like(p)
    for red, green in itertools.product(range(levels), repeat=2):
        r, g, b = (sharpened(q, temperature, top_p) for q in conditionals(p, red, green))
        expected[red, green] = n * r[red] * g[green] * b
    expected = expected.flatten()
    u = torch.rand(n, law.draws(event), 1, 1, generator=torch.Generator().manual_seed(0))
    drawn = Sharpness(temperature, top_p).draw(law(features.expand(n, -1, -1, -1), event), u).view(n, 3).long()
    seen = torch.bincount(drawn @ torch.tensor([levels**2, levels, 1]), minlength=levels**3).double()
    assert not seen[expected < 1e-9].any(), "a level that is not in the nucleus"
    likely = expected > 5
    chi_square = float(((seen - expected)[likely] ** 2 / expected[likely]).sum())
    assert chi_square < stats.chi2.isf(1e-4, int(likely.sum()))


@pytest.mark.parametrize("u", [0.0, 1 - 2.0**-24])
def test_the_ends_of_the_unit_interval_are_in_the_nucleus(u):
    event = Event((1, 1, 1), 4)
    law = LAWS["categorical"](torch.tensor([-1.0, 2, 1, -2]).view(1, 4, 1, 1), event)
    assert int(Sharpness(top_p=0.8).draw(law, torch.full((1, 1, 1, 1), u))) == (1 if u == 0 else 2)
    assert quantile(torch.tensor([[[0.0, 0.3, 0.4, 0.0]]]), torch.tensor([[u]])).item() == (1 if u == 0 else 2)


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_tempered_gaussian_is_the_power_of_its_density(temperature):
    law = LAWS["gaussian"]
    features = torch.randn(1, 4, generator=torch.Generator().manual_seed(0))
    x = VECTORS.restored(3 * torch.randn(50, 2, generator=torch.Generator().manual_seed(1)))
    of_all = law(features.expand(50, -1), VECTORS)
    gap = of_all.tempered(temperature).log_prob(x) - of_all.log_prob(x) / temperature
    assert float(gap.max() - gap.min()) < 1e-3


@pytest.mark.parametrize("temperature", [0.5, 3.0])
def test_a_tempered_mixture_is_the_power_of_its_density_where_its_components_lie_apart(temperature):
    law, event = LAWS["gaussian-mixture"], Event((1,), centre=(0.5,), spread=(2.0,))
    logits, means, log_scales = (torch.full((law.components,), value) for value in (-60.0, 0.0, 0.0))
    logits[:2], means[:2] = torch.tensor([0.3, -0.5]), torch.tensor([-20.0, 15.0])
    log_scales[:2] = torch.tensor([0.5, -1.0])
    features = torch.cat([logits, means, log_scales]).view(1, -1)
    step = 2e-3
    grid = torch.arange(-80, 80, step).view(-1, 1)
    law_on_grid = law(features.expand(len(grid), -1), event)
    power = torch.softmax(law_on_grid.log_prob(grid).double() / temperature, 0)
    found = law_on_grid.tempered(temperature).log_prob(grid).double().exp() * step
    assert float((power - found).abs().sum()) < 1e-3


def test_what_has_no_levels_has_no_nucleus():
    law = LAWS["gaussian"](torch.zeros(1, 4), VECTORS)
    with pytest.raises(ConfigurationError, match="vectors have none"):
        Sharpness(top_p=0.5).draw(law, torch.zeros(1, 2))
