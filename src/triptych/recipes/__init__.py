"""Published results, and how to train towards them: a recipe a figure."""

from __future__ import annotations

from triptych.errors import check_known
from triptych.recipes.adversarial import ADVERSARIAL
from triptych.recipes.autoregressive import AUTOREGRESSIVE
from triptych.recipes.recipe import DATA, KINDS, Recipe
from triptych.recipes.variational import VARIATIONAL

__all__ = ["DATA", "KINDS", "RECIPES", "Recipe", "find_recipe"]

RECIPES: dict[str, Recipe] = {**AUTOREGRESSIVE, **VARIATIONAL, **ADVERSARIAL}
"""Every recipe by the name that a user can type."""


def find_recipe(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises:
        ConfigurationError: for a name that is not there, with the nearest ones.

    Example:
        >>> find_recipe("pixelcnn-mnist").published
        '81.30 nats (van den Oord et al. 2016, Pixel Recurrent Neural Networks, table 4)'
    """
    check_known("recipe", name, RECIPES)
    return RECIPES[name]
