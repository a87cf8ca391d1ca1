"""Bayesian networks against brute force: the whole joint distribution by numpy, and counts by histogram."""

import itertools

import numpy as np
import pytest
import torch

import triptych as tp
from triptych.data import Batches, Examples
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.models.autoregressive.bayesnet import BayesianNetwork
from triptych.models.autoregressive.graph import Graph, named_parents
from triptych.testing import check_model

RAIN, SPRINKLER, WET = range(3)


@pytest.fixture
def lawn():
    """The wet lawn of the textbooks: rain keeps the sprinkler off, both wet the grass."""
    rain = [0.8, 0.2]
    sprinkler = [[0.6, 0.4], [0.99, 0.01]]  # without, with rain
    wet = [[[1.0, 0.0], [0.2, 0.8]], [[0.1, 0.9], [0.01, 0.99]]]  # [sprinkler][rain]
    return BayesianNetwork.of_tables([[], [RAIN], [SPRINKLER, RAIN]], [rain, sprinkler, wet])


# A graph whose order is not the raster's: 3 → 0 → 2, 3 → 2, 1 ← 2, 4 alone.
DAG = [[3], [2], [0, 3], [], []]


def random_tables(parents, levels, seed=0):
    random = np.random.default_rng(seed)
    return [random.dirichlet(np.ones(levels), size=(levels,) * len(of)) for of in parents]


def joint_of(parents, tables, levels):
    """p of every state of the variables, an array with one axis each."""
    p = np.ones((levels,) * len(parents))
    for state in itertools.product(range(levels), repeat=len(parents)):
        for variable, of in enumerate(parents):
            p[state] *= tables[variable][tuple(state[parent] for parent in of) + (state[variable],)]
    return p


def conditional(p, target, evidence):
    """p(target | evidence) by summing over the whole joint."""

    def total(fixed):
        return p[tuple(fixed.get(axis, slice(None)) for axis in range(p.ndim))].sum()

    return total({**evidence, **target}) / total(evidence)


def images_of(event):
    return torch.tensor(list(itertools.product(range(event.levels), repeat=event.dims))).view(-1, *event.shape).byte()


class TestSprinkler:
    def test_by_enumeration(self, lawn):
        assert lawn.query({WET: 1}) == pytest.approx(0.8 * 0.4 * 0.9 + 0.2 * (0.99 * 0.8 + 0.01 * 0.99), abs=1e-12)
        assert lawn.query({WET: 1}) == pytest.approx(0.44838, abs=1e-5)
        assert lawn.query({RAIN: 1}, {WET: 1}) == pytest.approx(0.35769, abs=1e-5)
        assert lawn.query({RAIN: 1}, {WET: 1, SPRINKLER: 1}) == pytest.approx(0.00198 / 0.28998, abs=1e-9)

    def test_by_sampling(self, lawn):
        n = 20_000
        drawn = lawn.sample(n, seed=0).data.view(n, 3).double()
        wet = drawn[:, WET] == 1
        for seen, p in ((wet.double(), 0.44838), (drawn[wet, RAIN], 0.35769)):
            assert abs(float(seen.mean()) - p) < 4 * (p * (1 - p) / len(seen)) ** 0.5
        assert not ((drawn[:, RAIN] == 0) & (drawn[:, SPRINKLER] == 0) & wet).any()  # a probability of 0

    def test_by_completion(self, lawn):
        n = 10_000
        known = torch.tensor([False, False, True])
        given = torch.ones(n, 1, 1, 3, dtype=torch.uint8)
        completed = lawn.complete(given, known, seed=0)
        assert completed.exact
        rain = float(completed.data[:, 0, 0, RAIN].double().mean())
        assert abs(rain - 0.35769) < 4 * (0.35769 * 0.64231 / n) ** 0.5

    def test_what_cannot_happen(self, lawn):
        dry_but_wet = {RAIN: 0, SPRINKLER: 0, WET: 1}
        assert lawn.log_prob(torch.tensor([[[[0, 0, 1]]]], dtype=torch.uint8)).item() == -np.inf
        assert lawn.query(dry_but_wet) == 0
        assert lawn.query({RAIN: 1}, {RAIN: 0}) == 0
        assert lawn.query({RAIN: 1}, {RAIN: 1}) == 1
        with pytest.raises(DataError, match="probability 0"):
            lawn.query({RAIN: 1}, {RAIN: 0, SPRINKLER: 0, WET: 1})

    def test_is_the_same_from_disk(self, lawn, tmp_path):
        tp.save(lawn, tmp_path)
        assert tp.load(tmp_path).query({RAIN: 1}, {WET: 1}) == lawn.query({RAIN: 1}, {WET: 1})


