"""Path-length regularisation: equal steps of the code move what is made by equal lengths."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from triptych.adversary.tricks.base import TRICKS, Setting, StepContext, Trick
from triptych.errors import ConfigurationError
from triptych.objectives.player import Terms
from triptych.processes import sharing, summed

DECAY = 0.99
"""Of the running mean of lengths, as in the published code."""


@TRICKS.register("path-length")
class PathLength(Trick):
    """The generator pays `λ (‖Jᵀ y‖ - a)²`: J = ∂G/∂z, y a random direction of examples, a the mean length so far.

    `y ~ N(0, I / s)`, s the pixels (or coordinates) of an example, as in the published code, so that λ need not
    depend on the resolution. Codes of a GAN here are z itself, not a mapped w. Reference: Karras et al. 2020,
    *Analyzing and Improving the Image Quality of StyleGAN*, §3.2, eq. 4.

    Args:
        weight: λ.

    Raises:
        ConfigurationError: for a weight that is not above 0.
    """

    sees_codes = True
    mean: Tensor

    def __init__(self, *, weight: float = 2.0) -> None:
        super().__init__()
        if not 0 < weight < float("inf"):
            raise ConfigurationError(f"path-length:weight={weight:g}: expected a number above 0")
        self.weight = weight

    def begin(self, setting: Setting) -> None:
        """Start the mean at 0."""
        shape = setting.event.shape
        self.pixels = math.prod(shape[1:]) if setting.event.is_image else shape[0]
        self.register_buffer("mean", torch.zeros(()))

    def generator_terms(self, terms: Terms, step: StepContext) -> Terms:
        """Return the terms and what unequal lengths cost."""
        if step.codes is None:
            raise ConfigurationError(f"{self.called} needs the codes of the generator's examples")
        direction = step.noise.normal(step.made.shape) / self.pixels**0.5
        (steepest,) = torch.autograd.grad((step.made * direction).sum(), step.codes, create_graph=True)
        length = (steepest.float().flatten(1).square().sum(1) + 1e-12).sqrt()
        with torch.no_grad():
            self.mean.lerp_(summed(length.detach().mean()) / sharing(), 1 - DECAY)
        return {**terms, "path_length": self.weight * (length - self.mean.clone()) ** 2}
