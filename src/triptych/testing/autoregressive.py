"""Laws that hold for every autoregressive model: no site sees a later one, and all ways of using it agree."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from triptych.distributions.sharpness import Sharpness
from triptych.event import Event
from triptych.models.autoregressive.base import Autoregressive, Repeated, Steps
from triptych.models.base import Model
from triptych.noise import Noise
from triptych.testing.parts import all_images, random_examples, sibling, taught

SMALL = (
    Event((1, 3, 3), 3),
    Event((3, 2, 2), 2),
    Event((4,), centre=(0.0, 1.0, 2.0, 3.0), spread=(1.0, 2.0, 3.0, 4.0)),
)
MOST_DIMS = 200
"""Up to this many dimensions of a model's own event a whole Jacobian, or a naive pass, is cheap enough."""
ROUNDING = 1e-6
"""By how much features may move, of the largest, because their sums are taken in another order."""
TINY = Event((1, 2, 2), 2)


def _itself(model: Autoregressive) -> Autoregressive:
    """Return the model, taught a little, so that no weight is still zero."""
    return _as_autoregressive(taught(model, random_examples(model.event, 8), 2))


def _siblings(model: Autoregressive) -> Iterator[Autoregressive]:
    """Yield the model's siblings for small events, each taught a little."""
    for event in SMALL:
        small = sibling(model, event)
        if small is not None:
            yield _as_autoregressive(taught(small, random_examples(event, 64), 5))


def _as_autoregressive(model: Model) -> Autoregressive:
    assert isinstance(model, Autoregressive)
    return model


def _label(model: Model, n: int) -> Tensor | None:
    return torch.arange(n, device=model.device) % model.classes if model.classes else None


def _scaled(model: Autoregressive, examples: Tensor) -> Tensor:
    """Return scaled, arranged examples."""
    return model.order.event.scaled(model.order.arranged(examples.to(model.device)))


def _changed(event: Event, x: Tensor) -> Tensor:
    """Return examples without any pattern that differ from the given ones in every part."""
    if event.levels is None:
        return random_examples(event, len(x), seed=1)
    step = torch.randint(1, event.levels, x.shape, generator=torch.Generator().manual_seed(1))
    return ((x + step) % event.levels).to(torch.uint8)


def _causal(model: Model) -> bool:
    if not isinstance(model, Autoregressive):
        return False
    _sees_no_later_site(_itself(model))
    return True


def _causal_siblings(model: Model) -> bool:
    if not isinstance(model, Autoregressive):
        return False
    for small in _siblings(model):
        _sees_no_later_site(small)
    return True


def _sees_no_later_site(model: Autoregressive) -> None:
    _unmoved_by_later_sites(model)
    if model.event.dims <= MOST_DIMS:
        _triangular_jacobian(model)


def _unmoved_by_later_sites(model: Autoregressive, n: int = 4, most: int = 9) -> None:
    """Change a site and all after it: features up to that site must be what they were."""
    joint, label = model.law.joint, _label(model, n)
    examples = random_examples(model.event, n)
    x, other = _scaled(model, examples), _scaled(model, _changed(model.event, examples))
    first = (torch.linspace(0, 1, min(most, model.sites)) * (model.sites - 1)).round().long()
    with torch.no_grad():
        before = model.by_site(model.features(x, label)).clone()
        for site in first.tolist():
            changed, drawn = model.order.by_site(x, joint).clone(), model.order.by_site(other, joint)
            changed[:, site:] = drawn[:, site:]
            after = model.by_site(model.features(model.order.from_sites(changed, joint), label))
            off = torch.where(after == before, 0, after - before)[:, : site + 1].abs().amax((0, 2))
            moved = ~(off <= ROUNDING * before.abs().max().clamp(min=1))
            assert not moved.any(), f"site {int(moved.nonzero()[0])} sees site {site}, or one after it ({model.event})"