class TestAgainstTheJoint:
    @pytest.mark.parametrize("levels", [2, 3])
    def test_probabilities(self, levels):
        tables = random_tables(DAG, levels)
        network = BayesianNetwork.of_tables(DAG, tables)
        log_p = network.log_prob(images_of(network.event)).double()
        np.testing.assert_allclose(log_p.exp(), joint_of(DAG, tables, levels).ravel(), rtol=1e-5)

    @pytest.mark.parametrize(
        ("target", "evidence"),
        [({0: 1}, {}), ({3: 2}, {1: 0}), ({1: 1, 4: 0}, {3: 2, 0: 1}), ({2: 0}, {1: 2, 4: 1}), ({}, {1: 1})],
        ids=str,
    )
    def test_queries(self, target, evidence):
        tables = random_tables(DAG, 3)
        asked = BayesianNetwork.of_tables(DAG, tables).query(target, evidence)
        assert asked == pytest.approx(conditional(joint_of(DAG, tables, 3), target, evidence), rel=1e-9)

    @pytest.mark.parametrize(
        "known", [[1], [2, 4], [0, 1], [3]], ids=lambda known: "known " + " ".join(map(str, known))
    )
    def test_completions(self, known):
        tables, n = random_tables(DAG, 2, seed=3), 8000
        network = BayesianNetwork.of_tables(DAG, tables)
        mask = torch.zeros(5, dtype=torch.bool)
        mask[known] = True
        completed = network.complete(torch.ones(n, 1, 1, 5, dtype=torch.uint8), mask, seed=0)
        assert completed.exact
        numbers = (completed.data.view(n, 5).long() * torch.tensor([16, 8, 4, 2, 1])).sum(1)
        p = joint_of(DAG, tables, 2)
        for axis in known:
            p = np.where(np.arange(2).reshape([-1 if i == axis else 1 for i in range(5)]) == 1, p, 0)
        expected = n * p.ravel() / p.sum()
        seen = np.bincount(numbers, minlength=32)
        assert not seen[expected == 0].any()
        possible = expected > 0
        chi_square = ((seen - expected)[possible] ** 2 / expected[possible]).sum()
        assert chi_square < 45  # 15 degrees of freedom at most: p < 1e-4

    def test_a_chain_is_completed_exactly_through_its_gaps(self):
        event = Event((1, 1, 9), 3)
        chain = BayesianNetwork(event, parents="chain")
        known = torch.arange(9) % 3 == 2
        assert chain.completes_exactly(known.view(event.shape))
        wide = BayesianNetwork(Event((1, 1, 20), 3), parents="chain")
        assert not wide.completes_exactly((torch.arange(20) == 19).view(1, 1, 20))  # 3^19 states
        assert wide.completes_exactly((torch.arange(20) == 0).view(1, 1, 20))


