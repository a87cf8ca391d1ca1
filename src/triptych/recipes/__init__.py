"""Published results, and how to train towards them: a recipe a figure."""

from __future__ import annotations

from triptych.recipes.adversarial import ADVERSARIAL
from triptych.recipes.autoregressive import AUTOREGRESSIVE
from triptych.recipes.recipe import DATA, KINDS, Recipe
from triptych.recipes.variational import VARIATIONAL
from triptych.specs import Registry

__all__ = ["DATA", "KINDS", "RECIPES", "Recipe"]

RECIPES: Registry[Recipe] = Registry("recipe", **AUTOREGRESSIVE, **VARIATIONAL, **ADVERSARIAL)
"""Every recipe by the name that a user can type."""
