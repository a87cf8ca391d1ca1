"""The laws of autoregressive models: they pass over what there is, and catch models that are broken on purpose."""

import pytest
import torch

import triptych as tp
from triptych.catalogue import CATALOGUE
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.models import asking
from triptych.models.autoregressive.base import Autoregressive, Repeated, Steps
from triptych.models.autoregressive.bayesnet import BayesianNetwork
from triptych.models.autoregressive.pixelcnn import PixelCNN
from triptych.models.completion import Filled
from triptych.testing.autoregressive import AUTOREGRESSIVE, AUTOREGRESSIVE_OF_SIBLINGS
from triptych.testing.parts import all_images, random_examples, taught

SMALL = {"channels": 12, "layers": 2, "hidden": 32}
LAWS = {**AUTOREGRESSIVE, **AUTOREGRESSIVE_OF_SIBLINGS}
CAUSAL, PASS, CAUSAL_SIBLINGS, PASS_OF_SIBLINGS, COMPLETION = LAWS


def pixelcnn(event=None, kind=PixelCNN, **arguments):
    torch.manual_seed(0)
    return kind(event or Event((1, 3, 3), 2), **{"channels": 12, "layers": 2, "kernel_size": 3, **arguments})


@pytest.mark.parametrize(
    "arguments",
    [
        {"ordering": "reverse"},
        {"pixels": "logistic-mixture"},
        {"pixels": "categorical", "classes": 3},
        {"event": Event((3, 2, 2), 5), "pixels": "logistic-mixture", "classes": 2},
        {"event": Event((3, 2, 2), 5), "ordering": "reverse"},
        {"event": Event((4,)), "ordering": [2, 0, 3, 1], "pixels": "gaussian"},
    ],
    ids=str,
)
def test_laws_hold_for_orders_joint_laws_and_labels(arguments):
    for name, law in LAWS.items():
        applies = law(pixelcnn(**arguments))
        assert applies == (name != COMPLETION or arguments.get("pixels") != "gaussian"), name


@pytest.mark.parametrize("name", [n for n, entry in CATALOGUE.items() if issubclass(entry.model, Autoregressive)])
def test_probabilities_of_all_3x3_images_of_3_levels_sum_to_one(name):
    accepted = CATALOGUE[name].model.__init__.__code__.co_varnames
    event = Event((1, 3, 3), 3)
    model = tp.build(name, event, **{key: size for key, size in SMALL.items() if key in accepted})
    taught(model, random_examples(event, 64), 3)
    assert float(model.log_prob(all_images(event)).double().exp().sum()) == pytest.approx(1, abs=1e-5)


