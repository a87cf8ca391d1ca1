"""The laws, over every part that a game can be put together from, singly and in some random combinations."""

import random

import pytest
import torch

import triptych as tp
from triptych.adversary.tricks import TRICKS, Trick
from triptych.errors import ConfigurationError
from triptych.event import Event
from triptych.networks.norms import CRITIC_NORMS, GENERATOR_NORMS
from triptych.objectives.adversarial import LOSSES
from triptych.objectives.penalties import PENALTIES
from triptych.testing import check_model

EVENTS = {
    "digits": (Event((1, 8, 8), 17), {"channels": 8}),
    "colour": (Event((3, 9, 8), 256), {"channels": 8}),
    "vector": (Event((3,), centre=(1.0, 0.0, -5.0), spread=(2.0, 1.0, 10.0)), {}),
}
SINGLY = [
    *({"loss": loss, "penalty": "gradient" if loss == "wasserstein" else "none"} for loss in LOSSES),
    *({"penalty": penalty} for penalty in PENALTIES),
    *({"tricks": trick} for trick in TRICKS),
    *({"generator_norm": norm} for norm in GENERATOR_NORMS),
    *({"critic_norm": norm} for norm in CRITIC_NORMS),
    {"prior": "uniform", "shared_fakes": True},
    {"loss": "wasserstein", "weight_clip": 0.1, "critic_norm": "none"},
    {"generator_labels": "batch-norm", "critic_labels": "projection"},
]


def game(kind, classes, arguments):
    event, sizes = EVENTS[kind]
    return tp.build("gan", event, latent=3, hidden=16, classes=classes, **sizes, **arguments)


def trained(model):
    """Train for a few rounds; return samples."""
    tp.fit(model, tp.testing.examples_of(model.event, 64, model.classes), steps=2, batch_size=16, progress=False)
    drawn = model.sample(4, seed=0).data
    model.event.check(drawn)
    return drawn


@pytest.mark.parametrize("arguments", SINGLY, ids=str)
def test_every_part_obeys_the_laws_and_trains(arguments):
    """Each on a kind of event in turn, with labels and without: combinations of parts and kinds are drawn below."""
    turn = SINGLY.index(arguments)
    kind = list(EVENTS)[turn % len(EVENTS)]
    if "instance" in arguments.values() and kind == "vector":
        kind = "digits"
    model = game(kind, 3 * (turn % 2), arguments)
    check_model(model)
    trained(model)


@pytest.mark.parametrize("seed", range(12))
def test_combinations_of_parts_are_refused_in_a_line_or_train_the_same_each_time(seed):
    draw = random.Random(seed)
    arguments = {
        "loss": draw.choice(list(LOSSES)),
        "penalty": "+".join(draw.sample(list(PENALTIES), draw.randint(0, 2))) or "none",
        "tricks": "+".join(draw.sample(list(TRICKS), draw.randint(0, 4))) or "none",
        "generator_norm": draw.choice([*GENERATOR_NORMS]),
        "critic_norm": draw.choice([*CRITIC_NORMS]),
        "generator_labels": draw.choice(["concatenation", "batch-norm"]),
        "critic_labels": draw.choice(["concatenation", "projection"]),
        "critic_steps": draw.randint(1, 2),
        "shared_fakes": draw.random() < 0.5,
    }
    kind, classes = draw.choice(list(EVENTS)), draw.choice([0, 3])
    try:
        models = [built(kind, classes, arguments) for _ in range(2)]
    except ConfigurationError as refusal:
        assert "\n" not in str(refusal)
        return
    assert trained(models[0]).equal(trained(models[1]))


def built(kind, classes, arguments):
    event, sizes = EVENTS[kind]
    return tp.build("gan", event, latent=3, hidden=16, classes=classes, **sizes, **arguments)


@pytest.mark.parametrize("name", ["auxiliary-classifier-gan", "coupled-gan", "infogan", "sd-gan"])
def test_variants_take_every_trick(name):
    """InfoGAN alone has no use for examples whose codes are forgotten, and says so."""
    event = Event((1, 8, 8), 17)
    tricks = [trick for trick in TRICKS if (name, trick) != ("infogan", "replay")]
    sizes = {"hidden": 16, "generator": "mlp", "critic": "mlp", "shared_fakes": True}
    model = tp.build(name, event, tricks="+".join(tricks), **sizes)
    examples = tp.testing.examples_of(event, 64, model.classes or 3)
    tp.fit(model, examples, steps=3, batch_size=16, progress=False)
    model.event.check(model.sample(4, seed=0).data)
    if name == "infogan":
        with pytest.raises(ConfigurationError, match="infogan must know the codes"):
            tp.fit(tp.build(name, event, tricks="replay", **sizes), examples, steps=1, batch_size=16, progress=False)


def test_a_turn_that_moves_the_other_player_breaks_a_law():
    class Careless(Trick):
        def begin(self, setting):
            self.players = setting.players

        @torch.no_grad()
        def after(self, player):
            next(self.players["generator"].parameters()).add_(float(player == "critic"))

    model = tp.build("gan", EVENTS["vector"][0], hidden=8, tricks=[Careless()])
    with pytest.raises(AssertionError, match="critic's turn moves generator"):
        check_model(model)
