"""The laws, over every model of the catalogue and every kind of event."""

import itertools

import pytest

from triptych.catalogue import CATALOGUE, build, name_of
from triptych.config import settings_of
from triptych.errors import ConfigurationError, DataError
from triptych.event import Event
from triptych.testing import LAWS, LAWS_OF_SIBLINGS, check_model, examples_of

EVENTS = {
    "digits": Event((1, 8, 8), 17),
    "binary": Event((1, 8, 8), 2),
    "colour": Event((3, 9, 8), 256),
    "vector": Event((3,), centre=(1.0, 0.0, -5.0), spread=(2.0, 1.0, 10.0)),
}
SMALLER = {"digits": Event((1, 6, 6), 17), "binary": Event((1, 4, 6), 2), "colour": Event((3, 5, 4), 256)}
"""Images for autoregressive models, which take their time site by site; networks of others take sides from 8 on."""
REFUSED = {
    ("bayesian-network", "vector"),
    ("context-autoencoder", "vector"),
    ("convolutional-autoencoder", "vector"),
    ("pixelcnn++", "vector"),
    ("multiscale-pixelcnn", "vector"),
    *((name, "vector") for name in ("dcgan", "sngan", "sagan")),
    *(("sagan", kind) for kind in ("digits", "binary", "colour")),
}
"""Tables over 256 levels are too large, and there are none over real numbers; the others are models of images.

Attention at 8×8 takes larger ones.
"""
UNLABELLED = {"vamp-vae", "sd-gan"}
"""A mixture of the posteriors of examples without labels; a model that learns from labels and takes none."""
LABELLED = {"auxiliary-classifier-gan", "coupled-gan"}
"""Models that are nothing without labels."""
SMALL = {"channels": 12, "layers": 2, "hidden": 32, "latent": 3, "transforms": 2, "identity": 1}


def event_of(name: str, kind: str) -> Event:
    return (EVENTS | SMALLER if CATALOGUE[name].family == "autoregressive" else EVENTS)[kind]


def small(name: str, event: Event, **arguments):
    accepted = settings_of(CATALOGUE[name].model)
    sizes = {key: value for key, value in SMALL.items() if key in accepted}
    sizes |= {"layers": 0} if name == "linear-autoencoder" else {}
    sizes |= {"channels": 4} if CATALOGUE[name].family == "adversarial" and "channels" in accepted else {}
    few = {"importance": 2} if name == "iwae" else {}
    few |= {"prior": "mixture", "latent": 2} if name == "aae" and arguments.get("classes") else {}
    return build(name, event, **{**sizes, **few, **arguments})


def is_refused(name, kind, classes):
    return (name, kind) in REFUSED or name in (UNLABELLED if classes else LABELLED)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_model_obeys_the_laws(name, kind, classes):
    if is_refused(name, kind, classes):
        with pytest.raises(ConfigurationError):
            small(name, event_of(name, kind), classes=classes)
        return
    model = small(name, event_of(name, kind), classes=classes)
    checked = check_model(model, siblings=False)
    unanswered = set() if "sample" in model.answers else {"a seed gives its samples"}
    assert set(list(LAWS)[:7]) - unanswered <= set(checked)


@pytest.mark.parametrize("law", LAWS_OF_SIBLINGS)
@pytest.mark.parametrize("name", CATALOGUE)
def test_small_siblings_of_every_model_obey_the_laws(name, law):
    """Once for each set of arguments: models that differ in their event or classes alone have the same siblings."""
    kinds = [each for each in itertools.product(EVENTS, (0, 3)) if not is_refused(name, *each)]
    models = [small(name, event_of(name, kind), classes=classes) for kind, classes in kinds]
    for model in {repr({**model.arguments, "classes": 0}): model for model in models}.values():
        LAWS_OF_SIBLINGS[law](model)


@pytest.mark.parametrize(("name", "network"), [("vae", "conv"), ("gan", "dcgan"), ("gan", "resnet")])
def test_convolutional_networks_obey_the_laws(name, network):
    parts = {"vae": ("encoder", "decoder"), "gan": ("critic", "generator")}[name]
    check_model(small(name, Event((3, 17, 22), 256), **{part: network for part in parts}))


def test_attention_obeys_the_laws_where_there_is_a_map_for_it():
    model = small("sagan", Event((1, 9, 9), 17), classes=3, channels=3)
    for law in ("players share out the parameters", "each turn moves its own player", "a seed gives its samples"):
        assert LAWS[law](model)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("autoencoder", {"loss": "likelihood"}),
        ("convolutional-autoencoder", {"upsampling": "resize"}),
        ("stacked-autoencoder", {"corruption": "gaussian", "loss": "likelihood"}),
        ("stacked-autoencoder", {"pretraining": 0}),
        ("context-autoencoder", {"adversarial": 0.1, "removed": "random"}),
    ],
)
def test_options_of_autoencoders_obey_the_laws(name, arguments):
    check_model(small(name, Event((3, 9, 8), 4), classes=3, **arguments))


@pytest.mark.parametrize("name", [name for name in CATALOGUE if name not in UNLABELLED | LABELLED | {"sagan"}])
def test_a_label_is_refused_where_there_is_none_and_out_of_range(name):
    def ask(classes, label):
        model = small(name, EVENTS["binary"], classes=classes)
        if "sample" in model.answers:
            return model.sample(2, label=label)
        return model.encode(examples_of(model.event, 2), label=label)

    with pytest.raises(ConfigurationError, match="without labels"):
        ask(0, 1)
    with pytest.raises(ConfigurationError, match="out of range"):
        ask(3, 3)
    with pytest.raises(DataError, match="this model's are whole"):
        ask(3, [0.5, 1.5])


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_model_goes_by_the_name_that_it_was_built_by(name):
    """A class may have several: its arguments tell which."""
    assert name_of(build(name, Event((1, 16, 16), 2))) == name


def test_examples_are_of_the_event():
    for event in EVENTS.values():
        event.check(examples_of(event).data)
