"""Published results, and `triptych train --recipe`."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

import triptych.recipes
from tests.program import refused, well
from triptych.catalogue import CATALOGUE
from triptych.config import settings_of
from triptych.data import load
from triptych.evaluation.studies.registry import find_study
from triptych.models.questions import Density, ImportanceWeighted, Sampler
from triptych.recipes import DATA, KINDS, RECIPES
from triptych.training import fit
from triptych.training.rundir import read_config

SMALL = {"channels": 6, "hidden": 12, "layers": 2, "kernel_size": 3, "blocks": 1, "scales": 1, "masks": 2}
SMALL |= {"generator": "mlp:hidden=12", "critic": "mlp:hidden=12"}
"""In place of the published sizes."""


@pytest.fixture
def colours(tmp_path):
    """Pictures of 8×8 in colours and 256 levels, in the place of CIFAR-10."""
    generator = np.random.default_rng(0)
    low = generator.integers(0, 200, (80, 3, 1, 1))
    images = (low + generator.integers(0, 56, (80, 3, 8, 8))).astype(np.uint8)
    np.savez(tmp_path / "colours.npz", x=images)
    return tmp_path / "colours.npz"


@pytest.fixture(autouse=True)
def small_data(monkeypatch):
    """Take pictures of 8×8 for the published data."""
    monkeypatch.setitem(KINDS, "mnist", ((1, 8, 8), 17))
    monkeypatch.setitem(KINDS, "cifar10", ((3, 8, 8), 256))


def test_a_recipe_is_of_its_own_data_alone(tmp_path, monkeypatch):
    monkeypatch.setitem(KINDS, "mnist", ((1, 28, 28), 256))
    line = refused("train", "--recipe", "pixelcnn-mnist", "--data", "digits", "--quiet", "--out", tmp_path / "run")
    assert "1×28×28 images of 2 levels" in line and "1×8×8 image" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_gives_options_that_there_are(name):
    recipe = RECIPES[name]
    accepted = settings_of(CATALOGUE[recipe.model].model)
    assert set(recipe.arguments) <= set(accepted)
    assert set(recipe.training) <= set(settings_of(fit))
    assert set(recipe.data_options) <= set(inspect.signature(load).parameters)
    assert len({"steps", "epochs", "minutes"} & set(recipe.training)) == 1
    assert recipe.data in DATA and recipe.unit in ("nats", "bits/dim", "%") and 0 <= recipe.validate < 1
    assert (recipe.validate > 0) == (recipe.better < 0), "adversarial models have nothing to choose the best weights by"
    assert name == f"{name.removesuffix('-' + recipe.data)}-{recipe.data}"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_in_small(tmp_path, monkeypatch, colours, name):
    recipe = RECIPES[name]
    arguments = {key: SMALL.get(key, value) for key, value in recipe.arguments.items()}
    if recipe.better > 0:
        arguments |= {"generator": SMALL["generator"], "critic": SMALL["critic"], "critic_norm": "none"}
    training = {**recipe.training, "batch_size": 8}
    share = 0.2 if recipe.validate else 0.0
    small = dataclasses.replace(recipe, arguments=arguments, training=training, validate=share)
    monkeypatch.setitem(triptych.recipes.RECIPES, name, small)
    data = "digits" if recipe.data == "mnist" else colours
    out = well("train", "--recipe", name, "--data", data, "--steps", 2, "--out", tmp_path / "run")
    assert f"published {recipe.result} ({recipe.reference})" in out and recipe.note in out
    assert "budget: 2 steps, in place of the recipe's" in out and "reached:   see triptych evaluate" in out
    assert out.strip().endswith(recipe.measured)
    if "10,000 test images" in recipe.protocol and recipe.unit != "%":
        assert "--test-count 10000" in recipe.measured  # `evaluate` scores fewer unless it is told
    assert ("--importance 5000" in recipe.measured) == ("5,000 codes" in recipe.protocol)
    config = read_config(tmp_path / "run" / "config.yaml")
    assert config["model"] == recipe.model and config["data"].get("validate", 0.0) == share
    assert config["training"]["lr"] == recipe.training["lr"] and config["training"]["epochs"] is None
    assert config["data"].get("binarize") == recipe.data_options.get("binarize")
    assert all(config["arguments"][key] == value for key, value in arguments.items())


def test_the_recipes_are_those_of_the_papers():
    """The figures as the papers print them, written down a second time."""
    published = {
        "fvsbn-mnist": 97.45, "nade-mnist": 88.33, "made-mnist": 86.64, "pixelcnn-mnist": 81.30,
        "row-lstm-mnist": 80.54, "diagonal-bilstm-mnist": 79.20, "pixelcnn-cifar10": 3.14, "row-lstm-cifar10": 3.07,
        "diagonal-bilstm-cifar10": 3.00, "gated-pixelcnn-cifar10": 3.03, "pixelcnn++-cifar10": 2.92,
        "vae-8-mnist": 90.9, "vae-32-mnist": 81.9, "planar-vae-mnist": 85.1, "iaf-vae-mnist": 80.8,
        "hamiltonian-vae-mnist": 88.3, "auxiliary-vae-mnist": 83.0, "fgan-kl-mnist": 416, "fgan-reverse-kl-mnist": 319,
        "fgan-pearson-mnist": 429, "fgan-neyman-mnist": 300, "fgan-hellinger-mnist": -708, "fgan-jeffreys-mnist": -2101,
        "fgan-jensen-shannon-mnist": 367, "fgan-gan-mnist": 305, "gan-mnist": 225, "conditional-gan-mnist": 132,
        "infogan-mnist": 95, "dcgan-mnist": None, "wgan-gp-mnist": None, "acgan-mnist": None,
    }  # fmt: skip
    assert {name: recipe.figure for name, recipe in RECIPES.items()} == published


def test_recipes_are_listed_with_what_was_published():
    out = well("recipes")
    assert "pixelcnn-mnist" in out and "81.30 nats" in out and "Salimans" in out
    listed = json.loads(well("recipes", "--json"))
    assert listed["diagonal-bilstm-mnist"]["arguments"] == {"channels": 16, "layers": 7}


def test_the_recipes_own_budget_is_kept_if_no_other_is_given(tmp_path, monkeypatch):
    tiny = dataclasses.replace(
        RECIPES["pixelcnn-mnist"],
        arguments={"channels": 4, "layers": 1},
        training={"epochs": 1, "batch_size": 500, "lr": 1e-3},
    )
    monkeypatch.setitem(triptych.recipes.RECIPES, "pixelcnn-mnist", tiny)
    out = well("train", "--recipe", "pixelcnn-mnist", "--data", "digits", "--out", tmp_path / "run")
    assert "budget:" not in out
    train = ["train", "--recipe", "pixelcnn-mnist", "--data", "digits", "--out", tmp_path / "run"]
    assert "already holds this run" in refused(*train, "--quiet")
    assert well(*train, "--overwrite", "--quiet", "--seed", 2) == ""
    assert read_config(tmp_path / "run" / "config.yaml")["training"]["seed"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--recipe", "pixelcn-mnist"], "no recipe 'pixelcn-mnist'; did you mean pixelcnn-mnist"),
        (["--recipe", "pixelcnn-mnist", "--config", "x.yaml"], "--config says what to train, and so does --recipe"),
        (["--recipe", "pixelcnn-mnist", "vae", "--data", "digits"], "--recipe trains a whole run"),
        (["--data", "digits"], "--data was given without a model or a --recipe"),
        (["--steps", 3, "vae", "--data", "digits"], "--steps belongs to the model"),
        (["--recipe", "pixelcnn-mnist", "--data", "digitz", "--quiet"], "did you mean digits?"),
        (
            ["--recipe", "pixelcnn-mnist", "--data", "digits", "--steps", 1, "--minutes", 1, "--quiet"],
            "a budget is one of steps, epochs, minutes",
        ),
    ],
)
def test_a_users_error_is_one_line(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("train", *arguments)
    assert not list(tmp_path.iterdir())


def test_what_a_recipe_publishes_is_what_its_model_can_be_asked():
    for name, recipe in RECIPES.items():
        entry = CATALOGUE[recipe.model]
        if recipe.better > 0:
            family, answers = "adversarial", Sampler
        else:
            family, answers = ("variational", ImportanceWeighted) if "vae" in name else ("autoregressive", Density)
        assert entry.family == family and issubclass(entry.model, answers)
        asked = recipe.measured.partition("--metrics ")[2].partition(" ")[0]
        assert all(find_study(study) for study in asked.split(",") if study)


def test_a_figure_says_its_unit_and_which_way_is_better():
    assert RECIPES["pixelcnn-mnist"].result == "81.30 nats" and RECIPES["fgan-kl-mnist"].result == "416 nats ↑"
    assert RECIPES["fgan-hellinger-mnist"].result == "-708 nats ↑"
    assert RECIPES["dcgan-mnist"].result == "none"