class TestCounting:
    EVENT = Event((2, 2, 3), 3)

    def examples(self, n=200, classes=0):
        x = torch.randint(3, (n, *self.EVENT.shape), generator=torch.Generator().manual_seed(0)).byte()
        return Examples(x, self.EVENT, torch.arange(n) % classes if classes else None)

    @pytest.mark.parametrize("structure", ["none", "chain", "grid"])
    def test_is_a_smoothed_histogram(self, structure):
        examples, prior = self.examples(), 0.5
        network = BayesianNetwork.counted(self.EVENT, examples, parents=structure, prior=prior)
        flat = examples.data.flatten(1).numpy()
        expected = np.zeros(len(flat))
        for variable, of in enumerate(named_parents(self.EVENT, structure)):
            columns = flat[:, [*of, variable]]
            table, _ = np.histogramdd(columns, bins=[np.arange(4) - 0.5] * columns.shape[1])
            table += prior
            table /= table.sum(-1, keepdims=True)
            expected += np.log(table[tuple(columns.T)])
        np.testing.assert_allclose(network.log_prob(examples), expected, rtol=1e-5)

    def test_each_label_has_its_own_tables(self):
        examples = self.examples(classes=3)
        network = BayesianNetwork.counted(self.EVENT, examples, classes=3)
        for label in range(3):
            own = examples.labels == label
            alone = BayesianNetwork.counted(self.EVENT, Examples(examples.data[own], self.EVENT))
            torch.testing.assert_close(network.log_prob(examples.data, label=label), alone.log_prob(examples.data))
            assert network.query({0: 1}, {5: 2}, label=label) == pytest.approx(alone.query({0: 1}, {5: 2}))
        with pytest.raises(ConfigurationError, match="out of range"):
            network.query({0: 1}, label=3)

    def test_one_pass_of_training_counts_the_minibatches_seen(self):
        examples = self.examples(n=70)
        network = BayesianNetwork(self.EVENT)
        tp.fit(network, examples, epochs=1, batch_size=32, seed=5, warmup=3, schedule="cosine", progress=False)
        seen = torch.cat([b.x for b, _ in zip(Batches(examples, 32, seed=5).since(0), range(2), strict=False)])
        assert len(seen) == 64
        counted = BayesianNetwork.counted(self.EVENT, Examples(seen, self.EVENT))
        assert torch.equal(network.tables.counts, counted.tables.counts)

    def test_further_passes_change_nothing(self):
        examples = self.examples(n=64)
        network = BayesianNetwork(self.EVENT, prior=2.0)
        tp.fit(network, examples, epochs=4, batch_size=32, progress=False)
        once = BayesianNetwork.counted(self.EVENT, examples, prior=2.0)
        torch.testing.assert_close(network.log_prob(examples), once.log_prob(examples))

    def test_a_run_is_resumed(self, tmp_path):
        examples = self.examples(n=128)
        whole, parted = BayesianNetwork(self.EVENT), BayesianNetwork(self.EVENT)
        tp.fit(whole, examples, steps=6, batch_size=32, progress=False)
        tp.fit(parted, examples, steps=3, batch_size=32, run=tmp_path / "run", progress=False)
        again = BayesianNetwork(self.EVENT)
        tp.fit(again, examples, steps=6, batch_size=32, run=tmp_path / "run", resume=True, progress=False)
        assert torch.equal(whole.tables.counts, again.tables.counts)
        assert not torch.equal(whole.tables.counts, parted.tables.counts)

    @pytest.mark.parametrize(("option", "says"), [({"lr": 0.1}, "learning rate"), ({"clip": 0.5}, "--clip")])
    def test_what_counting_does_not_have_is_refused(self, option, says):
        with pytest.raises(ConfigurationError, match=says):
            tp.fit(BayesianNetwork(self.EVENT), self.examples(), steps=2, batch_size=32, progress=False, **option)


@pytest.mark.parametrize("parents", [DAG, "grid", "none"], ids=str)
def test_every_law_holds(parents):
    checked = check_model(BayesianNetwork(Event((1, 1, 5), 3), parents=parents))
    assert "no site sees itself or a later one" in checked