def _triangular_jacobian(model: Autoregressive) -> None:
    """Differentiate every site's features by every site: on and above the diagonal there must be zeros.

    Example i of the batch is differentiated for site i, so that one backward pass is enough.
    """
    sites = model.sites
    x = _scaled(model, random_examples(model.event, 1)).repeat(sites, *[1] * len(model.event.shape)).requires_grad_()
    label = None if not model.classes else torch.zeros(sites, dtype=torch.long, device=model.device)
    trained = [p for p in model.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    features = model.by_site(model.features(x, label))
    if features.requires_grad:  # else levels are looked up, and there is nothing to differentiate
        own = features[torch.arange(sites), torch.arange(sites)]
        mixed = torch.randn(own.shape, generator=torch.Generator().manual_seed(0)).to(own)
        (slope,) = torch.autograd.grad((own * mixed).sum(), x)
        seen = model.order.by_site(slope, model.law.joint).abs().sum(2).triu()
        assert not seen.any(), "site {} sees site {} ({})".format(*seen.nonzero()[0].tolist(), model.event)
    for parameter in trained:
        parameter.requires_grad_(True)


class _Heard(Steps):
    """A pass that remembers which features it gave."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.heard: dict[int, Tensor] = {}

    def features(self, site: int) -> Tensor:
        """Return what the pass says."""
        told = self.steps.features(site)
        self.heard[site] = told.clone()
        return told

    def tell(self, site: int, value: Tensor) -> None:
        """Pass it on."""
        self.steps.tell(site, value)


def _pass_is_parallel(model: Model) -> bool:
    if not isinstance(model, Autoregressive):
        return False
    _same_passes(_itself(model))
    return True


def _passes_of_siblings_are_parallel(model: Model) -> bool:
    if not isinstance(model, Autoregressive):
        return False
    for small in _siblings(model):
        _same_passes(small)
    return True


def _same_passes(model: Autoregressive) -> None:
    sites = torch.arange(model.sites, device=model.device)
    with torch.no_grad():
        for told in (sites < 0, sites < model.sites // 3, sites % 3 == 1):
            _same_pass(model, told)


def _same_pass(model: Autoregressive, told: Tensor, n: int = 3) -> None:
    """Walk over the sites by the model's own pass and by the naive one, from the same numbers."""
    joint, label, order = model.law.joint, _label(model, n), model.order
    values = order.by_site(order.arranged(random_examples(model.event, n).to(model.device)), joint)
    uniform = model.uniform(n, Noise.of(0, model.device))
    heard = _Heard(model.steps(n, label))
    drawn, log_weight = model.walk(heard, values, told, uniform, Sharpness())
    assert torch.equal(drawn[:, told], values[:, told]), "a pass changed what it was told"
    finished = order.event.scaled(order.from_sites(drawn, joint))
    parallel = model.by_site(model.features(finished, label))
    for site, features in heard.heard.items():
        close = torch.allclose(features.view_as(parallel[:, site]), parallel[:, site], atol=1e-4, rtol=0)
        assert close, f"the features of site {site} are others in a pass than of the finished example ({model.event})"
    if model.event.dims > MOST_DIMS:
        return
    again, log_weight_again = model.walk(Repeated(model, n, label), values, told, uniform, Sharpness())
    near, spare = (0.0, 1) if model.event.is_image else (1e-3, 0)  # rounding moves a draw at the edge of two levels
    same = torch.isclose(drawn, again, atol=near, rtol=near).flatten(1).all(1)
    assert int(same.sum()) >= n - spare, f"the same numbers give other examples than the naive pass ({model.event})"
    close = torch.allclose(log_weight[same], log_weight_again[same], atol=1e-2, rtol=1e-3)
    assert close, "the weights of a completion are wrong"


def _completion_is_exact(model: Model) -> bool:
    if not isinstance(model, Autoregressive):
        return False
    small = sibling(model, TINY)
    if small is None:
        return False
    # Sites that agree but for one in eight: what comes later says much of what came before.
    agree = torch.arange(64).remainder(2).view(64, 1, 1, 1).expand(64, *TINY.shape)
    flips = random_examples(Event(TINY.shape, 8), 64) == 0
    small = _as_autoregressive(taught(small, (agree ^ flips).to(torch.uint8), 40, faster=10))
    first, last = torch.tensor([True, True, False, False]), torch.tensor([False, False, False, True])
    if not small.completes_exactly(small.order.restored(first.view(1, *TINY.shape))[0].to(small.device)):
        return False  # a mean over orders: what comes first in one comes later in another
    _completion_of(small, first)
    _completion_of(small, last)
    return True


def _completion_of(model: Autoregressive, sites: Tensor) -> None:
    """Compare completions with p(unknown | known), for every known part that there can be.

    Where the model says that they are exact, they must follow it. Elsewhere the better of several candidates must
    be far nearer to it than draws in the order are, each site given those before it alone.
    """
    known = model.order.restored(sites.view(1, *TINY.shape))[0]
    exact = model.completes_exactly(known.to(model.device))
    images = all_images(TINY)
    given = images[(images * ~known).flatten(1).sum(1) == 0]  # one of each known part
    each, candidates = (4096, 1) if exact else (1024, 16)
    seen = _completions(model, given.repeat_interleave(each // len(given), 0), known, candidates, len(given))
    p = _conditional(model.log_prob(images).double(), images, given, known)
    if exact:
        _follows(seen, p * (each // len(given)))
        return
    with torch.no_grad():
        nats = model.nll_map(model.order.restored(images).to(model.device), None).cpu().double().flatten(1)
    in_order = _conditional(-nats[:, ~sites].sum(1), images, given, known)
    share = seen / (each // len(given))
    off, off_in_order = ((q - p).abs().sum(1).mean() / 2 for q in (share, in_order))
    rounding = (p * (1 - p) / (each // len(given)) * 2 / math.pi).sqrt().sum(1).mean() / 2
    assert off < off_in_order / 4 + 1.6 * rounding, (
        f"the best of {candidates} completions is {off:.3f} from p(unknown | known) in total variation: "
        f"a single one is {off_in_order:.3f} from it"
    )


def _conditional(log_q: Tensor, images: Tensor, given: Tensor, known: Tensor) -> Tensor:
    """Return q(image | its known part is that of the given one), `(len(given), 16)`."""
    same = (images[None] == given[:, None])[:, :, known].all(2)
    return torch.where(same, log_q, -math.inf).softmax(1)


def _completions(model: Autoregressive, given: Tensor, known: Tensor, candidates: int, parts: int) -> Tensor:
    """Complete images; return how often each of the 16 came out for each known part, `(parts, 16)`."""
    completed = model.complete(given, known, seed=0, candidates=candidates)
    which = (completed.data.flatten(1).long() * torch.tensor([8, 4, 2, 1])).sum(1)
    asked = torch.arange(parts).repeat_interleave(len(given) // parts)
    return torch.bincount(asked * 16 + which, minlength=parts * 16).view(parts, 16).double()


def _follows(seen: Tensor, expected: Tensor) -> None:
    """Assert by χ² that counts are those expected; cells that expect fewer than 5 are added up."""
    assert not seen[expected == 0].any(), "a completion is not of its known part"
    usual = expected >= 5
    rare = torch.stack([(seen * ~usual).sum(), (expected * ~usual).sum()])
    chi_square = float(
        ((seen - expected)[usual] ** 2 / expected[usual]).sum() + (rare[0] - rare[1]) ** 2 / (rare[1] + 5)
    )
    freedom = max(1, int((expected > 0).sum()) - len(seen))
    # The quantile at 1e-4, by Wilson and Hilferty's cube root.
    most = freedom * (1 - 2 / (9 * freedom) + 3.72 * math.sqrt(2 / (9 * freedom))) ** 3
    assert chi_square < most, (
        f"completions do not follow p(unknown | known): χ² = {chi_square:.1f}, {freedom} degrees of freedom"
    )


AUTOREGRESSIVE: dict[str, Callable[[Model], bool]] = {
    "no site sees itself or a later one": _causal,
    "a pass tells what the parallel pass says": _pass_is_parallel,
}
"""Each law of a model itself by name; it returns False where it does not apply to the model."""
AUTOREGRESSIVE_OF_SIBLINGS: dict[str, Callable[[Model], bool]] = {
    "no site of a small sibling sees itself or a later one": _causal_siblings,
    "a small sibling's pass tells what its parallel pass says": _passes_of_siblings_are_parallel,
    "completion is exact where it says so": _completion_is_exact,
}
"""Each law of a model's siblings by name; it returns False where it does not apply to the model."""
