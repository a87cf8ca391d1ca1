"""Settings: nested where they belong, flat where people type."""

import inspect
from dataclasses import is_dataclass

import pytest

import triptych as tp
from triptych.catalogue import CATALOGUE
from triptych.config import REQUIRED, flattened, nested, settings_of
from triptych.errors import ConfigurationError

TAKERS = [*dict.fromkeys(entry.model for entry in CATALOGUE.values()), tp.TrainingConfig, tp.fit]


def levels_of(function):
    """Return a function, and the dataclasses that nest in its arguments."""
    defaults = [p.default for p in inspect.signature(function).parameters.values()]
    configs = [type(d) for d in defaults if is_dataclass(d) and not isinstance(d, type)]
    return [function, *(level for config in configs for level in levels_of(config))]


@pytest.mark.parametrize("taker", TAKERS, ids=lambda taker: taker.__name__)
def test_nothing_takes_more_than_twelve_arguments(taker):
    for level in levels_of(taker):
        assert len(inspect.signature(level).parameters) <= 12, level.__name__


@pytest.mark.parametrize("taker", TAKERS, ids=lambda taker: taker.__name__)
def test_settings_go_there_and_back_and_each_is_explained(taker):
    found = settings_of(taker)
    flat = {name: setting.default for name, setting in found.items() if setting.default is not REQUIRED}
    assert flattened(taker, nested(taker, flat)) == flat
    assert all(setting.text for setting in found.values())


def test_two_settings_of_one_flat_name_are_a_defect():
    config = tp.AdversaryConfig()

    def game(critic: tp.AdversaryConfig = config, critic_steps: int = 2): ...

    with pytest.raises(TypeError, match="two settings called critic_steps"):
        settings_of(game)


def test_settings_given_as_a_whole_win_over_what_a_name_stands_for():
    event = tp.Event((2,))
    own = tp.build("wgan", event, adversary=tp.AdversaryConfig(loss="hinge", steps=2))
    assert (own.arguments["loss"], own.arguments["critic_steps"]) == ("hinge", 2)
    assert not own.arguments["weight_clip"]
    assert own.arguments["rate"] == pytest.approx(5e-5), "of settings that were not given the name's stay"
    with pytest.raises(ConfigurationError, match="expected settings, such as AdversaryConfig"):
        tp.GAN(event, adversary="hinge")