class TestGraphs:
    def test_grid_and_chain_of_colours(self):
        assert named_parents(Event((2, 1, 2), 2), "grid") == [[], [0], [0], [2, 1]]
        assert named_parents(Event((2, 1, 2), 2), "chain") == [[], [2], [0], [1]]

    def test_parents_come_first(self):
        graph = Graph(Event((1, 1, 5), 2), DAG)
        assert all(parent < site for site, of in enumerate(graph.parents) for parent in of)
        assert graph.ordering == [3, 0, 2, 1, 4]

    def test_groups_are_independent_given_what_is_known(self):
        diamond = Graph(Event((1, 1, 6), 2), [[], [], [0, 1], [2], [2], []])
        assert [group.sites for group in diamond.groups([False, False, True, False, False, False])] == [[0, 1]]
        assert [group.sites for group in diamond.groups([True, False, True, False, True, True])] == [[1]]
        assert diamond.groups([True, False, False, False, False, False]) == []

    @pytest.mark.parametrize(
        ("parents", "says"),
        [
            ([[2], [0], [1]], "circle, 0 ← 2 ← 1 ← 0"),
            ([[0], [], []], "its own parent"),
            ([[], [3], []], "from 0 to 2"),
            ([[], [0, 0], []], "each once"),
            ([[], []], "parents of 2 variables"),
            ("grd", "did you mean grid"),
        ],
    )
    def test_a_graph_that_is_none(self, parents, says):
        with pytest.raises(ConfigurationError, match=says) as refusal:
            BayesianNetwork(Event((1, 1, 3), 2), parents=parents)
        assert "\n" not in str(refusal.value)

    def test_colours_are_drawn_first_to_last(self):
        with pytest.raises(ConfigurationError, match="later colour"):
            BayesianNetwork(Event((2, 1, 1), 2), parents=[[1], []])


class TestRefusals:
    def test_tables_that_are_too_large(self):
        with pytest.raises(ConfigurationError, match="entries"):
            BayesianNetwork(Event((1, 8, 8), 256), parents="grid")
        assert BayesianNetwork(Event((1, 8, 8), 256)).graph.parents[9] == [8], "a chain fits where a grid does not"
        assert not any(BayesianNetwork(Event((3, 32, 32), 256)).graph.parents), "and where it does not, nothing does"
        assert BayesianNetwork(Event((1, 8, 8), 17)).tables.counts.numel() == 17 * (1 + 14 * 17 + 49 * 17**2)

    def test_a_vector_a_prior_and_a_sum_that_is_too_long(self):
        with pytest.raises(ConfigurationError, match="images of one row"):
            BayesianNetwork(Event((3,)))
        with pytest.raises(ConfigurationError, match="prior=-1"):
            BayesianNetwork(Event((1, 1, 3), 2), prior=-1)
        with pytest.raises(ConfigurationError, match=r"2\^24 joint states"):
            BayesianNetwork(Event((1, 5, 5), 2)).query({24: 1})
        with pytest.raises(ConfigurationError, match="infinite loss"):
            examples = Examples(torch.zeros(4, 1, 1, 3, dtype=torch.uint8), Event((1, 1, 3), 2))
            tp.fit(BayesianNetwork(examples.event, prior=0), examples, steps=1, batch_size=4, progress=False)

    def test_tables_that_are_none(self):
        for tables, says in (
            ([[0.5, 0.6]], "no distribution"),
            ([[float("nan"), 0.5]], "no distribution"),
            ([[[0.5, 0.5], [1.0]]], "no array of numbers"),
            ([[[0.5, 0.5]]], "has shape"),
            ([[0.5, 0.5], [0.5, 0.5]], "2 tables"),
        ):
            with pytest.raises(DataError, match=says):
                BayesianNetwork.of_tables([[]], tables)

    def test_a_variable_or_level_that_is_not_there(self, lawn):
        for target in ({3: 0}, {0: 2}, {-1: 0}, {0: 0.5}):
            with pytest.raises(DataError, match="variables 0 to 2, of levels 0 to 1"):
                lawn.query(target)

    def test_completing_what_cannot_happen(self):
        certain = BayesianNetwork.of_tables([[], [0], [1]], [[1.0, 0.0], [[1, 0], [0.5, 0.5]], [[1, 0], [0, 1]]])
        with pytest.raises(DataError, match="probability 0"):
            certain.complete(torch.ones(1, 1, 1, 3, dtype=torch.uint8), torch.tensor([False, True, False]))