class SeesItself(PixelCNN):
    """Its first mask is that of the later layers."""

    def __init__(self, *given, **arguments):
        super().__init__(*given, **arguments)
        first = self.network.first
        first.mask[:, :, first.mask.shape[2] // 2, first.mask.shape[3] // 2] = 1


class SeesTheNext(PixelCNN):
    """Its first mask is shifted by one column."""

    def __init__(self, *given, **arguments):
        super().__init__(*given, **arguments)
        self.network.first.mask.copy_(self.network.first.mask.roll(1, 3))


class SeesTheLast(PixelCNN):
    """Every site has a hint of the last one."""

    def features(self, x, label):
        return super().features(x, label) + 0.01 * x.flatten(1)[:, -1].view(-1, *[1] * (x.dim() - 1))


class LooksUpTheNext(BayesianNetwork):
    """Its features have no gradient, and see the next site."""

    def features(self, x, label):
        return super().features(x.flatten(2).roll(-1, 2).view(x.shape), label)


class TestCausality:
    @pytest.mark.parametrize("kind", [SeesItself, SeesTheNext, SeesTheLast])
    @pytest.mark.parametrize("event", [Event((1, 3, 3), 2), Event((3, 2, 2), 2), Event((4,)), Event((1, 16, 16), 2)])
    def test_a_broken_mask_is_caught(self, kind, event):
        with pytest.raises(AssertionError, match="sees site"):
            LAWS[CAUSAL](pixelcnn(event, kind))

    def test_without_gradients_too(self):
        with pytest.raises(AssertionError, match="sees site"):
            LAWS[CAUSAL](LooksUpTheNext(Event((1, 3, 3), 2), parents="chain"))

    def test_the_jacobian_names_the_sites(self):
        from triptych.testing.autoregressive import _triangular_jacobian

        with pytest.raises(AssertionError, match="site 0 sees site 8"):
            _triangular_jacobian(pixelcnn(kind=SeesTheLast).eval())
        _triangular_jacobian(pixelcnn().eval())


class Wrong(Steps):
    """A naive pass with something wrong."""

    def __init__(self, model, n, label):
        self.naive = Repeated(model, n, label)

    def features(self, site):
        return self.naive.features(site)

    def tell(self, site, value):
        self.naive.tell(site, value)


class Stale(Wrong):
    def tell(self, site, value):
        if site != 1:
            self.naive.tell(site, value)


class Late(Wrong):
    """Takes the site before last only when features are asked for: right while every site is drawn."""

    def __init__(self, model, n, label):
        super().__init__(model, n, label)
        self.last = None

    def features(self, site):
        if self.last is not None:
            self.naive.tell(*self.last)
        return self.naive.features(site)

    def tell(self, site, value):
        self.last = site, value


class Unlabelled(Wrong):
    def __init__(self, model, n, label):
        super().__init__(model, n, None if label is None else torch.zeros_like(label))


def with_steps(steps):
    class Mutant(PixelCNN):
        def steps(self, n, label):
            return steps(self, n, label)

    return Mutant


class TestPasses:
    def test_the_naive_pass_is_right(self):
        assert LAWS[PASS](pixelcnn(kind=with_steps(Wrong), classes=2))

    @pytest.mark.parametrize("steps", [Stale, Late, Unlabelled])
    def test_a_stale_cache_is_caught(self, steps):
        with pytest.raises(AssertionError, match="pass"):
            LAWS[PASS](pixelcnn(kind=with_steps(steps), classes=2))

    def test_features_a_little_off_are_caught(self):
        class Off(Wrong):
            def features(self, site):
                return super().features(site) + 3e-4 * (site == 7)

        with pytest.raises(AssertionError, match="features of site 7"):
            LAWS[PASS](pixelcnn(kind=with_steps(Off)))


class Overconfident(PixelCNN):
    """Says that every completion is exact."""

    def completes_exactly(self, known):
        return True


class Unweighed(PixelCNN):
    """All its proposals have one weight."""

    def _complete(self, *given):
        return Filled(super()._complete(*given).x, torch.zeros(len(given[0])))


class TestCompletion:
    @pytest.mark.parametrize(("kind", "says"), [(Overconfident, "do not follow"), (Unweighed, "total variation")])
    def test_wrong_completions_are_caught(self, kind, says):
        assert LAWS[COMPLETION](pixelcnn())
        with pytest.raises(AssertionError, match=says):
            LAWS[COMPLETION](pixelcnn(kind=kind))

    def test_a_completion_that_forgets_what_is_known_is_caught(self):
        class Forgets(PixelCNN):
            def walk(self, steps, values, told, uniform, sharpness):
                drawn, log_weight = super().walk(steps, values, torch.zeros_like(told), uniform, sharpness)
                return torch.where(told[None, :, None], values, drawn), log_weight

        with pytest.raises(AssertionError, match="do not follow"):
            LAWS[COMPLETION](pixelcnn(kind=Forgets))

    def test_candidates_of_one_example_may_fall_into_two_chunks(self, monkeypatch):
        model = taught(pixelcnn(Event((1, 2, 2), 2)), random_examples(Event((1, 2, 2), 2), 64), 5, faster=10)
        x, last = random_examples(model.event, 50), torch.tensor([[False, False], [False, True]])
        done = []
        for chunk in (5, 350):
            monkeypatch.setattr(asking, "BATCH", chunk)
            done.append(model.complete(x, last, seed=0, candidates=7).data)
            assert torch.equal(done[-1][:, :, last], x[:, :, last])
        assert int((done[0] != done[1]).sum()) <= 1, "rounding may move a draw at the edge of two levels"

    def test_candidates_have_the_label_of_their_example(self):
        model = tp.build("fvbn", Event((1, 2, 2), 2), classes=2)
        with torch.no_grad():
            model.network.shifts[0].weight.copy_(torch.tensor([[-50.0], [50.0]]))
        label, last = torch.arange(30) % 2, torch.tensor([[False, False], [False, True]])
        x = torch.ones(30, 1, 2, 2, dtype=torch.uint8)
        completed = model.complete(x, last, seed=0, candidates=3, label=label)
        assert torch.equal(completed.data[:, 0, :, 0], label.to(torch.uint8)[:, None].expand(-1, 2))
        assert torch.equal(completed.labels, label)

    def test_parts_that_are_independent_given_what_is_known_are_drawn_so(self):
        copied = [[0.9, 0.1], [0.1, 0.9]]
        chain = BayesianNetwork.of_tables([[], [0], [1], [2]], [[0.5, 0.5], copied, [[0.5, 0.5]] * 2, copied])
        n, known = 4000, torch.tensor([False, True, False, True])
        completed = chain.complete(torch.ones(n, 1, 1, 4, dtype=torch.uint8), known, seed=0)
        first, third = completed.data.view(n, 4)[:, [0, 2]].double().unbind(1)
        assert completed.exact
        for share, p in ((first, 0.9), (third, 0.9), (first * third, 0.81)):
            assert abs(float(share.mean()) - p) < 4 * (p * (1 - p) / n) ** 0.5

    @pytest.mark.parametrize("sharper", [{"temperature": 0.5}, {"top_p": 0.9}])
    def test_a_sharpened_completion_is_not_exact(self, sharper):
        first = torch.tensor([[True, True, True], [False] * 3, [False] * 3])
        completed = pixelcnn().complete(random_examples(Event((1, 3, 3), 2), 2), first, seed=0, **sharper)
        assert not completed.exact and completed.method.startswith("sharpened")

    def test_one_known_site_after_one_unknown_is_not_exact(self):
        known = torch.ones(3, 3, dtype=torch.bool)
        for site, exact in ((8, True), (7, False), (0, False)):
            one = known.flatten().index_fill(0, torch.tensor([site]), False).view(1, 3, 3)
            assert pixelcnn().completes_exactly(one) == exact


def test_other_models_are_left_alone():
    with pytest.raises(ConfigurationError):
        BayesianNetwork(Event((3,)))
    assert not any(law(tp.build("vae", Event((1, 2, 2), 2), latent=2, hidden=8)) for law in LAWS.values())
